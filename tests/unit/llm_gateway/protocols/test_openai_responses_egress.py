"""A response and its events: what the events add up to is what the response says."""

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_gateway.core.types import Chunk, FinishReason, Thinking, ToolCallDelta, Usage
from llm_gateway.protocols.openai_responses_egress import REFUSED, ResponseWriter
from llm_gateway.protocols.openai_responses_ingress import sealed


def written(chunks: list[Chunk], *, show_encrypted: bool = False) -> tuple[list[dict[str, Any]], ResponseWriter]:
    writer = ResponseWriter({"model": "auto", "created_at": 1}, "01ABC", sealed, show_encrypted=show_encrypted)
    data = writer.begin() + b"".join(map(writer.feed, chunks)) + writer.close() + writer.finish(Usage(3, 4))
    return parsed(data), writer


def parsed(data: bytes) -> list[dict[str, Any]]:
    events: list[dict[str, Any]] = []
    for block in data.decode().split("\n\n")[:-1]:
        name, _, document = block.partition("\n")
        events.append(msgspec.json.decode(document.removeprefix("data: ")))
        assert name == f"event: {events[-1]['type']}"
    return events


TEXTS = st.text(min_size=1, max_size=6)
CHUNKS = st.lists(
    st.one_of(
        st.builds(lambda text: Chunk(text=text), TEXTS),
        st.builds(lambda text: Chunk(thinking=Thinking(text)), TEXTS),
        st.builds(lambda text: Chunk(thinking=Thinking(text, signature="s")), TEXTS),
        st.builds(lambda index, text: Chunk(tool_calls=(ToolCallDelta(index, "", "f", text),)), st.integers(0, 2), TEXTS),
    ),
    max_size=8,
)


@given(CHUNKS)
def test_the_events_add_up_to_the_response(chunks: list[Chunk]) -> None:
    events, writer = written(chunks)
    assert [event["sequence_number"] for event in events] == list(range(len(events)))
    response = events[-1]["response"]
    assert response == writer.document("completed", Usage(3, 4))
    done = {event["output_index"]: event["item"] for event in events if event["type"] == "response.output_item.done"}
    assert [done[index] for index in sorted(done)] == response["output"]
    added = [event["output_index"] for event in events if event["type"] == "response.output_item.added"]
    assert added == list(range(len(response["output"])))
    for index, item in enumerate(response["output"]):
        mine = [event for event in events if event.get("output_index") == index]
        deltas = "".join(event["delta"] for event in mine if event["type"].endswith(".delta"))
        match item["type"]:
            case "message":
                assert item["content"][0]["text"] == deltas
            case "reasoning":
                assert item["summary"][0]["text"] == deltas
            case "function_call":
                assert item["arguments"] == deltas
    told = "".join(part["text"] for item in response["output"] if item["type"] == "message" for part in item["content"])
    assert told == "".join(chunk.text for chunk in chunks)


def test_what_must_come_back_is_kept_and_shown_only_if_asked_for() -> None:
    chunks = [Chunk(thinking=Thinking("hm", "sig")), Chunk(text="a", finish_reason=FinishReason.STOP)]
    events, writer = written(chunks)
    assert "encrypted_content" not in str(events)
    assert isinstance(writer.output[0], dict)
    assert writer.output[0]["encrypted_content"] == "s:sig"
    assert written(chunks, show_encrypted=True)[0][-1]["response"]["output"][0]["encrypted_content"] == "s:sig"


@pytest.mark.parametrize(
    ("reason", "status", "why"),
    [
        (FinishReason.STOP, "completed", None),
        (FinishReason.TOOL_CALLS, "completed", None),
        (FinishReason.LENGTH, "incomplete", {"reason": "max_output_tokens"}),
        (FinishReason.CONTENT_FILTER, "incomplete", {"reason": "content_filter"}),
    ],
)
def test_how_it_ended(reason: FinishReason, status: str, why: dict[str, str] | None) -> None:
    events, _ = written([Chunk(text="a"), Chunk(finish_reason=reason)])
    assert events[-1]["type"] == f"response.{status}"
    assert (events[-1]["response"]["status"], events[-1]["response"]["incomplete_details"]) == (status, why)
    assert events[-1]["response"]["usage"]["total_tokens"] == 7


def test_a_call_without_arguments_has_an_empty_object() -> None:
    events, _ = written([Chunk(tool_calls=(ToolCallDelta(0, "c1", "f"),))])
    assert events[-1]["response"]["output"][0]["arguments"] == "{}"


@pytest.mark.parametrize(("text", "refusal"), [("I cannot.", "I cannot."), ("", REFUSED)])
def test_a_refusal_is_a_part_of_its_own(text: str, refusal: str) -> None:
    events, _ = written([Chunk(text="well, "), Chunk(text=text, finish_reason=FinishReason.REFUSAL)])
    (item,) = events[-1]["response"]["output"]
    assert [part["type"] for part in item["content"]] == ["output_text", "refusal"]
    assert item["content"][1]["refusal"] == refusal


def test_other_answers_than_the_first_are_not_told() -> None:
    assert written([Chunk(text="b", choice=1)])[0][-1]["response"]["output"] == []


def test_a_failure_is_an_error_and_no_completion() -> None:
    writer = ResponseWriter({"model": "auto"}, "01ABC", sealed, show_encrypted=False)
    events = parsed(writer.begin() + writer.feed(Chunk(text="a")) + writer.fail({"code": "c", "message": "m", "param": None, "type": "t"}))
    assert [event["type"] for event in events[-2:]] == ["error", "response.failed"]
    assert (events[-2]["error"]["message"], events[-2]["code"]) == ("m", "c")
    assert events[-1]["response"]["status"] == "failed"
