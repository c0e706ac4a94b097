# ruff: noqa: E501, SIM905  # patterns and word lists read best unbroken
"""A credential word and a value near it, in prose and in code."""

import re
from collections.abc import Iterator

from llm_gateway.detectors.normalise import fold
from llm_gateway.detectors.rules import Hit
from llm_gateway.detectors.values import Grade, Shape, code, file_or_version, grade, placeholder, repetitive, shape, term_of_art

_SHORT_AMBIGUOUS = frozenset(
    {
        "pass",
        "pw",
        "psw",
        "pin",
        "clave",
        "parola",
        "sandi",
        "seed",
        "salt",
        "totp",
        "bearer",
        "secret",
        "secrets",
        "key",
        "parole",
        "klucz",
        "cookie",
        "credential",
        "pwd",
        "lösen",
        "jeton",
        "losen",
    }
)
_REACH = 220
_INFLECTED = frozenset(
    "lösen lösenord passord adgangskode kodeord salasana heslo hasło haslo jelszó jelszo şifre sifre parola sandi kata sandi kata laluan wachtwoord passwort kennwort geslo zaporka lozinka parool slaptažodis parole fjalëkalimi".split()
)
"""Words for a password in languages that write endings to a noun: the password, my password, of the password."""
_INFLECTED_FOLDED = frozenset(fold(word).lower() for word in _INFLECTED)
_ENDING = re.compile(
    r"(?:et|ets|en|ens|er|erna|arna|ene|t|n|ni|si|mme|nne|nya|mu|ku|m|mi|mı|ım|im|un|unuz|unuzu|niz|nizi|ul|ului|a|e|u|om|em|y|ami|ta|to|vam|unk|om|aja|ja|et:|i|ı|su|sı|yi|yı|muz|miz|z|o|s|es|wort|na|ne|va|ve)(?![A-Za-z0-9_])"
)
_SESSION_IDS = frozenset({"session id", "session_id", "sessionid"})
_IDENTIFIER_TAIL = re.compile(r"[A-Za-z0-9_]{0,28}")
_DEAD_TAIL = re.compile(
    r"(?i)(?:s?_?-?(?:name|id|file|path|url|uri|len|length|count|type|policy|expir|min|max|field|input|reset|manager|hash|ref|store|class|valid|encod|format|limit|version|header|label|hint|error|strength|rotation|required|change|prompt|size|usage|regex|pattern|bucket|index|word|ize|iz|board|stroke|note|pair|space|frame|ring|hole|hunt|port|ed\b|ing\b|ion|ary|ly\b|able|enger|ive|age|es\b|ez|er\b|less|word))"
)
_CONNECTOR = re.compile(
    r"[\"'`´\])}>*]{0,3}[ \t]{0,6}(?:\([^()\n]{1,24}\)[ \t]{0,3})?(?:=>|:{1,4}=|[?+]?={1,3}|:{1,2}|->|→|\|(?!\|)|\bis:|\bare:)[ \t]{0,6}(?:\r?\n[ \t]{0,12}(?:-\s)?)?"
)
_TEMPLATES = ("{{", "${", "$(", "<%", "#{", "%(")
_ANNOTATED = re.compile(r"(?:str|string|String|Optional\[str\]|SecretStr|char\*?)\s*=\s*")
_WRAPPER = re.compile(r"(?:[rbuf]?[\"'`“]|\(|<!\[CDATA\[|base64:|Bearer\s+|Basic\s+|Token\s+|ENC\[|!\w+\s+|fn::secret:\s*|\*\*|>)*")
_VALUE = re.compile(r"[^\s\"'`<>|]{1,200}")
_QUOTED = re.compile(r"[\"'`]([^\"'`\n]{1,200})[\"'`]")
_PROSE_IS = re.compile(
    r"(?i)[\"'`´\])]{0,2}\s{0,3}(?:\w{1,16}\s){0,4}?(?:is|was|are|to|as|es|era|ist|war|lautet|est|était|è|era|é|jest|je|is:|är|er|on|to:|будет|это|olan|=|は|が|を|은|는|이|가|是|为|為|هو|هي|là|adalah|is now|now|on nyt|este|jelenleg|har blivit|er nu|blev|wurde|je nyní|on uusi|byl|byla|było|стал|теперь|oldu|olarak|ni|niyo|είναι|היא|הוא|คือ|la|này là|inakuwa)[\s:「『\"'`*(]{0,6}"
)
_PROSE_FAR = re.compile(
    r"(?i)\s{1,3}(?:[\w.'-]{1,20},?\s){1,6}?(?:is|was|it's|its|are|ist|war|lautet|est|es|era|e|è|é|jest|to|olan|is now|was set to|should be|[\w'-]{1,20}:)[\s:\"'`*(]{1,6}"
)
_DIGESTED = re.compile(r"(?i)\b(?:md5|sha-?[0-9]{1,3}|hash(?:es)?)\b")
"""The hash of a word is no password."""
_XML = re.compile(r"(?i)[a-z0-9_.:\-]{0,24}\s*>\s*([^<>\s]{3,120})\s*</")
_NAME_VALUE = re.compile(
    r"(?is)[a-z0-9_.\-]{0,40}[\"']?\s{0,3}(?:,|\n|/?>|\s)\s{0,24}(?:<value>|[\"']?(?:value|val|default|password|secret)[\"']?\s{0,3}[:=>]{1,2})\s{0,3}[\"']?([^\s\"'<>{}$]{4,200})"
)
_TOKENS = re.compile(r"[^\s\"'`<>|,;()\[\]{}「」『』。、،؛=]{4,160}")
_PIN = re.compile(r"[0-9]{4,12}#?\Z")
_ROW_SEPARATOR = re.compile(r"\A\s*\|.*\||\w[\"']?[,;\t][\"']?\w|\t")
_COMMA_VALUE = re.compile(r"[\"']\s{0,2},\s{0,3}[\"']([^\"'\n]{4,200})[\"']")
_NUMBER_WORDS = (
    "puk",
    "sim pin",
    "atm pin",
    "card pin",
    "safe pin",
    "door code",
    "alarm code",
    "gate code",
    "pin number",
    "暗証番号",
    "пин-код",
    "пинкод",
    "passcode",
)
_CODE_NUMBER = re.compile(r"[ \t]{0,2}(?:code |no\.? |nr\.? )?([0-9]{4,10})(?![0-9.,:/-])")
_ANSWER = re.compile(r"[^\n?？]{0,40}[?？][ \t]*\n[ \t]*(?:[\w .@-]{1,24}[:>] ?)?([^\s]{6,60})[ \t]*(?:\n|\Z)")
"""A question about a password, and the line after it."""
_FIRST = 8  # tokens after the first that are looked at
_METHOD = re.compile(r"\.[A-Za-z_]{2,24}\(")
_STYLE_BEFORE = re.compile(r"(?:^|[\s,}>+~])[.#](?:[a-z]+[-_]{1,2}){0,3}\Z")
_LETTER = re.compile(r"[A-Za-z]")


class Words:
    """The positions of credential words in one text, by class, in order."""

    __slots__ = ("hash", "key", "password", "vendor", "weak")

    def __init__(self) -> None:
        self.password: list[tuple[int, int, str]] = []
        self.key: list[tuple[int, int, str]] = []
        self.weak: list[tuple[int, int, str]] = []
        self.vendor: list[tuple[int, int, str]] = []
        self.hash: list[tuple[int, int, str]] = []


def _bounded(text: str, start: int, end: int, word: str) -> int:
    """Where the identifier around a credential word ends; -1 when the word is only a part of another word."""
    if not word[0].isascii():
        return end
    if text[end : end + 1] == "." and _METHOD.match(text, end):
        return -1
    if text[end : end + 1] in ("-", "_", "{") and _STYLE_BEFORE.search(text[max(0, start - 24) : start]):
        return -1  # a selector of a style sheet
    if start and text[start - 1].isalpha() and text[start - 1].isascii():
        before = text[start - 1]
        camel = text[start].isupper() and before.islower()
        shout = before.isupper() and (len(word) >= 6 or (start >= 3 and text[start - 3 : start] == "ANY"))
        if not (camel or shout or (len(word) >= 7 and word not in _SHORT_AMBIGUOUS and text[start].isupper() == before.isupper())):
            return -1
    if word in _SHORT_AMBIGUOUS and start and text[start - 1].isdigit():
        return -1
    tail = _IDENTIFIER_TAIL.match(text, end)
    rest = tail.group() if tail else ""
    if rest:
        if rest in ("s", "S", "es") or (word in _INFLECTED_FOLDED and _ENDING.fullmatch(rest)):
            return end + len(rest)
        if rest[0].islower() and rest[0].isalpha() and word[-1].isalpha() and not rest.startswith(("prod", "dev", "test")):
            return -1
        if _DEAD_TAIL.match(rest.lstrip("_")):
            return -1
    return end + len(rest)


def _first_value(text: str, position: int) -> tuple[str, int, bool]:
    """The value that starts at `position`: the text, its offset, and whether it stood in quotes."""
    annotated = _ANNOTATED.match(text, position)
    if annotated:
        position = annotated.end()
    quoted = _QUOTED.match(text, position)
    if quoted and quoted.group(1).strip():
        return quoted.group(1).strip(), quoted.start(1), True
    wrapper = _WRAPPER.match(text, position)
    begin = wrapper.end() if wrapper else position
    value = _VALUE.match(text, begin)
    if not value:
        return "", begin, False
    return trim(value.group()), begin, begin > position


def _comma_value(text: str, position: int) -> str:
    """The quoted argument after a quoted credential word: `set("api_key", "...")`."""
    match = _COMMA_VALUE.match(text, position)
    if not match:
        return ""
    value = match.group(1)
    return value if shape(value) is not Shape.NOT or not value.isalnum() else ""


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


def _judge(value: str, *, quoted: bool, password: bool, tight: bool) -> float:
    """Confidence that a value directly assigned to a credential word is a live one."""
    if not value or len(value) < 3:
        return 0.0
    level = grade(value)
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
    if password and _PIN.match(value) and not repetitive(value + "ab"):
        return 0.76
    if password and level is Grade.WORDS and (tight or quoted) and not placeholder(value) and " " not in value:
        pieces = [piece for piece in re.split(r"[-_. ]", value) if piece]
        if len(pieces) >= 3 and quoted:
            return 0.74
    return 0.0


def _after(text: str, end: int, word: str, *, password: bool) -> tuple[float, int, int]:
    """The best value after a credential word: confidence and span."""
    connector = _CONNECTOR.match(text, end)
    limit = end + _REACH
    if connector:
        if text.startswith(_TEMPLATES, connector.end()):
            return 0.0, 0, 0
        value, begin, quoted = _first_value(text, connector.end())
        confidence = _judge(value, quoted=quoted or "phrase" in word, password=password, tight=True)
        if confidence >= 0.7:
            return confidence, begin, begin + len(value)
        limit = min(limit, connector.end() + 90)
    if password and (word.endswith(_NUMBER_WORDS) or text[end - 3 : end] == "PIN"):
        number = _CODE_NUMBER.match(text, end)
        if number and not repetitive(number.group(1) + "ab"):
            return 0.76, number.start(1), number.end(1)
    separate = _comma_value(text, end)
    if separate:
        confidence = _judge(separate, quoted=True, password=password, tight=True)
        if confidence >= 0.7:
            begin = text.find(separate, end)
            return confidence, begin, begin + len(separate)
    for pattern in (_XML, _NAME_VALUE):
        match = pattern.match(text, end)
        if match:
            confidence = _judge(trim(match.group(1)), quoted=True, password=password, tight=True)
            if confidence >= 0.7:
                return confidence, match.start(1), match.end(1)
    for pattern in (_PROSE_IS, _PROSE_FAR):
        prose = pattern.match(text, end)
        if not prose or _DIGESTED.search(prose.group()):
            continue
        value, begin, quoted = _first_value(text, prose.end())
        confidence = _judge(_prose_end(value), quoted=quoted or "phrase" in word, password=password, tight=False)
        if confidence >= 0.7 and (quoted or not file_or_version(value)):
            return confidence, begin, begin + len(value)
    if password:
        answer = _ANSWER.match(text, end)
        if answer and grade(answer.group(1)) >= Grade.PASSWORD and not term_of_art(answer.group(1)):
            return 0.8, answer.start(1), answer.end(1)
    return _loose(text, end, limit, password=password)


def _prose_end(value: str) -> str:
    """Without a particle glued to it, as in Japanese and Korean."""
    size = len(value)
    while size and value[size - 1] > "\u2e80":
        size -= 1
    return value[:size].rstrip(".,;:?)") if size < len(value) else value


def _loose(text: str, end: int, limit: int, *, password: bool) -> tuple[float, int, int]:
    """Some words after a credential word: only what looks drawn, or mixed as passwords are."""
    budget = _FIRST + 1
    line_end = text.find("\n", end, limit)
    head = text.rfind("\n", max(0, end - 120), end) + 1
    if line_end > 0 and _ROW_SEPARATOR.search(text[head:line_end]):
        limit = min(len(text), end + 2 * _REACH)  # the head of a table: its rows follow
        budget = 24
        line_end = -1
    stop = limit if line_end < 0 else min(limit, max(line_end, text.find("\n", line_end + 1, limit)) if line_end - end < 24 else line_end)
    for match in _TOKENS.finditer(text, end, max(stop, end)):
        budget -= 1
        if budget < 0:
            break
        value = _prose_end(trim(match.group().removeprefix("**")))
        if len(value) < 6 or _DIGESTED.search(text, end, match.start()):
            continue
        level = grade(value)
        if level is Grade.OPAQUE:
            near = budget >= 4
            if shape(value) is Shape.RANDOM:
                return 0.85, match.start(), match.end()
            if near:
                return 0.78, match.start(), match.end()
        elif (
            password
            and budget == _FIRST
            and level >= Grade.MIXED
            and not file_or_version(value)
            and sum(map(str.isdigit, value)) >= 2
            and value.isalnum()
            and not value[0].isdigit()
        ):
            return 0.74, match.start(), match.end()
        elif password and level is Grade.PASSWORD and loose_password(value):
            return 0.8, match.start(), match.end()
        elif not password and budget == _FIRST and level >= Grade.MIXED and not term_of_art(value) and (_changing(value) or _mixed(value)):
            return 0.74, match.start(), match.end()
    return 0.0, 0, 0


def _changing(value: str) -> bool:
    """Whether letters' case and digits change as often as they do where nobody chose them."""
    return value.isalnum() and len(value) >= 10 and sum(map(str.isdigit, value)) >= 2 and 2 * len(CHANGES.findall(value)) >= len(value)


def _mixed(value: str) -> bool:
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


def _before(text: str, start: int) -> tuple[float, int, int]:
    """A value just before its name: `Xy7!k2Qz is the root password`."""
    begin = max(0, start - 60)
    line = text.rfind("\n", begin, start)
    begin = max(begin, line + 1)
    matches = list(_TOKENS.finditer(text, begin, start))
    for match in matches[-4:]:
        if match.start() == begin and begin and not text[begin - 1].isspace():
            continue
        value = trim(match.group())
        if grade(value) >= Grade.PASSWORD and (shape(value) is Shape.RANDOM or loose_password(value)):
            return 0.74, match.start(), match.end()
    return 0.0, 0, 0


def _used_as(text: str, start: int) -> tuple[float, int, int]:
    """A value that is said to be the key: `join the network with Xy7!k2Qz as the key`."""
    if not text.endswith((" as ", " as the ", " als ", " comme ", " como "), 0, start):
        return 0.0, 0, 0
    match = _WITH.search(text, max(0, start - 72), start)
    if match and grade(match.group(1)) >= Grade.PASSWORD and (shape(match.group(1)) is Shape.RANDOM or loose_password(match.group(1))):
        return 0.78, *match.span(1)
    return 0.0, 0, 0


_WITH = re.compile(r"(?i)\b(?:with|use|using|enter|mit|avec|con|com) [\"'`]?([^\s\"'`]{7,48})[\"'`]? (?:as|als|comme|como)(?: the)? \Z")


def _in_template(text: str, start: int) -> bool:
    """Whether the word stands inside a template's braces: then it names where a value comes from."""
    opened = text.rfind("{{", max(0, start - 48), start)
    return opened >= 0 and "}}" not in text[opened:start]


def credential_values(text: str, words: Words) -> Iterator[Hit]:
    """Values next to credential words. Stops at a sure find of each kind; rejected stretches are not looked at twice."""
    for entries, password, kind, rule in (
        (words.password, True, "secret.password", "generic.password"),
        (words.key, False, "secret.api_key", "generic.key"),
    ):
        resume = -1
        for start, end, word in entries:
            if end < resume:
                continue
            tail = _bounded(text, start, end, word)
            if tail < 0 or _in_template(text, start):
                continue
            confidence, begin, finish = _after(text, tail, word, password=password)
            if confidence < 0.7:
                confidence, begin, finish = max((confidence, begin, finish), _before(text, start) if password else _used_as(text, start))
            if confidence >= 0.7 and word in _SESSION_IDS and shape(text[begin:finish]) is Shape.UUID:
                continue  # logs name sessions so; the ones that open something are drawn longer
            if confidence >= 0.7:
                yield Hit(kind, confidence, rule, begin, finish)
                resume = finish


CHANGES = re.compile(r"[A-Z]+|[a-z]+|[0-9]+")
MARKED = re.compile(r".[!#$%^&*@?+~]")
