"""Text told character by character, or in pieces that something puts together."""

import base64
import binascii
import bz2
import gzip
import io
import json
import lzma
import tarfile
from collections.abc import Callable

import pytest
from benchmarks.detector import disguised
from hypothesis import given, settings
from hypothesis import strategies as st

from llm_gateway.detectors.decode import MAX_INFLATED_BYTES, readable
from llm_gateway.detectors.inspector import Inspector
from llm_gateway.detectors.spelled import SPELLED_ANCHORS, spelled_out, spoken_digits, untagged

SECRET = "the admin password is " + "Tr0ub4dor" + "&Qy2k2 for payroll"
HARMLESS = "lorem ipsum dolor sit amet, consectetur adipiscing elit sed"
GITHUB = "ghp_" + "BolGVKxGXxs4NUQMytsPC248OIsWqHW56AYJ"


def b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def wide(text: str) -> str:
    return "".join(chr(ord(letter) + 0xFEE0) if "!" <= letter <= "~" else letter for letter in text)


def _dump(text: str) -> str:
    data = text.encode()
    return "\n".join(f"{at:08x}: {data[at : at + 16].hex(' ', 2)}  {data[at : at + 16].decode()}" for at in range(0, len(data), 16))


def _uu(text: str) -> str:
    data = text.encode()
    lines = "".join(binascii.b2a_uu(data[at : at + 45]).decode() for at in range(0, len(data), 45))
    return f"begin 644 notes.txt\n{lines}`\nend"


def _tar(text: str) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:gz") as archive:
        entry = tarfile.TarInfo("notes.txt")
        entry.size = len(text)
        archive.addfile(entry, io.BytesIO(text.encode()))
    return stream.getvalue()


SPELLINGS: dict[str, Callable[[str], str]] = {
    "python_chr": lambda s: "+".join(f"chr({ord(c)})" for c in s),
    "php_chr": lambda s: ".".join(f"chr({ord(c)})" for c in s),
    "basic_chrw": lambda s: " & ".join(f"ChrW({ord(c)})" for c in s),
    "sheet_char": lambda s: "=" + "&".join(f"CHAR({ord(c)})" for c in s),
    "code_points": lambda s: " ".join(f"U+{ord(c):04X}" for c in s),
    "quoted_twice": lambda s: "".join(f"\\\\\\\\u{ord(c):04x}" for c in s),
    "java_escapes": lambda s: "".join(f"\\uu{ord(c):04x}" for c in s),
    "shell_octal": lambda s: "".join(f"\\0{ord(c):03o}" for c in s),
    "style_sheet": lambda s: "".join(f"\\{ord(c):04x} " for c in s),
    "rich_text": lambda s: "{\\rtf1 " + "".join(f"\\'{ord(c):02x}" for c in s) + "}",
    "percent_u": lambda s: "".join(f"%u{ord(c):04x}" for c in s),
    "dump": _dump,
    "hex_dashes": lambda s: s.encode().hex("-"),
    "assembler": lambda s: " ".join(f"{ord(c):02X}h" for c in s),
    "octal_numbers": lambda s: " ".join(f"{ord(c):03o}" for c in s),
    "binary_literals": lambda s: ", ".join(f"0b{ord(c):08b}" for c in s),
    "base32_small": lambda s: base64.b32encode(s.encode()).decode().lower().rstrip("="),
    "base64_utf32": lambda s: b64(s.encode("utf-32-le")),
    "base64_bz2": lambda s: b64(bz2.compress(s.encode())),
    "base64_xz": lambda s: b64(lzma.compress(s.encode())),
    "base64_gzip_twice": lambda s: b64(gzip.compress(gzip.compress(s.encode(), mtime=0), mtime=0)),
    "base64_second_member": lambda s: b64(gzip.compress(b"a harmless beginning", mtime=0) + gzip.compress(s.encode(), mtime=0)),
    "base64_tar": lambda s: b64(_tar(s)),
    "base64_list": lambda s: json.dumps([b64(s.encode())[at : at + 22] for at in range(0, len(b64(s.encode())), 22)]),
    "utf7": lambda s: "+" + b64(s.encode("utf-16-be")).rstrip("=") + "-",
    "uuencode": _uu,
    "spans": lambda s: "".join(f"<span>{c}</span>" for c in s.replace("&", "&amp;")),
    "joined_list": lambda s: "[" + ",".join(f"'{c}'" for c in s) + "].join('')",
    "utf8_escapes": lambda s: "".join(f"\\x{byte:02x}" for byte in wide(s).encode()),
    "utf8_octal": lambda s: "".join(f"\\{byte:03o}" for byte in wide(s).encode()),
    "utf8_percent": lambda s: "".join(f"%{byte:02X}" for byte in wide(s).encode()),
    "utf8_quoted_printable": lambda s: "".join(f"={byte:02X}" for byte in wide(s).encode()),
    "rot47": lambda s: "".join(chr(33 + (ord(c) + 14) % 94) if "!" <= c <= "~" else c for c in s),
    "selectors": lambda s: "nice \U0001f600" + "".join(chr(0xE0100 + byte - 16) for byte in s.encode()),
    "colours": lambda s: "".join(f"\x1b[3{at % 8}m{c}" for at, c in enumerate(s)),
}


@pytest.mark.parametrize("name", SPELLINGS)
def test_a_secret_is_read(name: str, inspector: Inspector) -> None:
    assert inspector.judge([("/t", f"please use\n{SPELLINGS[name](SECRET)}\nnow")]).sensitive


@pytest.mark.parametrize("name", SPELLINGS)
def test_harmless_text_stays_harmless(name: str, inspector: Inspector) -> None:
    assert not inspector.judge([("/t", f"Explain:\n{SPELLINGS[name](HARMLESS)}\nplease")]).sensitive


@pytest.mark.parametrize(
    "text",
    [
        "\n".join(GITHUB),
        ",".join(GITHUB),
        "".join(f"[{letter}]" for letter in GITHUB),
        f'const token = "gh" + "{GITHUB[2:]}";',
        f"`${{'{GITHUB[:15]}'}}${{'{GITHUB[15:]}'}}`",
        f"set T={GITHUB[:6]}^{GITHUB[6:20]}^{GITHUB[20:]}",
        "Here is the token\n> " + GITHUB[:24] + "\n> " + GITHUB[24:],
        "\\_".join(("sk", "live", "7Rb2QmXk9Lw" + "Zt4VnYc6HsPd1")),
        "mysql&colon;&sol;&sol;app&colon;Vq7sLm2Rk9&commat;db&period;corp&sol;x",
        "her+credit+card+number+is+%34%35%33%39148803436467%2C+cvv",
        "social security number five-four-seven two-nine six-one-eight-three",
        "my credit card: four five three nine, one four double eight, zero three four three, six four six seven",
        "我的银行卡号是四五三九一四八八零三四三六四六七",
        "her social security number is ..... ....- --... / ..--- ----. / -.... .---- ---.. ...--",
        "her social security number is ⑸⑷⑺-⑵⑼-⑹⑴⑻⑶",
        "ㄣᄅʞ⅄b˙ɹopㄣqnoɹʇ sı pɹoʍssɐd uıɯpɐ ǝɥʇ",
        "<key>Password</key>\n  <string>hX7!qq29aLm</string>",
    ],
)
def test_pieces_are_put_together(text: str, inspector: Inspector) -> None:
    assert inspector.judge([("/t", text)]).sensitive


@pytest.mark.parametrize(
    "text",
    [
        "\x1b[32mPASS\x1b[0m tests/test_a.py\n\x1b[31mFAIL\x1b[0m tests/test_b.py - password field is required",
        "5, 0, 4, 1, 9, 2, 1, 3, 1, 4, 3, 5, 3, 6, 1, 7, 2, 8, 6, 9, 4, 0, 9, 1, 1, 2, 4, 3, 2, 7",
        "readings 51 75 120 120 121 110 80 103 105 106 118 96 57 102 32 87 102 107 77 103 97 110",
        "one, two, three, four, five, six, seven: count with me",
        "<p>The <b>password</b> field <i>is</i> <span>required</span></p>",
        "varchar(255) + char(36) || char(2)",
    ],
)
def test_what_only_looks_alike(text: str, inspector: Inspector) -> None:
    assert not inspector.judge([("/t", text)]).sensitive


def test_markup_between_letters_goes_and_a_name_meets_its_value() -> None:
    assert untagged("<p>sec<b>re</b>t <font color=red>x</font></p>") == "<p>secret x</p>"
    assert untagged("<name>user</name> <value>root</value>") == "<name>user: root</value>"


def test_digits_are_told_in_words() -> None:
    assert list(spoken_digits("call one two double three four five six seven, thanks")) == ["call 12334567, thanks"]
    assert list(spoken_digits("编号五四七二九六一八三")) == ["编号547296183"]
    assert list(spoken_digits("one two three")) == []


def test_compressed_members_share_one_cap() -> None:
    member = gzip.compress(b"a" * MAX_INFLATED_BYTES, mtime=0)
    assert len(readable(member * 3)) == MAX_INFLATED_BYTES


@pytest.mark.parametrize("text", ["x-api-key: abcdef", "BZhang said so", "x" * 40])
def test_text_that_begins_as_compressed_data_does_is_text(text: str) -> None:
    assert readable(text.encode()) == text


def test_a_wrapped_text_is_not_read_line_by_line(inspector: Inspector) -> None:
    inner = b64((HARMLESS + " do eiusmod tempor incididunt ut labore").encode())
    assert not inspector.judge([("/t", "please read: " + base64.encodebytes(inner.encode()).decode())]).sensitive


def test_damage_behind_text_does_not_hide_it() -> None:
    assert readable(gzip.compress(b"the beginning", mtime=0) + b"\x1f\x8bdamaged") == "the beginning"


@given(st.lists(st.sampled_from([*SPELLED_ANCHORS, "chr(65)", "99", "\n", " five", " 五六", "-", "é", "<", "U+110000 "]), max_size=60))
@settings(max_examples=150, deadline=None)
def test_it_never_raises(pieces: list[str]) -> None:
    text = "".join(pieces)
    for view in (*spelled_out(text), *spoken_digits(text), untagged(text)):
        assert len(view) <= len(text) + 2


UNSEEN = {"base64_spaced_groups", "dots_between_groups", "underscore_groups", "ssn_lines"}
"""Rows of the tier `should` that are not told."""


def test_disguised_requests_are_told() -> None:
    verdicts = [(row, disguised.stopped(row)) for row in disguised.read()]
    assert [row.transform for row, flagged in verdicts if row.sensitive and row.tier == "must" and not flagged] == []
    assert {row.transform for row, flagged in verdicts if row.sensitive and row.tier == "should" and not flagged} <= UNSEEN
    assert sum(flagged for row, flagged in verdicts if row.sensitive and row.tier == "stretch") >= 48
    assert {row.transform for row, flagged in verdicts if flagged and not row.sensitive} <= {"wasm_b64", "basic_auth_doc", "protobuf_b64"}
