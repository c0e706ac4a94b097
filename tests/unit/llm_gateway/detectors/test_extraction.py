import base64

import msgspec
import pytest

from llm_gateway.core.types import (
    ChatRequest,
    Document,
    EmbeddingRequest,
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
from llm_gateway.detectors.extraction import extract, strings_of, unreadable_of

CANARY = "canary-7f3e"


def encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def chat(*parts: object, **fields: object) -> ChatRequest:
    return ChatRequest(messages=(Message("user", tuple(parts) or "hi"),), **fields)  # type: ignore[arg-type]


REQUESTS = {
    "content": ChatRequest(messages=(Message("user", CANARY),)),
    "name": ChatRequest(messages=(Message("user", "hi", name=CANARY),)),
    "history": ChatRequest(messages=(Message("assistant", CANARY), Message("user", "hi"))),
    "part": chat(Text("a"), Text(CANARY)),
    "cache_control": chat(Text("a", cache_control={"x": CANARY})),
    "image_url": chat(Image(url=f"https://a.b/{CANARY}")),
    "data_uri_text": chat(Image(url="data:text/plain;base64," + encoded(CANARY))),
    "data_uri_plain": chat(Image(url=f"data:text/plain,{CANARY}")),
    "text_called_image": chat(Image(media_type="image/png", data=encoded(CANARY))),
    "document_text": chat(Document(text=CANARY)),
    "document_name": chat(Document(name=CANARY)),
    "document_data": chat(Document(media_type="text/plain", data=encoded(CANARY))),
    "tool_call_name": chat(ToolCall("1", CANARY)),
    "tool_arguments": chat(ToolCall("1", "f", '{"a": "' + CANARY + '"}')),
    "tool_arguments_escaped": chat(ToolCall("1", "f", '{"a": "' + "".join(f"\\u{ord(c):04x}" for c in CANARY) + '"}')),
    "tool_arguments_broken": chat(ToolCall("1", "f", '{"a": "' + CANARY)),
    "tool_result": chat(ToolResult("1", (Text(CANARY),))),
    "thinking": chat(Thinking(text=CANARY)),
    "tool_name": chat(tools=(Tool(CANARY),)),
    "tool_description": chat(tools=(Tool("f", CANARY),)),
    "schema_key": chat(tools=(Tool("f", "", {"properties": {CANARY: {"type": "string"}}}),)),
    "schema_enum": chat(tools=(Tool("f", "", {"enum": [CANARY]}),)),
    "stop": chat(stop=(CANARY,)),
    "end_user": chat(end_user=CANARY),
    "model": chat(model=CANARY),
    "tool_choice": chat(tool_choice=ToolChoice("function", CANARY)),
    "response_format": chat(response_format=ResponseFormat("json_schema", "n", {"title": CANARY})),
    "native_value": chat(native=Native("openai", {"metadata": {"note": CANARY}})),
    "native_key": chat(native=Native("openai", {"metadata": {CANARY: 1}})),
    "native_deep": chat(native=Native("openai", {"a": [[{"b": [CANARY]}]]})),
    "native_long": chat(native=Native("openai", {"a": CANARY + " x" * 400})),
    "embedding": EmbeddingRequest(inputs=("a", CANARY)),
    "embedding_native": EmbeddingRequest(inputs=("a",), native=Native("openai", {"user": CANARY})),
}


@pytest.mark.parametrize("name", list(REQUESTS))
def test_every_string_is_listed(name: str) -> None:
    assert any(CANARY in text for _, text in strings_of(REQUESTS[name]))  # type: ignore[arg-type]


def test_places_and_numbers() -> None:
    request = chat(native=Native("openai", {"metadata": {"card": 4539148803436467}}))
    assert ("/native/metadata/card", "card: 4539148803436467") in strings_of(request)
    assert strings_of(request)[0] == ("/messages/0/content", "hi")


def test_a_string_is_listed_once() -> None:
    request = ChatRequest(messages=(Message("user", CANARY),), native=Native("openai", {"messages": [{"role": "user", "content": CANARY}]}))
    assert sum(CANARY in text for _, text in strings_of(request)) == 1


PNG = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="


@pytest.mark.parametrize(
    ("request_", "kind"),
    [
        (chat(Image(media_type="image/png", data=PNG)), "image"),
        (chat(Image(url=f"data:image/png;base64,{PNG}")), "image"),
        (chat(Image(url="https://a.b/c.png")), "remote"),
        (chat(Document(media_type="application/pdf", data=base64.b64encode(b"%PDF-1.4\x00\xff\xfe" * 9).decode())), "document"),
        (chat(Thinking(redacted="opaque")), "opaque"),
        (EmbeddingRequest(inputs=(), native=Native("openai", {"input": [1, 2, 3, 4]})), "tokens"),
        (EmbeddingRequest(inputs=(), native=Native("openai", {"input": [[1, 2, 3, 4]]})), "tokens"),
    ],
)
def test_what_cannot_be_read_is_said(request_: object, kind: str) -> None:
    assert [part.kind for part in unreadable_of(request_)] == [kind]  # type: ignore[arg-type]


def test_text_alone_is_readable() -> None:
    assert extract(chat(Text("a"))).unreadable == ()


def test_nesting_beyond_reason_is_unreadable_not_an_error() -> None:
    body: dict[str, object] = {"a": "b"}
    for _ in range(400):
        body = {"a": body}
    assert [part.kind for part in unreadable_of(chat(native=Native("openai", body)))] == ["nesting"]  # type: ignore[arg-type]


DIGEST = "0123456789abcdef" * 4
UUID = "12345678-1234-1234-1234-123456789abc"
SESSION = f'{{"device_id": "{DIGEST}", "account_uuid": "", "session_id": "{UUID}"}}'
SIGNATURE = "EqQBCkYIChgCKkDvM7+c" * 4


def _native(user: str, betas: tuple[str, ...] = (), signature: str = "") -> ChatRequest:
    thought = Thinking("hm", signature)
    body: JsonObject = {
        "metadata": {"user_id": user},
        "anthropic_beta": list(betas),
        "messages": [{"role": "assistant", "content": [{"type": "thinking", "thinking": "hm", "signature": signature}]}],
    }
    return ChatRequest((Message("assistant", (thought,)),), end_user=user, native=Native("anthropic", body))


@pytest.mark.parametrize(
    "user", [DIGEST, UUID, f"user_{DIGEST}_account__session_{UUID}", f"user_{DIGEST}_account_{UUID}_session_{UUID}", SESSION]
)
def test_what_vendors_make_is_not_taken_for_secrets(user: str) -> None:
    told = " ".join(text for _, text in strings_of(_native(user, ("context-1m-2025-08-07", "claude-code-20250219"), SIGNATURE)))
    for made in (user, "2025", SIGNATURE):
        assert made not in told


@pytest.mark.parametrize(
    "user", ["sk-1234567890abcdef", f"{DIGEST} and more", "ada@kensington-labs.co.uk", DIGEST[1:], f'{{"device_id": "{DIGEST}", "x": "y"}}']
)
def test_anything_else_in_their_place_is_judged(user: str) -> None:
    told = " ".join(text for _, text in strings_of(_native(user, ("sk-1234567890abcdef", "context-1m"), "my own words")))
    for said in (user, "sk-1234567890abcdef", "context-1m", "my own words"):
        assert said in told


@pytest.mark.parametrize(
    "signature",
    [
        f"github_pat_{'A1b2' * 18}",
        f"sk-proj-{'A1b2' * 16}",
        "0123456789abcdef" * 4,
        base64.b64encode(b"the password of the vault is hunter2-and-so-on, keep it").decode(),
        base64.b64encode(b"\x12\xff\x00" * 20 + b"password: hunter2-and-so-on" + b"\xfe\x01" * 20).decode(),
    ],
    ids=["github", "openai", "hex", "base64", "in bytes"],
)
@pytest.mark.parametrize("native", [True, False])
def test_a_signature_that_says_something_is_judged(signature: str, native: bool) -> None:
    request = _native("", (), signature)
    if not native:
        request = msgspec.structs.replace(request, native=None)
    told = " ".join(text for _, text in strings_of(request))
    assert signature in told or "password: hunter2-and-so-on" in told


def test_the_same_string_in_a_message_is_judged() -> None:
    request = msgspec.structs.replace(_native(DIGEST), messages=(Message("user", DIGEST),))
    assert ("/messages/0/content", DIGEST) in strings_of(request)


def test_names_of_fields_and_roles_say_nothing_alone() -> None:
    body: JsonObject = {
        "model": "m1",
        "messages": [{"role": "user", "content": "hi"}, {"role": "robot", "content": {"type": CANARY}}],
        "max_tokens": 5,
        "temperature": 4539148803436467,
        "secret_stream": True,
    }
    native = [text for place, text in strings_of(chat(model="m1", native=Native("openai", body))) if place.startswith("/native")]
    assert native == ["role: robot", f"type: {CANARY}", "temperature: 4539148803436467", "secret_stream"]


CALL_IDS = (
    "toolu_01A09q90qw90lq917835lq9", "toolu_bdrk_01A09q90qw90lq917835lq", "tooluse_kZJMlvQmRJ6eAyJE5GIl7Q", "call_9pw2HdzFpQbr5tT1xKMPsq3a",
    "fc_68a1c2e4f09c81a0b7", "chatcmpl-tool-0d5a6c7e8f9041a2b3c4d5e6f7081929", "call_cmpl123_0_1",
    UUID, f"run-{UUID}", f"call_{UUID}",
)  # fmt: skip


def _called(call_id: str, *, native: bool = True) -> ChatRequest:
    turn = [{"role": "assistant", "content": [{"type": "tool_use", "id": call_id, "name": "look", "input": {}}]}]
    body: JsonObject = {
        "messages": [*turn, {"role": "user", "content": [{"type": "tool_result", "tool_use_id": call_id, "content": "ok"}]}]
    }
    messages = (Message("assistant", (ToolCall(call_id, "look"),)), Message("user", (ToolResult(call_id, (Text("ok"),)),)))
    return ChatRequest(messages, native=Native("anthropic", body) if native else None)


@pytest.mark.parametrize("native", [True, False])
@pytest.mark.parametrize("call_id", CALL_IDS)
def test_ids_of_calls_are_made_by_vendors(call_id: str, native: bool) -> None:
    assert not any(call_id in text for _, text in strings_of(_called(call_id, native=native)))
    written = msgspec.structs.replace(_called(call_id, native=native), end_user=f"I am {call_id}")
    assert any(call_id in text for _, text in strings_of(written))


@pytest.mark.parametrize("native", [True, False])
@pytest.mark.parametrize(
    "call_id", ["sk-1234567890abcdef", "call_sk-proj-1234567890abcdef", "toolu_my password is x", "AKIAIOSFODNN7QRSTUVW"]
)
def test_any_other_id_is_judged(call_id: str, native: bool) -> None:
    assert any(call_id in text for _, text in strings_of(_called(call_id, native=native)))


RELEASE = "x-anthropic-billing-header: cc_version=2.1.197.84c; cc_entrypoint=sdk-cli;"


@pytest.mark.parametrize(
    ("text", "judged"),
    [(RELEASE, False), (f"{RELEASE} cch=1f2e3;", False), (f"{RELEASE} cch=hunter2;", True), (f"{RELEASE} and more", True)],
)
def test_the_release_of_a_client_is_made_by_it(text: str, judged: bool) -> None:
    body: JsonObject = {"system": [{"type": "text", "text": text}, {"type": "text", "text": "Be brief"}]}
    request = chat(native=Native("anthropic", body))
    assert any(text in told for _, told in strings_of(request)) is judged
    elsewhere = chat(native=Native("anthropic", {"system": [{"type": "text", "text": "Be brief"}, {"type": "text", "text": text}]}))
    assert any(text in told for _, told in strings_of(elsewhere))


@pytest.mark.parametrize("field", ["user", "safety_identifier", "prompt_cache_key"])
@pytest.mark.parametrize(
    ("user", "judged"),
    [
        (DIGEST, False),
        (UUID, False),
        ("user_2NNEqL2nrIRdJ194ndJqAHwEfxC", False),
        ("ada@kensington-labs.co.uk", True),
        ("sk-1234567890abcdef", True),
    ],
)
def test_who_a_user_is_at_openai(field: str, user: str, judged: bool) -> None:
    request = chat(end_user=None if field == "prompt_cache_key" else user, native=Native("openai", {field: user}))
    assert any(user in text for _, text in strings_of(request)) is judged


@pytest.mark.parametrize("native", [None, Native("openai", {"model": "gpt-4o", "messages": [{"role": "user", "content": "hello"}]})])
def test_an_operators_own_name_of_a_model_says_nothing_and_any_other_is_judged(native: Native | None) -> None:
    request = ChatRequest((Message("user", "hello"),), model="gpt-4o", native=native)
    assert "gpt-4o" in " ".join(text for _, text in extract(request, frozenset({"gpt-4"})).strings)
    assert "gpt-4o" not in " ".join(text for _, text in extract(request, frozenset({"gpt-4o"})).strings)
    said = msgspec.structs.replace(request, messages=(Message("user", "gpt-4o"),))
    assert ("/messages/0/content", "gpt-4o") in extract(said, frozenset({"gpt-4o"})).strings
