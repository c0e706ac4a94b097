"""What of OpenAI's wire is HTTP: base URLs, headers, the list of models, and what a refusal means.

Source: OpenAI's API reference, "Error codes"; docs.x.ai, "Debugging Errors". Servers that imitate the wire send errors in several
forms, all read here: `{"error": {...}}`, `{"error": "..."}` (xAI), `{"message": ...}`, `{"detail": ...}`, a list of one of these
(Gemini), a JSON string, or plain text.
"""

from collections.abc import Iterable, Mapping
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
from llm_gateway.core.routing import Destination
from llm_gateway.core.types import Json
from llm_gateway.core.upstream import retry_after_s

MAX_MESSAGE_CHARS: Final = 1_000
"""How much of a provider's own message is kept."""
MAX_ERROR_BYTES: Final = 64 << 10
"""How much of an error body is read at all."""
REDACTED: Final = "[redacted]"

_OPERATIONS: Final = ("/chat/completions", "/completions", "/embeddings", "/models", "/responses")
_KEY_PREFIXES: Final = ("sk-", "sk_", "xai-", "gsk_", "org-", "proj_")
"""How keys and account ids begin."""
_PUNCTUATION: Final = "\"'`.,;:!?()[]{}<>"
_NO_CREDIT: Final = frozenset(
    {"insufficient_quota", "credit_balance_exhausted", "billing_hard_limit_reached", "billing_not_active", "insufficient_balance"}
)
_NO_CREDIT_SAYS: Final = ("used all available credits", "exceeded your current quota", "insufficient balance", "insufficient credits")
_WRONG_KEY: Final = frozenset({"invalid_api_key", "authentication_error", "invalid_authentication"})
_WRONG_KEY_SAYS: Final = ("incorrect api key", "invalid api key", "api key not valid", "api key is invalid", "no api key")
_UNKNOWN_MODEL: Final = frozenset({"model_not_found", "model_not_available", "deploymentnotfound"})
_MODERATED: Final = frozenset({"content_policy_violation", "content_filter"})
_MODERATED_SAYS: Final = ("violates usage guidelines",)
_STATUS_OF: Final = {
    "invalid_request_error": 400,
    "context_length_exceeded": 400,
    "badrequesterror": 400,
    "authentication_error": 401,
    "permission_error": 403,
    "permission_denied_error": 403,
    "not_found_error": 404,
    "rate_limit_exceeded": 429,
    "rate_limit_error": 429,
    "insufficient_quota": 429,
    "tokens": 429,
    "requests": 429,
    "timeout": 504,
    "timeout_error": 504,
    "overloaded_error": 503,
    "engine_overloaded": 503,
    "service_unavailable": 503,
    "server_error": 500,
    "internal_server_error": 500,
    "api_error": 500,
}
"""The status that an error inside a successful response would have had, by its type or code."""
_UNKNOWN_FAILURE: Final = 500

_UNDECODABLE: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""What the JSON decoder raises on foreign bytes; the last on deep nesting."""

_decoder: msgspec.json.Decoder[Json] = msgspec.json.Decoder()


class _Model(msgspec.Struct, gc=False):
    id: str


class _Models(msgspec.Struct, gc=False):
    data: list[_Model] = []


_models_decoder = msgspec.json.Decoder(_Models | list[_Model])


def base_url(endpoint: str, default: str) -> str:
    """`endpoint` (or `default` when empty) as the vendor's SDK takes it: no trailing slash, no operation's path."""
    url = (endpoint.strip() or default).rstrip("/")
    for operation in _OPERATIONS:
        if url.endswith(operation):
            return url.removesuffix(operation).rstrip("/")
    return url


def operation_urls(destination: Destination, endpoint: str, *operations: str) -> tuple[str, ...]:
    """The URLs of `operations` (like `/models`) below the base URL's path, at the origin that was judged and no other."""
    base = destination.origin + urlsplit(endpoint).path
    return tuple(base + operation for operation in operations)


def request_headers(api_key: str, extra: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    """The headers of every call, names in lower case; an operator's own (`extra`) win over ours."""
    headers = {"content-type": "application/json", "accept": "application/json, text/event-stream"}
    if api_key:
        headers["authorization"] = f"Bearer {api_key}"
    headers.update((name.lower(), value) for name, value in extra.items())
    return tuple(headers.items())


def model_names(body: bytes) -> list[str]:
    """The models in an answer to `GET /models`; a body that is no list of models names none."""
    try:
        models = _models_decoder.decode(body)
    except _UNDECODABLE:
        return []
    return [model.id for model in (models.data if isinstance(models, _Models) else models)]


class _Fault(msgspec.Struct, frozen=True):
    """An error body in one form. Message and code are redacted; `kinds` are type and code in lower case, for judging."""

    message: str = ""
    code: str | None = None
    param: str | None = None
    kinds: frozenset[str] = frozenset()
    status: int | None = None

    def says(self, codes: frozenset[str], phrases: Iterable[str]) -> bool:
        text = self.message.lower()
        return not codes.isdisjoint(self.kinds) or any(phrase in text for phrase in phrases)


class Faults:
    """Turns a provider's refusals into errors that say whose fault it was, without the key that they may echo."""

    __slots__ = ("_api_key", "_provider")

    def __init__(self, provider: str, api_key: str) -> None:
        self._provider = provider
        self._api_key = api_key

    def in_answer(self, body: bytes) -> ProviderError:
        """The error that an error object inside a successful response means."""
        fault = self._read(body)
        named = [_STATUS_OF[kind] for kind in fault.kinds if kind in _STATUS_OF]
        status = fault.status or (max(named) if named else _UNKNOWN_FAILURE)
        return self._judge(fault, status, None, None)

    def of_status(self, status: int, headers: Mapping[str, str], body: bytes) -> ProviderError:
        """The error that an answer with a status other than 2xx means. Never raises, whatever the body is."""
        return self._judge(self._read(body), status, status, retry_after_s(headers))

    def _judge(self, fault: _Fault, status: int, upstream_status: int | None, wait_s: float | None) -> ProviderError:
        kind, same_again, try_next = _kind(fault, status)
        own = fault.message
        if kind is ProviderInvalidRequest and own:
            message = own
        else:
            message = f"{self._provider} {_SAYS[kind]} (status {status})" + (f": {own}" if own else "")
        return kind(
            message,
            provider=self._provider,
            upstream_status=upstream_status,
            try_next=try_next,
            same_again=same_again,
            param=fault.param if kind is ProviderInvalidRequest else None,
            code=fault.code,
            retry_after_s=wait_s if kind in (ProviderRateLimited, ProviderUnavailable) else None,
        )

    def _read(self, body: bytes) -> _Fault:
        if len(body) > MAX_ERROR_BYTES:
            return _Fault()
        try:
            value = _decoder.decode(body)
        except _UNDECODABLE:
            return _Fault(self._clean(_plain_text(body)))
        if isinstance(value, list) and value:
            value = value[0]
        if isinstance(value, str):
            return _Fault(self._clean(value))
        if not isinstance(value, dict):
            return _Fault()
        inner = value.get("error")
        fields = {**value, **inner} if isinstance(inner, dict) else value
        texts = [fields.get("message"), inner, fields.get("detail"), fields.get("error_description")]
        message = next((text for text in texts if isinstance(text, str) and text), "")
        code, param = fields.get("code"), fields.get("param")
        kinds = {word.lower() for word in (fields.get("type"), code) if isinstance(word, str)}
        return _Fault(
            self._clean(message),
            self._clean(code) or None if isinstance(code, str) else None,
            self._clean(param) or None if isinstance(param, str) else None,
            frozenset(kinds),
            _status_in(code) or _status_in(fields.get("status")),
        )

    def _clean(self, text: str) -> str:
        """`text` on one line, shortened, without keys and account ids."""
        text = text[: MAX_MESSAGE_CHARS * 4]
        if self._api_key:
            text = text.replace(self._api_key, REDACTED)
        words = (REDACTED if self._is_secret(word.strip(_PUNCTUATION)) else word for word in text.split())
        line = "".join(char for char in " ".join(words) if char.isprintable())
        return line if len(line) <= MAX_MESSAGE_CHARS else line[:MAX_MESSAGE_CHARS] + "…"

    def _is_secret(self, word: str) -> bool:
        """Whether a word is (part of) our key, a masked echo of one (`sk***yz`, `sk-ab...yz`), or an account's id."""
        if "**" in word or "•" in word:
            return True
        if word.startswith(_KEY_PREFIXES) and len(word) >= 12:
            return True
        if len(word) == 36 and word.count("-") == 4:
            return True
        key = self._api_key
        if not key:
            return False
        head, dots, tail = word.replace("…", "...").partition("...")
        if dots and ((len(head) > 1 and key.startswith(head)) or (len(tail) > 1 and key.endswith(tail))):
            return True
        return len(word) >= 8 and word in key


_SAYS: Final[dict[type[ProviderError], str]] = {
    ProviderBadResponse: "answered in an unexpected way",
    ProviderInvalidRequest: "refused the request",
    ProviderRejected: "refused us",
    ProviderRateLimited: "is at its limit",
    ProviderTimeout: "timed out",
    ProviderUnavailable: "is unavailable",
}


def _kind(fault: _Fault, status: int) -> tuple[type[ProviderError], bool, bool]:
    """The class of an error, whether to ask the same target again, and whether to try the next one."""
    if fault.says(_NO_CREDIT, _NO_CREDIT_SAYS) and status < 500:
        return ProviderRejected, False, True
    match status:
        case 400 | 413 | 422:
            if fault.says(_WRONG_KEY, _WRONG_KEY_SAYS) or fault.says(_UNKNOWN_MODEL, ()):
                return ProviderRejected, False, True
            return ProviderInvalidRequest, False, False
        case 403 if fault.says(_MODERATED, _MODERATED_SAYS):
            return ProviderInvalidRequest, False, False
        case 408 | 504:
            return ProviderTimeout, False, True
        case 409:
            return ProviderUnavailable, True, True
        case 429:
            return ProviderRateLimited, True, True
    if 400 <= status < 500:
        return ProviderRejected, False, True
    if status >= 500:
        return ProviderUnavailable, True, True
    return ProviderBadResponse, False, True


def _status_in(code: Json) -> int | None:
    """An error's code where it is an HTTP status, as a number or as text."""
    if isinstance(code, str) and len(code) == 3 and code.isdecimal():
        code = int(code)
    return code if isinstance(code, int) and not isinstance(code, bool) and 400 <= code < 600 else None


def _plain_text(body: bytes) -> str:
    """A body that is a short plain sentence; empty for a page or for bytes."""
    try:
        text = body.decode().strip()
    except UnicodeDecodeError:
        return ""
    return "" if text.startswith(("<", "{", "[")) or len(text) > MAX_MESSAGE_CHARS else text
