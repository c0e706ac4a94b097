"""Ollama's wire both ways."""

import itertools
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_gateway.core.errors import InvalidRequest, ProviderBadResponse, ProviderError, ProviderUnavailable
from llm_gateway.core.types import (
    ChatRequest,
    Chunk,
    Document,
    EmbeddingRequest,
    FinishReason,
    Image,
    Message,
    Native,
    ResponseFormat,
    Text,
    Thinking,
    Tool,
    ToolCall,
    ToolCallDelta,
    ToolChoice,
    ToolResult,
    Usage,
)
from llm_gateway.protocols.ollama_chat import (
    ChatDecoder,
    ChatStreamDecoder,
    EmbeddingDecoder,
    Loading,
    calls_before,
    encode_chat,
    encode_embedding,
)

HI = (Message("user", "hi"),)
TOOL = Tool("look", "Looks.", {"type": "object", "properties": {"q": {"type": "string"}}})


def body_of(request: ChatRequest, loading: Loading = Loading()) -> dict:  # noqa: B008
    return json.loads(encode_chat(request, "m", loading))


def test_smallest_says_that_it_does_not_stream():
    assert body_of(ChatRequest(HI)) == {"model": "m", "stream": False, "messages": [{"role": "user", "content": "hi"}]}
    assert body_of(ChatRequest(HI, stream=True))["stream"] is True


def test_options():
    request = ChatRequest(
        HI, temperature=0.0, top_p=0.5, seed=7, max_tokens=9, stop=("a",), frequency_penalty=0.1, presence_penalty=-0.2, end_user="u"
    )
    assert body_of(request)["options"] == {
        "temperature": 0.0, "top_p": 0.5, "seed": 7, "num_predict": 9, "stop": ["a"], "frequency_penalty": 0.1, "presence_penalty": -0.2,
    }  # fmt: skip


@pytest.mark.parametrize(("kept", "sent"), [("5m", "5m"), ("300", 300), ("-1", -1), ("0", 0), ("1h30m", "1h30m")])
def test_loading(kept, sent):
    body = body_of(ChatRequest(HI, seed=1), Loading(8192, kept))
    assert body["options"] == {"seed": 1, "num_ctx": 8192}
    assert body["keep_alive"] == sent


@pytest.mark.parametrize(
    ("wanted", "sent"),
    [
        (ResponseFormat("json_object"), "json"),
        (ResponseFormat("json_schema", "n", {"type": "object"}), {"type": "object"}),
        (ResponseFormat("text"), None),
    ],
)
def test_format(wanted, sent):
    assert body_of(ChatRequest(HI, response_format=wanted)).get("format") == sent


@pytest.mark.parametrize(
    ("fields", "think"),
    [
        ({"reasoning_effort": "none"}, False),
        ({"reasoning_effort": "minimal"}, "low"),
        ({"reasoning_effort": "low"}, "low"),
        ({"reasoning_effort": "medium"}, "medium"),
        ({"reasoning_effort": "high"}, "high"),
        ({"reasoning_effort": "xhigh"}, "high"),
        ({"reasoning_effort": "max"}, "max"),
        ({"thinking_budget_tokens": 0}, False),
        ({"thinking_budget_tokens": 2048}, True),
        ({}, None),
    ],
)
def test_think(fields, think):
    body = body_of(ChatRequest(HI, **fields))
    assert body.get("think") is think if isinstance(think, bool) else body.get("think") == think


def test_logprobs():
    body = body_of(ChatRequest(HI, logprobs=True, top_logprobs=3))
    assert (body["logprobs"], body["top_logprobs"]) == (True, 3)
    assert "logprobs" not in body_of(ChatRequest(HI))


def test_tools_and_their_history():
    request = ChatRequest(
        (
            Message("system", "s"),
            Message("user", (Text("what is "), Text("this?"), Image("image/png", "AAAA"))),
            Message(
                "assistant", (Thinking("hm", "sig"), Text("Looking."), ToolCall("c1", "look", '{"n": 1.50}'), ToolCall("c2", "now", ""))
            ),
            Message("tool", (ToolResult("c1", (Text("sun"), Image("image/png", "BBBB"))), ToolResult("c2", (Text("noon"),), True))),
            Message("tool", (ToolResult("cx", (), name="other"),)),
        ),
        tools=(TOOL,),
        tool_choice=ToolChoice("auto"),
    )
    body = body_of(request)
    assert body["messages"] == [
        {"role": "system", "content": "s"},
        {"role": "user", "content": "what is this?", "images": ["AAAA"]},
        {
            "role": "assistant",
            "content": "Looking.",
            "thinking": "hm",
            "tool_calls": [
                {"id": "c1", "function": {"name": "look", "arguments": {"n": 1.5}}},
                {"id": "c2", "function": {"name": "now", "arguments": {}}},
            ],
        },
        {"role": "tool", "content": "sun", "images": ["BBBB"], "tool_name": "look", "tool_call_id": "c1"},
        {"role": "tool", "content": "noon", "tool_name": "now", "tool_call_id": "c2"},
        {"role": "tool", "content": "", "tool_name": "other", "tool_call_id": "cx"},
    ]
    assert body["tools"] == [{"type": "function", "function": {"name": "look", "description": "Looks.", "parameters": TOOL.parameters}}]
    assert b'"arguments":{"n": 1.50}' in encode_chat(request, "m", Loading())


def test_results_in_a_user_turn_come_before_its_words():
    turn = Message("user", (Text("so?"), ToolResult("c", (Text("sun"),), name="look")))
    assert [message["role"] for message in body_of(ChatRequest((turn,)))["messages"]] == ["tool", "user"]


@pytest.mark.parametrize("fields", [{}, {"tools": (TOOL,), "tool_choice": ToolChoice("none")}])
def test_empty_tools_are_dropped(fields):
    assert "tools" not in body_of(ChatRequest(HI, **fields))


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"n": 2}, "n"),
        ({"tools": (TOOL,), "tool_choice": ToolChoice("required")}, "tool_choice"),
        ({"tools": (TOOL,), "tool_choice": ToolChoice("function", "look")}, "tool_choice"),
        ({"tools": (TOOL,), "parallel_tool_calls": False}, "parallel_tool_calls"),
        ({"reasoning_effort": "huge"}, "reasoning_effort"),
        ({"response_format": ResponseFormat("json_schema")}, "response_format"),
        ({"messages": (Message("user", (Image(url="https://example.test/a.png"),)),)}, "messages"),
        ({"messages": (Message("user", (Document(text="x"),)),)}, "messages"),
        ({"messages": (Message("tool", (ToolResult("c", (Document(text="x"),)),)),)}, "messages"),
        ({"messages": (Message("assistant", (ToolCall("c", "look", "[1]"),)),)}, "messages"),
        ({"messages": (Message("assistant", (ToolCall("c", "look", "{"),)),)}, "messages"),
    ],
)
def test_what_the_wire_cannot_say_is_refused_by_name(fields, param):
    with pytest.raises(InvalidRequest) as caught:
        encode_chat(ChatRequest(**{"messages": HI, **fields}), "m", Loading())
    assert caught.value.param == param
    assert param in caught.value.message


def test_tool_choice_without_tools_says_nothing():
    assert body_of(ChatRequest(HI, tool_choice=ToolChoice("required"), parallel_tool_calls=False)) == body_of(ChatRequest(HI))


class TestNative:
    BODY = {"model": "auto", "messages": [{"role": "user", "content": "hi"}], "options": {"mirostat": 1}, "new_field": [1]}  # noqa: RUF012

    def test_only_model_and_stream_change(self):
        request = ChatRequest(HI, native=Native("ollama", self.BODY), stream=True)
        assert body_of(request) == {**self.BODY, "model": "m", "stream": True}
        assert self.BODY["model"] == "auto"

    def test_the_operators_loading_fills_gaps_only(self):
        body = body_of(ChatRequest(HI, native=Native("ollama", self.BODY)), Loading(8192, "5m"))
        assert (body["options"], body["keep_alive"]) == ({"mirostat": 1, "num_ctx": 8192}, "5m")
        assert self.BODY["options"] == {"mirostat": 1}
        told = Native("ollama", {**self.BODY, "options": {"num_ctx": 1}, "keep_alive": 0})
        body = body_of(ChatRequest(HI, native=told), Loading(8192, "5m"))
        assert (body["options"], body["keep_alive"]) == ({"num_ctx": 1}, 0)

    @pytest.mark.parametrize("native", [Native("openai", BODY), Native("ollama", {"prompt": "x"})])
    def test_another_body_is_translated(self, native):
        assert body_of(ChatRequest(HI, native=native)) == body_of(ChatRequest(HI))

    def test_embedding(self):
        native = Native("ollama", {"model": "x", "input": "a", "truncate": False})
        body = json.loads(encode_embedding(EmbeddingRequest(("a",), native=native), "e", Loading()))
        assert body == {"model": "e", "input": "a", "truncate": False}


def test_embedding_request():
    body = json.loads(encode_embedding(EmbeddingRequest(("a", "b"), dimensions=64), "e", Loading(2048, "-1")))
    assert body == {"model": "e", "input": ["a", "b"], "dimensions": 64, "options": {"num_ctx": 2048}, "keep_alive": -1}


# --- answers ------------------------------------------------------------------------------------------------------


def failure(message: str) -> ProviderError:
    return ProviderUnavailable(message or "unknown")


def line(message: object = None, **fields: object) -> bytes:
    said = {"model": "llama", "created_at": "2025-10-26T17:21:21.19Z", "message": message or {"role": "assistant", "content": ""}}
    return json.dumps(said | {"done": False} | fields).encode() + b"\n"


def says(text: str = "", **fields: object) -> bytes:
    return line({"role": "assistant", "content": text, **fields})


def call(name: str, arguments: object, **fields: object) -> dict:
    return {"function": {"name": name, "arguments": arguments}, **fields}


DONE = line(done=True, done_reason="stop", total_duration=5_191_566_416, prompt_eval_count=26, eval_count=298, eval_duration=4_799_921_000)
TEXT = says("Hé") + says("llo!") + DONE
TOOLS = (
    says(tool_calls=[call("look", {"q": "a"})])
    + says(tool_calls=[call("now", {}), call("find", {"p": [1, 2]}, id="call_x1")])
    + says("…")
    + DONE
)
ERROR = says("Hé") + b'{"error":"an error was encountered while running the model"}\n'
STREAMS = {
    "text": TEXT,
    "crlf": TEXT.replace(b"\n", b"\r\n"),
    "blank_lines": TEXT.replace(b"\n", b"\n\n"),
    "no_last_newline": TEXT[:-1],
    "tools": TOOLS,
    "thinking": says(thinking="Let me ") + says(thinking="see.") + TEXT,
    "error": ERROR,
    "cut": says("Hé"),
    "cut_in_line": TEXT[:-20],
    "garbage": says("Hé") + b"nope\n" + DONE,
    "nothing": b"",
}


def decode(pieces: list[bytes], first_call: int = 0) -> tuple[list[Chunk], ProviderError | None]:
    decoder = ChatStreamDecoder("local", failure, first_call)
    chunks: list[Chunk] = []
    try:
        for piece in pieces:
            chunks += decoder.feed(piece)
        chunks += decoder.finish()
    except ProviderError as error:
        return chunks, error
    return chunks, None


def good(stream: bytes, first_call: int = 0) -> list[Chunk]:
    chunks, error = decode([stream], first_call)
    assert error is None
    return chunks


def same(one: tuple[list[Chunk], ProviderError | None], other: tuple[list[Chunk], ProviderError | None]) -> None:
    assert one[0] == other[0]
    assert repr(one[1]) == repr(other[1])


@pytest.mark.parametrize("name", STREAMS)
def test_byte_by_byte_is_as_whole(name):
    stream = STREAMS[name]
    same(decode([stream]), decode([stream[place : place + 1] for place in range(len(stream))]))


@given(st.sampled_from(sorted(STREAMS)), st.lists(st.floats(0, 1), max_size=12))
def test_any_cut_is_as_whole(name, cuts):
    stream = STREAMS[name]
    places = sorted({0, len(stream), *(int(cut * len(stream)) for cut in cuts)})
    same(decode([stream]), decode([stream[a:b] for a, b in itertools.pairwise(places)]))


def test_text_and_its_bytes():
    chunks = good(TEXT)
    assert "".join(chunk.text for chunk in chunks) == "Héllo!"
    assert b"".join(chunk.raw or b"" for chunk in chunks) == TEXT
    assert {(chunk.raw_protocol, chunk.response_model) for chunk in chunks} == {("ollama", "llama")}
    assert [chunk.finish_reason for chunk in chunks] == [None, None, FinishReason.STOP]
    assert [chunk.usage for chunk in chunks] == [None, None, Usage(26, 298)]


def test_tool_calls_of_several_lines_are_dense_and_have_ids():
    chunks = good(TOOLS)
    assert [piece for chunk in chunks for piece in chunk.tool_calls] == [
        ToolCallDelta(0, "call_0", "look", '{"q": "a"}'),
        ToolCallDelta(1, "call_1", "now", "{}"),
        ToolCallDelta(2, "call_x1", "find", '{"p": [1, 2]}'),
    ]
    assert chunks[-1].finish_reason is FinishReason.TOOL_CALLS


def test_made_up_ids_never_repeat_in_a_conversation():
    history = ChatRequest((*HI, Message("assistant", (ToolCall("call_0", "look"), ToolCall("call_1", "look"))), *HI))
    assert calls_before(history) == 2
    assert good(TOOLS, calls_before(history))[0].tool_calls[0].id == "call_2"


@pytest.mark.parametrize(("arguments", "text"), [('{"q": 1}', '{"q": 1}'), ("", "{}"), (None, "{}"), ({"é": 1.0}, '{"\\u00e9": 1.0}')])
def test_arguments_in_other_forms(arguments, text):
    assert good(says(tool_calls=[call("look", arguments)]) + DONE)[0].tool_calls[0].arguments == text


def test_thinking():
    assert [chunk.thinking for chunk in good(STREAMS["thinking"])][:3] == [Thinking("Let me "), Thinking("see."), None]


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"prompt_eval_count": 0, "eval_count": 0}, Usage(0, 0)),
        ({"prompt_eval_count": 3, "eval_count": 2}, Usage(3, 2)),
        ({"eval_count": 2}, None),
        ({"prompt_eval_count": 3}, None),
        ({}, None),
    ],
)
def test_a_missing_count_is_not_zero(fields, expected):
    assert good(line(done=True, done_reason="stop", **fields))[0].usage == expected


@pytest.mark.parametrize(
    ("reason", "expected"),
    [
        ("stop", FinishReason.STOP),
        ("length", FinishReason.LENGTH),
        ("load", FinishReason.STOP),
        ("unload", FinishReason.STOP),
        (None, FinishReason.STOP),
    ],
)
def test_done_reasons(reason, expected):
    assert good(line(done=True, done_reason=reason))[0].finish_reason is expected


def test_a_cut_off_tool_call_is_cut_off():
    chunks = good(says(tool_calls=[call("look", {})]) + line(done=True, done_reason="length"))
    assert chunks[-1].finish_reason is FinishReason.LENGTH


def test_logprobs_in_the_canonical_shape():
    tokens = [
        {"token": "a", "logprob": -0.5, "bytes": [97], "top_logprobs": [{"token": "b", "logprob": -1.5}]},
        {"token": "c", "logprob": 0},
    ]
    assert good(line(logprobs=tokens) + DONE)[0].logprobs == {
        "content": [
            {
                "token": "a", "logprob": -0.5, "bytes": [97],
                "top_logprobs": [{"token": "b", "logprob": -1.5, "bytes": None}],
            },
            {"token": "c", "logprob": 0.0, "bytes": None, "top_logprobs": []},
        ]
    }  # fmt: skip


def test_an_error_line_comes_after_what_was_said_before_it():
    chunks, error = decode([ERROR])
    assert [chunk.text for chunk in chunks] == ["Hé"]
    assert error is not None
    assert error.message == "an error was encountered while running the model"


def test_an_error_line_alone_is_raised_at_once():
    with pytest.raises(ProviderUnavailable, match="boom"):
        ChatStreamDecoder("local", failure).feed(b'{"error":"boom"}\n')


def test_an_error_that_is_no_string_is_still_one():
    _, error = decode([b'{"error":{"code":1}}\n'])
    assert isinstance(error, ProviderUnavailable)


@pytest.mark.parametrize("name", ["cut", "nothing"])
def test_a_cut_stream_is_a_bad_response(name):
    _, error = decode([STREAMS[name]])
    assert isinstance(error, ProviderBadResponse)
    assert error.provider == "local"
    assert "before it was done" in error.message


@pytest.mark.parametrize(
    "bad",
    [b"nope\n", pytest.param(b'{"x":' + b"[" * 100_000 + b"\n", id="deep"), b"[]\n", b'{"done":1}\n', b'{"message":{"content":"\xff"}}\n'],
)
def test_lines_of_no_protocol_are_a_bad_response(bad):
    chunks, error = decode([says("a") + bad + DONE])
    assert len(chunks) == 1
    assert isinstance(error, ProviderBadResponse)


def test_arguments_that_are_not_utf8_are_a_bad_response():
    _, error = decode([b'{"message":{"tool_calls":[{"function":{"name":"n","arguments":{"a":"\xff"}}}]}}\n' + DONE])
    assert isinstance(error, ProviderBadResponse)


def test_what_follows_the_end_is_not_read():
    assert good(TEXT + b"nope\n") == good(TEXT)


def answered(body: bytes, cut: int = 0) -> list[Chunk]:
    decoder = ChatDecoder("local", failure, 4)
    assert decoder.feed(body[:cut]) == []
    assert decoder.feed(body[cut:]) == []
    return decoder.finish()


def test_document():
    message = {"role": "assistant", "content": "Hi", "thinking": "hm", "tool_calls": [call("look", {"a": 1})]}
    body = line(message, done=True, done_reason="stop", prompt_eval_count=3, eval_count=2)
    expected = Chunk(
        text="Hi", thinking=Thinking("hm"), tool_calls=(ToolCallDelta(0, "call_4", "look", '{"a": 1}'),),
        finish_reason=FinishReason.TOOL_CALLS, usage=Usage(3, 2), response_model="llama", raw=body, raw_protocol="ollama",
    )  # fmt: skip
    assert all(answered(body, cut) == [expected] for cut in range(len(body)))


@pytest.mark.parametrize("body", [b"", b"<html>", b"{}", says("half"), TEXT])
def test_a_body_that_is_no_answer(body):
    with pytest.raises(ProviderBadResponse):
        answered(body)


def test_an_error_document_under_200():
    with pytest.raises(ProviderUnavailable, match="boom"):
        answered(b'{"error":"boom"}')


def embedded(body: bytes, inputs: int) -> list[Chunk]:
    decoder = EmbeddingDecoder("local", failure, inputs)
    assert [decoder.feed(body[place : place + 1]) for place in range(len(body))] == [[]] * len(body)
    return decoder.finish()


def test_the_one_vector_of_the_older_operation_is_read_too():
    (chunk,) = embedded(b'{"model":"e","embedding":[0.5,-1]}', 1)
    assert (chunk.embeddings, chunk.raw) == ([[0.5, -1.0]], None)
    with pytest.raises(ProviderBadResponse):
        embedded(b'{"model":"e","embedding":[0.5,-1]}', 2)


def test_embeddings():
    body = b'{"model":"e","embeddings":[[0.5,-1],[2,3]],"total_duration":14143917,"load_duration":1019500,"prompt_eval_count":8}'
    (chunk,) = embedded(body, 2)
    assert chunk == Chunk(embeddings=[[0.5, -1.0], [2.0, 3.0]], usage=Usage(8), response_model="e", raw=body, raw_protocol="ollama")
    assert embedded(b'{"model":"e","embeddings":[[1]]}', 1)[0].usage is None


@pytest.mark.parametrize("body", [b"", b"{}", b'{"embeddings":[[1]]}', b'{"embeddings":[["a"],["b"]]}'])
def test_a_body_without_the_vectors(body):
    with pytest.raises(ProviderBadResponse):
        embedded(body, 2)


def test_an_embedding_error_under_200():
    with pytest.raises(ProviderUnavailable, match="boom"):
        embedded(b'{"error":"boom"}', 1)
