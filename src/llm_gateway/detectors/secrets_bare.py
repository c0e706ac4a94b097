# ruff: noqa: E501  # patterns read best unbroken
"""Passwords that no word announces: told by their own look, or by a sentence about getting in.

Three grades: what has capitals, small letters, digits and a mark inside is a password wherever prose holds it; what has a mark at all
counts in a line that speaks of a login; letters and digits alone count only as the second of a pair behind such a word.
"""

import re
from collections.abc import Iterator

from llm_gateway.detectors.linear import Match, compile_pattern
from llm_gateway.detectors.rules import Hit
from llm_gateway.detectors.values import code, likeness, placeholder, term_of_art

_ANY = r"[A-Za-z0-9!#$%&*?^~@_.+\-]"
_MARKED_RUN = compile_pattern(rf"{_ANY}*(?:[A-Za-z0-9][!#$%&*?^~@][A-Za-z0-9]|[0-9][!#$%&*]){_ANY}*")
_MIXED_RUN = compile_pattern(rf"{_ANY}*[A-Za-z][0-9][a-z]{_ANY}*|(?:^|[\s/|])[0-9][A-Za-z]{{2}}{_ANY}*")
_MIXED = compile_pattern(r"[A-Za-z][0-9][a-z]|(?:^|[\s/|])[0-9][A-Za-z]{2}")
_MARK_INSIDE = re.compile(r"[A-Za-z0-9][!#$%&*?^~][A-Za-z0-9]")
_MARK = re.compile(r"[!#$%&*?^~@]")
_NOT_PASSWORD = re.compile(
    r"[A-Za-z_.\-]+[0-9]*@v?[0-9.]+[.!?]*\Z"  # actions@v4
    r"|\w+!\$?[A-Z]{1,3}\$?[0-9]{1,6}\Z"  # a cell of another sheet
    r"|[A-Za-z_.]+[0-9]?(?:\$[A-Z][A-Za-z]+[0-9]?|\$[0-9]+|\$[a-z]\w*\$[0-9]+)+\Z"  # a class within a class
    r"|[A-Z]{1,3}\$[0-9]"  # an amount of money
    r"|.*%[0-9A-Fa-f]{2}|.*%[-0-9.]*[sdifxuc](?![a-z])|.*[!*&#$%^~?]{2}(?![!?]*\Z)"  # percent-encoded, a format, an operator
    r"|[A-Z]{1,3}&[A-Z]"  # R&D2024
    r"|(?:[A-Z][a-z0-9]+|[a-z_]+|::|\.)+#[a-z_]+[!?=]?[0-9]?\Z"  # a method in documentation
    r"|\w{0,3}\*|.*\*\w+\*|.*\..*\*|.*\*.*\.|[\w.]+#L[0-9]"  # arithmetic
    r"|(?i:fritz!box)|[0-9]+%|.*@[\w\-]+(?:\.[\w\-]+)+\Z"
)
_ASKED = re.compile(r"[?？;؟]\s*(?:[^\w\s]\s*)*\n\Z")
_TAG = re.compile(r"[A-Za-z_.\-]+#[0-9]+\Z")
"""A player's tag, a number of an issue."""
_PRODUCT = re.compile(r"[\w.]+\*\w{0,3}\Z")
"""A product of numbers, or a word and a star behind it."""
_NUMBERED = re.compile(
    r"(?i)(?:issue|ticket|bug|pr|mr|order|case|invoice|task|page|room|item|article|comment|slide|figure|table|step|rechnung|seite|frage|nr|no|pull|build|run|job|port|line|id)s?#[0-9]"
)
_ODD = re.compile(r"[!#$%&*+<=>?@\[\\\]^_`{|}~\x00-\x1f]")
"""Where a fifth of the characters are such, nobody wrote prose: encoded or decoded bytes."""
_LEARNED = re.compile(
    r"(?i)(?:k8s|w3c|w3|oauth2?|log4j|i18n|l10n|e2e|b2b|b2c|neo4j|p2p|m2m|s3|ec2|web[23]|base64|x86|auth0|\w+365|h264|mp[34]|3d|2d|2fa|[0-9]+(?:px|ms|kb|mb|gb|tb|th|st|nd|rd|am|pm|km|kg|cm|mm|hz|ghz|mhz|fps|bit))(?![a-z])"
)
_CODE_LINE = re.compile(r"[;{}]\s*\Z|=>|\(\)|[=!]=|::|</|/>|\$[{(]|&&|\|\||\\[\"'$&]|\[\[|^\s*(?:#|//|\*|<|\$ )|[<>]{2}|\)\s*\{")
_LOGIN = compile_pattern(
    r"(?i)log(?:ged|ging)?[ -]?(?:in|on)\b|\bsign(?:ed|ing)?[ -]?(?:in|on)\b|\bssh\b|\bsftp\b|\btelnet\b|\brdp\b|\bvnc\b|\bftp\b|\bsmb\b|jump ?host|bastion|\brouter\b|\bnas\b|\bportal\b|\bvpn\b|\bwlan\b|wi-?fi|\bnetwork\b|hotspot|\bvault\b|keepass|bitwarden|\bprompt\b|\baccount\b|\buser(?:name)?\b|\badmin\b|\bcpanel\b|\bunlock|\breset to\b|\b(?:old|new|previous|current) one\b|\bsession\b|\bacces(?:s|o)?\b|extranet|intranet|laptop|notebook|workstation|\bsteam\b|insta(?:gram)?\b|facebook|tiktok|spotify|amazon\b|paypal|mailbox|postfach|netflix|icloud|\btyp(?:es?|ed|ing)\b|\benter(?:ed|ing)?\b"
    r"|benutzer|\bmelde?\b|anmeld|einlogg|zugang|entsperr|tipp[est]|\bgib\b|eingeb|connecte|connexion|identifiant|\bcompte\b|deverrouill|sais(?:is|ir|issez)|\btap(?:e|ez|er)\b|\bentra\b|\baccede|acceso|inici[ao]|usuario|desbloque|escrib|introdu[cz]|accedi|\butente|sblocc|digit[aei]|\bacess|conecte|\bentre com|inlog|aanmeld|gebruiker|ontgrendel|zalog|loguj|uzytkown|wpisz|odblok|prihlas|uzivatel|zadej|odemkn"
    r"|зайди|зайти|заходи|вой(?:ди|ти)|логин|учетк|пользовател|введи|увiйд|разблок|logga? in|\banvand|\bbruker|\bbruger|skriv|kirjaudu|kayttaj|syota|belep|bejelentk|felhasznal|utilizator|conecteaz|giris yap|kullanici|masuk|pengguna|dang nhap|nhap|登录|登陆|登入|账号|帐号|输入|輸入|解锁|ログイン|入力|로그인|입력|συνδε|χρηστ|التسجيل|دخول|כניסה|התחבר|लॉगिन"
)
_SAID = re.compile(
    r"(?i)(?:\b(?:now|it's|its|is|ist|est|es|e|was|to|auf|zu|neu|new one|one is|typing|typed|type|enter|entering)|[:→>|/,]) [\"'`]?\Z"
)
_TYPED = re.compile(
    r"(?i)\b(?:type|typed|typing|enter(?:ed|ing)?|tippe|eingeben|saisi[rst]?|escrib\w{1,4}|digita\w{0,2}|wpisz|введи|输入) [\"'`]?\Z"
)
_GIVEN = re.compile(r"(?i)\b(?:to|typ(?:es?|ed|ing)|enter(?:ing)?|auf|password|with) [\"'`]?\Z")
_PAIR = re.compile(
    r"(?i)(?:^|[\s(:,\"'→|])[A-Za-z0-9][\w.\-@\\]{1,40}[\"']?(?: {0,2}(?:/|,|:|→|->|\||;|\+) {0,2}| (?:and|und|et|y|e|i|og|och|en|ja|es|si|ve|и|та|with|then|mit|和|와|と|dan|va) |(?<=\\)[\w.\-]{2,30} {1,2})(?:then |type |enter |dann |puis |luego |ww |pw |pwd |mdp |pass |kw )?[\"'`]?\Z"
)
_BEFORE_CHARS = 140
_FEWEST_CHARS, _MOST_CHARS = 7, 34
_LONE_CHARS = 12
"""Shorter words that stand alone are bytes that some decoding made as often as passwords."""
_EDGES = " \t\n/|.?-_"
_LOGIN_SLASH = re.compile(r"(?:^|[\s(,:>])[A-Za-z][\w.\-]{1,24}/\Z")
_SLASH_MARK = re.compile(r"[A-Za-z0-9][!$%*^~][A-Za-z0-9]")
_BEFORE = "/ \t\n\"'`(:,|>%「『"
_AFTER = " \t\n\"'`),;:|.?-_。、，」』"
_CASES = re.compile(r"[A-Z]+[a-z]*|[a-z]+|[0-9]+")
_LEET = re.compile(r"[A-Za-z][0-9][a-z]|\A[0-9][A-Za-z]{2}")
_LETTER = re.compile(r"[A-Za-z]")


def _classes(value: str) -> tuple[int, int, int]:
    """How many capitals, small letters and digits."""
    return sum(map(str.isupper, value)), sum(map(str.islower, value)), sum(map(str.isdigit, value))


def _strong(value: str) -> bool:
    """Whether it can hardly be anything but a password: all four classes, with the mark inside, or drawn with one at the end."""
    upper, lower, digits = _classes(value)
    if not (upper and lower and digits) or upper + lower < 4:
        return False
    if _MARK_INSIDE.search(value):
        return not (_TAG.match(value) or _PRODUCT.match(value))
    if value[-1] in "!#$%&*" and digits >= 2 and _LEET.search(value) and not _LEARNED.search(value):
        return True
    pieces = _CASES.findall(value)
    return value[-1] in "!#$%&*" and digits >= 2 and len(pieces) >= 5 and max(map(len, pieces)) <= 4


def _candidate(value: str) -> bool:
    return not (_NOT_PASSWORD.match(value) or _NUMBERED.match(value) or placeholder(value) or code(value) or term_of_art(value))


def _mixed(value: str) -> bool:
    """Whether letters and digits mix as in a password rather than in a product's name."""
    upper, lower, digits = _classes(value)
    if len(value) < 8 or not digits or upper + lower < 3 or _LEARNED.search(value) or "." in value.strip("."):
        return False
    return bool(_LEET.search(value)) or (digits >= 2 and not value.isupper() and likeness(_CASES.findall(value), 5) < 0.4)


def bare_passwords(text: str) -> Iterator[Hit]:
    """Words that look like passwords, in prose, and those with a mark that a sentence about a login offers as one."""
    login: bool | None = None
    for match in _MARKED_RUN.finditer(text):
        found = _offered(text, match)
        if not found:
            continue
        start, end, around = found
        value = text[start:end]
        if _strong(value):
            yield Hit("secret.password", 0.76, "bare.strong", start, end)
            return
        if login is None:
            login = bool(_LOGIN.search(text))
        if login and _LOGIN.search(around) and _told(value, text[max(0, start - _BEFORE_CHARS) : start]):
            yield Hit("secret.password", 0.74, "bare.login", start, end)
            return


def paired_passwords(text: str) -> Iterator[Hit]:
    """Words of letters and digits that a sentence about a login gives after a name."""
    if not _MIXED.search(text):
        return
    for match in _MIXED_RUN.finditer(text):
        found = _offered(text, match)
        if not found:
            continue
        start, end, around = found
        if _told(text[start:end], text[max(0, start - _BEFORE_CHARS) : start]) and _LOGIN.search(around):
            yield Hit("secret.password", 0.74, "bare.pair", start, end)
            return


def _offered(text: str, match: Match) -> tuple[int, int, str] | None:
    """Where the word stands and what is around it, when it could be a password and stands in prose."""
    raw = match.group()
    value = raw.strip(_EDGES)
    if not _FEWEST_CHARS <= len(value) <= _MOST_CHARS or not value[0].isalnum():
        return None
    start = match.start() + raw.find(value)
    end = start + len(value)
    before, after = text[start - 1 : start], text[end : end + 1]
    if before == "/" and not (_LOGIN_SLASH.search(text, max(0, start - 28), start) and _SLASH_MARK.search(value)):
        return None
    if (before and before not in _BEFORE) or (after and after not in _AFTER) or not _candidate(value):
        return None
    line, finish = text.rfind("\n", 0, start) + 1, text.find("\n", end)
    asked = text.rfind("\n", 0, max(0, line - 1)) + 1
    if line and _ASKED.search(text[asked:line]):
        line = asked  # an answer: what it is about stands in the question
    around = text[max(line, start - _BEFORE_CHARS) : end + 80 if finish < 0 else min(finish, end + 80)]
    alone = " " not in around and len(value) < _LONE_CHARS
    odd = 5 * len(_ODD.findall(around)) > len(around)
    return None if alone or odd or _CODE_LINE.search(around) else (start, end, around)


def _told(value: str, head: str) -> bool:
    """Whether the words before it offer it as the way in."""
    marked = bool(_MARK.search(value)) and any(map(str.isdigit, value)) and len(_LETTER.findall(value)) >= 3
    if _TAG.match(value):
        return bool(_PAIR.search(head) or _GIVEN.search(head))
    if marked and not value.endswith("?") and (_SAID.search(head) or _PAIR.search(head)):
        return True
    return bool(_PAIR.search(head) or _TYPED.search(head)) and _mixed(value)
