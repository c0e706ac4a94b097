"""What an upstream's refusal means, whichever wire it came on: class by status, when to come back, and no key in the words."""

import math
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Final
from urllib.parse import urlsplit

import msgspec

from llm_gateway.core.errors import (
    ProviderBadResponse,
    ProviderError,
    ProviderInvalidRequest,
    ProviderRateLimited,
    ProviderRejected,
    ProviderTimeout,
    ProviderUnavailable,
)

MAX_MESSAGE_CHARS: Final = 2000
"""How much of a provider's own message is kept."""

_REFUSED_CALL: Final = frozenset({401, 402, 403, 404, 405})
_TIMED_OUT: Final = frozenset({408, 504})
_CONFLICT: Final = 409

_WORD = re.compile(r"[^\s\"'`<>(){}\[\],;]+")
_MASK = re.compile(r"\*+|•+|…|\.{2,}|[xX]{4,}")
_SHARED_CHARS: Final = 8
_MASKED_END_CHARS: Final = 3


def error_of_status(status: int, message: str, *, provider: str, retry_after_s: float | None = None, secret: str = "") -> ProviderError:
    """The error that an answer with a non-2xx status stands for.

    `message` is the provider's own, already taken out of its body ("" when it gave none a person can read); what
    looks like `secret` in it is hidden.
    """
    own = redacted(message.strip(), secret)[:MAX_MESSAGE_CHARS]
    said = own or "it gave no reason"
    if status == 429:
        return ProviderRateLimited(
            f"{provider} is at its limit: {said}",
            provider=provider, upstream_status=status, same_again=True, retry_after_s=retry_after_s,
        )  # fmt: skip
    if status in _TIMED_OUT:
        return ProviderTimeout(f"{provider} timed out ({status}): {said}", provider=provider, upstream_status=status)
    if status >= 500 or status == _CONFLICT:
        return ProviderUnavailable(
            f"{provider} failed ({status}): {said}",
            provider=provider, upstream_status=status, same_again=True, retry_after_s=retry_after_s,
        )  # fmt: skip
    if status in _REFUSED_CALL:
        return ProviderRejected(f"{provider} refused the gateway ({status}): {said}", provider=provider, upstream_status=status)
    if status >= 400:
        return ProviderInvalidRequest(
            own or f"{provider} refused the request and {said}", provider=provider, upstream_status=status, try_next=False
        )
    return ProviderBadResponse(f"{provider} answered with status {status}: {said}", provider=provider, upstream_status=status)


def endpoint_fault(url: str) -> str:
    """What a base URL lacks, in words that continue "it lacks ..."; "" when it can be used."""
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        return "an endpoint that begins with http:// or https:// and a host"
    if parts.query or parts.fragment or parts.username is not None:
        return "an endpoint without user, query and fragment"
    return ""


def kind_and_message(body: bytes) -> tuple[str, str]:
    """The error's type and words in a refusal's body, "" where it has none.

    Understands `{"error": {"type", "message"}}`, `{"error": "words"}`, `{"message": "words"}`, a JSON string, and plain
    text; a web page says nothing. Never raises.
    """
    try:
        document = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        text = body[: 4 * MAX_MESSAGE_CHARS].decode("utf-8", "replace").strip()
        return "", "" if text[:1] in {"<", "{", "["} or "\x00" in text else text
    error = document.get("error", document) if isinstance(document, dict) else document
    if isinstance(error, dict):
        return _string(error.get("type")), _string(error.get("message"))
    return "", _string(error)


def _string(value: object) -> str:
    return value if isinstance(value, str) else ""


def retry_after_s(headers: Mapping[str, str]) -> float | None:
    """Seconds to wait, from `retry-after-ms` or `retry-after` (RFC 9110: seconds, or a date, which is taken relative to
    the answer's own `date`). None when neither says anything usable; a time that has passed is 0."""
    for name, unit_s in (("retry-after-ms", 0.001), ("retry-after", 1.0)):
        seconds = _number(headers.get(name, ""))
        if seconds is not None:
            return max(0.0, seconds * unit_s)
    return seconds_until(http_date(headers.get("retry-after", "")), headers)


def seconds_until(moment: datetime | None, headers: Mapping[str, str]) -> float | None:
    """Seconds from the answer's `date` to `moment`, at least 0; None when either is unknown."""
    now = http_date(headers.get("date", ""))
    return None if moment is None or now is None else max(0.0, (moment - now).total_seconds())


def http_date(text: str) -> datetime | None:
    """An HTTP date (RFC 9110, section 5.6.7) as an aware datetime, or None."""
    try:
        return parsedate_to_datetime(text).replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        return None


def redacted(message: str, secret: str) -> str:
    """`message` without `secret`: whole, in part, or masked (`sk-ab***yz`), as some vendors echo a wrong key."""
    if not secret:
        return message
    return _WORD.sub(lambda word: "[redacted]" if _shows(word[0], secret) else word[0], message.replace(secret, "[redacted]"))


def _shows(word: str, secret: str) -> bool:
    if len(word) >= _SHARED_CHARS and any(
        secret[start : start + _SHARED_CHARS] in word for start in range(len(secret) - _SHARED_CHARS + 1)
    ):
        return True
    first, *rest = _MASK.split(word.rstrip(".:!?"))
    if not rest:
        return False
    first = first.rpartition("=")[2].rpartition(":")[2]
    return (len(first) >= _MASKED_END_CHARS and secret.startswith(first)) or (
        len(rest[-1]) >= _MASKED_END_CHARS and secret.endswith(rest[-1])
    )


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None
