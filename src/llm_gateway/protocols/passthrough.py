"""Operations that the gateway has no words for, on their way to the provider they belong to and back.

A path is normalised before anything else: segments are unescaped, checked and escaped anew, so that no dots, slashes or query can be
hidden in one, and what is put behind a base URL stays below it. Source: RFC 3986, sections 3.3 and 5.2.4.
"""

from collections.abc import Iterable
from typing import Final
from urllib.parse import parse_qsl, quote, unquote_to_bytes, urlencode

import msgspec

from llm_gateway.core.errors import InvalidRequest, ProviderError, ProviderInvalidRequest
from llm_gateway.core.types import PASSTHROUGH, Chunk, Json, JsonObject, Passthrough, Usage
from llm_gateway.core.wire import HttpRequest

METHODS: Final = frozenset({"GET", "POST", "PUT", "PATCH", "DELETE"})
REPEATABLE: Final = frozenset({"GET", "PUT", "DELETE"})
"""Methods after which nothing is different when they are sent twice (RFC 9110, section 9.2.2)."""
MAX_PATH_CHARACTERS: Final = 2048
MAX_QUERY_FIELDS: Final = 100
MAX_HEADER_CHARACTERS: Final = 512
MAX_READ_BYTES: Final = 256 << 10
"""How much of an answer is kept to find the usage that it may name at its end."""

_SAFE: Final = "-._~!$&'()*+,;=:@"
_VERSION: Final = "v1"
_OWN: Final = frozenset({400, 404, 405, 406, 409, 410, 412, 413, 415, 416, 422})
"""Statuses that say something of the caller's operation, and nothing of our key or of the provider's health."""
_OUR_FAULTS: Final = frozenset({"invalid_api_key", "insufficient_quota", "credit_balance_exhausted"})
"""Codes of a refusal that are about our account, whatever the status."""
_encode = msgspec.json.Encoder().encode
_decode: msgspec.json.Decoder[Json] = msgspec.json.Decoder()


def normalised(raw_path: bytes) -> str:
    """A path below a base URL: `/v1/files/file-1` as `v1/files/file-1`.

    Raises:
        InvalidRequest: it is empty or too long, or a segment is empty, dots, or holds an escaped slash, backslash or control character.
    """
    segments: list[str] = []
    for raw in raw_path.removesuffix(b"/").split(b"/"):
        try:
            segment = unquote_to_bytes(raw).decode()
        except UnicodeDecodeError:
            raise _bad_path("is not UTF-8") from None
        if segment in {"", ".", ".."} or any(char in "/\\%?#" or not char.isprintable() for char in segment):
            raise _bad_path("has a segment that is empty, dots, or holds what no segment may")
        segments.append(quote(segment, safe=_SAFE))
    path = "/".join(segments)
    if len(path) > MAX_PATH_CHARACTERS:
        raise _bad_path(f"is longer than {MAX_PATH_CHARACTERS} characters")
    return path


def _bad_path(what: str) -> InvalidRequest:
    return InvalidRequest(f"path: it {what}", param="path", code="invalid_path")


def parameters(query: bytes) -> tuple[tuple[str, str], ...]:
    """The parameters of a query, in order.

    Raises:
        InvalidRequest: there are too many, or they are not UTF-8.
    """
    try:
        return tuple(parse_qsl(query.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=MAX_QUERY_FIELDS))
    except ValueError:  # a UnicodeDecodeError is one
        raise InvalidRequest(f"query: expected at most {MAX_QUERY_FIELDS} parameters in UTF-8", param="query") from None


def forwarded(request: Passthrough, base_url: str, headers: Iterable[tuple[str, str]]) -> HttpRequest:
    """The operation at a provider, with its own `headers`. A JSON body is written anew from what was parsed (and judged).

    A caller's path may begin with the version that the base URL ends in.
    """
    path = request.path
    if base_url.endswith("/" + _VERSION):
        path = path.removeprefix(_VERSION + "/")
    url = f"{base_url}/{path}"
    if request.query:
        url += "?" + urlencode(request.query)
    own = dict(headers)
    own.pop("accept", None)
    body = request.data if request.body is None else _encode(request.body)
    if request.body is not None:
        own["content-type"] = "application/json"
    elif not body:
        own.pop("content-type", None)
    for name, value in request.headers:
        if name == "anthropic-beta" and name in own:
            own[name] += "," + value
        elif name != "content-type" or request.body is None:
            own[name] = value
    return HttpRequest(request.method, url, tuple(own.items()), body)


def refusal(failure: ProviderError, status: int) -> ProviderError:
    """What a provider's refusal means for an operation that was passed through: most often that there is no such thing."""
    if status not in _OWN or failure.code in _OUR_FAULTS:
        return failure
    own_words = failure.message.partition("): ")[2] or failure.message
    return ProviderInvalidRequest(
        own_words, provider=failure.provider, upstream_status=status, try_next=False, param=failure.param, code=failure.code
    )


class Bytes:
    """Gives an answer out as it comes, whatever it is. The usage that a document or a stream of events names is read off on the way."""

    __slots__ = ("_tail", "_whole")

    def __init__(self) -> None:
        self._tail = b""
        self._whole = True

    def feed(self, data: bytes) -> list[Chunk]:
        self._tail += data
        if len(self._tail) > MAX_READ_BYTES:
            self._tail = self._tail[-MAX_READ_BYTES:]
            self._whole = False
        return [Chunk(raw=data, raw_protocol=PASSTHROUGH)]

    def finish(self) -> list[Chunk]:
        usage = self._usage()
        return [] if usage is None else [Chunk(usage=usage)]

    def _usage(self) -> Usage | None:
        if b'"usage"' not in self._tail:
            return None
        if self._whole and self._tail.lstrip()[:1] == b"{":
            return _usage_in(self._tail)
        events = (line[5:] for line in reversed(self._tail.splitlines()) if line.startswith(b"data:") and b'"usage"' in line)
        return next((found for event in events if (found := _usage_in(event)) is not None), None)


def _usage_in(data: bytes) -> Usage | None:
    """The usage in a document of OpenAI's or Anthropic's, or in what their events carry."""
    try:
        document = _decode.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    if not isinstance(document, dict):
        return None
    for holder in (document, document.get("response"), document.get("message")):
        counts = holder.get("usage") if isinstance(holder, dict) else None
        if isinstance(counts, dict):
            return Usage(_count(counts, "input_tokens", "prompt_tokens"), _count(counts, "output_tokens", "completion_tokens"))
    return None


def _count(counts: JsonObject, *names: str) -> int:
    values = (counts.get(name) for name in names)
    return next((value for value in values if isinstance(value, int) and not isinstance(value, bool) and value >= 0), 0)
