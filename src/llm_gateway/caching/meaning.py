"""Whether two questions ask the same, as far as words can tell: the lexical guard of the semantic cache.

Vectors of sentences put "safe to take" beside "unsafe to take", and "from A to B" beside "from B to A". So this guard believes in
nothing but words: a text is brought into a normal form in which courtesy, articles and a few dozen ways to begin a question
are gone, and two texts agree when nothing is left that differs. Every word counts unless it is known not to; two words are
the same only when they are equal or stand together in `caching.synonyms`; their order counts. Numbers, units, dates, negations, antonyms,
names, quotations, code and other languages therefore need no rules of their own: they are differences. Text behind a colon or a line
break is material, not a question, and must be the same byte for byte.

Pure and linear: RE2 and dictionaries, on texts of at most `MAX_CHARACTERS`.
"""

from collections.abc import Sequence
from typing import Final, NamedTuple

import re2

from llm_gateway.caching.synonyms import (
    AMBIGUOUS,
    CLASS,
    CONTEXTS,
    CONTRACTIONS,
    ELSEWHERE,
    ENGLISH,
    IDLE,
    NAMES,
    NUMBERS,
    OPENERS,
    REQUESTS,
    VERBS,
)

MAX_CHARACTERS: Final = 1_000
"""Longer texts say too much for a guard of this kind."""
LEAST_TOKENS: Final = 2
MAYBE: Final = "≈"
"""Begins a word whose capital may come from standing first."""

_ENDINGS: Final = {"n't": " not", "'re": " are", "'ve": " have", "'ll": " will", "'d": " would"}

_QUOTED: Final = re2.compile(r'`[^`]*`|"[^"]*"|“[^”]*”|„[^“”]*[“”]|«[^»]*»|‘[^’]*’|(?:^|[\s(])\'[^\']+\'')
_NUMBER: Final = re2.compile(r"([+\-−]?)((?:[0-9]{1,3}(?:,[0-9]{3})+|[0-9]+)(?:\.[0-9]+)?)(%|°?[A-Za-z]{1,12})?")
_WORD: Final = re2.compile(r"\p{L}[\p{L}\p{M}]*(?:[-'][\p{L}\p{M}]+)*'?")
_PAYLOAD: Final = re2.compile(r":\s|\n")

_VERB: Final = "(" + "|".join(sorted(REQUESTS)) + ")"
_OPENINGS: Final = tuple(
    (re2.compile(pattern), replacement)
    for pattern, replacement in (
        (r"^(hi|hello|hey)( there)?( ,| \.)? ", ""),
        (r"^please( ,)? ", ""),
        (r"^(can|could|would|will) you( please| kindly)? " + _VERB + " ", r"\3 "),
        (r"^i (would like|want|need|wish) you to ", ""),
        (r"^i (would like|want|need|wish) to (know|learn|understand|find out|hear) (what|how|why|when|where|who|which|about) ", r"\3 "),
        (r"^(do you know|i was wondering|i wonder|i am wondering) (what|how|why|when|where|who|which) ", r"\2 "),
        (r"^(tell|show|teach) me (what|how|why|when|where|who|which) ", r"\2 "),
        (r"^(explain|describe)( to me)? (what|how|why|when|where|who|which) ", r"\3 "),
        (r"^(explain|describe|tell) (to )?me ", r"\1 "),
        (r"^(give|show|write|suggest|recommend|provide|find|draft|generate|create|make) me (?:with )?", r"\1 "),
    )
)
_CONTEXT: Final = "(" + "|".join(sorted(CONTEXTS)) + ")"
_MOVES: Final = tuple(
    (re2.compile(pattern), replacement)
    for pattern, replacement in (
        (r"^((?:in|at|on|for|with|using|within) (?:[^ ,]+ ){1,4}), (.+) $", r"\2 \1"),
        (r" ([^ ,]+)'s ([^ ,]+) ", r" \2 of \1 "),
        (" " + _CONTEXT + " (function|program|script|code|class|method|list|dictionary|string|array) ", r" \2 in \1 "),
    )
)
_FRAMES: Final = tuple(
    (re2.compile(pattern), replacement)
    for pattern, replacement in (
        (r" (thanks|thank you|,)( \.)? $", " "),
        (r" get rid of ", " remove "),
        (r" pros and cons ", " advantages and disadvantages "),
        (r" simple words ", " simple terms "),
        (r" way of ([a-z]+ing) ", r" way to ~\1 "),
        (r"^which ", "what "),
        (r"^what (is|are) ", "WHAT "),
        (r"^what time (?:is )?it in ", "WHAT time in "),
        (r"^(tell|give) (?:me )?THE ", "WHAT "),
        (r"^list THE ", "LIST "),
        (r"^name THE ([a-z]+est) ", r"LIST \1 "),
        (r"^(give|show) example of ", "WHAT example of "),
        (r"^(give|write|provide) summary of ", "summarize "),
        (r"^(suggest|recommend) ([0-9]+) ", r"give \2 "),
        (r"^(create|make|implement) (function|program|script|query|class) ", r"write \2 "),
        (r"^(explain|describe|define|tell about|about) ", "TELL "),
        (r" THE ", " "),
        (r"^what does (.+) mean $", r"MEANING \1 "),
        (r"^(WHAT|TELL) meaning of ", "MEANING "),
        (r"^(WHAT|give|TELL) definition of ", "TELL "),
        (r"^what ((?:[^ ]+ ){1,8})(is|are) $", r"WHAT \1"),
        (r"^how (do|can|could) (i|one) ", "HOWTO "),
        (r"^how does one ", "HOWTO "),
        (r"^how (i|one) (can|could) ", "HOWTO "),
        (r"^how to ", "HOWTO "),
        (r"^(WHAT|TELL) (way|method|procedure|process|steps) to ", "HOWTO "),
        (r"^(WHAT|LIST|list|give) (some )?ways to ", "HOWTO "),
        (
            r"^(?:(?:WHAT|TELL) (?:method (?:of|for)|process for|procedure for|steps for|way for)|(?:walk|guide) me through"
            r"|show (?:me )?steps for) ([a-z]+ing) ",
            r"HOWTO ~\1 ",
        ),
        (r"^what (can|could) i do to ", "HOWTO "),
        (r"^what do i (have|need) (to do )?to ", "HOWTO "),
        (r"^(why|how come) (do|does|is|are) ", r"why \2! "),
        (r"^(WHAT|TELL) reason (that |why )?", "why "),
        (r"^how come ", "why "),
        (r"^how (do|does|is|are) ", r"how \1! "),
        (r"^WHAT number of ", "how many "),
        (r"^(how many .*?)are there ", r"\1"),
        (r"^how much time ", "how long "),
        (r"^how old (is|are) ", "WHAT age of "),
        (r"^how (tall|high) (is|are) ", "WHAT height of "),
        (r"^how long (is|are) ", "WHAT length of "),
        (r"^how deep (is|are) ", "WHAT depth of "),
        (r"^how wide (is|are) ", "WHAT width of "),
        (r"^how heavy (is|are) ", "WHAT weight of "),
        (r"^how fast (is|are) ", "WHAT speed of "),
        (r"^WHAT price of ", "WHAT cost of "),
        (r"^how much (do|does) (.+) cost $", r"WHAT cost of \2 "),
        (r"^how much (do|does) (.+) weigh $", r"WHAT weight of \2 "),
        (r"^how far (?:is|are) (.+) from (.+) $", r"WHAT distance between \1 and \2 "),
        (r"^who (?:is|was) (?:author|writer) of ", "who wrote "),
        (r"^who (?:is|was) inventor of ", "who invented "),
        (r"^who (?:is|was) painter of ", "who painted "),
        (r"^who (?:is|was) founder of ", "who founded "),
        (r"^who (?:is|was) discoverer of ", "who discovered "),
        (r"^who (?:is|was) composer of ", "who composed "),
        (r"^how does! (.+) differ from (.+) $", r"WHAT difference between \1 and \2 "),
        (r"^how do! (.+) and (.+) differ $", r"WHAT difference between \1 and \2 "),
        (r"^how (?:is|are)! (.+) different from (.+) $", r"WHAT difference between \1 and \2 "),
        (r"^(WHAT|TELL) differences? between ", "WHAT difference between "),
        (r"^(where .*?)(located|situated) $", r"\1"),
        (r"^(convert .*? )into ", r"\1to "),
        (r"^(translate .*? )into ", r"\1to "),
    )
)
_ALIKE: Final = re2.compile(r"^(WHAT (?:difference|distance) between) (.+) and (.+) $")
_OPEN_ALIKE: Final = ({"WHAT", "TELL"}, {"WHAT", "LIST"})
"""What something is can be asked as an explanation or as a list; those two are not the same."""
_INSIDE: Final = re2.compile(" (?:in|using) " + _CONTEXT + " ")


class Meaning(NamedTuple):
    """A text in normal form. `payload` is material that must be the same as it stands, quotations included.

    `english` says whether rules of English were applied. `singular` that a "does" was taken away, which leaves its verb without an s.
    """

    tokens: tuple[str, ...]
    payload: tuple[str, ...]
    english: bool
    singular: bool


def read(text: str) -> Meaning | None:
    """A text's normal form; None: it is too long or too short to be told from others by its words."""
    text = text.strip().replace("’", "'") if "‘" not in text else text.strip()
    if not text or len(text) > MAX_CHARACTERS or "\0" in text:
        return None
    question, payload = _parted(text)
    spoken = _Words(question, payload)
    if len(spoken.words) < LEAST_TOKENS:
        return None
    lowered = {word.lower().removeprefix(MAYBE) for word in spoken.words}
    english = not ENGLISH.isdisjoint(lowered) and ELSEWHERE.isdisjoint(lowered) and text.isascii()
    tokens, singular = _normal(spoken.words) if english else (spoken.words, False)
    if text[-1] in "?？" and (not english or (tokens and tokens[0] not in OPENERS)):
        tokens.append("?")
    return Meaning(tuple(tokens), tuple(payload), english, singular) if len(tokens) >= LEAST_TOKENS else None


def agree(one: Meaning, other: Meaning) -> bool:
    """Whether two texts ask the same."""
    if one.payload != other.payload or one.english != other.english or len(one.tokens) != len(other.tokens):
        return False
    spare = 1 if one.singular != other.singular else 0
    plain, inflected = (one, other) if one.singular else (other, one)
    for left, right in zip(plain.tokens, inflected.tokens, strict=True):
        if _same(left, right):
            continue
        if not spare or right not in {left + "s", left + "es"}:
            return False
        spare -= 1
    return True


def _same(left: str, right: str) -> bool:
    if left == right or {left, right} in _OPEN_ALIKE:
        return True
    if left.startswith(MAYBE):
        return right in {left[1:], left[1:].capitalize()}
    return right.startswith(MAYBE) and left in {right[1:], right[1:].capitalize()}


def _parted(text: str) -> tuple[str, list[str]]:
    """The question, with marks in the place of quotations, and what was taken out of it."""
    payload: list[str] = []
    cut = _PAYLOAD.search(text)
    if cut is not None and cut.start():
        rest = text[cut.start() :]
        text = text[: cut.start()] + " :"
        payload.append(rest)

    pieces: list[str] = []
    at = 0
    for found in _QUOTED.finditer(text):
        start = found.start() + (1 if found.group()[0] in " \t(" else 0)
        pieces += [text[at:start], f" \0{len(payload)} "]
        payload.append(text[start : found.end()].strip("`\"“”„«»‘’'"))
        at = found.end()
    return "".join(pieces) + text[at:], payload


class _Words:
    """A question cut into words: lower-case ones, names as they are written, numbers and units apart, signs that count."""

    def __init__(self, question: str, payload: Sequence[str]) -> None:
        self.words: list[str] = []
        self._first = True
        raw = question.split()
        for place, piece in enumerate(raw):
            self._piece(piece, last=place == len(raw) - 1)

    def _piece(self, piece: str, *, last: bool) -> None:
        behind: list[str] = []
        while piece and piece[0] == "(":
            self.words.append("(")
            piece = piece[1:]
        while len(piece) > 1 and piece[-1] in ".,;!?)…" and not piece.endswith("()"):
            behind.insert(0, piece[-1])
            piece = piece[:-1]
        if piece and piece not in ".,;!?…":
            self._core(piece)
        elif piece:
            behind.insert(0, piece)
        ends = False
        for sign in behind:
            if sign in ",;)":
                self.words.append(sign)
            else:
                ends = True
        if ends:
            self._first = True
            if not last:
                self.words.append(".")

    def _core(self, piece: str) -> None:
        first, self._first = self._first, False
        if piece[0] == "\0":
            self.words.append(piece)
        elif _WORD.fullmatch(piece):
            self._word(piece, first=first)
        elif (number := _NUMBER.fullmatch(piece)) is not None:
            sign, digits, unit = number.group(1), number.group(2), number.group(3)
            self.words.append(sign.replace("−", "-") + digits.replace(",", ""))
            if unit:
                self.words.append(unit)
        else:  # code, addresses, amounts with a sign: as it stands
            self.words.append(piece)

    def _word(self, word: str, *, first: bool) -> None:
        lower = word.lower()
        if (spelled := CONTRACTIONS.get(lower)) is not None:
            self.words += spelled.split()
            return
        for ending, rest in _ENDINGS.items():
            if lower.endswith(ending) and len(lower) > len(ending):
                self.words += [lower.removesuffix(ending), rest.strip()]
                return
        owner = ""
        if lower.endswith("'s"):
            owner, word, lower = "'s", word[:-2], lower[:-2]
        elif lower.endswith("s'"):
            owner, word, lower = "'s", word[:-1], lower[:-1]
        self.words.append(_cased(word, lower, first=first) + owner)


def _cased(word: str, lower: str, *, first: bool) -> str:
    """A word as it counts: its case only where that can tell a name from a word."""
    if lower in NAMES or word == lower:
        return lower
    if not first:
        return word
    if lower in AMBIGUOUS:
        # A question may well begin with one of these; what follows tells nothing, so the capital stays.
        return lower if lower in {"will", "may", "who", "it"} and word[1:] == lower[1:] else word
    if word[1:] != lower[1:] or lower in ENGLISH or lower in VERBS or lower in CLASS:
        return lower if word[1:] == lower[1:] else word
    return MAYBE + lower


def _normal(words: Sequence[str]) -> tuple[list[str], bool]:
    """The normal form of an English question, and whether a "does" was taken out of it."""
    kept = [NUMBERS.get(word, word) for word in words if word not in IDLE]
    text = _freed(" ".join(kept) + " ")
    for pattern, replacement in _MOVES:
        text = pattern.sub(replacement, f" {text}" if pattern.pattern[0] == " " else text).lstrip()
    text = _freed(text)
    # "the" decides in a few openings whether something given is asked for; then articles go.
    text = " ".join(["THE" if word == "the" else word for word in text.split() if word not in {"a", "an"}]) + " "
    for pattern, replacement in _FRAMES:
        text = pattern.sub(replacement, text)
    while " THE " in text or text.startswith("THE "):
        text = text.replace(" THE ", " ").removeprefix("THE ")
    alike = _ALIKE.search(text)
    if alike is not None:
        text = " ".join([alike.group(1), *sorted([alike.group(2), "and", alike.group(3)])]) + " "
    text = _context_last(text)
    tokens = text.split()
    singular = "does!" in tokens
    return [_token(word, place) for place, word in enumerate(tokens) if not _silent(word, place)], singular


def _freed(text: str) -> str:
    """Without courtesies at its beginning."""
    for _ in range(4):
        before = text
        for pattern, replacement in _OPENINGS:
            text = pattern.sub(replacement, text)
        if text == before:
            break
    return text


def _context_last(text: str) -> str:
    """The one language or tool that a question is about moves to its end: "sort in python by name" and "sort by name in python"."""
    if sum([word in CONTEXTS for word in text.split()]) != 1:
        return text
    found = _INSIDE.search(text)
    return text if found is None else f"{text[: found.start()]} {text[found.end() :]}in {found.group(1)} "


def _silent(word: str, place: int) -> bool:
    return word in {"do!", "does!", "is!", "are!"} or (place > 0 and word in {"is", "are"})


def _token(word: str, place: int) -> str:
    if word[0] == "~":
        return CLASS.get(base := _base(word[1:]), base)
    if place == 0 and word == "are":
        return "is"
    return CLASS.get(word, word)


def _base(gerund: str) -> str:
    """A verb of its -ing form, if it is a known one; else the form itself."""
    stem = gerund.removesuffix("ing")
    for verb in (stem, stem + "e", stem[:-1] if stem[-1:] == stem[-2:-1] else stem, stem[:-1] + "ie" if stem.endswith("y") else stem):
        if verb in VERBS:
            return verb
    return gerund
