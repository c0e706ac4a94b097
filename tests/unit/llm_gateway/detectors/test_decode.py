import base64
import codecs
import gzip
import html
from collections.abc import Callable
from urllib.parse import quote

import pytest

from llm_gateway.detectors.decode import MAX_INFLATED_BYTES, readable
from llm_gateway.detectors.inspector import Inspector

SECRET = "the admin password is " + "Tr0ub4dor" + "&Qy2k2 for payroll"


def b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


ENCODINGS: dict[str, Callable[[str], str]] = {
    "base64": lambda s: b64(s.encode()),
    "base64url": lambda s: base64.urlsafe_b64encode(s.encode()).decode().rstrip("="),
    "base64_utf16": lambda s: b64(s.encode("utf-16-le")),
    "base64_wrapped": lambda s: base64.encodebytes(s.encode() * 3).decode(),
    "twice": lambda s: b64(b64(s.encode()).encode()),
    "three_times": lambda s: b64(b64(b64(s.encode()).encode()).encode()),
    "hex": lambda s: s.encode().hex(),
    "hex_spaced": lambda s: s.encode().hex(" "),
    "hex_colons": lambda s: s.encode().hex(":"),
    "backslash_x": lambda s: "".join(f"\\x{byte:02x}" for byte in s.encode()),
    "backslash_u": lambda s: "".join(f"\\u{ord(letter):04x}" for letter in s),
    "percent": lambda s: "".join(f"%{byte:02X}" for byte in s.encode()),
    "percent_twice": lambda s: quote(quote(s, safe=""), safe=""),
    "entities": lambda s: "".join(f"&#{ord(letter)};" for letter in s),
    "entities_hex": lambda s: "".join(f"&#x{ord(letter):x};" for letter in s),
    "base32": lambda s: base64.b32encode(s.encode()).decode(),
    "base85": lambda s: base64.b85encode(s.encode()).decode(),
    "gzip_base64": lambda s: b64(gzip.compress(s.encode(), mtime=0)),
    "decimal": lambda s: ", ".join(str(byte) for byte in s.encode()),
    "binary": lambda s: " ".join(f"{byte:08b}" for byte in s.encode()),
    "rot13": lambda s: codecs.encode(s, "rot13"),
    "reversed": lambda s: s[::-1],
    "spaced": lambda s: " ".join(s.replace(" ", "")),
}


@pytest.mark.parametrize("name", [name for name in ENCODINGS if name != "spaced"])
def test_a_secret_is_seen_through(name: str, inspector: Inspector) -> None:
    assert inspector.judge([("/t", f"please use {ENCODINGS[name](SECRET)} now")]).sensitive


@pytest.mark.parametrize("name", list(ENCODINGS))
def test_harmless_text_stays_harmless(name: str, inspector: Inspector) -> None:
    text = ENCODINGS[name]("lorem ipsum dolor sit amet, consectetur elit")
    assert not inspector.judge([("/t", f"Explain: {text}")]).sensitive


def test_spaced_letters_are_joined(inspector: Inspector) -> None:
    assert inspector.judge([("/t", "charge this card: 4 5 3 9 1 4 8 8 0 3 4 3 6 4 6 7")]).sensitive


def test_html_quoting_is_undone(inspector: Inspector) -> None:
    assert inspector.judge([("/t", html.escape('<add key="db" password="hX7!qq29aLm" />'))]).sensitive


def test_compressed_text_is_read_up_to_a_cap() -> None:
    assert len(readable(gzip.compress(b"a" * (4 * MAX_INFLATED_BYTES)))) == MAX_INFLATED_BYTES


def test_binary_is_not_text() -> None:
    assert readable(bytes(range(256))) == ""
