# ruff: noqa: E501, SIM905  # patterns and word lists read best unbroken
"""A credential word and a value near it, in prose and in code."""

import re
from collections.abc import Iterator

from llm_gateway.detectors.normalise import fold
from llm_gateway.detectors.rules import Hit
from llm_gateway.detectors.secrets_judge import LEET, OPTION, changing, judged, loose_password, meeting_code, of_all_kinds, of_three, trim
from llm_gateway.detectors.secrets_told import changed_value, famous_phrase, told_phrase
from llm_gateway.detectors.values import Grade, Shape, code, file_or_version, grade, placeholder, repetitive, shape, term_of_art

_SHORT_AMBIGUOUS = frozenset(
    "pass pw psw pin clave parola sandi seed salt totp bearer secret secrets key parole klucz cookie credential pwd lösen jeton losen".split()
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
    r"(?i)[\"'`´\]),]{0,2}\s{0,3}(?:\w{1,16}\s){0,4}?(?:(?:is|was|are|to|as|es|era|ist|war|lautet|est|était|è|era|é|jest|je|är|er|on|it's|its|olan|là|adalah|is now|now|on nyt|este|jelenleg|har blivit|er nu|blev|wurde|je nyní|on uusi|byl|byla|było|oldu|olarak|ni|niyo|la|này là|inakuwa)(?![A-Za-z0-9])|is:|to:|будет|это|=|は|が|を|은|는|이|가|是|为|為|هو|هي|стал|теперь|είναι|היא|הוא|คือ)[\s:「『\"'`*(]{0,6}"
)
_PROSE_FAR = re.compile(
    r"(?i)\s{1,3}(?:[\w.'-]{1,20},?\s){0,6}?(?:is|was|it's|its|are|ist|war|lautet|est|es|era|e|è|é|jest|to|olan|is now|was set to|should be|[\w'-]{1,20}:)[\s:\"'`*(]{1,6}"
)
_DIGESTED = re.compile(r"(?i)\b(?:md5|sha-?[0-9]{1,3}|hash(?:es)?)\b")
"""The hash of a word is no password."""
_XML = re.compile(r"(?i)[a-z0-9_.:\-]{0,24}\s*>\s*([^<>\s]{3,120})\s*</")
_NAME_VALUE = re.compile(
    r"(?is)[a-z0-9_.\-]{0,40}[\"']?\s{0,3}(?:,|\n|/?>|\s)\s{0,24}(?:<value>|[\"']?(?:value|val|default|password|secret)[\"']?\s{0,3}[:=>]{1,2})\s{0,3}[\"']?([^\s\"'<>{}$]{4,200})"
)
_TOKENS = re.compile(r"[^\s\"'`<>|,;()\[\]{}「」『』。、،؛=]{4,160}")
_ROW_SEPARATOR = re.compile(r"\A\s*\|.*\||\w[\"']?[,;\t][\"']?\w|\t")
_COMMA_VALUE = re.compile(r"[\"']\s{0,2},\s{0,3}[\"']([^\"'\n]{4,200})[\"']")
_NUMBER_WORDS = tuple(
    "digicode|keypad|wlan-schlussel|wlan schlussel|netzwerkschlussel|wifi key|wpa key|wpa2 key|код домофона|pin bancomat|alarmcode"
    "|turcode|codice porta|codice allarme|code porte|code d'entree|codigo da porta|kod do drzwi|门锁密码|puk|sim pin|atm pin|card pin"
    "|safe pin|door code|alarm code|gate code|pin number|暗証番号|пин-код|пинкод|passcode".split("|")
)
_INDIAN_POSTCODE = 6
"""Digits of what India calls a PIN."""
_CODE_NUMBER = re.compile(r"[ \t]{0,2}(?:code |no\.? |nr\.? )?([0-9]{4,20}[A-Z]?)(?![A-Za-z0-9]|[.,:/-][0-9])")
_APPOSED = re.compile(r"(?: [^\W\d_]{1,14}){0,3}(?:, | \()([^\s,()]{8,40})(?=[,)])")
_ANSWER = re.compile(r"[^\n?？]{0,40}[?？][ \t]*\n[ \t]*(?:[\w .@-]{1,24}[:>] ?)?([^\s]{6,60})[ \t]*(?:\n|\Z)")
"""A question about a password, and the line after it."""
_FIRST = 8  # tokens after the first that are looked at
_METHOD = re.compile(r"\.[A-Za-z_]{2,24}\(")
_STYLE_BEFORE = re.compile(r"(?:^|[\s,}>+~])[.#](?:[a-z]+[-_]{1,2}){0,3}\Z")


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


def _after(text: str, end: int, word: str, *, password: bool) -> tuple[float, int, int]:
    """The best value after a credential word: confidence and span."""
    connector = _CONNECTOR.match(text, end)
    limit = end + _REACH
    if connector:
        if text.startswith(_TEMPLATES, connector.end()):
            return 0.0, 0, 0
        value, begin, quoted = _first_value(text, connector.end())
        confidence = judged(value, quoted=quoted or "phrase" in word, password=password, tight=True)
        if confidence >= 0.7:
            return confidence, begin, begin + len(value)
        limit = min(limit, connector.end() + 90)
    if password and (word.endswith(_NUMBER_WORDS) or text[end - 3 : end].upper() == "PIN"):
        number = _CODE_NUMBER.match(text, end)
        postal = number and text[end - 1].islower() and len(number.group(1)) == _INDIAN_POSTCODE
        if number and not postal and not repetitive(number.group(1) + "ab"):
            return 0.76, number.start(1), number.end(1)
    separate = _comma_value(text, end)
    if separate:
        confidence = judged(separate, quoted=True, password=password, tight=True)
        if confidence >= 0.7:
            begin = text.find(separate, end)
            return confidence, begin, begin + len(separate)
    for pattern in (_XML, _NAME_VALUE):
        match = pattern.match(text, end)
        if match:
            confidence = judged(trim(match.group(1)), quoted=True, password=password, tight=True)
            if confidence >= 0.7:
                return confidence, match.start(1), match.end(1)
    for pattern in (_PROSE_IS, _PROSE_FAR):
        prose = pattern.match(text, end)
        if not prose or _DIGESTED.search(prose.group()):
            continue
        value, begin, quoted = _first_value(text, prose.end())
        phrase = _QUOTED.match(text, prose.end() - 1) if "phrase" in word else None
        famous = phrase and famous_phrase(phrase.group(1))
        if phrase and not famous and (grade(phrase.group(1)) >= Grade.PASSWORD or _PLAIN_PHRASE.fullmatch(phrase.group(1))):
            return 0.8, *phrase.span(1)
        confidence = judged(_prose_end(value), quoted=quoted or "phrase" in word, password=password, tight=False)
        if confidence >= 0.7 and (quoted or not file_or_version(value)):
            return confidence, begin, begin + len(value)
    if password:
        answer = _ANSWER.match(text, end)
        if answer and grade(answer.group(1)) >= Grade.PASSWORD and not term_of_art(answer.group(1)):
            return 0.8, answer.start(1), answer.end(1)
    column = _column(text, end, password=password)
    if column[0]:
        return column
    if password:
        apposed = _APPOSED.match(text, end)
        if apposed and of_three(apposed.group(1)):
            return 0.78, *apposed.span(1)
        told = changed_value(text, end - len(word), end) or told_phrase(text, end - len(word), end)
        if told:
            return 0.78, *told
    return _loose(text, end, limit, password=password)


def _column(text: str, end: int, *, password: bool) -> tuple[float, int, int]:
    """The value below the head of a table's column: CSV, tabs, bars."""
    line_end = text.find("\n", end, end + _HEAD_CHARS)
    begin = text.rfind("\n", max(0, end - _HEAD_CHARS), end) + 1
    if line_end < 0:
        return 0.0, 0, 0
    head = text[begin:line_end]
    separator = next((mark for mark in "\t|;," if mark in head), "")
    if not separator or max(map(len, head.split(separator))) > _MOST_HEAD_CHARS:
        return 0.0, 0, 0
    column, columns = head[: end - begin].count(separator), head.count(separator)
    at = line_end + 1
    for row in text[at : at + 4 * _HEAD_CHARS].split("\n")[:_MOST_ROWS]:
        cells = row.split(separator)
        if len(cells) != columns + 1:
            return 0.0, 0, 0
        value = cells[column].strip(" \t\r\"'`*")
        if grade(value) >= (Grade.MIXED if password else Grade.OPAQUE) and not file_or_version(value) and not _NOT_CELL.fullmatch(value):
            start = at + sum(len(cell) + 1 for cell in cells[:column]) + cells[column].find(value)
            return 0.8, start, start + len(value)
        at += len(row) + 1
    return 0.0, 0, 0


_NOT_CELL = re.compile(r"[A-Za-z]*_\w*|.*\s.*")
_HEAD_CHARS, _MOST_HEAD_CHARS, _MOST_ROWS = 300, 32, 6


_PLAIN_PHRASE = re.compile(
    r"(?!(?:[a-z]+ )*(?:the|is|must|your|our|a|an|to|of|and|or|not|for|enter|please|too|with|from|words?|new|passphrase|phrase)\b)[a-z]{3,14}(?: [a-z]{3,14}){2,7}"
)


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
        if password and budget == _FIRST and (meeting_code(value) or (_behind(text, end, match.start()) and of_three(value))):
            return 0.76, match.start(), match.end()
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
        elif (
            password
            and level is Grade.PASSWORD
            and (
                loose_password(value)
                or (
                    budget == _FIRST
                    and len(value) >= 8
                    and LEET.search(value)
                    and value.isalnum()
                    and not term_of_art(value)
                    and not value.isupper()
                )
            )
        ):
            return 0.8, match.start(), match.end()
        elif (
            not password
            and budget == _FIRST
            and level >= Grade.MIXED
            and not term_of_art(value)
            and (changing(value) or of_all_kinds(value))
        ):
            return 0.74, match.start(), match.end()
    return 0.0, 0, 0


def _behind(text: str, end: int, start: int) -> bool:
    """Whether nothing but a space or a colon parts a value from its word."""
    return start - end <= 2 and not text[end:start].strip(" :")


_USER_BEFORE = re.compile(
    r"(?i)(?:user(?:name)?|log ?in|\bid|account|benutzer(?:name)?|kennung|usuari[oa]|utilisateur|identifiants?|utente|gebruiker(?:snaam)?|uzytkownik|логин|пользователь|账号|帐号|ユーザー|아이디|kullanici(?: adi)?|ten dang nhap|pengguna|اسم المستخدم|משתמש|ผู้ใช้|bruker(?:navn)?|bruger(?:navn)?|anvandare|kayttaja|felhasznalo|uzivatel|utilizator|χρηστη[ςσ]|корисник|e-?mail|mail|name)[: =]{1,3}(?!(?:and|or|und|oder|et|ou|the|your|with|is|are|field|page)\b)[\w.@\-]{2,40}[ ,;/|]{1,4}\Z"
)
_FIELD = re.compile(r"[a-z]+(?:_[a-z0-9]+)+")
_QUOTED_AFTER = re.compile(r" ?[\"'`]([^\s\"'`]{6,48})[\"'`]")
_DIRECT_VALUE = re.compile(r"(?:[ \t:=]{1,3}|:?\n)[\"'`]?([^\s\"'`,;<>(){}]{6,48})")


def _of_user(text: str, start: int, end: int) -> tuple[float, int, int]:
    """A value after a password word that follows a user's name: no further sign is wanted there."""
    quoted = _QUOTED_AFTER.match(text, end)
    least = Grade.MIXED if quoted and text[end] == " " and not file_or_version(quoted.group(1)) else Grade.PASSWORD
    if quoted and grade(quoted.group(1)) >= least and not placeholder(quoted.group(1)):
        return 0.76, *quoted.span(1)
    match = _DIRECT_VALUE.match(text, end)
    if not match or (text[start - 1 : start] != "_" and not _USER_BEFORE.search(text, max(0, start - 64), start)):
        return 0.0, 0, 0
    value = trim(match.group(1))
    if len(value) < 6 or code(value) or placeholder(value) or grade(value) < Grade.MIXED or _FIELD.fullmatch(value) or OPTION.match(value):
        return 0.0, 0, 0
    return 0.76, match.start(1), match.start(1) + len(value)


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
            if confidence < 0.7 and password:
                confidence, begin, finish = _of_user(text, start, tail) if tail <= end + 1 else (0.0, 0, 0)
            if confidence < 0.7:
                confidence, begin, finish = max((confidence, begin, finish), _before(text, start) if password else _used_as(text, start))
            if confidence >= 0.7 and word in _SESSION_IDS and shape(text[begin:finish]) is Shape.UUID:
                continue  # logs name sessions so; the ones that open something are drawn longer
            if confidence >= 0.7:
                yield Hit(kind, confidence, rule, begin, finish)
                resume = finish
