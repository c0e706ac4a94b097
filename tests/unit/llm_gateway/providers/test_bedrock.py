"""The Bedrock provider: its two modes, its signatures, and its streams however their bytes are cut."""

from itertools import pairwise
from struct import pack
from typing import Any
from zlib import crc32

import msgspec
import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.loaders import Loader
from botocore.model import ServiceModel
from botocore.serialize import create_serializer
from hypothesis import given
from hypothesis import strategies as st

from llm_gateway.core.clearance import probe_wire
from llm_gateway.core.errors import (
    ConfigurationError,
    InvalidRequest,
    ProviderBadResponse,
    ProviderError,
    ProviderInvalidRequest,
    ProviderRateLimited,
    ProviderTimeout,
    ProviderUnavailable,
)
from llm_gateway.core.routing import Destination
from llm_gateway.core.settings import ProviderSettings
from llm_gateway.core.types import (
    ChatRequest,
    Chunk,
    EmbeddingRequest,
    FinishReason,
    Message,
    ResponseFormat,
    SecurityLevel,
    Thinking,
    Tool,
    Usage,
)
from llm_gateway.core.wire import Decoder, HttpRequest, Provider
from llm_gateway.providers.bedrock import DEFAULT_ENDPOINT, BedrockProvider, endpoint_of, missing

PROXY_URL = "http://bedrock-proxy:7090/invoke"
US = "https://bedrock-runtime.us-east-1.amazonaws.com"
MODEL = "anthropic.claude-3-5-sonnet-20241022-v2:0"
ARN = "arn:aws:bedrock:us-east-1:123456789012:inference-profile/us." + MODEL
KEYS = {"aws_access_key_id": "AKIDEXAMPLE", "aws_secret_access_key": "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"}
API_KEY = "ABSKQmVkcm9ja0FQSUtleS1abc123"
NOW_S = 1_790_000_000.0
HI = ChatRequest((Message("user", "hi"),))
STREAM = msgspec.structs.replace(HI, stream=True)


def settings(**fields: Any) -> ProviderSettings:
    return ProviderSettings.model_validate(fields)


def bedrock(**fields: Any) -> Provider:
    configured = settings(**fields)
    scheme, _, rest = endpoint_of(configured).partition("://")
    origin = f"{scheme}://{rest.partition('/')[0]}" if rest else ""
    return BedrockProvider("bedrock", configured, Destination("bedrock", origin, SecurityLevel.HIGH))


def sent(request: ChatRequest | EmbeddingRequest = HI, model: str = MODEL, **fields: Any) -> HttpRequest:
    return bedrock(**fields).encode(request, model, NOW_S)


# ---- which mode, which address


@pytest.mark.parametrize(
    ("fields", "endpoint", "protocol"),
    [
        ({"endpoint": PROXY_URL}, PROXY_URL, "bedrock_proxy"),
        ({"endpoint": PROXY_URL + "/?stage=a"}, PROXY_URL + "/?stage=a", "bedrock_proxy"),
        ({"endpoint": US}, US, "bedrock"),
        ({"endpoint": f" {US}/ "}, US, "bedrock"),
        ({"endpoint": US + "/model/x/converse"}, US, "bedrock"),
        ({"endpoint": "http://127.0.0.1:4566"}, "http://127.0.0.1:4566", "bedrock"),
        ({"endpoint": "http://127.0.0.1:4566/"}, "http://127.0.0.1:4566", "bedrock"),
        ({"region": "eu-west-1"}, "https://bedrock-runtime.eu-west-1.amazonaws.com", "bedrock"),
        ({"region": "cn-north-1"}, "https://bedrock-runtime.cn-north-1.amazonaws.com.cn", "bedrock"),
        ({}, "", "bedrock"),
    ],
)
def test_the_endpoint_decides_the_mode(fields: dict[str, str], endpoint: str, protocol: str) -> None:
    assert endpoint_of(settings(**fields)) == endpoint
    assert bedrock(**fields).protocol == protocol
    assert DEFAULT_ENDPOINT == ""


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"endpoint": PROXY_URL}, ()),
        ({"endpoint": US, "api_key": API_KEY}, ()),
        ({"endpoint": US, **KEYS}, ()),
        ({"region": "eu-west-1", **KEYS}, ()),
        ({"region": "eu-west-1", "api_key": API_KEY}, ()),
        ({"endpoint": "http://127.0.0.1:4566"}, ()),
        ({"endpoint": "http://127.0.0.1:4566", "region": "eu-west-1", **KEYS}, ()),
        ({"endpoint": "http://127.0.0.1:4566", **KEYS}, ("AWS_REGION",)),
        ({}, ("BEDROCK_ENDPOINT", "AWS_REGION", "BEDROCK_API_KEY", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")),
        (KEYS, ("BEDROCK_ENDPOINT", "AWS_REGION")),
        ({"region": "eu-west-1"}, ("BEDROCK_API_KEY", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")),
        ({"endpoint": US, "aws_access_key_id": "A"}, ("AWS_SECRET_ACCESS_KEY",)),
        ({"endpoint": US, "aws_secret_access_key": "A"}, ("AWS_ACCESS_KEY_ID",)),
        ({"endpoint": "bedrock-proxy:7090/invoke"}, ("BEDROCK_ENDPOINT",)),
        ({"endpoint": "ftp://host/x"}, ("BEDROCK_ENDPOINT",)),
        ({"endpoint": "http://[::1"}, ("BEDROCK_ENDPOINT",)),
    ],
)
def test_what_is_missing_is_named(fields: dict[str, str], named: tuple[str, ...]) -> None:
    lack = missing(settings(**fields))
    every = ("BEDROCK_ENDPOINT", "AWS_REGION", "BEDROCK_API_KEY", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")
    assert tuple(name for name in every if name in lack) == named
    assert bool(lack) == bool(named)
    if named:
        with pytest.raises(ConfigurationError, match=named[0]):
            bedrock(**fields).encode(HI, MODEL, NOW_S)


def test_capabilities() -> None:
    native, proxy = bedrock(endpoint=US, api_key=API_KEY).capabilities, bedrock(endpoint=PROXY_URL).capabilities
    assert (native.embeddings, native.tools, native.images, native.documents, native.json_schema) == (True,) * 5
    assert (proxy.embeddings, proxy.tools, proxy.images, proxy.documents, proxy.json_schema) == (False,) * 5
    assert native.max_temperature == proxy.max_temperature == 1.0
    assert (native.choices, native.logprobs, proxy.choices, proxy.logprobs) == (False,) * 4


# ---- requests


@pytest.mark.parametrize(
    ("request_", "model", "path"),
    [
        (HI, MODEL, "/model/anthropic.claude-3-5-sonnet-20241022-v2%3A0/converse"),
        (STREAM, MODEL, "/model/anthropic.claude-3-5-sonnet-20241022-v2%3A0/converse-stream"),
        (EmbeddingRequest(("a",)), "amazon.titan-embed-text-v2:0", "/model/amazon.titan-embed-text-v2%3A0/invoke"),
        (EmbeddingRequest(("a", "b")), "us.cohere.embed-v4:0", "/model/us.cohere.embed-v4%3A0/invoke"),
    ],
)
def test_operations(request_: ChatRequest | EmbeddingRequest, model: str, path: str) -> None:
    http = sent(request_, model, endpoint=US, api_key=API_KEY)
    assert (http.method, http.url) == ("POST", US + path)
    headers = dict(http.headers)
    assert headers["authorization"] == f"Bearer {API_KEY}"
    assert headers["content-type"] == "application/json"
    streams = isinstance(request_, ChatRequest) and request_.stream
    assert headers["accept"] == ("application/vnd.amazon.eventstream" if streams else "application/json")


@pytest.mark.parametrize("model", [MODEL, ARN, "a b/%2F~ü"])
def test_botocore_would_send_the_same_path(model: str) -> None:
    service = ServiceModel(Loader().load_service_model("bedrock-runtime", "service-2"), "bedrock-runtime")
    request = create_serializer("rest-json").serialize_to_request({"modelId": model, "messages": []}, service.operation_model("Converse"))
    assert sent(model=model, endpoint=US, api_key=API_KEY).url == US + request["url_path"]


@pytest.mark.parametrize("prefix", ["us.", "eu.", "apac.", "us-gov.", "global."])
def test_where_a_model_runs_stays_as_it_was_asked_for(prefix: str) -> None:
    """The region of an inference profile is a matter of where content may be: it is neither put before a model's name nor taken off."""
    assert "/model/" + prefix + "anthropic." in sent(model=prefix + MODEL, endpoint=US, api_key=API_KEY).url
    assert "/model/anthropic." in sent(model=MODEL, endpoint=US, api_key=API_KEY).url


@pytest.mark.parametrize("model", ["", ".", ".."])
def test_a_model_is_never_a_step_in_a_path(model: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        sent(model=model, endpoint=US, api_key=API_KEY)
    assert caught.value.param == "model"


@pytest.mark.parametrize(
    ("fields", "host", "region"),
    [
        ({"endpoint": US}, "bedrock-runtime.us-east-1.amazonaws.com", "us-east-1"),
        ({"endpoint": US + ":443", "region": "eu-west-1"}, "bedrock-runtime.us-east-1.amazonaws.com", "us-east-1"),
        ({"endpoint": "https://bedrock-runtime-fips.us-west-2.amazonaws.com"}, "bedrock-runtime-fips.us-west-2.amazonaws.com", "us-west-2"),
        (
            {"endpoint": "https://vpce-1.bedrock-runtime.eu-west-1.vpce.amazonaws.com"},
            "vpce-1.bedrock-runtime.eu-west-1.vpce.amazonaws.com",
            "eu-west-1",
        ),
        ({"region": "eu-central-1"}, "bedrock-runtime.eu-central-1.amazonaws.com", "eu-central-1"),
        ({"endpoint": "http://127.0.0.1:4566", "region": "eu-central-1"}, "127.0.0.1:4566", "eu-central-1"),
        ({"endpoint": "http://localhost:80", "region": "eu-central-1"}, "localhost", "eu-central-1"),
    ],
)
@pytest.mark.parametrize("token", ["", "session/token=="])
def test_botocore_signs_alike(fields: dict[str, str], host: str, region: str, token: str) -> None:
    http = sent(STREAM, ARN, headers={"X-Amzn-Bedrock-Trace": "ENABLED"}, aws_session_token=token, **fields, **KEYS)
    headers = dict(http.headers)
    authorization = headers.pop("authorization")
    assert headers.get("x-amz-security-token", "") == token
    signer = SigV4Auth(Credentials(KEYS["aws_access_key_id"], KEYS["aws_secret_access_key"], token or None), "bedrock", region)
    request = AWSRequest(method="POST", url=http.url, data=http.body, headers={**headers, "Host": host})
    request.context["timestamp"] = headers["x-amz-date"]
    canonical = signer.canonical_request(request)
    signature = signer.signature(signer.string_to_sign(request, canonical), request)
    names = signer.signed_headers(signer.headers_to_sign(request))
    assert {"x-amzn-bedrock-trace", "host", "content-type"} < set(names.split(";"))
    assert authorization == f"AWS4-HMAC-SHA256 Credential={signer.scope(request)}, SignedHeaders={names}, Signature={signature}"


def test_an_api_key_goes_before_access_keys() -> None:
    headers = dict(sent(endpoint=US, api_key=API_KEY, **KEYS).headers)
    assert headers["authorization"] == f"Bearer {API_KEY}"
    assert "x-amz-date" not in headers


def test_the_operators_headers_never_replace_ours() -> None:
    own = {"Content-Type": "text/plain", "Host": "evil", "Authorization": "Basic x", "X-Team": "a"}
    headers = sent(endpoint=US, headers=own, **KEYS).headers
    names = [name for name, _ in headers]
    assert len(names) == len(set(names))
    assert dict(headers)["authorization"].startswith("AWS4-HMAC-SHA256")
    assert "host" not in names
    assert dict(headers)["x-team"] == "a"
    emulator = dict(sent(endpoint="http://127.0.0.1:4566", headers=own).headers)
    assert emulator["authorization"] == "Basic x"


def test_the_proxy_gets_its_whole_url() -> None:
    http = sent(STREAM, endpoint=PROXY_URL + "?a=1", region="us-east-1", api_key=API_KEY, **KEYS)
    assert (http.method, http.url) == ("POST", PROXY_URL + "?a=1")
    assert msgspec.json.decode(http.body) == {"model": MODEL, "prompt": "hi", "params": {}, "region": "us-east-1"}
    assert dict(http.headers)["authorization"] == f"Bearer {API_KEY}"


def test_probes() -> None:
    proxy = bedrock(endpoint=PROXY_URL)
    wire = probe_wire(proxy)
    assert wire is not None
    assert (wire.http.method, wire.http.url, wire.http.body) == ("GET", "http://bedrock-proxy:7090/health", b"")
    assert proxy.models(b'{"status":"healthy"}') == []
    assert bedrock(endpoint=US, api_key=API_KEY).probe() is None


def test_its_repr_shows_no_secret() -> None:
    shown = repr(bedrock(endpoint=US, api_key=API_KEY, **KEYS))
    assert API_KEY not in shown
    assert KEYS["aws_secret_access_key"] not in shown


# ---- answers


def text_header(name: str, value: str) -> bytes:
    return bytes([len(name)]) + name.encode() + b"\x07" + pack("!H", len(value.encode())) + value.encode()


def frame(payload: Any, **headers: str) -> bytes:
    block = b"".join(text_header(":" + name.replace("_", "-"), value) for name, value in headers.items())
    body = msgspec.json.encode(payload)
    prelude = pack("!II", len(block) + len(body) + 16, len(block))
    message = prelude + pack("!I", crc32(prelude)) + block + body
    return message + pack("!I", crc32(message))


def event(kind: str, payload: Any) -> bytes:
    return frame(payload, event_type=kind, content_type="application/json", message_type="event")


def delta(index: int, **piece: Any) -> bytes:
    return event("contentBlockDelta", {"contentBlockIndex": index, "delta": piece, "p": "abcdefghijklmnop"})


def call(index: int, tool_id: str, name: str) -> bytes:
    return event("contentBlockStart", {"contentBlockIndex": index, "start": {"toolUse": {"toolUseId": tool_id, "name": name}}})


def closed(index: int) -> bytes:
    return event("contentBlockStop", {"contentBlockIndex": index})


def ended(reason: str = "end_turn") -> bytes:
    usage = {"inputTokens": 10, "outputTokens": 5, "totalTokens": 15, "cacheReadInputTokens": 100}
    return event("messageStop", {"stopReason": reason}) + event("metadata", {"usage": usage, "metrics": {"latencyMs": 7}})


BEGUN = event("messageStart", {"role": "assistant"})
EXCEPTION = frame({"message": "slow down"}, exception_type="throttlingException", content_type="application/json", message_type="exception")
ANSWER = ChatRequest(
    (Message("user", "hi"),), stream=True, response_format=ResponseFormat("json_schema", "x", {"type": "object", "properties": {}})
)
TOOLS = msgspec.structs.replace(STREAM, tools=(Tool("f"),))

GOLDEN: dict[str, tuple[ChatRequest, bytes, Chunk]] = {
    "text without start block, metadata after messageStop": (
        STREAM,
        BEGUN + delta(0, text="Grüße, ") + delta(0, text="世界") + closed(0) + ended(),
        Chunk(text="Grüße, 世界", finish_reason=FinishReason.STOP),
    ),
    "reasoning, text, two calls in parallel": (
        TOOLS,
        BEGUN
        + delta(0, reasoningContent={"text": "hm"})
        + delta(0, reasoningContent={"signature": "sig"})
        + closed(0)
        + delta(1, text="ok")
        + closed(1)
        + call(2, "a", "f")
        + call(4, "b", "g")
        + delta(4, toolUse={"input": '{"y":'})
        + delta(2, toolUse={"input": '{"x":1}'})
        + delta(4, toolUse={"input": "2}"})
        + closed(2)
        + closed(4)
        + ended("tool_use"),
        Chunk(text='ok|0:a:f:{"x":1}|1:b:g:{"y":2}', thinking=Thinking("hm", "sig"), finish_reason=FinishReason.TOOL_CALLS),
    ),
    "a call without arguments": (
        TOOLS,
        BEGUN + call(0, "a", "f") + closed(0) + ended("tool_use"),
        Chunk(text="|0:a:f:{}", finish_reason=FinishReason.TOOL_CALLS),
    ),
    "a schema answered by tool": (
        ANSWER,
        BEGUN
        + call(0, "a", "structured_answer")
        + delta(0, toolUse={"input": '{"a"'})
        + delta(0, toolUse={"input": ":1}"})
        + closed(0)
        + ended("tool_use"),
        Chunk(text='{"a":1}', finish_reason=FinishReason.STOP),
    ),
    "the guardrail": (
        STREAM,
        BEGUN + delta(0, text="Sorry") + closed(0) + ended("guardrail_intervened"),
        Chunk(text="Sorry", finish_reason=FinishReason.CONTENT_FILTER),
    ),
}


def decoder(request: ChatRequest | EmbeddingRequest = STREAM, **fields: Any) -> Decoder:
    return bedrock(**(fields or {"endpoint": US, "api_key": API_KEY})).decoder(request, MODEL)


def run(reader: Decoder, pieces: list[bytes]) -> list[Chunk]:
    chunks = [chunk for piece in pieces for chunk in reader.feed(piece)]
    return chunks + list(reader.finish())


def merged(chunks: list[Chunk]) -> Chunk:
    """All chunks as one; calls are written behind the text."""
    whole = Chunk(text="".join(chunk.text for chunk in chunks))
    calls: dict[int, list[str]] = {}
    for chunk in chunks:
        if chunk.thinking is not None:
            before = whole.thinking or Thinking()
            whole.thinking = Thinking(before.text + chunk.thinking.text, before.signature + chunk.thinking.signature)
        for piece in chunk.tool_calls:
            told = calls.setdefault(piece.index, [piece.id, piece.name, ""])
            told[2] += piece.arguments
        whole.finish_reason = chunk.finish_reason or whole.finish_reason
        whole.usage = chunk.usage or whole.usage
    whole.text += "".join(f"|{index}:{':'.join(told)}" for index, told in sorted(calls.items()))
    return whole


@pytest.mark.parametrize("name", GOLDEN)
def test_golden_streams_whole_and_byte_by_byte(name: str) -> None:
    request, stream, expected = GOLDEN[name]
    whole = run(decoder(request), [stream])
    assert merged(whole) == msgspec.structs.replace(expected, usage=Usage(110, 5, cache_read_tokens=100))
    assert run(decoder(request), [stream[index : index + 1] for index in range(len(stream))]) == whole
    if request is not ANSWER:
        assert b"".join(chunk.raw or b"" for chunk in whole) == stream
        assert {chunk.raw_protocol for chunk in whole} == {"bedrock"}


@given(st.sampled_from(sorted(GOLDEN)), st.lists(st.integers(0, 3000), max_size=12))
def test_golden_streams_cut_anywhere(name: str, cuts: list[int]) -> None:
    request, stream, _ = GOLDEN[name]
    bounds = [0, *sorted(min(cut, len(stream)) for cut in cuts), len(stream)]
    assert run(decoder(request), [stream[start:end] for start, end in pairwise(bounds)]) == run(decoder(request), [stream])


def failing(pieces: list[bytes]) -> tuple[list[Chunk], ProviderError]:
    """The chunks that came before a stream failed, and its failure."""
    reader = decoder()
    chunks: list[Chunk] = []
    try:
        for piece in pieces:
            chunks += reader.feed(piece)
        chunks += reader.finish()
    except ProviderError as failure:
        return chunks, failure
    raise AssertionError("the stream did not fail")


BROKEN: dict[str, tuple[bytes, type[ProviderError]]] = {
    "exception at once": (EXCEPTION, ProviderRateLimited),
    "exception in the midst": (BEGUN + delta(0, text="Hel") + EXCEPTION, ProviderRateLimited),
    "service unavailable": (frame({}, exception_type="serviceUnavailableException", message_type="exception"), ProviderUnavailable),
    "model timeout": (frame({}, exception_type="modelTimeoutException", message_type="exception"), ProviderTimeout),
    "model stream error": (frame({}, exception_type="modelStreamErrorException", message_type="exception"), ProviderBadResponse),
    "validation": (frame({}, exception_type="validationException", message_type="exception"), ProviderInvalidRequest),
    "unmodelled error": (frame({}, error_code="InternalFailure", error_message="boom", message_type="error"), ProviderUnavailable),
    "no metadata": (BEGUN + delta(0, text="x") + event("messageStop", {"stopReason": "end_turn"}), ProviderBadResponse),
    "cut inside a frame": (BEGUN + delta(0, text="x") + ended()[:-3], ProviderBadResponse),
    "cut between frames": (BEGUN + delta(0, text="x"), ProviderBadResponse),
    "damaged frame": (BEGUN + delta(0, text="x") + ended()[:-1] + b"!", ProviderBadResponse),
    "malformed output": (BEGUN + delta(0, text="x") + event("messageStop", {"stopReason": "malformed_tool_use"}), ProviderBadResponse),
    "JSON in place of a stream": (b'{"output":{"message":{"content":[{"text":"hi"}]}},"stopReason":"end_turn"}', ProviderBadResponse),
    "nothing at all": (b"", ProviderBadResponse),
}


@pytest.mark.parametrize("name", BROKEN)
def test_broken_streams_fail_alike_however_they_are_cut(name: str) -> None:
    stream, cls = BROKEN[name]
    chunks, failure = failing([stream])
    assert type(failure) is cls
    assert failure.provider == "bedrock"
    again, other = failing([stream[index : index + 1] for index in range(len(stream))])
    assert (again, type(other), other.message) == (chunks, cls, failure.message)


def test_text_before_an_exception_is_not_lost() -> None:
    reader = decoder()
    assert [chunk.text for chunk in reader.feed(BEGUN + delta(0, text="Hel") + EXCEPTION)] == ["Hel"]
    with pytest.raises(ProviderRateLimited, match="slow down") as caught:
        reader.finish()
    assert (caught.value.upstream_status, caught.value.provider) == (429, "bedrock")
    with pytest.raises(ProviderRateLimited):
        reader.feed(ended())


def test_unstreamed_answers_are_one_chunk_however_they_are_cut() -> None:
    usage = b'"usage":{"inputTokens":1,"outputTokens":2}'
    body = b'{"output":{"message":{"role":"assistant","content":[{"text":"hi"}]}},"stopReason":"end_turn",' + usage + b"}"
    (chunk,) = run(decoder(HI), [body])
    assert (chunk.text, chunk.usage, chunk.raw) == ("hi", Usage(1, 2), body)
    assert run(decoder(HI), [body[index : index + 1] for index in range(len(body))]) == [chunk]
    with pytest.raises(ProviderBadResponse) as caught:
        run(decoder(HI), [body[:-2]])
    assert caught.value.provider == "bedrock"


def test_embeddings_answer() -> None:
    provider = bedrock(endpoint=US, api_key=API_KEY)
    reader = provider.decoder(EmbeddingRequest(("a",)), "amazon.titan-embed-text-v2:0")
    (chunk,) = run(reader, [b'{"embedding":[1,2],"inputText', b'TokenCount":4}'])
    assert (chunk.embeddings, chunk.usage) == ([[1.0, 2.0]], Usage(4))


def test_the_proxy_answers_in_one_chunk_though_a_stream_was_asked_for() -> None:
    body = b'{"output":"hi","model":"m","region":"r"}'
    (chunk,) = run(decoder(STREAM, endpoint=PROXY_URL), [body[:9], body[9:]])
    assert (chunk.text, chunk.finish_reason, chunk.usage, chunk.raw_protocol) == ("hi", FinishReason.STOP, None, "bedrock_proxy")


def test_errors_hide_every_secret() -> None:
    provider = bedrock(endpoint=US, api_key=API_KEY, aws_session_token="session/token==", **KEYS)
    secrets = (API_KEY, KEYS["aws_secret_access_key"], KEYS["aws_access_key_id"], "session/token==")
    failure = provider.error(403, {}, msgspec.json.encode({"message": "bad: " + " ".join(secrets)}))
    assert failure.upstream_status == 403
    assert not any(secret in failure.message for secret in secrets)
