from hypothesis import given
from hypothesis import strategies as st

from llm_gateway.simulator.mind import Prompt, RecordedReply, ToolSpec, bill, call_tokens, marks_of, pieces_of, think
from llm_gateway.simulator.tokens import size_of, tokens_of

_WEATHER = ToolSpec("get_weather", {"type": "object", "properties": {"place": {"type": "string"}}, "required": ["place"]})
_CLOCK = ToolSpec("get_time", {"type": "object", "properties": {}})


def _prompt(text: str, **more: object) -> Prompt:
    prompt = Prompt("openai", "m", text, size_of(text))
    for name, value in more.items():
        setattr(prompt, name, value)
    return prompt


@given(st.text(max_size=200))
def test_portions_make_up_the_text_and_the_last_mark_its_tokens(text: str) -> None:
    pieces = pieces_of(text)
    assert "".join(pieces) == text
    assert not pieces or marks_of(pieces)[-1] == tokens_of(text)


@given(st.integers(0, 80), st.booleans())
def test_an_answer_never_exceeds_its_limit(limit: int, thinking: bool) -> None:
    done = think(_prompt("tell me more", max_tokens=limit, thinking=thinking))
    assert done.output_tokens <= limit
    assert done.output_tokens == tokens_of(done.thoughts) + tokens_of(done.text)
    assert done.finish == ("length" if limit < think(_prompt("tell me more", thinking=thinking)).output_tokens else "stop")


def test_a_named_tool_is_called_and_its_tokens_are_counted() -> None:
    done = think(_prompt("get_weather for Oslo", tools=[_WEATHER, _CLOCK]))
    assert [(call.name, call.arguments) for call in done.calls] == [("get_weather", {"place": "Oslo"})]
    assert (done.finish, done.output_tokens) == ("tool", call_tokens(done.calls[0]))


def test_several_named_tools_are_called_side_by_side_in_order() -> None:
    text = "get_time now, then get_weather for Rome, then get_weather for Bern"
    assert [call.name for call in think(_prompt(text, tools=[_WEATHER, _CLOCK])).calls] == ["get_time", "get_weather", "get_weather"]
    assert [call.arguments.get("place") for call in think(_prompt(text, tools=[_WEATHER])).calls] == ["Rome", "Bern"]
    assert len(think(_prompt(text, tools=[_WEATHER, _CLOCK], parallel=False)).calls) == 1


def test_tool_choice_is_obeyed() -> None:
    tools = [_WEATHER, _CLOCK]
    assert think(_prompt("hello", tools=tools)).calls == ()
    assert think(_prompt("get_weather", tools=tools, tool_mode="none")).calls == ()
    assert think(_prompt("hello", tools=tools, tool_mode="required")).calls[0].name == "get_weather"
    assert think(_prompt("get_weather", tools=tools, tool_mode="function", tool_name="get_time")).calls[0].name == "get_time"


def test_after_a_tools_result_it_answers_in_text() -> None:
    done = think(_prompt("get_weather for Oslo", tools=[_WEATHER], tool_result="4 degrees"))
    assert (done.calls, done.finish) == ((), "stop")
    assert "4 degrees" in done.text


def test_a_call_that_does_not_fit_the_limit_is_not_made() -> None:
    done = think(_prompt("get_weather for Oslo", tools=[_WEATHER], max_tokens=2))
    assert (done.calls, done.finish, done.output_tokens) == ((), "length", 0)


def test_a_stop_sequence_ends_the_answer_before_it() -> None:
    done = think(_prompt("reply exactly: one STOP two", stop=["two", " STOP"]))
    assert (done.text, done.finish, done.stop_sequence) == ("[simulated openai/m] one", "stop_sequence", " STOP")


def test_choices_differ() -> None:
    assert think(_prompt("hello")).text != think(_prompt("hello", choice=1)).text


def test_a_recorded_reply_is_given_where_it_fits() -> None:
    replies = (RecordedReply("from file", contains="budget"), RecordedReply("bare", kind="grok", unmarked=True))
    assert think(_prompt("the budget?"), replies).text == "[simulated openai/m] from file"
    assert "from file" not in think(_prompt("the weather?"), replies).text


def test_the_bill_repeats_what_was_counted() -> None:
    prompt = _prompt("12345678", images=1)
    charged = bill(prompt, think(prompt), cache_read_tokens=1)
    assert (charged.input_tokens, charged.cache_read_tokens) == (2 + 85, 1)
    assert charged.output_tokens == tokens_of(think(prompt).text)
