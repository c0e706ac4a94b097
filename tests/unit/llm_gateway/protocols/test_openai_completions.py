"""Legacy completions over chat."""

from typing import Any

import msgspec
import pytest

from llm_gateway.core.errors import InvalidRequest
from llm_gateway.core.types import Chunk, FinishReason, Message, Usage
from llm_gateway.protocols.openai_completions import DONE, Completion, completion_requests


def completion(**fields: Any) -> Completion:
    said, _ = completion_requests({"prompt": "p", **fields})
    return Completion(said, "cmpl-1", 1_700_000_000)


def test_each_prompt_is_a_request() -> None:
    _, requests = completion_requests({"prompt": ["a", "b"], "model": "auto", "max_tokens": 3, "logprobs": 2, "stop": "x", "n": 2})
    assert [request.messages for request in requests] == [(Message("user", "a"),), (Message("user", "b"),)]
    first = requests[0]
    assert (first.model, first.max_tokens, first.logprobs, first.top_logprobs, first.stop, first.n) == (None, 3, True, 2, ("x",), 2)


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"prompt": [1, 2]}, "prompt"),
        ({"prompt": ["a", [1]]}, "prompt"),
        ({"suffix": "end"}, "suffix"),
        ({"best_of": 3}, "best_of"),
        ({"logit_bias": {"1": 1}}, "logit_bias"),
    ],
)
def test_what_only_a_completion_model_can_do_is_refused(fields: dict[str, Any], param: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        completion(**fields)
    assert refused.value.param == param


def test_choices_are_numbered_through_and_echoed() -> None:
    written = completion(prompt=["a", "b"], n=2, echo=True)
    chunks = [Chunk(text=f"{n}", finish_reason=FinishReason.LENGTH, choice=n) for n in (0, 1)]
    choices = written.choices(0, "a", chunks) + written.choices(1, "b", chunks)
    assert [(choice["index"], choice["text"], choice["finish_reason"]) for choice in choices if isinstance(choice, dict)] == [
        (0, "a0", "length"),
        (1, "a1", "length"),
        (2, "b0", "length"),
        (3, "b1", "length"),
    ]
    document = msgspec.json.decode(written.whole(choices, "m", Usage(1, 2)))
    assert (document["object"], document["usage"]["total_tokens"]) == ("text_completion", 3)


def test_a_stream_echoes_once_and_tells_usage_if_asked() -> None:
    written = completion(stream=True, echo=True, stream_options={"include_usage": True})
    data = written.event(0, "p", Chunk(text="a"), "m") + written.event(0, "p", Chunk(text="b", finish_reason=FinishReason.STOP), "m")
    data += written.end("m", Usage(1, 2))
    assert data.endswith(DONE)
    first, second, last = [msgspec.json.decode(event[6:]) for event in data.split(b"\n\n")[:3]]
    assert [event["choices"][0]["text"] for event in (first, second)] == ["pa", "b"]
    assert (first["usage"], last["choices"], last["usage"]["total_tokens"]) == (None, [], 3)
    assert written.event(0, "p", Chunk(usage=Usage(1)), "m") == b""
    assert completion().end("m", Usage(1, 2)) == DONE


def test_log_probabilities_in_four_lists() -> None:
    token = {"token": "ab", "logprob": -0.5, "top_logprobs": [{"token": "ab", "logprob": -0.5}]}
    (choice,) = completion(logprobs=1).choices(0, "p", [Chunk(text="abab", logprobs={"content": [token, token]})])
    assert isinstance(choice, dict)
    assert choice["logprobs"] == {
        "tokens": ["ab", "ab"],
        "token_logprobs": [-0.5, -0.5],
        "top_logprobs": [{"ab": -0.5}, {"ab": -0.5}],
        "text_offset": [0, 2],
    }
