"""What is hidden comes back byte for byte, wherever the stream is cut, and nothing of it leaves."""

import itertools
import re

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from llm_gateway.core.types import (
    ChatRequest,
    Chunk,
    EmbeddingRequest,
    FinishReason,
    Message,
    Native,
    Text,
    Tool,
    ToolCall,
    ToolCallDelta,
    ToolResult,
)
from llm_gateway.redaction import Restorer, Vault, redacted

MAIL = re.compile(r"[a-z]+@[a-z]+\.example")


def locate(text: str) -> list[tuple[int, int, str]]:
    return [(found.start(), found.end(), "pii.email") for found in MAIL.finditer(text)]


def restored(vault: Vault, pieces: list[str]) -> str:
    part = Restorer(vault)
    chunks = [out for piece in pieces for out in part.feed(Chunk(text=piece))]
    return "".join(chunk.text for chunk in [*chunks, *part.finish()])


WORDS = st.sampled_from(["anna@a.example", "bob@b.example", "<EMAIL_1>", "<EMAIL_", "<", ">", "<EMAIL_12>", " hello ", "é", "\n", '"', "1"])


@given(words=st.lists(WORDS, max_size=12), cuts=st.lists(st.integers(0, 200), max_size=8))
def test_an_echoed_answer_is_restored_byte_for_byte(words: list[str], cuts: list[int]) -> None:
    text = "".join(words)
    request, vault = redacted(ChatRequest(messages=(Message("user", text),)), locate, [text])
    assert isinstance(request, ChatRequest)
    echoed = request.messages[0].text()
    assert not MAIL.search(echoed)
    edges = sorted({0, len(echoed), *(cut % (len(echoed) + 1) for cut in cuts)})
    pieces = [echoed[a:b] for a, b in itertools.pairwise(edges)]
    assert restored(vault, pieces) == text
    assert restored(vault, list(echoed)) == text


@given(value=st.text(max_size=20), cuts=st.lists(st.integers(0, 200), max_size=6))
def test_tool_arguments_stay_json_whatever_the_value_holds(value: str, cuts: list[int]) -> None:
    vault = Vault()
    arguments = msgspec.json.encode({"to": f"x{vault.placeholder(value, 'pii.email')}y"}).decode()
    edges = sorted({0, len(arguments), *(cut % (len(arguments) + 1) for cut in cuts)})
    part = Restorer(vault)
    chunks = [
        out for a, b in itertools.pairwise(edges) for out in part.feed(Chunk(tool_calls=(ToolCallDelta(0, arguments=arguments[a:b]),)))
    ]
    chunks += [*part.feed(Chunk(finish_reason=FinishReason.TOOL_CALLS)), *part.finish()]
    whole = "".join(call.arguments for chunk in chunks for call in chunk.tool_calls)
    assert msgspec.json.decode(whole) == {"to": f"x{value}y"}


def test_every_place_is_reached_and_the_same_value_has_one_name() -> None:
    mail = "anna@a.example"
    request = ChatRequest(
        messages=(
            Message("system", mail),
            Message("user", (Text(mail), ToolResult("1", (Text(mail),)))),
            Message("assistant", (ToolCall("1", "send", '{"to":"anna@a.example"}'),)),
        ),
        tools=(Tool("send", mail, {"properties": {"to": {"default": mail}}}),),
        stop=(mail,),
        end_user=mail,
        native=Native("openai", {"messages": [{"content": mail}]}),
    )
    hidden, vault = redacted(request, locate, [mail])
    encoded = msgspec.json.encode(hidden).decode()
    assert mail not in encoded
    assert encoded.count("<EMAIL_1>") == 9
    assert len(vault) == 1


def test_embedding_inputs_are_hidden_too() -> None:
    hidden, _ = redacted(EmbeddingRequest(inputs=("a@b.example", "x")), locate, [])
    assert isinstance(hidden, EmbeddingRequest)
    assert hidden.inputs == ("<EMAIL_1>", "x")


def test_a_placeholder_that_the_caller_wrote_is_left_to_the_caller() -> None:
    text = "<EMAIL_1> and anna@a.example"
    request, vault = redacted(ChatRequest(messages=(Message("user", text),)), locate, [text])
    assert isinstance(request, ChatRequest)
    assert request.messages[0].content == "<EMAIL_1> and <EMAIL_2>"
    assert vault.restore("<EMAIL_1> <EMAIL_2>") == "<EMAIL_1> anna@a.example"


def test_a_changed_chunk_loses_its_upstream_bytes_and_an_unchanged_one_keeps_them() -> None:
    vault = Vault()
    name = vault.placeholder("anna@a.example", "pii.email")
    part = Restorer(vault)
    (changed,) = part.feed(Chunk(text=name, raw=b"x"))
    (same,) = part.feed(Chunk(text="hello", raw=b"x"))
    assert changed.text == "anna@a.example"
    assert changed.raw is None
    assert same.raw == b"x"


def test_overlapping_spans_are_hidden_as_one() -> None:
    vault = Vault()
    assert vault.hide("abcdef", [(1, 4, "a.b"), (3, 5, "a.c")]) == "a<B_1>f"
    assert vault.restore("a<B_1>f") == "abcdef"


def test_the_vault_does_not_show_what_it_holds() -> None:
    vault = Vault()
    vault.placeholder("anna@a.example", "pii.email")
    assert "anna" not in repr(vault)
