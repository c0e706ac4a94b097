# ruff: noqa: E501, SIM905  # patterns and word lists read best unbroken
"""A credential word and a value near it, in prose and in code; and drawn tokens in a telling surrounding."""

import re
from bisect import bisect_left
from collections.abc import Iterator, Sequence

from llm_gateway.detectors.decode import encoded_text
from llm_gateway.detectors.linear import compile_pattern
from llm_gateway.detectors.normalise import fold
from llm_gateway.detectors.rules import Hit, looks_drawn, passage
from llm_gateway.detectors.values import Grade, Shape, code, file_or_version, grade, likeness, placeholder, repetitive, shape, term_of_art

PASSWORD, KEY, WEAK, HASH = 0, 1, 2, 3
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
_WORD_VALUE_NEEDS = re.compile(r"\s*(?:$|[\n;,})&\"'`/]|\s(?:--?[a-z]|and|on|for))")
_XML = re.compile(r"(?i)[a-z0-9_.:\-]{0,24}\s*>\s*([^<>\s]{3,120})\s*</")
_NAME_VALUE = re.compile(
    r"(?is)[a-z0-9_.\-]{0,40}[\"']?\s{0,3}(?:,|\n|/?>|\s)\s{0,24}(?:<value>|[\"']?(?:value|val|default|password|secret)[\"']?\s{0,3}[:=>]{1,2})\s{0,3}[\"']?([^\s\"'<>{}$]{4,200})"
)
_TOKENS = re.compile(r"[^\s\"'`<>|,;()\[\]{}「」『』。、،؛=]{4,160}")
_LONG_TOKEN = compile_pattern(r"[A-Za-z0-9+/=_\-.~!]{16,}")
_STRIP = ".,;:!?)]}>*\"'`|/\\"
_IPV4 = compile_pattern(r"\b\d{1,3}\.\d{1,3}\.\d{1,3}\.\d{1,3}\b[ \t,/:]{1,4}([^\s,/:\"'<>]{2,40})[ \t,/:]{1,3}([^\s,/\"'<>]{6,40})")
_PIN = re.compile(r"[0-9]{4,12}#?\Z")
_ASSIGNED = re.compile(
    r"(?i)(?:^|[^a-z]|[a-z](?-i:(?=[TSK])))(?:token|secret|key|passw\w*)[\"']?\s{0,3}(?:[:=]{1,2}|=>|is)?\s{0,3}[\"']?\Z"
)
_DATA_KEY = re.compile(
    r"(?i)(?:primary|foreign|partition|cache|row|sort|idempotency|object|s3|public|document|issue|routing|index|composite|natural|surrogate)[ _\-]?key"
)
_NAMED_AFTER = re.compile(
    r"(?i)[\"'`]?\s{1,2}(?:is|was|as|=|\()\s{0,2}(?:the|our|my|a|an|its|their)?\s?(?:\w{1,16} )?(?:api|secret|access|auth)?[ _-]?(?:key|token|secret|password)\b"
)
_SERVICE = re.compile(
    r"(?i)(?:^|[\s\"'(])[a-z0-9][a-z0-9\-]{1,30}\.(?:io|com|so|ai|co|app|dev|net|org|me|sh|cloud|tech|xyz|us|eu)[\"' :=]{1,3}(?:key|token)?[\"' :=]{0,3}\Z"
)
"""A service's address right before a token, as people note whose it is."""
_NAMES_ID = re.compile(
    r"(?i)(?:(?<!app)id|ids|arn|name|identifier|version|marker|hash|etag|url|uri|path|file|type|ref|number|label|image|digest|sum|cursor|alias|class|func(?:tion)?)[\"']?\s{0,2}[:=(\s]{0,3}\s{0,2}[\"'`]?\Z"
)
_GIVEN = re.compile(r"(?:[A-Za-z][A-Za-z0-9_.\-]{1,40}[\"']?\s{0,2}(?:=>|:=|[:=]|\()\s{0,2}[\"'`]?|\([\"'`])\Z")
_ROW_SEPARATOR = re.compile(r"\A\s*\|.*\||\w[\"']?[,;\t][\"']?\w|\t")
_FILE_END = re.compile(r"\.[a-z][a-z0-9]{1,6}\Z")
_COMMA_VALUE = re.compile(r"[\"']\s{0,2},\s{0,3}[\"']([^\"'\n]{4,200})[\"']")
_OBJECT_IDS = (
    "req_", "msg_", "toolu_", "srvtoolu_", "chatcmpl-", "file-", "cus_", "price_", "prod_", "evt_", "pi_", "run_", "asst_", "thread_", "resp_", "call_", "item_", "org-", "acct_",
    "wrkspc_", "batch_", "txn_", "vpc-", "subnet-", "ami-", "sg-", "vol-", "snap-", "pvc-", "eni-", "rtb-", "igw-", "cmpl-", "gen-", "ecs", "sub_", "in_1", "ch_", "seti_", "vs_", "skill_",
)  # fmt: skip
"""How services begin the ids of their objects, which open nothing."""
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
_NOTE_CHARS = 160
_LOOKS_LIKE_ID = re.compile(
    r"(?i)\b(?:id|ids|uid|guid|ref|version|build|hash|digest|sum|slug|tag|file|image|pod|node|job|task|order|ticket|track\w*|decode|encode|what|explain|regex|match)\b|[/\\]"
)
_ANSWER = re.compile(r"[^\n?？]{0,40}[?？][ \t]*\n[ \t]*(?:[\w .@-]{1,24}[:>] ?)?([^\s]{6,60})[ \t]*(?:\n|\Z)")
"""A question about a password, and the line after it."""
_FIRST = 8  # tokens after the first that are looked at
_LOGIN_NAMES = frozenset(
    {"root", "admin", "administrator", "sa", "postgres", "ubuntu", "pi", "user", "sysadmin", "operator", "deploy", "backup", "oracle"}
)
_METHOD = re.compile(r"\.[A-Za-z_]{2,24}\(")
_STYLE_BEFORE = re.compile(r"(?:^|[\s,}>+~])[.#](?:[a-z]+[-_]{1,2}){0,3}\Z")
_LETTER = re.compile(r"[A-Za-z]")
_PUBLIC = ("AAAAB3NzaC1", "AAAAC3NzaC1", "AAAAE2VjZHNh", "iVBORw0KGgo", "R0lGOD", "/9j/", "PHN2Zy", "UklGR", "JVBERi", "d09GR", "data:")


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
    return _trim(value.group()), begin, begin > position


def _comma_value(text: str, position: int) -> str:
    """The quoted argument after a quoted credential word: `set("api_key", "...")`."""
    match = _COMMA_VALUE.match(text, position)
    if not match:
        return ""
    value = match.group(1)
    return value if shape(value) is not Shape.NOT or not value.isalnum() else ""


def _trim(value: str) -> str:
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
            confidence = _judge(_trim(match.group(1)), quoted=True, password=password, tight=True)
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
        value = _prose_end(_trim(match.group().removeprefix("**")))
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
        elif password and level is Grade.PASSWORD and _loose_password(value):
            return 0.8, match.start(), match.end()
        elif not password and budget == _FIRST and level >= Grade.MIXED and not term_of_art(value) and (_changing(value) or _mixed(value)):
            return 0.74, match.start(), match.end()
    return 0.0, 0, 0


def _changing(value: str) -> bool:
    """Whether letters' case and digits change as often as they do where nobody chose them."""
    return value.isalnum() and len(value) >= 10 and sum(map(str.isdigit, value)) >= 2 and 2 * len(_CHANGES.findall(value)) >= len(value)


def _mixed(value: str) -> bool:
    """Whether it has all that the rules for passwords ask for."""
    cases = not value.islower() and not value.isupper()
    return (
        len(value) >= 8 and cases and any(map(str.isdigit, value)) and bool(_MARKED.search(value)) and not code(value) and "=" not in value
    )


def _loose_password(value: str) -> bool:
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
        value = _trim(match.group())
        if grade(value) >= Grade.PASSWORD and (shape(value) is Shape.RANDOM or _loose_password(value)):
            return 0.74, match.start(), match.end()
    return 0.0, 0, 0


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
            if confidence < 0.7 and password:
                confidence, begin, finish = max((confidence, begin, finish), _before(text, start))
            if confidence >= 0.7 and word in _SESSION_IDS and shape(text[begin:finish]) is Shape.UUID:
                continue  # logs name sessions so; the ones that open something are drawn longer
            if confidence >= 0.7:
                yield Hit(kind, confidence, rule, begin, finish)
                resume = finish


_RECOVERY_GROUPS = re.compile(r"(?<![0-9-])[0-9]{6}(?:-[0-9]{6}){7}(?![0-9-])")


def recovery_passwords(text: str, runs: Sequence[tuple[int, int]]) -> Iterator[Hit]:
    """Recovery passwords of BitLocker: eight groups of six digits."""
    for begin, finish in runs:
        if finish - begin >= 55 and _RECOVERY_GROUPS.search(text[begin:finish]):
            yield Hit("secret.password", 0.88, "generic.recovery_password", begin, finish)
            return


_KEY_NOUNS = frozenset({"key", "keys", "token", "tokens", "api", "access", "deploy", "license", "licence", "activation"})
_SERVICE_KEY_CHARS = 40
_SHORT_KEY = re.compile(r"(?: (?:key|code|token|no))?[\"']?(?: is|\s?[:=])?\s{0,2}[\"'`]?([A-Za-z0-9]{10,24})(?![A-Za-z0-9_.\-/])")
_CHANGES = re.compile(r"[A-Z]+|[a-z]+|[0-9]+")


def short_keys(text: str, words: Words) -> Iterator[Hit]:
    """Ten to fifteen drawn characters right after the word key or token: `kanban key ZB4G8P7IFHNB`.

    Behind a service's name up to 24, and letters and digits need not change as often.
    """
    for start, end, word in words.weak:
        if word not in _KEY_NOUNS or (start and text[start - 1].isalpha()):
            continue
        match = _SHORT_KEY.match(text, end)
        if not match or match.start(1) == end or _DATA_KEY.search(text[max(0, start - 24) : end]):
            continue
        value = match.group(1)
        pieces = _CHANGES.findall(value)
        digits = sum(map(str.isdigit, value))
        named = digits >= 2 and likeness(pieces, 6) < 0.45 and _near(words.vendor, start - _SERVICE_KEY_CHARS, start)
        often = len(value) <= 15 and digits >= 2 and len(pieces) >= 5 and max(map(len, pieces)) <= 6
        if (named or often) and digits <= len(value) - 3 and not placeholder(value):
            yield Hit("secret.api_key", 0.74, "generic.short_key", match.start(1), match.end(1))
            return


def _near(entries: Sequence[tuple[int, int, str]], start: int, end: int) -> bool:
    """Whether a word of the class begins inside [start, end)."""
    index = bisect_left(entries, (start, 0, ""))
    return index < len(entries) and entries[index][0] < end


_HASH_TAIL = re.compile(r"(?:s|ed|es|ids?|sums?|parent|state|number|no|ref|name|[0-9]+)?(?![a-z])", re.IGNORECASE)


def bounded_words(text: str, entries: Sequence[tuple[int, int, str]]) -> list[tuple[int, int, str]]:
    """The entries that are words of the text, or parts of an identifier, rather than letters inside another word."""
    found = []
    for entry in entries:
        start, end, word = entry
        before = text[start - 1] if start else " "
        if before.isalpha() and word[0].isalpha() and not (before.islower() and text[start].isupper()):
            continue
        if word[-1].isalpha() and not (text[end : end + 1].isupper() and text[end - 1].islower()) and not _HASH_TAIL.match(text, end):
            continue
        found.append(entry)
    return found


def drawn_tokens(text: str, long_words: Sequence[tuple[int, str]], words: Words) -> Iterator[Hit]:
    """Long drawn tokens inside `long_words` (offset, word), weighed by what stands around them."""
    for offset, word in long_words:
        for match in _LONG_TOKEN.finditer(word):
            raw = match.group()
            token = raw.strip(".-=~!")
            end = offset + match.end()
            if len(raw) < 100 and (raw.endswith("..") or text[end : end + 1] in ("…", "[")):
                continue  # shown cut off on purpose
            _, separator, value = token.partition("=")
            if separator and len(value) >= 16:
                token = value
            start = offset + match.start() + raw.find(token)
            if token.startswith(("0x", "0X")):
                if len(token) < 66:
                    continue
                token = token[2:]
            kind = shape(token)
            if token.startswith(_OBJECT_IDS) or _stands_for_nothing(text, start, end, token):
                continue
            if len(token) == 34 and token.startswith("SK") and kind is not Shape.NOT:
                yield Hit("secret.api_key", 0.8, "token.twilio", start, end)
            if kind is Shape.NOT or token.startswith(_PUBLIC) or repetitive(token):
                continue
            confidence = _token_confidence(text, words, start, end, token, kind)
            if confidence:
                yield Hit(
                    "secret.api_key" if confidence >= 0.7 else "secret.opaque_token", confidence, f"token.{kind.name.lower()}", start, end
                )


_KEY_FORM = re.compile(r"[a-z]{2,6}(?:_[a-z]{2,6})?_(?:[0-9a-f]{40,}|[A-Za-z0-9]{36,})\Z")
"""Vendors begin their keys so; the ids of objects are shorter."""


def _stands_for_nothing(text: str, start: int, end: int, token: str) -> bool:
    """Encrypted by a tool that says so, a mail's DKIM signature, or the bare head of a JWT, which every JWT of its kind begins with."""
    if "ENC[" in text[max(0, start - 200) : start] or " bh=" in text[max(0, start - 400) : start]:
        return True
    return token.startswith(("eyJhbGciOi", "eyJ0eXAiOi")) and len(token) < 80 and text[end : end + 1] != "." and "." not in token


def _token_confidence(text: str, words: Words, start: int, end: int, token: str, kind: Shape) -> float:
    close = _near(words.key, start - 60, end + 40) or _near(words.password, start - 60, end + 30)
    low, high = passage(text, start, end, _NOTE_CHARS + 1)
    hashed = _near(words.hash, max(low, start - 36), start) or _near(words.hash, start, min(high, end + 16))
    given = kind is Shape.RANDOM and len(token) >= 20 and bool(_GIVEN.search(text[max(0, start - 48) : start]))
    if "EXAMPLE" in token or (_NAMES_ID.search(text[max(0, start - 24) : start]) and not close):
        return 0.3
    if given and token.islower():
        given = False
    weak = (
        given
        or bool(_SERVICE.search(text[max(0, start - 48) : start]))
        or _near(words.vendor, start - 48, start)
        or _near(words.weak, start - 48, start)
        or _near(words.weak, end, end + 24)
    )
    if kind is Shape.UUID:
        before = text[max(0, start - 32) : start]
        named = (
            _near(words.key, start - 28, start) or bool(_NAMED_AFTER.match(text, end)) or bool(_ASSIGNED.search(before))
        ) and not _DATA_KEY.search(before)
        if not named and _near(words.vendor, start - 24, start):
            named = not before.rstrip("\"' :=").lower().endswith("id")
        return 0.76 if named and not hashed else 0.0
    if hashed:
        return 0.75 if close and kind is Shape.RANDOM and _near(words.key, start - 24, start) else 0.0
    if file_or_version(token) or _FILE_END.search(token) or text.startswith(("/edit", "/view", "/preview"), end):
        return 0.0
    space = max(text.rfind(" ", max(0, start - 200), start), text.rfind("\n", max(0, start - 200), start))
    run = text[space + 1 : start]
    in_path = (
        run.endswith("/")
        or "arn:" in run
        or ("://" in run and "?" not in run)
        or ("/" in token.strip("/")[:-1] and kind is not Shape.RANDOM)
    )
    if _KEY_FORM.match(token) and not in_path:
        return 0.74
    if kind is Shape.HEX:
        if (len(token) < 20 and not close) or _DATA_KEY.search(text[max(0, start - 40) : start]):
            return 0.0
        return 0.8 if close else 0.72 if weak and not in_path else 0.3
    if token.count("/") >= 3 and token.count("+") == 0 and len(token) < 60:
        return 0.3
    if close:
        return 0.85
    if high - low <= _NOTE_CHARS and len(token) >= 20 and not in_path and not encoded_text(token) and _note(text[low:high], token):
        return 0.72
    if weak and not in_path and not encoded_text(token):
        return 0.76
    return 0.5 if len(token) >= 24 else 0.3


def _note(text: str, token: str) -> bool:
    """Whether the text is hardly more than the token: a few words that say whose it is, and nothing asked about it."""
    rest = text.replace(token, " ", 1)
    mixed = not token.islower() and not token.isupper() and len(token) <= 90
    return mixed and len(rest.split()) <= 5 and "?" not in rest and not _LOOKS_LIKE_ID.search(rest)


_LOGIN_WORDS = frozenset(
    {"identifiants", "credenciales", "credenziali", "credenciais", "inloggegevens", "dane logowania", "prihlasovaci udaje", "inloggningsuppgifter", "учетные данные", "логин", "логін", "账号", "帐号", "帳號", "creds", "credentials", "zugangsdaten", "login", "zugang", "zugriff", "acceso", "accesso", "inloggen", "logowanie", "доступ", "ログイン", "登录", "로그인", "access", "account", "auth", "user", "username", "user name", "benutzer", "usuario", "utilisateur", "admin"}
)  # fmt: skip
_LOGIN_VALUE = re.compile(r"(?<=[\s/|:,])[^\s/|,;:'\"<>]{7,48}(?=[\s,.;)'\"|]|$)")
_LOGIN_NAME = re.compile(r"(?:^|[\s:=('\"])([A-Za-z][\w.\-@]{1,40})(\s{0,2}[/|:,]|[ \t]?\n)?\s{0,2}\Z")
_GIVEN_NAME = re.compile(r"[\"' ]{0,2}[:=][\"' ]{0,2}[A-Za-z][\w.\-@]{1,40}[\"' ]{0,2}[/|,;][\"' ]{0,2}\Z")
_MARKED = re.compile(r".[!#$%^&*@?+~]")


def logins(text: str, weak: Sequence[tuple[int, int, str]]) -> Iterator[Hit]:
    """A name and a password behind a word for access, as people note them: `Zugang: schulung / Xy7!k2Qz`."""
    for start, end, word in weak[:_MOST_LOGINS]:
        if word not in _LOGIN_WORDS or (start and text[start - 1].isalpha()):
            continue
        line = text.find("\n", end, end + _LOGIN_CHARS)
        if 0 <= line <= end + 2:  # the name and the password on lines of their own
            line = text.find("\n", text.find("\n", line + 1) + 1, end + _LOGIN_CHARS) if text.find("\n", line + 1) > 0 else -1
        for match in _LOGIN_VALUE.finditer(text, end, line if line >= 0 else min(len(text), end + _LOGIN_CHARS)):
            name = _LOGIN_NAME.search(text[max(start, match.start() - 44) : match.start()])
            if name and (name.group(2) or name.group(1).lower() in _LOGIN_NAMES) and _strong(match.group(), name.group(1)):
                yield Hit("secret.password", 0.8, "generic.login", *match.span())
                return
            if _GIVEN_NAME.fullmatch(text, end, match.start()) and _loose_password(_trim(match.group())):
                yield Hit("secret.password", 0.8, "generic.login", *match.span())
                return


_LOGIN_CHARS = 110
_MOST_LOGINS = 400


def _strong(value: str, name: str) -> bool:
    """Whether what follows a login's name is a password and not a further word of the sentence."""
    value = _trim(value)
    if grade(value) < Grade.PASSWORD or code(value) or term_of_art(value):
        return False
    return bool(_MARKED.search(value)) or (name.lower() in _LOGIN_NAMES and _loose_password(value))


_AT_HOST = re.compile(r"(?:^|[\s\"'=(<,;])([A-Za-z][\w.\-]{0,30}):([^\s:@/\"'<>]{6,60})\Z")
_BEHIND_ADDRESS = re.compile(r"@[\w\-]{1,40}(?:\.[\w\-]{2,30}){1,4}(?:\s?[(/|:;,\t]\s{0,2})([^\s()|,;\"'<>]{7,48})")
_HOST = re.compile(r"@[A-Za-z0-9][A-Za-z0-9.\-]{1,60}")


def logins_at_hosts(text: str, ats: Sequence[int]) -> Iterator[Hit]:
    """`name:password@host` without a scheme before it."""
    for at in ats[:_MOST_LOGINS]:
        behind = _BEHIND_ADDRESS.match(text, at)
        if behind and _strong(behind.group(1), ""):
            yield Hit("secret.password", 0.8, "generic.login_address", *behind.span(1))
            return
        match = _AT_HOST.search(text[max(0, at - 96) : at])
        if match and _HOST.match(text, at) and _strong(match.group(2), match.group(1)):
            begin = at - len(match.group(2))
            yield Hit("secret.password", 0.82, "generic.login_at_host", begin, at)
            return


_ROW_LOGIN = compile_pattern(
    r"(?:^|[\s|])(?:[A-Za-z0-9\-]+\.){1,5}[a-z]{2,12}(?::\d+)?\s*[|;\t]\s*([^\s|;]{2,40})\s*[|;\t]\s*([^\s|;]{6,48})"
)


def row_logins(text: str) -> Iterator[Hit]:
    """A host, a name and a password between the bars of a table."""
    for match in _ROW_LOGIN.finditer(text):
        value = match.group(2)
        if grade(value) >= Grade.PASSWORD and not code(value) and not term_of_art(value) and _loose_password(value):
            yield Hit("secret.password", 0.8, "generic.row_login", match.start(2), match.end(2))
            return


def address_user_password(text: str) -> Iterator[Hit]:
    """An IPv4 address followed by a name and a mixed token, as people note logins."""
    for match in _IPV4.finditer(text):
        value = match.group(2)
        known = match.group(1).lower() in _LOGIN_NAMES
        if (
            grade(value) >= Grade.PASSWORD
            and not code(value)
            and not file_or_version(value)
            and (known or (looks_drawn(value) and not value.islower() and not value.isupper()))
        ):
            yield Hit("secret.password", 0.82, "generic.address_login", match.start(2), match.end(2))
            return
