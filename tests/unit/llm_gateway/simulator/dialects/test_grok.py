import pytest
from tests.unit.llm_gateway.simulator.wire import Wire

from llm_gateway.simulator import FaultRule, SimulatorConfig, simulator_process
from llm_gateway.simulator.dialects.grok import cost_ticks
from llm_gateway.simulator.exchange import Bill

_CHAT = "/v1/chat/completions"
_ASK = {"model": "grok-4", "messages": [{"role": "user", "content": "tell me"}]}


def _tokens(text: str) -> int:
    return -(-len(text.encode()) // 4)


def test_reasoning_tokens_stand_beside_the_completions_and_in_the_total(wire: Wire) -> None:
    answer = wire.post("grok", _CHAT, _ASK).json
    message, usage = answer["choices"][0]["message"], answer["usage"]
    reasoning = usage["completion_tokens_details"]["reasoning_tokens"]
    assert (usage["completion_tokens"], reasoning) == (_tokens(message["content"]), _tokens(message["reasoning_content"]))
    assert usage["total_tokens"] == usage["prompt_tokens"] + usage["completion_tokens"] + reasoning
    charged = wire.simulator.counts()["grok"].models["grok-4"]
    assert (charged.output_tokens, charged.reasoning_tokens) == (usage["completion_tokens"] + reasoning, reasoning)


def test_cost_in_ticks_is_the_price_of_all_tokens(wire: Wire) -> None:
    usage = wire.post("grok", _CHAT, _ASK).json["usage"]
    output = usage["completion_tokens"] + usage["completion_tokens_details"]["reasoning_tokens"]
    assert usage["cost_in_usd_ticks"] == (3 * usage["prompt_tokens"] + 15 * output) * 10_000
    assert cost_ticks(Bill("grok-4-fast-reasoning", 1_000_000, 1_000_000)) == 7_000_000_000
    assert cost_ticks(Bill("grok-3-mini", 1_000_000, 0, cache_read_tokens=1_000_000)) == 750_000_000


def test_a_stream_shows_the_reasoning_first_and_usage_with_empty_choices(wire: Wire) -> None:
    whole = wire.post("grok", _CHAT, _ASK).json
    events = wire.post("grok", _CHAT, {**_ASK, "stream": True, "stream_options": {"include_usage": True}}).events
    deltas = [data["choices"][0]["delta"] for _, data in events[:-2]]
    assert "".join(delta.get("reasoning_content", "") for delta in deltas) == whole["choices"][0]["message"]["reasoning_content"]
    first_text = next(index for index, delta in enumerate(deltas) if delta.get("content"))
    assert all("reasoning_content" not in delta for delta in deltas[first_text:])
    assert (events[-2][1]["choices"], events[-2][1]["usage"]) == ([], whole["usage"])


def test_a_wrong_key_gets_400_with_a_text_as_error() -> None:
    config = SimulatorConfig(kinds=("grok",), keys={"grok": ("xai-right",)}, faults=(FaultRule(nth=2, quirks=("echo_key",)),))
    with simulator_process(config) as simulator:
        wire = Wire(simulator)
        wrong = {"authorization": "Bearer xai-wrong-key-123456"}
        masked, echoed, absent = (
            wire.post("grok", _CHAT, _ASK, wrong),
            wire.post("grok", _CHAT, _ASK, wrong),
            wire.post("grok", _CHAT, _ASK),
        )
        assert (masked.status, isinstance(masked.json["error"], str)) == (400, True)
        assert ("xai-wrong-key-123456" in masked.json["error"], "xai-wrong-key-123456" in echoed.json["error"]) == (False, True)
        assert absent.status == 401
        assert wire.post("grok", _CHAT, _ASK, {"authorization": "Bearer xai-right"}).status == 200


@pytest.mark.parametrize(
    ("more", "status"),
    [
        ({"stop": ["x"]}, 400),
        ({"presence_penalty": 1}, 400),
        ({"frequency_penalty": 1}, 400),
        ({"reasoning_effort": "low"}, 400),
        ({"model": "grok-3", "stop": ["x"]}, 200),
        ({"model": "grok-3-mini", "reasoning_effort": "low"}, 200),
    ],
)
def test_reasoning_models_refuse_what_they_do_not_take(wire: Wire, more: dict[str, object], status: int) -> None:
    assert wire.post("grok", _CHAT, {**_ASK, **more}).status == status


def test_a_tool_calls_finish_reason_may_need_repair(wire: Wire) -> None:
    tool = {"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}
    body = {**_ASK, "tools": [tool], "tool_choice": "required"}
    assert wire.post("grok", _CHAT, body).json["choices"][0]["finish_reason"] == "tool_calls"
    wire.simulator.add_faults(FaultRule(quirks=("finish_stop_on_tools",)))
    choice = wire.post("grok", _CHAT, body).json["choices"][0]
    assert (choice["finish_reason"], len(choice["message"]["tool_calls"])) == ("stop", 1)


def test_what_xai_has_not(wire: Wire) -> None:
    assert wire.post("grok", "/v1/embeddings", {}).status == 404
    assert {model["owned_by"] for model in wire.get("grok", "/v1/models").json["data"]} == {"xai"}
    assert not [name for name in wire.post("grok", _CHAT, _ASK).headers if name.startswith("openai")]
