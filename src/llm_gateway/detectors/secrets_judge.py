"""Whether what stands beside a credential word is a live value."""

import re

from llm_gateway.detectors.values import Grade, Shape, code, grade, likeness, placeholder, repetitive, shape, term_of_art

LEET = re.compile(r"[a-z][0-9][A-Za-z]{2}|[a-z]{2}[0-9][A-Z]")
CASED = re.compile(r"[A-Z]?[a-z]+|[A-Z]+")
CHANGES = re.compile(r"[A-Z]+|[a-z]+|[0-9]+")
MARKED = re.compile(r".[!#$%^&*@?+~]")
OPTION = re.compile(r"--?[A-Za-z]+(?:-[A-Za-z]+)*\Z|Convert(?:To|From)-[A-Z][A-Za-z]+\Z")
"""An option of a command line, or a command of PowerShell whose result is the value."""
_PIN = re.compile(r"[0-9]{4,12}#?\Z")
_LETTER = re.compile(r"[A-Za-z]")


def trim(value: str) -> str:
    """Without the punctuation that belongs to the sentence; nothing of a value shown cut off."""
    if value.endswith(("..", "…")):
        return ""
    while value and (value[-1] in ".,;:)]}\\|/" or value.endswith("**")):
        value = value[:-1]
    for separator in (",", ";", "&"):
        head, found, _ = value.partition(separator)
        if found and len(head) >= 4 and "=" in value[len(head) :]:
            return head
    head, found, tail = value.partition(",")
    if found and len(head) >= 5 and ":" in tail:
        return head
    head, found, tail = value.partition("/")
    if found and len(head) >= 6 and ":" in tail and "//" not in value:
        return head
    return value


def judged(value: str, *, quoted: bool, password: bool, tight: bool) -> float:
    """Confidence that a value directly assigned to a credential word is a live one."""
    if not value or len(value) < 3:
        return 0.0
    level = grade(value)
    if OPTION.match(value):
        return 0.0
    if level is Grade.OPAQUE:
        return 0.9
    kind = shape(value)
    if kind is Shape.UUID:
        return 0.8
    if level >= Grade.PASSWORD:
        return 0.88 if password or len(value) >= 8 else 0.5
    if level is Grade.MIXED:
        if password:
            return 0.8
        return 0.78 if (len(value) >= 10 and not value.isidentifier()) or (len(value) >= 12 and sum(map(str.isdigit, value)) >= 3) else 0.3
    if tight and level is Grade.WORDS and jumbled(value) and len(value) >= (8 if password else 12):
        return 0.76
    if password and _PIN.match(value) and not repetitive(value + "ab"):
        return 0.76
    if password and level is Grade.WORDS and (tight or quoted) and not placeholder(value) and " " not in value:
        pieces = [piece for piece in re.split(r"[-_. ]", value) if piece]
        if len(pieces) >= 3 and quoted:
            return 0.74
    return 0.0


def jumbled(value: str) -> bool:
    """Whether letters alone change their case as nobody writes names: drawn ones."""
    if not value.isalpha() or not value.isascii():
        return False
    pieces = CASED.findall(value)
    return len(pieces) >= 4 and 2 * len(value) <= 5 * len(pieces) and likeness(pieces, 3) < 0.6


def meeting_code(value: str) -> bool:
    """Whether it is a short drawn code, as video calls give them out: `7Hq2Lm`."""
    return (
        value.isalnum()
        and 5 <= len(value) <= 8
        and grade(value) is Grade.PASSWORD
        and len(CHANGES.findall(value)) >= 4
        and not term_of_art(value)
    )


def of_three(value: str) -> bool:
    """Whether capitals, small letters and a digit are joined by a mark: `Naranja-Azul-9`."""
    cases = (not value.islower() and not value.isupper()) or not value.isascii()  # folding took the capitals of other scripts
    marked = not value.isalnum() and "/" not in value and "=" not in value
    return (
        len(value) >= 8
        and cases
        and marked
        and grade(value) is Grade.PASSWORD
        and any(map(str.isdigit, value))
        and ("_" in value or not term_of_art(value))
    )


def changing(value: str) -> bool:
    """Whether letters' case and digits change as often as they do where nobody chose them."""
    return value.isalnum() and len(value) >= 10 and sum(map(str.isdigit, value)) >= 2 and 2 * len(CHANGES.findall(value)) >= len(value)


def of_all_kinds(value: str) -> bool:
    """Whether it has all that the rules for passwords ask for."""
    cases = not value.islower() and not value.isupper()
    return (
        len(value) >= 8 and cases and any(map(str.isdigit, value)) and bool(MARKED.search(value)) and not code(value) and "=" not in value
    )


def loose_password(value: str) -> bool:
    """Whether a mixed token in running text is a password rather than a term of the trade."""
    if (
        len(value) < 7
        or term_of_art(value)
        or "//" in value
        or value.startswith(("/", "-", "#", "@", "{{", "\\", "~"))
        or value.endswith(("}}",))
    ):
        return False
    marks = any(character in "!#$%^&*@?+" for character in value[1:]) and "=" not in value and "http" not in value
    digits = sum(map(str.isdigit, value))
    letters = len(_LETTER.findall(value))
    return (
        letters >= 2
        and digits >= 1
        and (
            marks
            or (digits >= 2 and not value.islower() and not value.isupper() and "." not in value and "/" not in value)
            or (digits >= 2 and value.islower() and not value.isalnum() and "/" not in value and ":" not in value)
        )
    )
