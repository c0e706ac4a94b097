# ruff: noqa: E501  # patterns and word lists read best unbroken
"""A name and a password together, as people note logins: in a line, in a table, before a host, behind an address."""

import re
from collections.abc import Iterator, Sequence

from llm_gateway.detectors.linear import compile_pattern
from llm_gateway.detectors.rules import Hit, looks_drawn
from llm_gateway.detectors.secrets_judge import MARKED, loose_password, trim
from llm_gateway.detectors.values import Grade, code, file_or_version, grade, term_of_art

_IPV4 = compile_pattern(r"\b\d{1,3}\.\d{1,3}\.\d{1,3}\.\d{1,3}\b[ \t,/:]{1,4}([^\s,/:\"'<>]{2,40})[ \t,/:]{1,3}([^\s,/\"'<>]{6,40})")
_LOGIN_NAMES = frozenset(
    {
        "root",
        "admin",
        "administrator",
        "sa",
        "postgres",
        "ubuntu",
        "pi",
        "user",
        "sysadmin",
        "operator",
        "deploy",
        "backup",
        "oracle",
        "elastic",
        "grafana",
        "jenkins",
        "gitlab",
        "mysql",
        "tomcat",
        "sonar",
        "nexus",
        "kibana",
    }
)
_RECOVERY_GROUPS = re.compile(r"(?<![0-9-])[0-9]{6}(?:-[0-9]{6}){7}(?![0-9-])")


def recovery_passwords(text: str, runs: Sequence[tuple[int, int]]) -> Iterator[Hit]:
    """Recovery passwords of BitLocker: eight groups of six digits."""
    for begin, finish in runs:
        if finish - begin >= 55 and _RECOVERY_GROUPS.search(text[begin:finish]):
            yield Hit("secret.password", 0.88, "generic.recovery_password", begin, finish)
            return


_LOGIN_WORDS = frozenset(
    {"identifiants", "credenciales", "credenziali", "credenciais", "inloggegevens", "dane logowania", "prihlasovaci udaje", "inloggningsuppgifter", "учетные данные", "логин", "логін", "账号", "帐号", "帳號", "creds", "credentials", "zugangsdaten", "login", "zugang", "zugriff", "acceso", "accesso", "inloggen", "logowanie", "доступ", "ログイン", "登录", "로그인", "access", "account", "auth", "user:", "username", "user name", "benutzer", "usuario", "utilisateur", "admin"}
)  # fmt: skip
_LOGIN_VALUE = re.compile(r"(?<=[\s/|:,])[^\s/|,;:'\"<>]{7,48}(?=[\s,.;)'\"|]|$)")
_LOGIN_NAME = re.compile(r"(?:^|[\s:=('\"])([A-Za-z][\w.\-@]{1,40})(\s{0,2}[/|:,]|[ \t]?\n)?\s{0,2}\Z")
_GIVEN_NAME = re.compile(r"[\"' ]{0,2}[:=][\"' ]{0,2}[A-Za-z][\w.\-@]{1,40}[\"' ]{0,2}[/|,;][\"' ]{0,2}\Z")


def logins(text: str, weak: Sequence[tuple[int, int, str]]) -> Iterator[Hit]:
    """A name and a password behind a word for access, as people note them: `Zugang: schulung / Xy7!k2Qz`."""
    for start, behind, word in weak[:_MOST_LOGINS]:
        if word not in _LOGIN_WORDS or (start and text[start - 1].isalpha()):
            continue
        end = behind - 1 if word.endswith(":") else behind
        line = text.find("\n", end, end + _LOGIN_CHARS)
        if 0 <= line <= end + 2:  # the name and the password on lines of their own
            line = text.find("\n", text.find("\n", line + 1) + 1, end + _LOGIN_CHARS) if text.find("\n", line + 1) > 0 else -1
        for match in _LOGIN_VALUE.finditer(text, end, line if line >= 0 else min(len(text), end + _LOGIN_CHARS)):
            name = _LOGIN_NAME.search(text[max(start, match.start() - 44) : match.start()])
            if name and (name.group(2) or name.group(1).lower() in _LOGIN_NAMES) and _strong(match.group(), name.group(1)):
                yield Hit("secret.password", 0.8, "generic.login", *match.span())
                return
            if _GIVEN_NAME.fullmatch(text, end, match.start()) and loose_password(trim(match.group())):
                yield Hit("secret.password", 0.8, "generic.login", *match.span())
                return


_ANSWER = compile_pattern(
    r"^[ \t]*(?:\[?[0-9:., ]{4,20}(?:[ap]m)?\]?[ -]{0,3})?(?:\p{L}[\p{L}\w .@-]{0,24}(?: ?:|>) ?)?(?:\p{L}[\p{L}\w' ]{1,20}[,:]? )?[A-Za-z][\w.\-@]{1,40} {0,2}(?:[/|,;]|->) {0,2}([^\s/|,;:'\"<>]{7,40})[.,]?(?:\s|$|[(\"'])"
)
_VERSION = re.compile(r"[0-9]\.[0-9]|[a-z]+[-_](?:19|20)[0-9]{2}\Z")
"""What has a version or ends in a year is the answer to a question about programs."""
_QUESTION_CHARS, _ANSWER_CHARS = 120, 160
_FEWEST_LETTERS = 3


def answered_logins(text: str, weak: Sequence[tuple[int, int, str]]) -> Iterator[Hit]:
    """The name and the password that the next line gives to a question about access, as in chats."""
    looked = -1
    for _, end, _ in weak:
        line = text.find("\n", end, end + _QUESTION_CHARS)
        if line < 0 or line == looked or not text[end:line].rstrip(" \t\"'").endswith(("?", "？", ":")):
            continue
        looked = line
        match = _ANSWER.search(text[line + 1 : line + 1 + _ANSWER_CHARS])
        if match and _answered(match.group(1)):
            yield Hit("secret.password", 0.8, "generic.answered_login", line + 1 + match.start(1), line + 1 + match.end(1))
            return


def _answered(value: str) -> bool:
    value = trim(value)
    letters = sum(map(str.isalpha, value))
    mixed = letters >= _FEWEST_LETTERS and any(map(str.isdigit, value)) and grade(value) >= Grade.MIXED and not code(value)
    return mixed and not file_or_version(value) and not _VERSION.search(value) and not (value.isalnum() and term_of_art(value))


_LOGIN_CHARS = 110
_MOST_LOGINS = 400


def _strong(value: str, name: str) -> bool:
    """Whether what follows a login's name is a password and not a further word of the sentence."""
    value = trim(value)
    if grade(value) < Grade.PASSWORD or code(value) or term_of_art(value):
        return False
    return bool(MARKED.search(value)) or (name.lower() in _LOGIN_NAMES and loose_password(value))


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
        if grade(value) >= Grade.PASSWORD and not code(value) and not term_of_art(value) and loose_password(value):
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
