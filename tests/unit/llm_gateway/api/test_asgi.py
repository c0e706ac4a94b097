"""Bodies are bounded before they are parsed."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_gateway.api.asgi import check_depth, read_body
from llm_gateway.core.errors import ClientClosedRequest, InvalidRequest, RequestTooLarge

VALUES = st.recursive(
    st.none() | st.integers() | st.text(st.sampled_from('[]{}"\\a'), max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(st.sampled_from('[]{}"\\b'), max_size=3), inner, max_size=3),
    max_leaves=30,
)


def depth(value: object) -> int:
    if isinstance(value, list):
        return 1 + max(map(depth, value), default=0)
    if isinstance(value, dict):
        return 1 + max(map(depth, value.values()), default=0)
    return 0


@given(value=VALUES, limit=st.integers(1, 8))
def test_exactly_what_nests_deeper_is_refused(value: object, limit: int) -> None:
    body = json.dumps(value).encode()
    if depth(value) <= limit:
        check_depth(body, limit)
    else:
        with pytest.raises(InvalidRequest):
            check_depth(body, limit)


def receiver(*messages: dict[str, object]):  # type: ignore[no-untyped-def]
    queue = list(messages)

    async def receive() -> dict[str, object]:
        return queue.pop(0)

    return receive


def piece(body: bytes, more: bool) -> dict[str, object]:
    return {"type": "http.request", "body": body, "more_body": more}


async def test_pieces_are_joined() -> None:
    assert await read_body({"headers": []}, receiver(piece(b"ab", True), piece(b"c", False)), 3) == b"abc"


@pytest.mark.parametrize("pieces", [(piece(b"abcd", False),), (piece(b"ab", True), piece(b"cd", True))])
async def test_more_than_the_limit_is_refused_without_reading_on(pieces: tuple[dict[str, object], ...]) -> None:
    with pytest.raises(RequestTooLarge):
        await read_body({"headers": []}, receiver(*pieces), 3)


async def test_a_declared_length_is_believed_when_it_is_too_much() -> None:
    with pytest.raises(RequestTooLarge):
        await read_body({"headers": [(b"content-length", b"4")]}, receiver(), 3)


async def test_compressed_bodies_and_leaving_callers() -> None:
    with pytest.raises(InvalidRequest):
        await read_body({"headers": [(b"content-encoding", b"gzip")]}, receiver(), 3)
    with pytest.raises(ClientClosedRequest):
        await read_body({"headers": []}, receiver(piece(b"a", True), {"type": "http.disconnect"}), 3)
