"""Whether a value in a password's place was chosen for a live system, and the rules that ask so.

A value there may be an everyday word: the form says that it is a password. Stand-ins that manuals print do not count.
"""

import re
from collections.abc import Callable

from llm_gateway.detectors.normalise import fold
from llm_gateway.detectors.rules import Rule
from llm_gateway.detectors.secrets_structured import structured_rule
from llm_gateway.detectors.secrets_words import PASSWORD_WORDS, cleaned
from llm_gateway.detectors.values import Grade, code, file_or_version, grade, placeholder, repetitive

_WORDS_FOR_IT = frozenset(fold(word).lower() for word in cleaned(PASSWORD_WORDS))


_STAND_INS = re.compile(
    r"(?i).*(?:pass(?!age|at|au|er|im|io|iv|ov|t)|passw|pwd|secret|token|kennwort|example|change|your|enter|dummy|sample|placeholder|value|string|user|root$|admin$|postgres$|mysql$|mariadb$|redis$|guest$|test$|tester$|testing$|letmein|qwerty|hunter2|foobar|required|optional|current|default|pre-?shared|shared|wpa|hidden|vault|lookup|getenv|environ|config|settings?$|field|input|reset|forgot|invalid|wrong|incorrect|error|missing|valid|policy|hash|encrypt|protect|authent|generat|random|none$|null$|true$|false$|undefined|disabled|enabled|scram|md5|sha[0-9]|trust$|peer$|plain)"
)


_VARIABLE = re.compile(r"[a-z]+[A-Z][a-z]+(?:[A-Z][a-z]+)*\Z|[A-Z_]{3,}\Z|[a-z]+(?:_[a-z]+){2,}\Z|[$@:%<{(\[].*")


def chosen_word(value: str) -> bool:
    """Whether a value in a password's place was chosen for a live system, be it an everyday word."""
    value = value.strip("\"'.,;")
    if len(value) < 5 or code(value) or repetitive(value + "ab") or fold(value).lower() in _WORDS_FOR_IT:
        return False
    if grade(value) >= Grade.MIXED:
        return not placeholder(value) and not file_or_version(value)
    return not (_STAND_INS.match(value) or _VARIABLE.match(value) or placeholder(value) or file_or_version(value))


def mixed_word(value: str) -> bool:
    value = value.strip("\"'.,;")
    return grade(value) >= Grade.MIXED and not file_or_version(value)


def anchored_rule(
    name: str,
    kind: str,
    confidence: float,
    anchors: str,
    pattern: str,
    source: str,
    positive: str,
    negative: str,
    accept: Callable[[str], bool],
) -> Rule:
    """A structured rule whose anchors, parted by bars, may hold spaces."""
    return structured_rule(name, kind, confidence, "", pattern, source, positive, negative, accept)._replace(
        anchors=tuple(anchors.split("|"))
    )
