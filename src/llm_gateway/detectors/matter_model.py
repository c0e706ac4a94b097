"""A sum of evidence that a text tells something private about somebody, or about a firm.

No single sign decides. Words of a matter, signs of a person and signs of a particular case each add their weight; none
takes any away, so that more text never makes a text less telling. What is openly made up, a template, a sum for pupils
or a greeting is left out by the caller's `harmless`. Cheap signs are looked for first, and the rest only where it could
still be enough.
"""

import re
from collections.abc import Callable, Mapping

from llm_gateway.detectors import matter_evidence as evidence
from llm_gateway.detectors.first_names import first_names
from llm_gateway.detectors.linear import Pattern, compiled
from llm_gateway.detectors.people import NOT_NAMES, names, slavic_first_name, spelt

STRONG, HINT, CUE, WEAK = 5, 3, 2, 1
"""Weights of matter words. A cue of several words weighs one more."""
THRESHOLD, BUSINESS_THRESHOLD = 7, 9
BEFORE_CHARS, AFTER_CHARS = 220, 420
"""What around a matter word is looked at."""

_MOST_TOPIC, _MOST_PERSON, _MOST_FACTS, _MOST_FIGURES = 9, 5, 2, 3
_LEAST_OTHER_TOPIC, _PLAIN_TOPIC = 2, 7
_LEAST_TOPIC, _LEAST_PERSON, _LEAST_BUSINESS, _LEAST_SIGNS = 3, 2, 4, 3
_FULL_NAME, _FIRST_NAME, _RECORD, _RELATION = 4, 3, 3, 2
_CAPITALISED = re.compile(r"(?<![\w.@/])([A-Z][a-z]+)(?![\w@/])(?! [A-Z][a-z])")
_AFTER_NAME = re.compile(r"[\w,] ([A-Z][a-z']+) \Z|(?<![\w,] )\b([A-Z][a-z]+) \Z")
"""A capitalised word right before: within a sentence it makes a full name of two, at its start it may be a verb."""
_PERSONAL = (evidence.WEAK_HEALTH, evidence.WEAK_HR, evidence.WEAK_LEGAL)
_BUSINESS = (evidence.WEAK_CORPORATE,)


def seen(pattern: str, window: str) -> bool:
    """Whether `pattern` occurs in `window`."""
    return compiled(pattern).search(window) is not None


def _everyday(words: Mapping[str, int], window: str, patterns: tuple[str, ...], wanted: int) -> int:
    """Weight of everyday words of a matter in `window` beside `words`, up to `wanted`."""
    known = list(words)
    total = 0
    for pattern in patterns:
        for match in compiled(pattern).finditer(window):
            if total >= wanted:
                return total
            word = match.group().lower().strip(" \n,.;:'\"()")[:5]
            if not any(other.startswith(word) or word in other for other in known):
                known.append(word)
                total += WEAK
    return total


def person(window: str) -> int:
    """Weight of the signs that somebody in particular is meant."""
    window = spelt(window)
    known = 0
    pronoun, relation = seen(evidence.PRONOUN, window), seen(evidence.RELATION, window)
    if first_name(window):
        known = _FIRST_NAME
    elif seen(evidence.RECORD, window) or seen(evidence.AGE, window) or (not window.isascii() and slavic_first_name(window)):
        known = _RECORD
    if known < _FULL_NAME:
        known = max(known, _listed(window))
    if (not known or not (pronoun or relation)) and (not window.isascii() or seen(evidence.NAME_LIKE, window)) and names(window):
        known = _FULL_NAME if known or pronoun or seen(evidence.TITLED, window) or not window.isascii() else _RELATION
    if relation:
        known = max(known + 1, _RELATION)
    elif not known and seen(evidence.COMPANY, window):
        known = _RELATION
    elif not known:
        known = int(_said_name(window) or seen(evidence.TITLE_ROLE, window))
    if 0 < known < _FULL_NAME and seen(evidence.OLD, window):
        known += 1
    return min(known + pronoun, _MOST_PERSON)


def first_name(window: str) -> bool:
    """Whether a common first name stands in `window`, and not as the surname behind another one."""
    common = first_names()
    for match in _CAPITALISED.finditer(window):
        if match.group(1).lower() not in common:
            continue
        before = _AFTER_NAME.search(window, max(0, match.start() - 24), match.start())
        if before is None or (before.group(2) and before.group(2).lower() not in common):
            return True
    return False


def _listed(window: str) -> int:
    """Weight of several surnames in a row: more where each has a verdict, a sum or a condition."""
    for pattern, enough, weight in ((evidence.RATED, 2, _FULL_NAME), (evidence.EACH_TOLD, 3, _RECORD)):
        if len({match.group(1) for match in compiled(pattern).finditer(window)} - NOT_NAMES) >= enough:
            return weight
    return _RECORD if seen(evidence.NAME_ROW, window) else 0


def _said_name(window: str) -> bool:
    return any((match.group(1) or match.group(2)) not in evidence.NO_SAID_NAMES for match in compiled(evidence.SAID_NAME).finditer(window))


def facts(window: str) -> int:
    """Weight of signs of a particular case: something is to be written or answered; dates, figures, news."""
    return seen(evidence.TASK, window) + seen(evidence.PARTICULAR, window)


def telling(words: Mapping[str, int], window: str, harmless: Callable[[bool], bool]) -> bool:
    """Whether there is enough in `window` about a person. `words` are the matter words with their
    weights; `harmless` is told whether somebody is plainly meant."""
    about = min(sum(words.values()), _MOST_TOPIC)
    somebody = person(window)
    if not somebody:
        return False
    case = facts(window)
    if somebody < _LEAST_PERSON and (about < _PLAIN_TOPIC or case < _MOST_FACTS):
        return False
    if about < HINT and (somebody < _FIRST_NAME or not case):
        return False
    least = _LEAST_TOPIC if about >= HINT else _LEAST_OTHER_TOPIC
    wanted = max(THRESHOLD + (case == 0) - somebody - case, least) - about
    if wanted > 0 and (about + wanted > _MOST_TOPIC or _everyday(words, window, _PERSONAL, wanted) < wanted):
        return False
    return not harmless(somebody >= _FULL_NAME)


def private_business(words: Mapping[str, int], window: str, ours: Pattern, harmless: Callable[[], bool], *, secret: bool) -> bool:
    """Whether there is enough in `window` about a firm: whose, not told yet, how much, when, for whom.

    `ours` finds the words of those who speak for the firm, `secret` says that words of secrecy stand near.
    """
    about = min(sum(words.values()), _MOST_TOPIC)
    if about < HINT:
        return False
    whose = ours.search(window) is not None
    untold = secret or seen(evidence.UNTOLD, window)
    firm = seen(evidence.COMPANY, window)
    if not (whose or untold or firm):
        return False
    signs = 2 * whose + 2 * untold + (2 if firm else int(seen(evidence.DEALT_WITH, window))) + _figures(window)
    signs += sum(seen(pattern, window) for pattern in (evidence.AUDIENCE, evidence.WHEN, evidence.TASK))
    if signs < _LEAST_SIGNS:
        return False
    wanted = max(BUSINESS_THRESHOLD - signs, _LEAST_BUSINESS + (not untold)) - about
    if wanted > 0 and (about + wanted > _MOST_TOPIC or _everyday(words, window, _BUSINESS, wanted) < wanted):
        return False
    return not harmless()


def _figures(window: str) -> int:
    """2 for one figure, 3 for more."""
    count = 0
    for _ in compiled(evidence.FIGURE).finditer(window):
        count += 1
        if count == _MOST_FIGURES - 1:
            break
    return count + 1 if count else 0
