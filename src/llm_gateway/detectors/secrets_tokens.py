# ruff: noqa: E501, SIM905  # patterns and word lists read best unbroken
"""Drawn tokens without a credential word right before them, weighed by what stands around: services, assignments, hashes."""

import re
from bisect import bisect_left
from collections.abc import Iterator, Sequence

from llm_gateway.detectors.decode import encoded_text
from llm_gateway.detectors.linear import compile_pattern
from llm_gateway.detectors.rules import Hit, passage
from llm_gateway.detectors.secrets_generic import Words
from llm_gateway.detectors.secrets_judge import CHANGES, jumbled
from llm_gateway.detectors.values import Shape, file_or_version, likeness, placeholder, repetitive, shape

_HEXADECIMAL = re.compile(r"[0-9A-Fa-f]*")
_LONG_TOKEN = compile_pattern(r"[A-Za-z0-9+/=_\-.~!]{16,}")
_ASSIGNED = re.compile(
    r"(?i)(?:^|[^a-z]|[a-z](?-i:(?=[TSK])))(?:token|secret|key|api|passw\w*)[\"']?\s{0,3}(?:[:=]{1,2}|=>|is)?\s{0,3}[\"']?\Z"
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
_NAMED_SERVICE = re.compile(r"(?:^|[\s,;{(])[\"']?([a-z][a-z0-9]{2,15})[\"']?\s{0,2}(?:=>|:=|[:=]|\s)\s{0,2}[\"'`]?\Z")
_WORDS_AND_SERVICES = frozenset(
    """abstract adafruit aha airship amplitude anthropic apify audd autopilot axonaut beamer blogger bored canny chaser cicero clarity clearbit cloze crowdin daily demio deputy drift drip
    elastic ethos etsy everhour fathom fibery figma fixer flat fulcrum geocod gist gong guardian gumroad guru harvest honey hunter hypertune instabot juro kanban kickbox klaviyo
    lark linear lob logz loom mite monday monkeylearn mux noticeable notion nylas pastebin percy phrase pivotal plaid podio postman prodpad protocols pushover qualaroo railway
    raven readme ringover rocket runway sanity sonar spoon spotify stripe swell swiftype teletype tly tomorrow travis trello tru twist unplu wise wistia workato zenler zulip""".split()
)
"""Everyday words that are services' names too: they say whose a token is only where it is assigned to nothing but such a word."""
_NAMES_ID = re.compile(
    r"(?i)(?:(?<!app)id|ids|arn|name|identifier|version|marker|hash|etag|url|uri|path|file|type|ref|number|label|image|digest|sum|cursor|alias|class|func(?:tion)?)[\"']?\s{0,2}[:=(\s]{0,3}\s{0,2}[\"'`]?\Z"
)
_GIVEN = re.compile(r"(?:[A-Za-z][A-Za-z0-9_.\-]{1,40}[\"']?\s{0,2}(?:=>|:=|[:=]|\()\s{0,2}[\"'`]?|\([\"'`])\Z")
_FILE_END = re.compile(r"\.[a-z][a-z0-9]{1,6}\Z")
_OBJECT_IDS = (
    "req_", "msg_", "toolu_", "srvtoolu_", "chatcmpl-", "file-", "cus_", "price_", "prod_", "evt_", "pi_", "run_", "asst_", "thread_", "resp_", "call_", "item_", "org-", "acct_",
    "wrkspc_", "batch_", "txn_", "vpc-", "subnet-", "ami-", "sg-", "vol-", "snap-", "pvc-", "eni-", "rtb-", "igw-", "cmpl-", "gen-", "ecs", "sub_", "in_1", "ch_", "seti_", "vs_", "skill_", "fc_", "rs_", "ws_", "dpl_", "prj_", "team_", "bld_", "ctc_", "conv_", "chatcmpl_", "tool_", "functions.", "usr_", "user_", "trc_", "job_", "ftjob-", "modelcard", "ra_", "eipalloc-", "nat-", "acl-", "tgw-", "fs-", "sgr-", "lt-", "asg-", "cidr-", "pcx-", "dopt-", "vgw-",
)  # fmt: skip
"""How services begin the ids of their objects, which open nothing."""
_NOTE_CHARS = 160
_LOOKS_LIKE_ID = re.compile(
    r"(?i)\b(?:id|ids|uid|guid|nanoid|ulid|cuid|ksuid|short ?id|slug|url|request|ref|version|build|hash|digest|sum|slug|tag|file|image|pod|node|job|task|order|ticket|track\w*|decode|encode|what|explain|regex|match)\b|[/\\]"
)
_PUBLIC = ("AAAAB3NzaC1", "AAAAC3NzaC1", "AAAAE2VjZHNh", "iVBORw0KGgo", "R0lGOD", "/9j/", "PHN2Zy", "UklGR", "JVBERi", "d09GR", "data:")
_KEY_NOUNS = frozenset({"key", "keys", "token", "tokens", "api", "access", "deploy", "license", "licence", "activation"})
_SERVICE_KEY_CHARS = 40
_SHORT_KEY = re.compile(r"(?: (?:key|code|token|no))?[\"']?(?: is|\s?[:=])?\s{0,2}[\"'`]?([A-Za-z0-9]{10,24})(?![A-Za-z0-9_\-/]|\.\w)")


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
        pieces = CHANGES.findall(value)
        digits = sum(map(str.isdigit, value))
        named = digits >= 2 and likeness(pieces, 6) < 0.45 and _near(words.vendor, start - _SERVICE_KEY_CHARS, start)
        often = len(value) <= 15 and digits >= 2 and len(pieces) >= 5 and max(map(len, pieces)) <= 6
        if (((named or often) and digits <= len(value) - 3) or (len(value) >= _JUMBLED_CHARS and jumbled(value))) and not placeholder(
            value
        ):
            yield Hit("secret.api_key", 0.74, "generic.short_key", match.start(1), match.end(1))
            return


_JUMBLED_CHARS = 12


def _near(entries: Sequence[tuple[int, int, str]], start: int, end: int) -> bool:
    """Whether a word of the class begins inside [start, end)."""
    index = bisect_left(entries, (start, 0, ""))
    return index < len(entries) and entries[index][0] < end


def _around(entries: Sequence[tuple[int, int, str]], start: int, end: int, reach: int) -> bool:
    """Whether a word of the class stands beside the token. Inside it only longer ones count: letters drawn by chance spell pw and pin."""
    for begin, _, word in entries[bisect_left(entries, (start - 60, 0, "")) :]:
        if begin >= end + reach:
            return False
        if not start <= begin < end or len(word) >= _SPELT_CHARS:
            return True
    return False


_SPELT_CHARS = 5
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
            if token.startswith(("0x", "0X")) and _HEXADECIMAL.fullmatch(token, 2):
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


def _named_service(text: str, start: int, end: int) -> bool:
    """Whether a token, all of a value, is assigned to the name of a service that is an everyday word too."""
    named = _NAMED_SERVICE.search(text, max(0, start - 32), start)
    return named is not None and named.group(1) in _WORDS_AND_SERVICES and text[end : end + 1] in ("", '"', "'", "`", "\n", ",", ";")


_KEY_BEFORE = re.compile(
    r"(?i)\b(?:key|token|secret|schlussel|cle|clave|chiave|chave|klucz|sleutel|nyckel|ключ)\b[^.\n?]{0,12}\b(?:is|=|:|ist|est|es|e|jest|to)?[ :=\"'`]{1,3}\Z"
)
_CALLED = re.compile(r"(?:\bnew [A-Z]\w{2,30}|\b\w{0,20}(?:Client|Api|API|SDK|Sdk|Auth|login|auth|connect))\([\"'`]\Z")
"""A client made with nothing but its key."""


def _token_confidence(text: str, words: Words, start: int, end: int, token: str, kind: Shape) -> float:
    close = _around(words.key, start, end, 40) or _around(words.password, start, end, 30)
    low, high = passage(text, start, end, _NOTE_CHARS + 1)
    hashed = _near(words.hash, max(low, start - 36), start) or _near(words.hash, start, min(high, end + 16))
    given = kind is Shape.RANDOM and len(token) >= 20 and bool(_GIVEN.search(text[max(0, start - 48) : start]))
    if _named_service(text, start, end):
        return 0.74
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
        if len(token) < 20 and not close and not _KEY_BEFORE.search(text[max(0, start - 36) : start]):
            return 0.0
        if _DATA_KEY.search(text[max(0, start - 40) : start]) and not _near(words.vendor, max(0, start - 40), start):
            return 0.0
        called = len(token) >= 32 and bool(_CALLED.search(text[max(0, start - 48) : start]))
        return 0.8 if close else 0.72 if (weak or called or len(token) < 20) and not in_path else 0.3
    if token.count("/") >= 3 and token.count("+") == 0 and len(token) < 60:
        return 0.3
    if close:
        return 0.85
    if high - low <= _NOTE_CHARS and len(token) >= 20 and not in_path and not encoded_text(token) and _note(text[low:high], token):
        return 0.72
    if weak and not in_path and not encoded_text(token) and not _DATA_KEY.search(text[max(0, start - 40) : start]):
        return 0.76
    return 0.5 if len(token) >= 24 else 0.3


def _note(text: str, token: str) -> bool:
    """Whether the text is hardly more than the token: a few words that say whose it is, and nothing asked about it."""
    rest = text.replace(token, " ", 1)
    mixed = not token.islower() and not token.isupper() and len(token) <= 90
    return mixed and len(rest.split()) <= 5 and "?" not in rest and not _LOOKS_LIKE_ID.search(rest)
