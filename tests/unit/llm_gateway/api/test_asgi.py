"""Bodies are bounded before they are parsed; headers; callers who leave."""

import asyncio
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_gateway.api.asgi import Listener, check_depth, fields_of, header, read_body
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


def test_of_several_headers_the_first_counts_and_a_copied_scope_has_its_own() -> None:
    scope = {"headers": [(b"authorization", b"Bearer first"), (b"x", b"1"), (b"authorization", b"Bearer second")]}
    assert header(scope, b"authorization") == "Bearer first"
    assert header(scope, b"absent") is None
    copy = {**scope, "headers": [(b"authorization", b"Bearer other")]}
    assert fields_of(copy) == {b"authorization": b"Bearer other"}
    assert fields_of(scope) == {b"authorization": b"Bearer first", b"x": b"1"}


async def test_a_caller_who_leaves_is_heard_of_by_listening() -> None:
    gone = asyncio.Event()

    async def receive() -> dict[str, object]:
        await gone.wait()
        return {"type": "http.disconnect"}

    async def serve() -> Listener:
        caller = Listener(receive, 1.0)
        caller.on_lost = caller.cancel
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            return caller
        raise AssertionError

    serving = asyncio.create_task(serve())
    await asyncio.sleep(0)
    gone.set()
    assert (await asyncio.wait_for(serving, 5)).left


async def test_nobody_listens_when_nobody_wants_to_hear() -> None:
    async def receive() -> dict[str, object]:
        return {"type": "http.disconnect"}

    caller = Listener(receive, 1.0)
    caller.on_lost = caller.cancel
    caller.on_lost = None
    await asyncio.sleep(0)
    assert not caller.left
