import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_gateway.core.tokens import (
    AT_MOST_IMAGE_TOKENS,
    IMAGE_TOKENS,
    LOW_DETAIL_IMAGE_TOKENS,
    at_most_input_tokens,
    at_most_tokens,
    estimate_input_tokens,
    estimate_tokens,
    weigh_tokens,
)
from llm_gateway.core.types import (
    ChatRequest,
    Document,
    EmbeddingRequest,
    Image,
    Message,
    ResponseFormat,
    Text,
    Thinking,
    Tool,
    ToolCall,
    ToolResult,
)

ANY_TEXT = st.text(st.characters(exclude_categories=()))


@given(ANY_TEXT)
def test_the_estimate_is_within_the_bound_and_nought_only_for_nothing(text: str) -> None:
    assert 0 <= estimate_tokens(text) <= at_most_tokens(text)
    assert (estimate_tokens(text) == 0) == (text == "")
    assert at_most_tokens(text) == len(text.encode("utf-8", "surrogatepass"))


@given(ANY_TEXT, ANY_TEXT)
def test_parts_weigh_what_the_whole_weighs(left: str, right: str) -> None:
    assert weigh_tokens(left) + weigh_tokens(right) == pytest.approx(weigh_tokens(left + right))


@pytest.mark.parametrize(("text", "tokens"), [("abcd" * 25, 25), ("Привет", 3), ("你好世界", 4), ("😀😀", 3), ("a", 1)])
def test_each_script_has_its_rate(text: str, tokens: int) -> None:
    assert estimate_tokens(text) == tokens


def chat(*parts: object) -> ChatRequest:
    return ChatRequest((Message("user", parts),))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("part", "tokens"),
    [
        (Text("x" * 40), 10),
        (Image("image/png", "A" * 9_000), IMAGE_TOKENS),
        (Image(url="http://x.test/a.png", detail="low"), LOW_DETAIL_IMAGE_TOKENS),
        (Document("text/plain", text="x" * 40), 10),
        (Document("application/pdf", data="A" * 2_000), 100),
        (ToolCall("1", "name", "x" * 36), 10 + 4),
        (ToolResult("1", (Text("x" * 40),)), 10 + 4),
        (Thinking("x" * 40), 10),
        (Thinking(redacted="x" * 40), 10),
    ],
)
def test_every_part_counts(part: object, tokens: int) -> None:
    assert estimate_input_tokens(chat(part)) == tokens + 4
    assert at_most_input_tokens(chat(part)) >= tokens + 4


def test_tools_and_schema_are_input_too() -> None:
    bare, tool = chat(Text("x")), Tool("f", "x" * 400, {"type": "object"})
    armed = ChatRequest(bare.messages, tools=(tool,), response_format=ResponseFormat("json_schema", "s", {"x": "y" * 400}))
    assert estimate_input_tokens(armed) >= estimate_input_tokens(bare) + 200
    assert at_most_input_tokens(armed) >= at_most_input_tokens(bare) + 800


def test_embeddings_are_the_sum_of_their_texts() -> None:
    request = EmbeddingRequest(("x" * 40, "你好"))
    assert (estimate_input_tokens(request), at_most_input_tokens(request)) == (12, 46)


def test_images_are_bounded_each() -> None:
    assert at_most_input_tokens(chat(Image(), Image())) == 2 * AT_MOST_IMAGE_TOKENS + 16
