import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_gateway.core.errors import InvalidRequest
from llm_gateway.core.types import (
    ChatRequest,
    Document,
    Image,
    JsonObject,
    Message,
    Native,
    ResponseFormat,
    Text,
    Thinking,
    Tool,
    ToolCall,
    ToolChoice,
    ToolResult,
)
from llm_gateway.protocols.openai_chat import NO_PARAMETERS, SAMPLING_FIELDS, Dialect, asks_usage, encode_chat

HELLO = (Message("user", "Hello"),)
WEATHER = Tool("weather", "The weather", {"type": "object", "properties": {"place": {"type": "string"}}}, strict=True)


def body_of(request: ChatRequest, model: str = "gpt-4o", dialect: Dialect | None = None) -> JsonObject:
    raw = encode_chat(request, model) if dialect is None else encode_chat(request, model, dialect)
    return msgspec.json.decode(raw, type=dict)


def messages_of(*messages: Message) -> list[JsonObject]:
    found = body_of(ChatRequest(messages))["messages"]
    assert isinstance(found, list)
    return found  # type: ignore[return-value]


def test_a_plain_question_says_nothing_it_was_not_told() -> None:
    assert body_of(ChatRequest(HELLO)) == {"model": "gpt-4o", "messages": [{"role": "user", "content": "Hello"}]}


def test_every_option_has_its_field() -> None:
    request = ChatRequest(
        HELLO,
        temperature=0.0,
        top_p=0.5,
        max_tokens=7,
        stop=("a", "b"),
        seed=0,
        n=2,
        frequency_penalty=0.0,
        presence_penalty=-1.0,
        logprobs=True,
        top_logprobs=3,
        reasoning_effort="low",
        end_user="u1",
    )
    assert body_of(request) == {
        "model": "gpt-4o",
        "messages": [{"role": "user", "content": "Hello"}],
        "temperature": 0.0,
        "top_p": 0.5,
        "max_tokens": 7,
        "stop": ["a", "b"],
        "seed": 0,
        "n": 2,
        "frequency_penalty": 0.0,
        "presence_penalty": -1.0,
        "logprobs": True,
        "top_logprobs": 3,
        "reasoning_effort": "low",
        "user": "u1",
    }


def test_top_logprobs_brings_the_flag_that_it_needs() -> None:
    assert body_of(ChatRequest(HELLO, top_logprobs=2))["logprobs"] is True


def test_a_stream_always_asks_for_usage_and_the_rest_never() -> None:
    assert body_of(ChatRequest(HELLO, stream=True))["stream_options"] == {"include_usage": True}
    assert "stream_options" not in body_of(ChatRequest(HELLO))


def test_tools_and_their_choice() -> None:
    body = body_of(ChatRequest(HELLO, tools=(WEATHER, Tool("now")), tool_choice=ToolChoice("function", "now"), parallel_tool_calls=False))
    assert body["tools"] == [
        {
            "type": "function",
            "function": {"name": "weather", "description": "The weather", "parameters": WEATHER.parameters, "strict": True},
        },
        {"type": "function", "function": {"name": "now", "parameters": NO_PARAMETERS}},
    ]
    assert body["tool_choice"] == {"type": "function", "function": {"name": "now"}}
    assert body["parallel_tool_calls"] is False


@pytest.mark.parametrize("mode", ["auto", "none", "required"])
def test_a_choice_without_a_name_is_a_word(mode: str) -> None:
    assert body_of(ChatRequest(HELLO, tools=(WEATHER,), tool_choice=ToolChoice(mode)))["tool_choice"] == mode  # type: ignore[arg-type]


def test_tool_choice_and_parallel_tool_calls_are_dropped_without_tools() -> None:
    body = body_of(ChatRequest(HELLO, tool_choice=ToolChoice("required"), parallel_tool_calls=True))
    assert set(body) == {"model", "messages"}


def test_response_formats() -> None:
    assert "response_format" not in body_of(ChatRequest(HELLO, response_format=ResponseFormat("text")))
    assert body_of(ChatRequest(HELLO, response_format=ResponseFormat("json_object")))["response_format"] == {"type": "json_object"}
    schema: JsonObject = {"type": "object"}
    form = ResponseFormat("json_schema", name="row", json_schema=schema, strict=True)
    assert body_of(ChatRequest(HELLO, response_format=form))["response_format"] == {
        "type": "json_schema",
        "json_schema": {"name": "row", "schema": schema, "strict": True},
    }
    with pytest.raises(InvalidRequest) as caught:
        encode_chat(ChatRequest(HELLO, response_format=ResponseFormat("json_schema")), "m")
    assert caught.value.param == "response_format.json_schema"


def test_images_by_data_and_by_url() -> None:
    [message] = messages_of(
        Message("user", (Text("what?"), Image(media_type="image/png", data="QUJD", detail="low"), Image(url="https://a.example/b.png")))
    )
    assert message["content"] == [
        {"type": "text", "text": "what?"},
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,QUJD", "detail": "low"}},
        {"type": "image_url", "image_url": {"url": "https://a.example/b.png"}},
    ]


def test_documents_as_files_or_text() -> None:
    [message] = messages_of(
        Message("user", (Document(media_type="application/pdf", data="QUJD", name="a.pdf"), Document(text="plain"), Document(data="QQ==")))
    )
    assert message["content"] == [
        {"type": "file", "file": {"filename": "a.pdf", "file_data": "data:application/pdf;base64,QUJD"}},
        {"type": "text", "text": "plain"},
        {"type": "file", "file": {"filename": "document", "file_data": "data:application/octet-stream;base64,QQ=="}},
    ]


@pytest.mark.parametrize(
    "message",
    [
        Message("user", (Document(url="https://a.example/b.pdf"),)),
        Message("user", (Image(),)),
        Message("user", (ToolCall("c", "f"),)),
        Message("assistant", (Image(url="https://a.example/b.png"),)),
        Message("tool", "an answer to no call"),
    ],
    ids=["document url", "empty image", "call of a user", "image of the model", "answer without a call"],
)
def test_what_the_wire_cannot_say_is_named_with_its_place(message: Message) -> None:
    with pytest.raises(InvalidRequest) as caught:
        encode_chat(ChatRequest((*HELLO, message)), "m")
    assert caught.value.param == "messages[1].content"


def test_a_server_without_files_takes_text_documents_only() -> None:
    dialect = Dialect(files=False)
    text = ChatRequest((Message("user", (Document(text="plain"),)),))
    assert body_of(text, dialect=dialect)["messages"] == [{"role": "user", "content": "plain"}]
    with pytest.raises(InvalidRequest):
        encode_chat(ChatRequest((Message("user", (Document(data="QQ=="),)),)), "m", dialect)


def test_a_turn_with_calls_and_their_results() -> None:
    wire = messages_of(
        Message("assistant", (Thinking("hm", signature="s"), ToolCall("c1", "f", '{"broken'), ToolCall("c2", "g"))),
        Message("tool", (ToolResult("c1", (Text("one "), Text("two"))), ToolResult("c2", (Image(url="https://a.example/i.png"),)))),
        Message("assistant", (Text("done"), ToolCall("c3", "f"))),
    )
    assert wire == [
        {
            "role": "assistant",
            "content": None,
            "tool_calls": [
                {"id": "c1", "type": "function", "function": {"name": "f", "arguments": '{"broken'}},
                {"id": "c2", "type": "function", "function": {"name": "g", "arguments": "{}"}},
            ],
        },
        {"role": "tool", "tool_call_id": "c1", "content": "one two"},
        {"role": "tool", "tool_call_id": "c2", "content": ""},
        {"role": "user", "content": [{"type": "image_url", "image_url": {"url": "https://a.example/i.png"}}]},
        {
            "role": "assistant",
            "content": "done",
            "tool_calls": [{"id": "c3", "type": "function", "function": {"name": "f", "arguments": "{}"}}],
        },
    ]


def test_results_in_a_user_turn_stand_before_the_rest_of_it() -> None:
    wire = messages_of(Message("user", (Text("and now?"), ToolResult("c1", (Text("42"),)))))
    assert wire == [{"role": "tool", "tool_call_id": "c1", "content": "42"}, {"role": "user", "content": "and now?"}]


def test_one_text_is_a_string_and_several_are_parts() -> None:
    wire = messages_of(
        Message("system", (Text("a"),)), Message("user", (Text("a"), Text("b"))), Message("assistant", ()), Message("user", ())
    )
    assert wire == [
        {"role": "system", "content": "a"},
        {"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]},
        {"role": "assistant", "content": ""},
        {"role": "user", "content": ""},
    ]


def test_names_go_where_the_server_takes_them() -> None:
    messages = (Message("system", "s", name="x"), Message("user", "u", name="y"))
    common = body_of(ChatRequest(messages))["messages"]
    assert common == [{"role": "system", "content": "s", "name": "x"}, {"role": "user", "content": "u", "name": "y"}]
    strict = body_of(ChatRequest(messages), dialect=Dialect(named_roles=frozenset({"user"})))["messages"]
    assert strict == [{"role": "system", "content": "s"}, {"role": "user", "content": "u", "name": "y"}]


def test_a_dialect_renames_the_limit_and_leaves_out_what_is_refused() -> None:
    dialect = Dialect(max_tokens_field="max_completion_tokens", refused=SAMPLING_FIELDS)
    request = ChatRequest(HELLO, max_tokens=5, temperature=0.2, top_p=0.1, presence_penalty=1.0, frequency_penalty=1.0, seed=1)
    assert body_of(request, dialect=dialect) == {
        "model": "gpt-4o",
        "messages": [{"role": "user", "content": "Hello"}],
        "max_completion_tokens": 5,
        "seed": 1,
    }


NATIVE: JsonObject = {
    "model": "gpt-4o",
    "messages": [{"role": "developer", "content": "Hello", "odd": 1}],
    "max_tokens": 5,
    "temperature": 0.2,
    "unknown": {"kept": [None, True]},
}


def native(body: JsonObject, *, stream: bool = False, protocol: str = "openai") -> ChatRequest:
    return ChatRequest(HELLO, stream=stream, native=Native(protocol, body))


def test_a_native_body_for_the_same_model_passes_as_it_is() -> None:
    dialect = Dialect(max_tokens_field="max_completion_tokens", refused=SAMPLING_FIELDS)
    assert body_of(native(NATIVE), dialect=dialect) == NATIVE


def test_a_native_body_for_another_model_is_adapted() -> None:
    dialect = Dialect(max_tokens_field="max_completion_tokens", refused=SAMPLING_FIELDS)
    adapted = body_of(native(NATIVE), "o3", dialect)
    assert adapted == {
        **{k: v for k, v in NATIVE.items() if k not in ("max_tokens", "temperature")},
        "model": "o3",
        "max_completion_tokens": 5,
    }


def test_a_native_body_for_a_model_with_the_older_limit_is_renamed_back() -> None:
    adapted = body_of(native({"model": "auto", "messages": [], "max_completion_tokens": 9}), "llama3")
    assert adapted == {"model": "llama3", "messages": [], "max_tokens": 9}


def test_a_native_stream_gets_the_wish_for_usage_and_keeps_its_other_options() -> None:
    body = body_of(native({**NATIVE, "stream": True, "stream_options": {"include_obfuscation": False}}, stream=True))
    assert body["stream_options"] == {"include_obfuscation": False, "include_usage": True}
    assert body["stream"] is True
    assert body_of(native(NATIVE, stream=True))["stream_options"] == {"include_usage": True}


def test_a_native_body_sent_without_streaming_says_so() -> None:
    body = body_of(native({**NATIVE, "stream": True, "stream_options": {"include_usage": True}}))
    assert body["stream"] is False
    assert "stream_options" not in body


def test_encoding_leaves_the_judged_body_alone() -> None:
    before = msgspec.json.encode(NATIVE)
    encode_chat(native(NATIVE, stream=True), "other", Dialect(refused=SAMPLING_FIELDS))
    assert msgspec.json.encode(NATIVE) == before


def test_another_protocols_body_is_not_ours() -> None:
    assert body_of(native(NATIVE, protocol="anthropic")) == {"model": "gpt-4o", "messages": [{"role": "user", "content": "Hello"}]}


@pytest.mark.parametrize(
    ("request_", "asks"),
    [
        (ChatRequest(HELLO, stream=True), False),
        (native(NATIVE, stream=True), False),
        (native({**NATIVE, "stream_options": None}, stream=True), False),
        (native({**NATIVE, "stream_options": {"include_usage": False}}, stream=True), False),
        (native({**NATIVE, "stream_options": {"include_usage": True}}, stream=True), True),
        (native({**NATIVE, "stream_options": {"include_usage": True}}, stream=True, protocol="anthropic"), False),
    ],
)
def test_who_asked_for_usage(request_: ChatRequest, asks: bool) -> None:
    assert asks_usage(request_) is asks


text = st.text(max_size=30)
parts = st.lists(
    st.one_of(
        st.builds(Text, text),
        st.builds(Image, url=st.just("https://a.example/"), detail=text),
        st.builds(Document, data=st.just("QQ=="), name=text),
        st.builds(ToolResult, text, st.lists(st.builds(Text, text), max_size=2).map(tuple)),
    ),
    max_size=4,
).map(tuple)
requests = st.builds(
    ChatRequest,
    st.lists(
        st.one_of(
            st.builds(Message, st.sampled_from(["system", "user", "assistant"]), text, text),
            st.builds(Message, st.just("user"), parts),
            st.builds(Message, st.just("assistant"), st.lists(st.builds(ToolCall, text, text, text), max_size=3).map(tuple)),
        ),
        max_size=4,
    ).map(tuple),
    stop=st.lists(text, max_size=2).map(tuple),
    end_user=st.none() | text,
    tools=st.lists(st.builds(Tool, text, text), max_size=2).map(tuple),
)


def strings_in(value: object) -> set[str]:
    if isinstance(value, str):
        return {value}
    if isinstance(value, dict):
        return {found for item in value.values() for found in strings_in(item)}
    if isinstance(value, list | tuple):
        return {found for item in value for found in strings_in(item)}
    return set()


CONSTANTS = {
    "text",
    "image_url",
    "file",
    "function",
    "object",
    "document",
    "tool",
    "user",
    "m",
    "data:application/octet-stream;base64,QQ==",
}


@given(requests)
def test_every_string_on_the_wire_stands_in_the_request_or_is_a_constant(request_: ChatRequest) -> None:
    results = [part for message in request_.messages for part in message.parts() if isinstance(part, ToolResult)]
    joined = {"".join(text.text for text in result.content if isinstance(text, Text)) for result in results}
    assert strings_in(body_of(request_, "m")) <= strings_in(msgspec.to_builtins(request_)) | joined | CONSTANTS | {""}


@pytest.mark.parametrize(("efforts", "told"), [((), False), (("low", "high"), True)])
def test_an_effort_that_every_call_names_is_told_to_models_that_know_it(efforts: tuple[str, ...], told: bool) -> None:
    hinted = ChatRequest(HELLO, reasoning_effort="high", native=Native("anthropic", {"output_config": {"effort": "high"}}))
    assert ("reasoning_effort" in msgspec.json.decode(encode_chat(hinted, "m", Dialect(efforts=efforts)))) is told
    meant = ChatRequest(HELLO, reasoning_effort="high")
    assert msgspec.json.decode(encode_chat(meant, "m", Dialect(efforts=efforts)))["reasoning_effort"] == "high"
