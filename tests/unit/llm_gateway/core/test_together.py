"""core/together.py: what connections write in one turn leaves in one go, all of it, in order."""

from collections.abc import Callable

from hypothesis import given
from hypothesis import strategies as st

from llm_gateway.core.together import Together


class Loop:
    """A loop whose time stands still during a turn, as uvloop's does."""

    def __init__(self) -> None:
        self.now_s = 0.0
        self.due: list[Callable[[], object]] = []

    def time(self) -> float:
        return self.now_s

    def call_soon(self, callback: Callable[[], object]) -> None:
        self.due.append(callback)

    def turn(self) -> None:
        self.now_s += 1
        due, self.due = self.due, []
        for callback in due:
            callback()


class Sender:
    def __init__(self, name: int, sent: list[int]) -> None:
        self.name = name
        self._sent = sent

    def send_now(self) -> None:
        self._sent.append(self.name)


@given(st.lists(st.integers(0, 5), max_size=20))
def test_the_first_of_a_turn_writes_at_once_and_all_others_are_sent_once_in_order(turns: list[int]) -> None:
    loop, sent = Loop(), list[int]()
    together, name = Together(loop), 0
    for writers in turns:
        before = name
        for _ in range(writers):
            if not together.joins(Sender(name, sent)):
                assert name == before, "only the first"
                sent.append(name)
            name += 1
        assert len(loop.due) == (writers > 1), "one turn more for all of them, none where one writes alone"
        loop.turn()
    assert sent == list(range(name))


def test_where_time_goes_on_nobody_waits() -> None:
    loop, sent = Loop(), list[int]()
    together = Together(loop)
    for name in range(3):
        assert not together.joins(Sender(name, sent))
        loop.now_s += 1e-9


def test_a_loop_has_one_and_another_loop_another() -> None:
    loop = Loop()
    assert Together.on(loop) is Together.on(loop)
    assert Together.on(Loop()) is not Together.on(loop)
