"""Labelled rows in text files beside this module, and how their drawn parts are filled.

A line is `label|kind|text`: `S` sensitive, `B` harmless. `\\n` is a line break, `\\\\` one backslash. Drawn parts, the same on every run:
`{x32}` 32 characters of an alphabet (see ALPHABETS), `{P}` a password, `{u}` a UUID, `{jwt}`, `{basic}`, `{pem:LABEL}`,
`{card:PREFIX:LENGTH}` and `{cards:...}` in groups of four, `{iban:DE}` and `{ibans:DE}`, `{id:MODULE:FORM}` a number that
python-stdnum's MODULE accepts, of a FORM with `#` for digits and `A` for letters. `[[b64:text]]` is the text encoded (ENCODERS),
also one in the other; `\\m` ends a message and begins the next.
"""

import base64
import codecs
import gzip
import importlib
import json
import quopri
import random
import re
import string
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote

HERE = Path(__file__).parent / "rows"
ALPHABETS = {
    "n": string.ascii_letters + string.digits,
    "x": "0123456789abcdef",
    "X": "0123456789ABCDEF",
    "w": string.ascii_letters + string.digits + "_-",
    "b": string.ascii_letters + string.digits + "+/",
    "d": string.digits,
    "N": string.ascii_uppercase + "234567",
    "U": string.ascii_uppercase + string.digits,
    "l": string.ascii_lowercase + string.digits,
    "c": string.ascii_letters + string.digits + "./",
    "q": string.ascii_letters,
    "a": string.ascii_lowercase,
}
WORDS = ("Harbor", "cactus", "Violet", "meteor", "Zebra", "lantern", "Copper", "willow")
IBAN_LENGTHS = {"DE": 22, "FR": 27, "NL": 18, "IT": 27, "PL": 28, "CH": 21, "ES": 24, "GB": 22, "AT": 20, "BE": 16, "SE": 24, "TR": 26}
IBAN_LENGTHS |= {"AE": 23, "SA": 24, "NO": 15, "CZ": 24, "IE": 22, "FI": 18, "DK": 18, "RO": 24, "GR": 27, "UA": 29, "HU": 28, "PT": 25}
IBAN_BANK_LETTERS = {"NL": 4, "GB": 4, "IE": 4, "RO": 4, "IT": 1}
_PART = re.compile(
    r"\{(?:(?P<drawn>[nxXwbdNUlcqa])(?P<count>\d+)|(?P<word>P|u|jwt|basic)|pem:(?P<pem>[A-Z ]+)"
    r"|(?P<card>cards?):(?P<prefix>\d+):(?P<length>\d+)"
    r"|(?P<iban>ibans?):(?P<country>[A-Z]{2})|id:(?P<module>[a-z_.]+):(?P<form>[#A-Z0-9 .\-/]+))\}"
)


_ENCODED = re.compile(r"\[\[([a-z0-9]+):((?:(?!\[\[|\]\]).)*)\]\]", re.DOTALL)
ENCODERS: dict[str, Callable[[str], str]] = {
    "b64": lambda text: base64.b64encode(text.encode()).decode(),
    "b64u": lambda text: base64.urlsafe_b64encode(text.encode()).decode().rstrip("="),
    "b32": lambda text: base64.b32encode(text.encode()).decode(),
    "hex": lambda text: text.encode().hex(),
    "gz": lambda text: base64.b64encode(gzip.compress(text.encode(), mtime=0)).decode(),
    "url": lambda text: quote(text, safe=""),
    "html": lambda text: "".join(f"&#{ord(character)};" for character in text),
    "u": lambda text: "".join(f"\\u{ord(character):04x}" for character in text),
    "json": json.dumps,
    "qp": lambda text: quopri.encodestring(text.encode()).decode(),
    "rev": lambda text: text[::-1],
    "rot13": lambda text: codecs.encode(text, "rot13"),
}
MESSAGE_END = "\x1e"


class Row(NamedTuple):
    """One labelled text; MESSAGE_END stands between its messages."""

    sensitive: bool
    kind: str
    text: str

    @property
    def strings(self) -> list[tuple[str, str]]:
        """(place, text) of its messages."""
        return [(f"/messages/{index}/content", text) for index, text in enumerate(self.text.split(MESSAGE_END))]


def _drawn(rng: random.Random, alphabet: str, count: int) -> str:
    return "".join(rng.choices(ALPHABETS[alphabet], k=count))


def _password(rng: random.Random) -> str:
    forms: tuple[Callable[[], str], ...] = (
        lambda: rng.choice(WORDS) + str(rng.randint(10, 9999)) + rng.choice("!#$%&*"),
        lambda: "-".join(rng.choice(WORDS).lower() for _ in range(2)) + str(rng.randint(10, 99)),
        lambda: _drawn(rng, "n", 9) + rng.choice("!#$%") + "7",
    )
    return rng.choice(forms)()


def _uuid(rng: random.Random) -> str:
    digits = _drawn(rng, "x", 30)
    return f"{digits[:8]}-{digits[8:12]}-4{digits[12:15]}-a{digits[15:18]}-{digits[18:30]}"


def _base64url(text: str) -> str:
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def _word(rng: random.Random, name: str) -> str:
    if name == "P":
        return _password(rng)
    if name == "u":
        return _uuid(rng)
    if name == "basic":
        return base64.b64encode(f"svc{_drawn(rng, 'd', 2)}:{_password(rng)}".encode()).decode()
    payload = _base64url(f'{{"sub":"{_drawn(rng, "d", 9)}","iat":17{_drawn(rng, "d", 8)}}}')
    return ".".join((_base64url('{"alg":"HS256","typ":"JWT"}'), payload, _drawn(rng, "w", 43)))


def _card(rng: random.Random, prefix: str, length: int) -> str:
    body = prefix + _drawn(rng, "d", length - len(prefix) - 1)
    doubled = [int(digit) * (2 if index % 2 == 0 else 1) for index, digit in enumerate(reversed(body))]
    return body + str(-sum(value // 10 + value % 10 for value in doubled) % 10)


def _iban(rng: random.Random, country: str) -> str:
    letters = IBAN_BANK_LETTERS.get(country, 0)
    bank = _drawn(rng, "N", letters).translate(str.maketrans("234567", "ABCDEF"))
    account = bank + _drawn(rng, "d", IBAN_LENGTHS[country] - 4 - letters)
    number = int("".join(str(int(mark, 36)) for mark in account + country + "00"))
    return f"{country}{98 - number % 97:02d}{account}"


def _grouped(text: str) -> str:
    return " ".join(text[at : at + 4] for at in range(0, len(text), 4))


def _identity(rng: random.Random, module: str, form: str) -> str:
    checker: Callable[[str], bool] = importlib.import_module(f"stdnum.{module}").is_valid
    for _ in range(200_000):
        text = "".join(_drawn(rng, "d", 1) if mark == "#" else rng.choice(string.ascii_uppercase) if mark == "A" else mark for mark in form)
        if module in ("cn.ric", "kr.rrn"):
            birth = f"{rng.randint(1960, 1999)}{rng.randint(1, 12):02d}{rng.randint(1, 28):02d}"
            text = "110105" + birth + text[14:] if module == "cn.ric" else birth[2:] + "-" + rng.choice("12") + text[8:]
        if checker(text):
            return text
    raise ValueError(f"no number of the form {form} is valid for {module}")


def _fill(part: re.Match[str], rng: random.Random) -> str:
    found = part.groupdict()
    if found["drawn"]:
        return _drawn(rng, found["drawn"], int(found["count"]))
    if found["word"]:
        return _word(rng, found["word"])
    if found["pem"]:
        lines = "\n".join(_drawn(rng, "b", 64) for _ in range(6))
        return f"-----BEGIN {found['pem']}-----\n{lines}\n-----END {found['pem']}-----"
    if found["card"]:
        number = _card(rng, found["prefix"], int(found["length"]))
        return _grouped(number) if found["card"] == "cards" else number
    if found["iban"]:
        number = _iban(rng, found["country"])
        return _grouped(number) if found["iban"] == "ibans" else number
    return _identity(rng, found["module"], found["form"])


def expand(template: str, rng: random.Random) -> str:
    """The text of a template."""
    plain = template.replace("\\\\", "\0").replace("\\n", "\n").replace("\\m", MESSAGE_END).replace("\0", "\\")
    text, encoded = _PART.sub(lambda part: _fill(part, rng), plain), 1
    while encoded:
        text, encoded = _ENCODED.subn(lambda part: ENCODERS[part.group(1)](part.group(2)), text)
    return text


def names() -> list[str]:
    """The row files, in order."""
    return sorted(path.stem for path in HERE.glob("*.txt"))


def read(name: str) -> list[Row]:
    """The rows of one file."""
    found = []
    rng = random.Random(name)  # the same rows on every run
    for line in (HERE / f"{name}.txt").read_text(encoding="utf-8").splitlines():
        if line and not line.startswith("# "):
            label, kind, template = line.split("|", 2)
            found.append(Row(label == "S", kind, expand(template, rng)))
    return found
