# ruff: noqa: E501, SIM905  # patterns and word lists read best unbroken
"""The detector: strings in, findings out.

One scan finds every literal that some rule waits for; only the rules whose literals occurred look at the text, near
those places. Then the text is looked at again as its encoded parts, its disguises and its joints would read.
"""

import hashlib
import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence

from llm_gateway.core.errors import ConfigurationError
from llm_gateway.core.findings import Finding, Sensitivity, noisy_or
from llm_gateway.detectors import (
    lexicon,
    markers,
    matters,
    pii_contact,
    pii_numbers,
    secrets_bare,
    secrets_generic,
    secrets_logins,
    secrets_tokens,
    secrets_told,
    shapes,
)
from llm_gateway.detectors.chance import list_of_numbers, spelt_by_chance
from llm_gateway.detectors.decode import MAX_DEPTH, decodings, rejoined, rot13, rot47, unspaced
from llm_gateway.detectors.lexicon import FAMILIES, Lexicon, Payload
from llm_gateway.detectors.linear import Match, PatternError, compile_pattern
from llm_gateway.detectors.linear import Pattern as LinearPattern
from llm_gateway.detectors.literals import in_characters
from llm_gateway.detectors.normalise import fold, further_views, warm
from llm_gateway.detectors.rules import WINDOW_AFTER, WINDOW_BEFORE, Hit, Pattern, Rule
from llm_gateway.detectors.shapes import drawn_words, shapes_in
from llm_gateway.detectors.spelled import spoken_digits

EVERYDAY_WORDS = frozenset(
    """password passwords secret secrets token tokens key keys credential credentials confidential internal private sensitive restricted proprietary classified api login auth authentication user username name email mail phone
    address account bank card credit medical health patient legal law contract salary client customer customers project report budget plan strategy data database server network security access admin root pin code passcode passphrase passwd pwd
    certificate license personal financial finance revenue employee staff hr company business document file financials invoice payment tax ssn iban""".split()
)
MAX_PATTERN_CHARS = 2_000
MAX_KEYWORD_CHARS = 200
_MAX_OPERATOR_BYTES = 4 << 20
MAX_CREDENTIAL_WORDS = 8_000
"""Credential words looked at in one text. A text with more of them is not judged word by word: it counts as sensitive."""
MAX_MARKER_WORDS = 4_000
"""The same for words that mark secrecy."""
MAX_REJECTED_MATCHES = 5_000
_ENCODED_SHAPES = frozenset({shapes.BASE64, shapes.BASE32, shapes.BASE85, shapes.HEX_PAIRS, shapes.NUMBERS, shapes.BITS})
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
_KEY_BODY = re.compile(r"[\"'`\s>#|*/\\+.&]{0,12}[A-Za-z0-9+/=_\-]{1,2}[\"'`\s^]{0,2}[A-Za-z0-9+/=_\-.$:]{2}")
_SEAM_END = re.compile(r"[A-Za-z0-9_\-+/=:@.]\Z")
_SEAM_START = re.compile(r"[A-Za-z0-9_\-+/=:@.]")
_CHAIN_CHARS = 400
_PARAGRAPH_CHARS = 24
_FEWEST_GAPS = 2
"""Spaces in a text that says something by itself."""
_SAYS_SOMETHING = re.compile(r"\w[\"']?\s?[:=]\s?[\"'\w]|[\u0e00-\u0eff\u3040-\u9fff]{8}")
"""A value together with its name, or words of a script without spaces."""
_IDS = ("/id", "_id", "-id")
_SPACED_LETTERS = frozenset(letter for letter in map(chr, range(0x590)) if letter.isalpha())
"""Letters of scripts that put spaces between words."""
_JOINED_CHARS = 32_768
_NO_HITS: tuple[Hit, ...] = ()
Buckets = list[list[tuple[int, int, Payload]] | tuple[()]]
"""For each family the places where its words stand, in order."""


class Inspector:
    """Judges texts. Made once for a configuration; safe to share between threads.

    `keywords` and `rules` are the operator's (`security.sensitive_keywords`, `security.rules`: name to RE2 pattern),
    `threshold` is the score in (0, 1] from which content is sensitive.

    Raises:
        ConfigurationError: a keyword or pattern is empty, too long, or not RE2.
    """

    def __init__(self, keywords: Sequence[str], rules: Mapping[str, str], threshold: float) -> None:
        self._standard = lexicon.standard()
        self._threshold = threshold
        self._rules = tuple((name, _operator_pattern(name, pattern)) for name, pattern in rules.items())
        self._lexicon = self._with_keywords(keywords)
        seed = "\0".join(
            (
                self._lexicon.fingerprint,
                *(p.rule.pattern for p in self._standard.patterns),
                *sorted(keywords),
                *(f"{n}={p}" for n, p in sorted(rules.items())),
            )
        )
        self.version = hashlib.blake2b(f"{seed}\0{threshold}".encode(), digest_size=8).hexdigest()
        warm()

    def inspect(self, strings: Sequence[tuple[str, str]]) -> tuple[Finding, ...]:
        """What was seen in `strings` ((place, text) pairs): the surest finding of each kind in each place."""
        found: dict[tuple[str, str], Finding] = {}
        if len(strings) == 1:
            place, text = strings[0]
            plain = fold(text)
            hits = self._scan(plain, 0)
            if hits is _NO_HITS and text.isascii():
                return ()
            parts = [(place, text, plain)]
            for hit in hits:
                _keep(found, hit, place)
        else:
            first: dict[str, str] = {}
            for place, text in strings:
                first.setdefault(text, place)
            parts = [(place, text, fold(text)) for text, place in first.items()]
            self._inspect_together(found, parts)
        for place, text, plain in parts:
            if not text.isascii():
                for view in further_views(text, plain):
                    for hit in self._scan(view, 1):
                        _keep(found, hit, place)
                for hit in self._operator_hits(text):
                    _keep(found, hit, place)
        if len(parts) > 1:
            for place, chain in _chains(parts):
                for hit in self._scan(chain, 1):
                    _keep(found, hit, place)
        return tuple(found.values())

    def _inspect_together(self, found: dict[tuple[str, str], Finding], parts: Sequence[tuple[str, str, str]]) -> None:
        """Look at (place, text, folded text) in one scan of what they make together."""
        starts: list[int] = []
        joined: list[str] = []
        position = 0
        size_before, alone_before = 0, False
        for _, _, plain in parts:
            size = len(plain)
            alone = plain.count(" ") >= _FEWEST_GAPS or _SAYS_SOMETHING.search(plain) is not None
            if joined:
                # What says something by itself is a paragraph: no other part makes it harmless. A word or a bare value belongs
                # to what stands beside it, as a name and its value do.
                border = "\n\n" if alone or alone_before or size >= _PARAGRAPH_CHARS <= size_before else "\n"
                joined.append(border)
                position += len(border)
            starts.append(position)
            joined.append(plain)
            position += size
            size_before, alone_before = size, alone
        for hit in self._scan("".join(joined), 0) if parts else ():
            _keep(found, hit, parts[max(0, bisect_right(starts, hit.start) - 1)][0])

    def judge(self, strings: Sequence[tuple[str, str]]) -> Sensitivity:
        """The verdict: noisy-or over the kinds found, each kind counted once at its surest."""
        findings = self.inspect(strings)
        if not findings:
            return _NOTHING
        best: dict[str, float] = {}
        for finding in findings:
            if finding.confidence > best.get(finding.kind, 0.0):
                best[finding.kind] = finding.confidence
        score = noisy_or(best.values())
        return Sensitivity(score, score >= self._threshold - 1e-9, findings)

    def locate(self, text: str) -> list[tuple[int, int, str]]:
        """(start, end, kind) of what can be cut out of `text` itself: secrets and personal data, not what only decoding shows.

        Spans are in order and do not overlap.
        """
        folded = fold(text)
        spans = sorted(
            (hit.start, hit.end, hit.kind)
            for hit in self._direct(folded, self._buckets(folded), every=True)
            if hit.confidence >= 0.7 and hit.kind.startswith(("secret.", "pii.", "keyword.operator", "rule."))
        )
        merged: list[tuple[int, int, str]] = []
        for start, end, kind in spans:
            if merged and start < merged[-1][1]:
                left, right, first = merged[-1]
                merged[-1] = (left, max(right, end), first)
            else:
                merged.append((start, end, kind))
        if folded == text or not merged:
            return merged
        offsets = _offsets(text, folded)
        return [(offsets[start], _end_offset(offsets, end), kind) for start, end, kind in merged]

    def _with_keywords(self, keywords: Sequence[str]) -> Lexicon:
        rows: list[tuple[str, int, Payload]] = []
        for keyword in keywords:
            word = keyword.strip()
            if not word or len(word) > MAX_KEYWORD_CHARS:
                raise ConfigurationError(f"security.sensitive_keywords: expected words of 1 to {MAX_KEYWORD_CHARS} characters")
            rows.append((word, lexicon.EVERYDAY if fold(word).lower() in EVERYDAY_WORDS else lexicon.KEYWORD, fold(word).lower()))
        return lexicon.build(tuple(rows))

    def _buckets(self, text: str) -> Buckets | None:
        raw = text.encode("utf-8", "surrogatepass")
        found = self._lexicon.find(raw.title())
        if not found:
            return None
        if len(raw) != len(text):
            found = in_characters(found, raw)
        found.sort()
        table, inner, borders = self._lexicon.table, self._lexicon.inner, self._lexicon.borders
        size = len(text)
        buckets = _EMPTY.copy()
        for start, end, index in found:
            wanted = table[index]
            border = borders[index]
            if border:
                if border > 1 and end < size and text[end].isalpha():
                    continue
                if start and text[start - 1] in _SPACED_LETTERS:
                    wanted = inner[index]
            for family, payload in wanted:
                bucket = buckets[family]
                if bucket:
                    bucket.append((start, end, payload))
                else:
                    buckets[family] = [(start, end, payload)]
        return None if buckets == _EMPTY else buckets

    def _scan(self, text: str, depth: int) -> Iterable[Hit]:
        buckets = self._buckets(text)
        seen = shapes_in(text)
        if buckets is None and not seen and not self._rules and "|" not in text:
            return _NO_HITS
        return self._hits(text, depth, buckets, seen)

    def _hits(self, text: str, depth: int, buckets: Buckets | None, seen: frozenset[int]) -> Iterator[Hit]:
        yield from self._direct(text, buckets, every=False, seen=seen)
        if depth >= MAX_DEPTH:
            return
        for view, start in self._views(text, buckets, seen):
            if len(view) >= 6 and view != text:
                for hit in self._scan(fold(view), depth + 1):
                    yield Hit(hit.kind, hit.confidence, hit.rule, start, start)

    def _views(self, text: str, buckets: Buckets | None, seen: frozenset[int]) -> Iterator[tuple[str, int]]:
        escapes = buckets is not None and bool(buckets[lexicon.ESCAPE])
        if escapes or not seen.isdisjoint(_ENCODED_SHAPES):
            for view in decodings(text, seen, escapes=escapes):
                yield view, 0
        if shapes.CONTROL in seen:
            yield _CONTROL.sub("", text), 0
        if shapes.SPACED in seen:
            for view in unspaced(text):
                yield view, 0
        if buckets is not None and buckets[lexicon.REVERSED]:
            yield text[::-1], 0
        if buckets is not None and buckets[lexicon.ROT13]:
            yield rot13(text), 0
            yield rot47(text), 0
        if buckets is not None and buckets[lexicon.SPOKEN] and any(buckets[family] for family in _NUMBERED):
            for view in spoken_digits(text):
                yield view, 0

    def _direct(self, text: str, buckets: Buckets | None, *, every: bool, seen: frozenset[int] | None = None) -> Iterator[Hit]:
        if self._rules:
            yield from self._operator_hits(text)
        if seen is None:
            seen = shapes_in(text)
        if seen:
            buckets = _without_chance(text, buckets, seen)
            yield from self._shaped(text, buckets or _EMPTY, seen)
        if "|" in text:
            yield from secrets_logins.row_logins(text)
        if buckets is None:
            return
        if buckets[lexicon.RULE]:
            yield from self._rule_hits(text, buckets[lexicon.RULE], every=every)
        if buckets[lexicon.ID]:
            yield from pii_numbers.ids_by_word(text, buckets[lexicon.ID])  # type: ignore[arg-type]
        if buckets[lexicon.BANK]:
            yield from pii_numbers.bank_accounts(text, buckets[lexicon.BANK])  # type: ignore[arg-type]
        if buckets[lexicon.BIRTH] or buckets[lexicon.ADDRESS]:
            yield from pii_contact.births_and_addresses(text, buckets[lexicon.BIRTH])  # type: ignore[arg-type]
        weak, credentials = buckets[lexicon.WEAK], len(buckets[lexicon.PASSWORD]) + len(buckets[lexicon.KEY])
        if credentials > MAX_CREDENTIAL_WORDS:
            yield Hit("limit.analysis", 1.0, "limit.credential_words", 0, 0)
        elif credentials or weak:
            words = _words(buckets)
            if credentials:
                yield from secrets_generic.credential_values(text, words)
            if words.weak:
                yield from secrets_tokens.short_keys(text, words)
                yield from secrets_logins.logins(text, words.weak)
                yield from secrets_logins.answered_logins(text, words.weak)
                yield from secrets_bare.paired_passwords(text)
        if buckets[lexicon.LOCK]:
            yield from secrets_told.lock_codes(text, buckets[lexicon.LOCK])  # type: ignore[arg-type]
        if max(len(buckets[lexicon.MARKER]), len(buckets[lexicon.GRAMMAR])) > MAX_MARKER_WORDS:
            yield Hit("limit.analysis", 1.0, "limit.marker_words", 0, 0)
        else:
            if buckets[lexicon.GRAMMAR]:
                yield from markers.composed_markers(text, buckets[lexicon.GRAMMAR])  # type: ignore[arg-type]
            if buckets[lexicon.MARKER]:
                yield from markers.classification(text, buckets[lexicon.MARKER])  # type: ignore[arg-type]
        if buckets[lexicon.MATTER] or buckets[lexicon.MATTER_END]:
            words_of_matters = matters.with_endings(text, buckets[lexicon.MATTER], buckets[lexicon.MATTER_END])  # type: ignore[arg-type]
            yield from matters.personal_matters(text, words_of_matters)
        if buckets[lexicon.AT]:
            ats = [start for start, _, _ in buckets[lexicon.AT]]
            yield from pii_contact.mail_addresses(text, ats)
            yield from secrets_logins.logins_at_hosts(text, ats)
        if buckets[lexicon.SEED]:
            yield from pii_contact.seed_phrases(text, buckets[lexicon.SEED])  # type: ignore[arg-type]
        if buckets[lexicon.KEYWORD] or buckets[lexicon.EVERYDAY]:
            yield from _keywords(text, buckets)

    def _shaped(self, text: str, buckets: Buckets, seen: frozenset[int]) -> Iterator[Hit]:
        """What is told by its shape: digits in a row, drawn tokens, rows of plain words."""
        runs = [match.span() for match in pii_numbers.DIGIT_RUN.finditer(text)] if shapes.DIGITS in seen else []
        banks: pii_numbers.Spans = buckets[lexicon.BANK]  # type: ignore[assignment]
        if runs:
            for hit in pii_numbers.cards(text, runs, buckets[lexicon.CARD]):  # type: ignore[arg-type]
                if hit.confidence >= _TOLD_CARD or not list_of_numbers(text[hit.start : hit.end]):
                    yield hit
            yield from pii_numbers.chinese_mobiles(text)
            yield from secrets_logins.recovery_passwords(text, runs)
            yield from pii_numbers.phones_by_word(text, buckets[lexicon.PHONE])  # type: ignore[arg-type]
        yield from pii_numbers.phones(text, seen)
        if shapes.IBAN in seen:
            yield from pii_numbers.ibans(text, banks)
        if shapes.SSN in seen:
            yield from pii_numbers.social_security(text, buckets[lexicon.ID])  # type: ignore[arg-type]
        if shapes.FIXED_ID in seen:
            yield from pii_numbers.fixed_ids(text, buckets[lexicon.ID])  # type: ignore[arg-type]
        if shapes.POSTAL in seen:
            yield from pii_contact.addresses_by_postcode(text)
        if shapes.BARE in seen:
            yield from secrets_bare.bare_passwords(text)
        if shapes.ADDRESS_LOGIN in seen:
            yield from secrets_logins.address_user_password(text)
        if shapes.TOKEN in seen:
            words = _words(buckets)
            words.hash = secrets_tokens.bounded_words(text, words.hash)
            yield from secrets_tokens.drawn_tokens(text, drawn_words(text), words)
        if shapes.DOTTED in seen:
            for pattern in self._standard.token_patterns:
                yield from _near_hits(pattern, text, ((0, len(text)),), every=False)
        if shapes.WORD_ROW in seen:
            yield from pii_contact.bare_seed_phrase(text)

    def _rule_hits(self, text: str, entries: Sequence[tuple[int, int, Payload]], *, every: bool) -> Iterator[Hit]:
        by_rule: dict[int, list[tuple[int, int]]] = {}
        size = len(text)
        patterns = self._standard.patterns
        for start, end, index in entries:
            if patterns[index].rule.prefix and ((start and text[start - 1].isalnum()) or not _KEY_BODY.match(text, end)):  # type: ignore[index]
                continue
            spans = by_rule.setdefault(index, [])  # type: ignore[arg-type]
            low, high = max(0, start - WINDOW_BEFORE), min(size, end + WINDOW_AFTER)
            if spans and low <= spans[-1][1]:
                spans[-1] = (spans[-1][0], high)
            else:
                spans.append((low, high))
        whole: list[str] = []
        for index, spans in by_rule.items():
            pattern = self._standard.patterns[index]
            found = False
            for hit in _near_hits(pattern, text, spans, every=every):
                found = True
                yield hit
            if not found and not every and pattern.rule.joins:
                yield from _joined_hits(pattern, text, spans, whole)

    def _operator_hits(self, text: str) -> Iterator[Hit]:
        for name, search in self._rules:
            match = search.search(text)
            if match:
                yield Hit("rule.operator", 1.0, name, match.start(), match.end())


_NOTHING = Sensitivity(0.0, False)
_CHANCE_FAMILIES = (lexicon.PASSWORD, lexicon.KEY, lexicon.WEAK, lexicon.VENDOR, lexicon.ID, lexicon.BANK)
_NUMBERED = (lexicon.ID, lexicon.CARD, lexicon.BANK, lexicon.PHONE)
"""Families of words that say what a number is."""
_TOLD_CARD = 0.9
"""Confidence in a card number that something near it says to be one."""
_EMPTY: Buckets = [()] * FAMILIES


def _without_chance(text: str, buckets: Buckets | None, seen: frozenset[int]) -> Buckets | None:
    """The buckets without short words that letters drawn by chance spell, in the middle of a long run of base64 or hexadecimal digits."""
    if buckets is None or shapes.TOKEN not in seen or not any(buckets[family] for family in _CHANCE_FAMILIES):
        return buckets
    by_chance = spelt_by_chance(text)
    if by_chance is None:
        return buckets
    kept = buckets.copy()
    for family in _CHANCE_FAMILIES:
        kept[family] = [entry for entry in buckets[family] if not by_chance(entry[0], entry[1])]
    return kept


def _words(buckets: Buckets) -> secrets_generic.Words:
    words = secrets_generic.Words()
    words.password, words.key = buckets[lexicon.PASSWORD], buckets[lexicon.KEY]  # type: ignore[assignment]
    words.vendor = buckets[lexicon.VENDOR]  # type: ignore[assignment]
    words.weak, words.hash = buckets[lexicon.WEAK], buckets[lexicon.HASH]  # type: ignore[assignment]
    return words


def _near_hits(pattern: Pattern, text: str, spans: Sequence[tuple[int, int]], *, every: bool) -> Iterator[Hit]:
    rule = pattern.rule
    rejected = 0
    for low, high in spans:
        piece = text if low == 0 and high == len(text) else text[low:high]
        if rule.needs and rule.needs not in piece:
            continue
        for match in pattern.finditer(piece):
            group = 1 if match.groups() else 0
            if _accepted(rule, match, group, piece):
                yield Hit(rule.kind, rule.confidence, rule.name, low + match.start(group), low + match.end(group))
                if not every:
                    return
            else:
                rejected += 1
                if rejected > MAX_REJECTED_MATCHES:
                    yield Hit("limit.analysis", 1.0, "limit.rejected_matches", low, low)
                    return


def _accepted(rule: Rule, match: Match, group: int, piece: str) -> bool:
    value = match.group(group)
    end = match.end(group)
    if rule.full_chars and len(value) * 5 < rule.full_chars * 4 and piece[end : end + 2].startswith(("..", "…", "[")):
        return False  # the beginning of a key, cut off on purpose
    return rule.accept is None or rule.accept(value)


def _joined_hits(pattern: Pattern, text: str, spans: Sequence[tuple[int, int]], whole: list[str]) -> Iterator[Hit]:
    """The same rule over the text without its joints: keys broken over lines, quotes or markup.

    `whole` keeps the joined whole text from rule to rule, for rules whose anchors lie all over a long one.
    """
    rule = pattern.rule
    if sum(high - low for low, high in spans) > _JOINED_CHARS:
        if not whole:
            whole.append(rejoined(text))
        pieces = [(0, text, whole[0])]
    else:
        pieces = [(low, text[low:high], rejoined(text[low:high])) for low, high in spans]
        if rule.prefix:
            # A word at the end of the line before must not grow together with the key's beginning.
            pieces += [
                (low, piece, rejoined(_set_off(piece, rule.anchors))) for low, piece, joined in pieces if _grown(joined, rule.anchors)
            ]
    for low, piece, joined in pieces:
        if len(joined) == len(piece) or rule.needs not in piece:
            continue
        for match in pattern.finditer(joined):
            group = 1 if match.groups() else 0
            if _accepted(rule, match, group, joined):
                yield Hit(rule.kind, rule.confidence, rule.name, low, low + len(piece))
                return


def _grown(joined: str, anchors: Iterable[str]) -> bool:
    """Whether something stands right before the key now."""
    return any((at := joined.find(anchor)) > 0 and joined[at - 1].isalnum() for anchor in anchors)


def _set_off(piece: str, anchors: Iterable[str]) -> str:
    for anchor in anchors:
        piece = piece.replace(anchor, "\x00" + anchor)
    return piece


def _keywords(text: str, buckets: Buckets) -> Iterator[Hit]:
    for family, kind, confidence in ((lexicon.KEYWORD, "keyword.operator", 1.0), (lexicon.EVERYDAY, "keyword.everyday", 0.1)):
        for start, end, word in buckets[family]:
            if pii_numbers.whole_word(text, start, end, str(word)):
                yield Hit(kind, confidence, "keyword.listed", start, end)
                if confidence < 0.5:
                    break


def _keep(found: dict[tuple[str, str], Finding], hit: Hit, place: str) -> None:
    known = found.get((hit.kind, place))
    if known is None or hit.confidence > known.confidence:
        found[(hit.kind, place)] = Finding(hit.kind, place, hit.confidence, hit.rule)


def _chains(parts: Sequence[tuple[str, str, str]]) -> Iterator[tuple[str, str]]:
    """Neighbouring strings that could be one value cut in pieces: no space at the seam and a digit near it.

    A vendor's own body repeats the messages among field names; only the messages themselves are joined. An id is nobody's continuation.
    """
    chain, place, pieces = "", "", 0
    for at, _, text in parts:
        if at.startswith("/native"):
            continue
        if at.endswith(_IDS):
            if pieces:
                yield place, chain
            chain, place, pieces = "", "", 0
            continue
        bare = text.strip()
        if chain and bare and _joins(chain, bare):
            chain = chain[-_CHAIN_CHARS:] + bare[:_CHAIN_CHARS]
            pieces += 1
            if len(bare) <= _CHAIN_CHARS:
                continue
        if pieces:
            yield place, chain
        chain, place, pieces = bare[-_CHAIN_CHARS:], at, 0
    if pieces:
        yield place, chain


def _joins(before: str, after: str) -> bool:
    if not (_SEAM_END.search(before[-1:]) and _SEAM_START.match(after)):
        return False
    tail, head = before[-80:].rsplit(None, 1)[-1], after[:80].split(None, 1)[0]
    return len(tail) >= 3 and len(head) >= 3 and len(tail) + len(head) >= 12 and any(map(str.isdigit, tail + head))


def _operator_pattern(name: str, pattern: str) -> LinearPattern:
    if not pattern or len(pattern) > MAX_PATTERN_CHARS:
        raise ConfigurationError(f"security.rules.{name}: expected a pattern of 1 to {MAX_PATTERN_CHARS} characters")
    try:
        return compile_pattern(pattern, _MAX_OPERATOR_BYTES)
    except PatternError as error:
        raise ConfigurationError(f"security.rules.{name}: expected an RE2 pattern; {error}") from error


def _offsets(text: str, folded: str) -> list[int]:
    """For each folded character (and the end) the offset in `text` it came from."""
    pieces = [fold(character) for character in text]
    if "".join(pieces) == folded:
        offsets = [index for index, piece in enumerate(pieces) for _ in piece]
        return [*offsets, len(text)]
    offsets = []
    position = 0
    for chunk in re.split(r"(\s+)", text):
        offsets.extend([position] * len(fold(chunk)))
        position += len(chunk)
    return [*offsets, *([len(text)] * (len(folded) + 1 - len(offsets)))]


def _end_offset(offsets: Sequence[int], end: int) -> int:
    """The offset after the character that the last folded one came from."""
    last = offsets[end - 1]
    for offset in offsets[end:]:
        if offset > last:
            return offset
    return offsets[-1]
