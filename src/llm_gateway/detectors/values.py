# ruff: noqa: E501, SIM905  # patterns and word lists read best unbroken
"""Does this token look like a chosen or drawn secret, or like a word, a placeholder, a piece of code?

Everything here is one pass over a short token (callers bound the length), with character counts rather than a
dictionary, so that it holds in any language.
"""

import re
from enum import IntEnum
from functools import lru_cache

MAX_TOKEN_CHARS = 512
"""Longer tokens are judged by their first characters."""


class Grade(IntEnum):
    """How much a value looks like a secret."""

    NONE = 0  # placeholder, code, empty
    WORDS = 1  # words only
    MIXED = 2  # letters and digits, like hunter2
    PASSWORD = 3  # three kinds of characters, as password rules demand
    OPAQUE = 4  # long and without structure, as machines draw


class Shape(IntEnum):
    """What kind of opaque token it is."""

    NOT = 0
    UUID = 1
    HEX = 2
    RANDOM = 3


_PIECES = re.compile(r"[A-Z]?[a-z]+|[A-Z]+|[0-9]+")
_WORDLIKE = re.compile(r"(?i)(?=[a-z]*[aeiouy])(?![a-z]*[bcdfghjklmnpqrstvwxz]{4})(?![a-z]*[aeiou]{3})[a-z]{4,}\Z")
_PAIRS = frozenset(
    """ab ac ad ag ai al am an ap ar as at ay ba be bi bl bu ca ce ch ci ck cl co cr ct cu da de di do ds du ea ec ed ee ef eg el em en
    ep er es et ev ex fe ff fi fl fo fr ge gi gr ha he hi ho ia ib ic id ie if ig il im in io ip ir is it iv iz ke la ld le li ll lo
    ls lt lu ly ma me mi mo mp na nc nd ne nf ng ni nn no ns nt oc od ol om on oo op or os ot ou ow pa pe pi pl po pp pr pt qu ra rc
    rd re rg ri rm ro rr rs rt ry sa sc se sh si sl so sp ss st su ta tc te th ti tl to tp tr ts tt tu ty ub ue ul um un up ur us ut
    va ve vi wa wi xt yp ze""".split()
)
"""The 180 commonest pairs of letters in European languages' words: 3 of 4 pairs of a word are here, 1 of 4 of a drawn text."""
_SLUG = re.compile(r"[a-z][a-z0-9\-]*-[0-9a-f]{8,10}-[a-z0-9]{5}\Z|[a-z0-9]{1,5}(?:[-_.][a-z0-9]{1,5}){3,}\Z")
_SNAKE = re.compile(r"(?:[A-Za-z]{0,14}[0-9]{0,3}_){3,}[A-Za-z]{0,14}[0-9]{0,3}\Z")
"""A name in a program: words and short numbers between underscores."""
_PATH = re.compile(r"~?(?:/[\w.\-]{1,16}){2,}/?\Z")
_LOWER_PREFIX = re.compile(r"(?:[a-z]{1,14}[-_]){0,4}")
_HEX_GROUPS = re.compile(r"(?:[0-9a-f]+-)*[0-9a-f]+(?:EXAMPLE[0-9a-f]*)?\Z")
_ALL_HEX = "0123456789abcdef" * 5
_HEX = re.compile(r"(?:[0-9a-f]+|[0-9A-F]+)\Z")
_UUID = re.compile(r"[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}\Z")
_PLACEHOLDER_WORD = re.compile(
    r"(?i)your|example|placeholder|change_?-?me|dummy|redacted|insert|replace|todo|foobar|hidden|masked|removed|\b(?:required|nullable|sometimes|confirmed)\|"
    r"|secret_?here|_here\b|-here\b|\bhere\b|<[a-z]|\bmy[-_]?(?:api|secret|pass|token|key)|fill_?me|sample|xxxx|\*\*\*|\.\.\.|…|sk-\.\.|n/a\Z"
)
_CODE = re.compile(
    r"\$\{|\{\{|\$\(|%\(|\A[)\]]+[.,;]|\A[$<{\[%@&!(]+[A-Za-z_{(\[<.]*[A-Za-z_ .\-]*[\])}>%]*\Z|\A[A-Za-z_][A-Za-z0-9_.:>\-]*[(\[]|->|::|\.[a-z_]{2,}\(|\A(?:self|this|os|env|process|config|settings|request|req|args|ctx|secrets|vars?|params|data|props|opts|options|user)\.[A-Za-z]"
    r"|\A\$[A-Za-z_]|\A<[^>]*>?\Z|\A\{[^}]*\}?\Z|\A%[A-Za-z_]+%\Z|\A\$[0-9]\Z|\A[:@#][A-Za-z_]+\Z|\w\{\}?\Z|\\[dws]|\.\*"
)
_IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z_]*(?:[.\-/:]+[A-Za-z_]+)*\Z")
_ALPHABET = re.compile(r"(?i)abcdef|ghijkl|klmnop|mnopqr|qrstuv|qwerty|a1b2c3d4e5|1a2b3c4d5e")
_FILE_OR_VERSION = re.compile(
    r"(?i)v?[0-9]+(?:\.[0-9a-z*]{1,12})+(?:[-+][a-z0-9.]+){0,3}\Z|[~./]?[\w./\-]*\.(?:py|js|ts|tsx|jsx|json|ya?ml|toml|ini|conf|cfg|env|txt|md|pdf|docx?|xlsx?|csv|html?|css|java|go|rs|c|h|cpp|sh|ps1|sql|xml|pem|key|crt|cer|p12|log|png|jpe?g|gif|svg|zip|gz|tar|exe|dll|so|lock|service|local|com|org|net|io|dev)\Z"
    r"|[a-z]+[0-9]?://[^\s]*|\.{0,2}/[\w./\-]*|[0-9]{1,4}[-/.][0-9]{1,2}[-/.][0-9]{1,4}(?:t[0-9:.z+\-]*)?\Z|[0-9]{1,2}:[0-9]{2}(?::[0-9]{2})?\Z|[\w.+\-]+@[\w\-]+(?:\.[\w\-]+)+\Z"
    r"|(?:(?:sha|aes|rsa|md|argon|nist|fips|pci|utf|http|tls|rfc|cve|iso|base|ed|es|rs|hs|ps|gpt|tcp|udp|ipv|oauth|web|win)[-_]?[0-9][0-9a-z.\-_/]{0,12}|[xphk][-_]?[0-9]{1,4}(?:[_.\-/][0-9a-z.]{1,8}|[a-z]{1,2})?)\Z"
)
_RESOURCE = re.compile(r"[a-z]{2,24}/[\w.\-]{1,40}/[a-z]{2,24}(?:/[\w.\-]{1,40}){0,4}\Z")
_TERM = re.compile(
    r"(?i)[a-z]+[-_]?[0-9]{1,4}(?:[-_](?:bit|[a-z]{1,6}))?\Z|[0-9]{1,4}-(?:character|char|digit|word|letter|symbol|day|hour|week|minute|second|bit|byte|step|factor|zeichen|stellig\w*|year|month|way|time)s?\Z|(?:ctrl|cmd|alt|shift|fn)[+\-].*\Z"
)
_STOP = frozenset(
    """password passwd pass pwd secret token key string str text none null nil undefined true false required optional
    empty default username user admin root login email name value type hidden int bool object any void bytes number number|null
    password123 changeit changeme test testing unknown wrong incorrect invalid missing expired reset forgot set unset
    private public internal external bearer basic digest auth authorization see below above this that not yes no
    abc123 password1 hash hashed plaintext encrypted plain input field prompt""".split()
)


def repetitive(value: str) -> bool:
    """Whether one character makes up most of it, as in xxxx, 0000-0000, AAAA: a placeholder."""
    body = value[:MAX_TOKEN_CHARS].replace("-", "").replace("_", "").replace(".", "")
    if len(body) < 4:
        return True
    distinct = set(body)
    if len(distinct) <= 3 and len(body) >= 8:
        return True
    if len(body) < 8:
        return False
    # Drawn characters can cluster; with nine different ones somebody would hardly have typed them to fill a gap.
    share = max(map(body.count, distinct)) / len(body)
    return share >= 0.7 or (share >= 0.4 and len(distinct) <= 8)


def _sequential(value: str) -> bool:
    lowered = value.lower()
    return lowered in "0123456789012345678901234567890" or lowered in "abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyz"


EMPTY_HASHES = frozenset(
    {
        "aad3b435b51404eeaad3b435b51404ee",
        "31d6cfe0d16ae931b73c59d7e0c089c0",
        "d41d8cd98f00b204e9800998ecf8427e",
        "da39a3ee5e6b4b0d3255bfef95601890afd80709",
        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    }
)
"""LM, NT, MD5, SHA-1 and SHA-256 of nothing: they stand where there is no password."""
PUBLISHED_KEYS = ("4eC39HqLyjWDarjtT1zdp7dc", "BQokikJOvBiI2HlWgH4olfQ2")
"""Ends of the test keys that Stripe's documentation prints for everybody."""
_SCHEMES = ("AWS4-HMAC-", "AWS4-ECDSA-")
"""Names of ways to sign, which stand where a credential might."""


@lru_cache(maxsize=4096)
def shape(token: str) -> Shape:
    """What kind of opaque token this is; NOT for words, identifiers, paths, numbers."""
    token = token[:MAX_TOKEN_CHARS].rstrip("=")
    size = len(token)
    if size < 16 or token.startswith(_SCHEMES) or token.endswith(PUBLISHED_KEYS):
        return Shape.NOT
    if size == 36 and _UUID.match(token):
        return Shape.NOT if repetitive(token) else Shape.UUID
    if repetitive(token):
        return Shape.NOT
    if token.count("_") >= 3 and _SNAKE.match(token):
        return Shape.NOT
    pieces = _PIECES.findall(token)
    letters_digits = sum(map(len, pieces))
    digits = sum(len(piece) for piece in pieces if piece[0].isdigit())
    if _HEX.match(token):
        known = token.lower() in EMPTY_HASHES or token.lower() in _ALL_HEX
        return Shape.HEX if 2 <= digits < size - 1 and not known else Shape.NOT
    if not pieces or letters_digits < size * 0.75 or digits == letters_digits:
        return Shape.NOT
    if 2 * sum(len(piece) for piece in pieces if len(piece) >= 4 and wordlike(piece)) >= letters_digits:
        return Shape.NOT
    if token.count(".") >= 3 and all(len(part) < 16 or shape(part) is Shape.NOT for part in token.split(".")):
        return Shape.NOT  # a name in a hierarchy of names
    if token.startswith(("_Z", "//")) or ("//" in token and size < 60) or _SLUG.match(token) or _PATH.match(token):
        return Shape.NOT
    head = _LOWER_PREFIX.match(token)
    if head and _HEX_GROUPS.match(token, head.end()):
        return Shape.HEX if size - head.end() >= 28 else Shape.NOT
    if _ALPHABET.search(token):
        return Shape.NOT
    if letters_digits - digits < 4 or "example" in token.lower():
        return Shape.NOT
    mean = letters_digits / len(pieces)
    longest = max(len(piece) for piece in pieces if not piece[0].isdigit())
    if digits >= 2:
        limit = 3.4 if size >= 20 else 2.9
        if mean <= limit and (longest <= max(8, size // 3) or likeness([piece for piece in pieces if len(piece) > 8], 6) < 0.5):
            return Shape.RANDOM
        if digits >= 4 and len(pieces) >= 9 and token.isalnum() and (token.isupper() or token.islower()):
            return Shape.RANDOM  # letters and digits change too often for a name
        solid = digits >= 3 and digits * 12 >= size and (size - letters_digits) * 8 <= size
        if solid and likeness(pieces, 8) < 0.42:
            return Shape.RANDOM
        groups = sum(piece[0].isdigit() for piece in pieces)
        scattered = token.isalnum() and groups >= 2 and likeness(pieces, 5) < (0.56 if groups >= 3 else 0.42)
        return Shape.RANDOM if scattered else Shape.NOT
    cases = not token.islower() and not token.isupper()
    if cases and digits and mean <= 2.7 and longest <= 6:
        return Shape.RANDOM
    if cases and size >= 20 and ((mean <= 2.7 and longest <= 6) or (mean <= 2.3 and longest <= 8)):
        return Shape.RANDOM
    if cases and token.isalnum() and (mean <= 1.9 or (mean <= 3.2 and likeness(pieces, 6) < 0.42)) and longest <= 8:
        return Shape.RANDOM
    return Shape.RANDOM if size >= 20 and likeness(pieces, 14) < (0.42 if token.isalpha() else 0.36) else Shape.NOT


def likeness(pieces: list[str], least: int) -> float:
    """The share of common pairs of letters in `pieces`; 1.0 when there are fewer than `least` pairs to judge by."""
    total = common = 0
    for piece in pieces:
        lowered = piece.lower()
        for index in range(len(piece) - 1):
            total += 1
            common += lowered[index : index + 2] in _PAIRS
    return common / total if total >= least else 1.0


def wordlike(piece: str) -> bool:
    """Whether a run of letters could be a word."""
    return bool(_WORDLIKE.match(piece)) and likeness([piece], 3) >= 0.5


def placeholder(value: str) -> bool:
    """Whether it only stands for a value."""
    return (
        bool(_PLACEHOLDER_WORD.search(value))
        or value.startswith(_SCHEMES)
        or value.endswith(PUBLISHED_KEYS)
        or value.lower() in _STOP
        or value.lower() in EMPTY_HASHES
        or _sequential(value)
        or repetitive(value)
    )


def code(value: str) -> bool:
    """Whether it is an expression, a variable, a template field."""
    return bool(_CODE.search(value))


def term_of_art(value: str) -> bool:
    """Whether running text may well hold it without any secret meant: utf-8, python3, GPT-4o, Ctrl+Shift+P."""
    return bool(_TERM.match(value)) or file_or_version(value)


def file_or_version(value: str) -> bool:
    """Whether it is a path, an address, a version, a date, the name of an algorithm."""
    value = value.rstrip("?")
    return bool(_FILE_OR_VERSION.match(value) or _RESOURCE.match(value))


@lru_cache(maxsize=4096)
def grade(value: str) -> Grade:
    """How much `value` looks like a secret; `value` is free of surrounding quotes and punctuation."""
    value = value[:MAX_TOKEN_CHARS]
    size = len(value)
    if size < 4 or code(value) or ".." in value or "redacted" in value.lower():
        return Grade.NONE
    if shape(value) in (Shape.RANDOM, Shape.HEX):
        return Grade.OPAQUE
    if placeholder(value) or file_or_version(value):
        return Grade.NONE
    digit = upper = lower = special = False
    for character in value:
        if character.isdigit():
            digit = True
        elif character.islower():
            lower = True
        elif character.isupper():
            upper = True
        elif character.isalpha():
            lower = True
        else:
            special = True
    kinds = digit + upper + lower + special
    if digit and kinds >= 3 and size >= 6 and (upper or lower):
        return Grade.PASSWORD
    if special and upper and lower and size >= 8 and not _IDENTIFIER.match(value):
        return Grade.PASSWORD
    if special and kinds == 2 and digit and size >= 6 and lower:
        return Grade.PASSWORD
    if digit and (upper or lower or special) and size >= 5:
        return Grade.MIXED
    if digit:
        return Grade.NONE
    return Grade.WORDS
