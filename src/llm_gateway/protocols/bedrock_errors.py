"""What a failure of Amazon Bedrock (or of the Bedrock proxy) means, and whose fault it was.

Source: Amazon Bedrock API Reference, "Errors" of Converse and ConverseStream; IAM User Guide, "Troubleshoot Signature Version 4". An
error's type stands in the header `x-amzn-errortype`, in `__type` of the body, or, inside a stream, in `:exception-type`.
"""

from collections.abc import Mapping
from datetime import datetime
from email.utils import parsedate_to_datetime
from math import isfinite
from typing import Final

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
from llm_gateway.core.types import Json

MAX_MESSAGE_CHARS: Final = 1_000
"""How much of Bedrock's own message is kept."""
MAX_ERROR_BYTES: Final = 64 << 10
"""How much of an error body is read at all."""
REDACTED: Final = "[redacted]"

_KINDS: Final[dict[str, tuple[type[ProviderError], int]]] = {
    "throttlingexception": (ProviderRateLimited, 429),
    "toomanyrequestsexception": (ProviderRateLimited, 429),
    "servicequotaexceededexception": (ProviderRateLimited, 429),
    "modelnotreadyexception": (ProviderUnavailable, 429),
    "serviceunavailableexception": (ProviderUnavailable, 503),
    "internalserverexception": (ProviderUnavailable, 500),
    "internalfailure": (ProviderUnavailable, 500),
    "modeltimeoutexception": (ProviderTimeout, 408),
    "modelerrorexception": (ProviderBadResponse, 424),
    "modelstreamerrorexception": (ProviderBadResponse, 424),
    "validationexception": (ProviderInvalidRequest, 400),
    "accessdeniedexception": (ProviderRejected, 403),
    "resourcenotfoundexception": (ProviderRejected, 404),
    "unrecognizedclientexception": (ProviderRejected, 403),
    "invalidclienttokenid": (ProviderRejected, 403),
    "expiredtokenexception": (ProviderRejected, 403),
    "expiredtoken": (ProviderRejected, 403),
    "missingauthenticationtoken": (ProviderRejected, 403),
    "missingauthenticationtokenexception": (ProviderRejected, 403),
    "incompletesignature": (ProviderRejected, 403),
    "incompletesignatureexception": (ProviderRejected, 403),
    "invalidsignatureexception": (ProviderRejected, 403),
    "signaturedoesnotmatch": (ProviderRejected, 403),
    "requestexpired": (ProviderRejected, 403),
    "requesttimetooskewed": (ProviderRejected, 403),
    "optinrequired": (ProviderRejected, 403),
    "notauthorized": (ProviderRejected, 403),
}
"""Error types in lower case, and the status of those that come without one."""
_AGAIN: Final = (ProviderRateLimited, ProviderUnavailable, ProviderBadResponse)
_SIGNATURE: Final = frozenset({"invalidsignatureexception", "signaturedoesnotmatch", "incompletesignature", "incompletesignatureexception"})
_CLOCK: Final = frozenset({"requestexpired", "requesttimetooskewed"})
_CLOCK_SAYS: Final = ("signature expired", "signature not yet current")
_MODEL_SAYS: Final = (
    "model identifier is invalid",
    "on-demand throughput isn",
    "operation not allowed",
    "model isn't supported",
    "not supported in this region",
)
"""Validation errors about the model or the account rather than the content: another provider may do better."""
_TOO_LONG_SAYS: Final = ("input is too long", "prompt is too long", "too many input tokens", "maximum context length")
_ECHO: Final = "The Canonical String for this request"
"""From here on a signature error repeats our headers, the session token among them."""

_json: msgspec.json.Decoder[Json] = msgspec.json.Decoder()


class Faults:
    """Reads the failures of one provider. Its secrets never come back in a message."""

    __slots__ = ("_provider", "_secrets")

    def __init__(self, provider: str, secrets: tuple[str, ...]) -> None:
        self._provider = provider
        self._secrets = tuple(sorted((secret for secret in secrets if secret), key=len, reverse=True))

    def of_status(self, status: int, headers: Mapping[str, str], body: bytes) -> ProviderError:
        """What a non-2xx answer means; header names in lower case. Never raises, whatever the body is."""
        kind, message = _read(body)
        return self._failure(_short_type(headers.get("x-amzn-errortype", "") or kind), message, status, retry_after_s(headers))

    def in_stream(self, kind: str, payload: bytes) -> ProviderError:
        """What an exception inside a 200 stream means; it gets the status that its type has outside of one."""
        body_kind, message = _read(payload)
        return self._failure(_short_type(kind or body_kind), message, None, None)

    def of_decoding(self, failure: ProviderError) -> ProviderError:
        """A failure that a decoder found, told as this provider's."""
        failure.provider = self._provider
        return failure

    def _failure(self, kind: str, said: str, status: int | None, wait_s: float | None) -> ProviderError:
        lower, words = kind.lower(), said.lower()
        of_kind = _KINDS.get(lower)
        family = of_kind[0] if of_kind is not None else _family(status)
        if status is None and of_kind is not None:
            status = of_kind[1]
        code: str | None = None
        if family is ProviderInvalidRequest and any(sign in words for sign in _MODEL_SAYS):
            family = ProviderRejected
        elif family is ProviderInvalidRequest and any(sign in words for sign in _TOO_LONG_SAYS):
            code = "context_length_exceeded"
        lead = f"{self._provider} {_SAYS[family]}"
        if lower in _CLOCK or (family is ProviderRejected and any(sign in words for sign in _CLOCK_SAYS)):
            code, lead = "clock_skew", f"{self._provider} refused the signature's time: this machine's clock is off by more than AWS allows"
        elif lower in _SIGNATURE:
            lead = f"{self._provider} did not accept the signature: check AWS_SECRET_ACCESS_KEY, the region and this machine's clock"
        detail = ": ".join(part for part in (kind[:80] if of_kind is not None else "", self._clean(said)) if part)
        return family(
            f"{lead} ({detail})" if detail else lead if status is None else f"{lead} (HTTP {status})",
            provider=self._provider,
            upstream_status=status,
            try_next=family is not ProviderInvalidRequest,
            same_again=family in _AGAIN,
            code=code,
            retry_after_s=wait_s,
        )

    def _clean(self, text: str) -> str:
        """`text` on one line, shortened, without our secrets or what is left of them when they are masked."""
        text = text.partition(_ECHO)[0][: MAX_MESSAGE_CHARS * 4]
        for secret in self._secrets:
            text = text.replace(secret, REDACTED)
        line = " ".join([REDACTED if self._is_masked(word.strip("\"'`.,;:!?()[]{}<>")) else word for word in text.split()])
        line = "".join(char for char in line if char.isprintable())
        return line if len(line) <= MAX_MESSAGE_CHARS else line[:MAX_MESSAGE_CHARS] + "…"

    def _is_masked(self, word: str) -> bool:
        """Whether a word shows a part of a secret: masked (`ABSK***xyz`, `ABSK...xyz`), or cut off."""
        if "**" in word or "•" in word:
            return True
        head, dots, tail = word.replace("…", "...").partition("...")
        for secret in self._secrets:
            if dots and ((len(head) > 1 and secret.startswith(head)) or (len(tail) > 1 and secret.endswith(tail))):
                return True
            if len(word) >= 8 and word in secret:
                return True
        return False


_SAYS: Final[dict[type[ProviderError], str]] = {
    ProviderBadResponse: "answered in an unexpected way",
    ProviderInvalidRequest: "refused the request",
    ProviderRejected: "refused us",
    ProviderRateLimited: "is at its limit",
    ProviderTimeout: "timed out",
    ProviderUnavailable: "is unavailable",
}


def _family(status: int | None) -> type[ProviderError]:
    """The class of a failure whose type says nothing."""
    match status:
        case None | 424:
            return ProviderBadResponse
        case 400 | 413 | 422:
            return ProviderInvalidRequest
        case 408 | 504:
            return ProviderTimeout
        case 429:
            return ProviderRateLimited
        case _ if 400 <= status < 500:
            return ProviderRejected
        case _ if status >= 500:
            return ProviderUnavailable
        case _:
            return ProviderBadResponse


def _short_type(kind: str) -> str:
    """`ThrottlingException` of `ThrottlingException:http://internal.amazon.com/...` or of `com.amazon.coral#ThrottlingException`."""
    return kind.rpartition("#")[2].partition(":")[0].strip()


def _read(body: bytes) -> tuple[str, str]:
    """Type and message of an error body: AWS's, the proxy's (`detail`, `error`), a JSON string, or a short plain text."""
    try:
        value = _json.decode(body[:MAX_ERROR_BYTES])
    except (msgspec.DecodeError, RecursionError):
        return "", _plain_text(body)
    if isinstance(value, str):
        return "", value
    if not isinstance(value, dict):
        return "", ""
    kind = value.get("__type") or value.get("code")
    return kind if isinstance(kind, str) else "", _message(value)


def _message(body: dict[str, Json]) -> str:
    for name in ("message", "Message", "errorMessage", "detail", "error"):
        said = body.get(name)
        if isinstance(said, dict):
            said = said.get("message")
        elif isinstance(said, list):
            # FastAPI lists what is wrong with a body.
            said = "; ".join([str(entry.get("msg", "")) for entry in said if isinstance(entry, dict)])
        if isinstance(said, str) and said:
            return said
    return ""


def _plain_text(body: bytes) -> str:
    """A body that is a short plain sentence; empty for a page or for bytes."""
    try:
        text = body[:MAX_ERROR_BYTES].decode().strip()
    except UnicodeDecodeError:
        return ""
    return "" if text.startswith(("<", "{", "[")) or len(text) > MAX_MESSAGE_CHARS else text


def retry_after_s(headers: Mapping[str, str]) -> float | None:
    """Seconds to wait by `retry-after-ms` or `retry-after` (seconds or a date); None when neither says.

    Bedrock itself sends neither, what stands in front of it may. A date counts from the answer's own `date` header.
    """
    milliseconds = _number(headers.get("retry-after-ms", ""))
    if milliseconds is not None:
        return milliseconds / 1000
    value = headers.get("retry-after", "")
    seconds = _number(value)
    if seconds is not None:
        return seconds
    until, now = _date(value), _date(headers.get("date", ""))
    return None if until is None or now is None else max(0.0, until.timestamp() - now.timestamp())


def _number(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return max(0.0, number) if isfinite(number) else None


def _date(text: str) -> datetime | None:
    try:
        return parsedate_to_datetime(text)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
