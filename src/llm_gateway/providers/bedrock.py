"""Amazon Bedrock: natively, through Converse, ConverseStream and InvokeModel, or through the Bedrock proxy.

The endpoint decides. An origin (`https://bedrock-runtime.us-east-1.amazonaws.com`, `http://127.0.0.1:4566`), any address of AWS, or none
at all beside a region is Bedrock itself; another URL with a path (`http://bedrock-proxy:7090/invoke`) is the proxy, and kept whole.
"""

from collections.abc import Callable, Mapping
from itertools import pairwise
from typing import ClassVar, Final
from urllib.parse import SplitResult, urlsplit

from llm_gateway.core.errors import ConfigurationError, InvalidRequest, ProviderError
from llm_gateway.core.routing import Destination
from llm_gateway.core.settings import ProviderSettings
from llm_gateway.core.types import Chunk, EmbeddingRequest, ModelRequest
from llm_gateway.core.wire import Capabilities, Decoder, HttpRequest
from llm_gateway.protocols import bedrock_converse, bedrock_converse_reply, bedrock_embeddings, bedrock_proxy
from llm_gateway.protocols.aws_eventstream import Frame, FrameParser
from llm_gateway.protocols.aws_sigv4 import Headers, SigV4Signer, encode_segment
from llm_gateway.protocols.bedrock_errors import Faults

DEFAULT_ENDPOINT: Final = ""
"""There is none for all: Bedrock's address names a region, see `endpoint_of`."""

_SERVICE: Final = "bedrock"
_HOST_LABEL: Final = "bedrock-runtime"
_AWS_HOSTS: Final = (".amazonaws.com", ".amazonaws.com.cn", ".api.aws")
_CHINA: Final = "cn-"
_OWN_HEADERS: Final = frozenset({"host", "content-length", "content-type", "accept", "x-amz-date", "x-amz-security-token"})
_DEFAULT_PORTS: Final = {"http": 80, "https": 443}
_CREDENTIALS: Final = "credentials: set BEDROCK_API_KEY, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
_EVENT_STREAM: Final = "application/vnd.amazon.eventstream"

_NATIVE: Final = Capabilities(embeddings=True, documents=True, max_temperature=bedrock_converse.MAX_TEMPERATURE)
_PROXY: Final = Capabilities(tools=False, images=False, json_schema=False, max_temperature=bedrock_proxy.MAX_TEMPERATURE)


def endpoint_of(settings: ProviderSettings) -> str:
    """The proxy's whole URL, or the origin of Bedrock itself: the one configured, else the region's. "" when neither is set."""
    endpoint = settings.endpoint.strip()
    if not endpoint:
        return _regional(settings.region) if settings.region else DEFAULT_ENDPOINT
    parts = _split(endpoint)
    return endpoint if _is_proxy(parts) or not parts.netloc else f"{parts.scheme}://{parts.netloc}"


def missing(settings: ProviderSettings) -> str:
    """What the provider lacks to be usable; empty when nothing. A proxy, or a server that is not AWS's, may want no credentials."""
    endpoint = endpoint_of(settings)
    if not endpoint:
        lack = "" if _has_credentials(settings) else f", and {_CREDENTIALS}"
        return f"an endpoint or a region: set BEDROCK_ENDPOINT or AWS_REGION{lack}"
    parts = _split(endpoint)
    if parts.scheme not in _DEFAULT_PORTS or not parts.hostname:
        return "an http or https URL as its endpoint: set BEDROCK_ENDPOINT"
    if _is_proxy(parts) or settings.api_key.get_secret_value():
        return ""
    key_id, secret = settings.aws_access_key_id.get_secret_value(), settings.aws_secret_access_key.get_secret_value()
    if bool(key_id) != bool(secret):
        return "the other half of its credentials: set " + ("AWS_SECRET_ACCESS_KEY" if key_id else "AWS_ACCESS_KEY_ID")
    if not key_id:
        return _CREDENTIALS if _is_aws(parts) else ""
    return "" if _region(settings, parts) else "a region to sign for: set AWS_REGION"


def _split(url: str) -> SplitResult:
    """The parts of a URL; all empty when it is none."""
    try:
        return urlsplit(url)
    except ValueError:
        return SplitResult("", "", "", "", "")


def _regional(region: str) -> str:
    return f"https://{_HOST_LABEL}.{region}.amazonaws.com" + (".cn" if region.startswith(_CHINA) else "")


def _is_aws(parts: SplitResult) -> bool:
    return (parts.hostname or "").endswith(_AWS_HOSTS)


def _is_proxy(parts: SplitResult) -> bool:
    return not _is_aws(parts) and parts.path.strip("/") != ""


def _has_credentials(settings: ProviderSettings) -> bool:
    pair = settings.aws_access_key_id.get_secret_value(), settings.aws_secret_access_key.get_secret_value()
    return bool(settings.api_key.get_secret_value()) or all(pair)


def _region(settings: ProviderSettings, parts: SplitResult) -> str:
    """The region to sign for: the host's own, which no other signature opens, else the configured one."""
    labels = (parts.hostname or "").split(".")
    for label, following in pairwise(labels):
        if label in (_HOST_LABEL, _HOST_LABEL + "-fips") and _is_aws(parts):
            return following
    return settings.region


class BedrockProvider:
    """Bedrock, or its proxy, as a translation."""

    kind: ClassVar[str] = "bedrock"

    def __init__(self, name: str, settings: ProviderSettings, destination: Destination) -> None:
        self.name = name
        self.destination = destination
        parts = _split(endpoint_of(settings))
        self._origin = destination.origin.rstrip("/")
        self._is_proxy = _is_proxy(parts)
        self.protocol = bedrock_proxy.PROTOCOL if self._is_proxy else bedrock_converse_reply.PROTOCOL
        self.capabilities = _PROXY if self._is_proxy else _NATIVE
        self._missing = missing(settings)
        self._region = _region(settings, parts)
        self._proxy_url = self._origin + parts.path + (f"?{parts.query}" if parts.query else "")
        self._host = _host(self._origin)
        self._signer = None if self._is_proxy or self._missing else _signer(settings, self._region)
        self._json_headers = _headers(settings, "application/json", bool(self._signer))
        self._stream_headers = _headers(settings, _EVENT_STREAM, bool(self._signer))
        secrets = (settings.api_key, settings.aws_access_key_id, settings.aws_secret_access_key, settings.aws_session_token)
        self._faults = Faults(name, tuple(secret.get_secret_value() for secret in secrets))

    def encode(self, request: ModelRequest, model: str, now_s: float) -> HttpRequest:
        """The request, signed for the moment `now_s` where AWS credentials are used.

        Raises:
            InvalidRequest: something that this wire cannot carry, or a model's name that is no path segment.
            ConfigurationError: the provider lacks something; see `missing`.
        """
        if self._missing:
            raise ConfigurationError(f"{self.name} lacks {self._missing}")
        if self._is_proxy:
            return HttpRequest("POST", self._proxy_url, self._json_headers, bedrock_proxy.encode(request, model, self._region))
        if model in ("", ".", ".."):
            raise InvalidRequest("model: the id or ARN of a Bedrock model is expected", param="model")
        headers = self._json_headers
        if isinstance(request, EmbeddingRequest):
            operation, body = "invoke", bedrock_embeddings.encode(request, bedrock_converse.bare_name(model))
        elif request.stream:
            operation, body, headers = "converse-stream", bedrock_converse.encode(request, model), self._stream_headers
        else:
            operation, body = "converse", bedrock_converse.encode(request, model)
        path = f"/model/{encode_segment(model)}/{operation}"
        if self._signer is not None:
            headers += self._signer.sign("POST", self._host, path, headers, body, now_s)
        return HttpRequest("POST", self._origin + path, headers, body)

    def decoder(self, request: ModelRequest, model: str) -> Decoder:
        """The proxy does not stream: its answer is one chunk, whatever was asked for."""
        if self._is_proxy:
            return _WholeAnswer(lambda body: bedrock_proxy.whole(body, model), self._faults)
        if isinstance(request, EmbeddingRequest):
            name, wanted = bedrock_converse.bare_name(model), len(request.inputs)
            return _WholeAnswer(lambda body: bedrock_embeddings.whole(body, name, model, wanted), self._faults)
        answer_tool = bedrock_converse.ANSWER_TOOL if bedrock_converse.answers_by_tool(request, model) else ""
        if request.stream:
            return _StreamedAnswer(bedrock_converse_reply.ConverseStream(model, answer_tool), self._faults)
        return _WholeAnswer(lambda body: bedrock_converse_reply.whole(body, model, answer_tool), self._faults)

    def error(self, status: int, headers: Mapping[str, str], body: bytes) -> ProviderError:
        return self._faults.of_status(status, headers, body)

    def probe(self) -> HttpRequest | None:
        """The proxy's health page. Bedrock itself answers nothing that is free."""
        return HttpRequest("GET", self._origin + "/health", self._json_headers) if self._is_proxy else None

    def models(self, body: bytes) -> list[str]:
        """None: a health page lists no models."""
        return []


def _host(origin: str) -> str:
    """What the Host header will say: HTTP clients leave the scheme's own port out."""
    parts = _split(origin)
    suffix = f":{_DEFAULT_PORTS.get(parts.scheme)}"
    return parts.netloc.lower().removesuffix(suffix)


def _signer(settings: ProviderSettings, region: str) -> SigV4Signer | None:
    """None where an API key is sent instead, or nothing at all."""
    key_id = settings.aws_access_key_id.get_secret_value()
    if settings.api_key.get_secret_value() or not key_id:
        return None
    secret, token = settings.aws_secret_access_key.get_secret_value(), settings.aws_session_token.get_secret_value()
    return SigV4Signer(key_id, secret, token, region=region, service=_SERVICE)


def _headers(settings: ProviderSettings, accept: str, signed: bool) -> Headers:
    api_key = settings.api_key.get_secret_value()
    own: Headers = (("content-type", "application/json"), ("accept", accept))
    taken = _OWN_HEADERS | {"authorization"} if api_key or signed else _OWN_HEADERS
    if api_key:
        own += (("authorization", f"Bearer {api_key}"),)
    return own + tuple((name.lower(), value) for name, value in settings.headers.items() if name.lower() not in taken)


class _WholeAnswer:
    """Collects a body and reads it at its end."""

    def __init__(self, read: Callable[[bytes], Chunk], faults: Faults) -> None:
        self._read = read
        self._faults = faults
        self._pieces: list[bytes] = []

    def feed(self, data: bytes) -> list[Chunk]:
        self._pieces.append(data)
        return []

    def finish(self) -> list[Chunk]:
        try:
            return [self._read(b"".join(self._pieces))]
        except ProviderError as failure:
            raise self._faults.of_decoding(failure) from failure.__cause__


class _StreamedAnswer:
    """Frames to chunks. However the bytes are cut, chunks come before the failure that follows them."""

    def __init__(self, stream: bedrock_converse_reply.ConverseStream, faults: Faults) -> None:
        self._frames = FrameParser()
        self._stream = stream
        self._faults = faults
        self._failure: ProviderError | None = None

    def feed(self, data: bytes) -> list[Chunk]:
        if self._failure is not None:
            raise self._failure
        chunks: list[Chunk] = []
        try:
            for frame in self._frames.feed(data):
                chunk = self._chunk(frame)
                if chunk is not None:
                    chunks.append(chunk)
        except ProviderError as failure:
            self._failure = self._faults.of_decoding(failure)
            if not chunks:
                raise
        return chunks

    def finish(self) -> list[Chunk]:
        if self._failure is not None:
            raise self._failure
        try:
            self._frames.finish()
            self._stream.finish()
        except ProviderError as failure:
            raise self._faults.of_decoding(failure) from failure.__cause__
        return []

    def _chunk(self, frame: Frame) -> Chunk | None:
        headers = frame.headers
        kind = headers.get(":message-type")
        if kind == "event":
            return self._stream.event(frame.text(":event-type"), frame.payload, frame.raw)
        if kind == "exception":
            raise self._faults.in_stream(frame.text(":exception-type"), frame.payload)
        raise self._faults.in_stream(frame.text(":error-code"), frame.text(":error-message").encode() or frame.payload)
