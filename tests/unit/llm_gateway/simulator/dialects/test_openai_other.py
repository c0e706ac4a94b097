import base64
import struct

import pytest
from tests.unit.llm_gateway.simulator.wire import Wire

_EMBED = "/v1/embeddings"


@pytest.mark.parametrize(
    ("model", "wanted", "size"),
    [
        ("text-embedding-ada-002", None, 1536),
        ("text-embedding-3-small", None, 1536),
        ("text-embedding-3-large", None, 3072),
        ("text-embedding-3-large", 256, 256),
    ],
)
def test_embeddings_have_the_models_dimensions(wire: Wire, model: str, wanted: int | None, size: int) -> None:
    body = {"model": model, "input": ["hello", "good bye"]} | ({"dimensions": wanted} if wanted else {})
    answer = wire.post("openai", _EMBED, body).json
    assert {*answer} == {"object", "data", "model", "usage"}
    assert [(item["object"], item["index"], len(item["embedding"])) for item in answer["data"]] == [
        ("embedding", 0, size),
        ("embedding", 1, size),
    ]
    assert answer["usage"] == {"prompt_tokens": 4, "total_tokens": 4}
    assert wire.simulator.counts()["openai"].models[model].input_tokens == 4


def test_base64_holds_the_same_vector(wire: Wire) -> None:
    body = {"model": "text-embedding-3-small", "input": "hello"}
    plain = wire.post("openai", _EMBED, body).json["data"][0]["embedding"]
    packed = wire.post("openai", _EMBED, {**body, "encoding_format": "base64"}).json["data"][0]["embedding"]
    assert list(struct.unpack("<1536f", base64.b64decode(packed))) == plain


def test_token_lists_are_inputs_too(wire: Wire) -> None:
    one = wire.post("openai", _EMBED, {"model": "text-embedding-3-small", "input": [1, 2, 3]}).json
    two = wire.post("openai", _EMBED, {"model": "text-embedding-3-small", "input": [[1, 2, 3], [4]]}).json
    assert (one["usage"]["prompt_tokens"], two["usage"]["prompt_tokens"]) == (3, 4)
    assert one["data"][0]["embedding"] == two["data"][0]["embedding"]


@pytest.mark.parametrize(
    ("more", "param"),
    [
        ({"input": ""}, "input"),
        ({"input": []}, "input"),
        ({"input": ["a", ""]}, "input"),
        ({"input": "a", "encoding_format": None}, "encoding_format"),
        ({"input": "a", "dimensions": 9999}, "dimensions"),
        ({"input": "a", "model": "text-embedding-ada-002", "dimensions": 5}, "dimensions"),
    ],
)
def test_a_wrong_embedding_request_is_refused_by_its_field(wire: Wire, more: dict[str, object], param: str) -> None:
    got = wire.post("openai", _EMBED, {"model": "text-embedding-3-small", **more})
    assert (got.status, got.json["error"]["param"]) == (400, param)


def test_models_are_listed(wire: Wire) -> None:
    listed = wire.get("openai", "/v1/models").json
    assert listed["object"] == "list"
    assert {"gpt-4o-mini", "text-embedding-3-small"} <= {model["id"] for model in listed["data"]}
    assert wire.get("openai", "/v1/models/gpt-4o").json == {"id": "gpt-4o", "object": "model", "created": 1735689600, "owned_by": "openai"}
    assert wire.get("openai", "/v1/models/nothing").status == 404


def test_text_completions_whole_and_streamed(wire: Wire) -> None:
    body = {"model": "gpt-3.5-turbo-instruct", "prompt": "tell me", "max_tokens": 500}
    whole = wire.post("openai", "/v1/completions", body).json
    assert (whole["object"], whole["choices"][0]["finish_reason"], whole["usage"]["prompt_tokens"]) == ("text_completion", "stop", 2)
    events = wire.post("openai", "/v1/completions", {**body, "stream": True, "stream_options": {"include_usage": True}}).events
    assert events[-1][1] == "[DONE]"
    assert (events[-2][1]["choices"], events[-2][1]["usage"]) == ([], whole["usage"])
    assert "".join(data["choices"][0]["text"] for _, data in events[:-2]) == whole["choices"][0]["text"]
    short = wire.post("openai", "/v1/completions", {"model": "m", "prompt": ["a", "b"]}).json
    assert [choice["finish_reason"] for choice in short["choices"]] == ["length", "length"]
    assert short["usage"]["completion_tokens"] == 32
