"""The index of questions: what is found, and that it stays within its bounds."""

import numpy as np

from llm_gateway.caching.meaning import Meaning, read
from llm_gateway.caching.nearby import Nearby, Vector

NOW_S = 100.0


def meant(text: str) -> Meaning:
    meaning = read(text)
    assert meaning is not None
    return meaning


def at(*numbers: float) -> Vector:
    vector = np.asarray(numbers, np.float32)
    unit: Vector = vector / np.linalg.norm(vector)
    return unit


QUBIT = meant("What is a qubit?")
HEAP = meant("What is a heap?")


def names(nearby: Nearby, frame: str, vector: Vector, meaning: Meaning, threshold: float = 0.8) -> list[str]:
    return [name for name, _ in nearby.near(frame, vector, meaning, threshold)]


def test_the_nearest_comes_first_and_both_gates_count() -> None:
    nearby = Nearby(10)
    nearby.add("f", "far", at(1, 0.7), QUBIT, NOW_S)
    nearby.add("f", "near", at(1, 0.1), QUBIT, NOW_S)
    nearby.add("f", "other", at(1, 0), HEAP, NOW_S)
    nearby.add("f", "orthogonal", at(0, 1), QUBIT, NOW_S)
    assert names(nearby, "f", at(1, 0), meant("Define qubit.")) == ["near", "far"]
    assert names(nearby, "f", at(1, 0), meant("Define qubit."), 0.95) == ["near"]
    ((name, similarity),) = nearby.near("f", at(1, 0), meant("Define qubit."), 0.95)
    assert (name, round(similarity, 3)) == ("near", 0.995)


def test_frames_do_not_see_each_other() -> None:
    nearby = Nearby(10)
    nearby.add("alice", "a", at(1, 0), QUBIT, NOW_S)
    assert names(nearby, "bob", at(1, 0), QUBIT) == []


def test_it_never_holds_more_than_it_may() -> None:
    nearby = Nearby(5)
    for number in range(50):
        nearby.add(f"frame{number % 3}", f"entry{number}", at(1, number), QUBIT, NOW_S)
        assert len(nearby) <= 5
    nearby.resize(2)
    assert len(nearby) == 2
    nearby.add("frame0", "again", at(1, 0), QUBIT, NOW_S)
    assert names(nearby, "frame0", at(1, 0), QUBIT) == ["again"]


def test_a_name_stands_there_once() -> None:
    nearby = Nearby(5)
    for _ in range(3):
        nearby.add("f", "entry", at(1, 0), QUBIT, NOW_S)
    assert len(nearby) == 1


def test_what_is_cleared_forgotten_or_over_is_gone() -> None:
    nearby = Nearby(100)
    for number in range(20):
        nearby.add("f", f"alice_{number}" if number % 2 else f"bob_{number}", at(1, number / 100), QUBIT, NOW_S + number)
    nearby.clear(lambda name: name.startswith("alice_"))
    assert len(nearby) == 10
    nearby.forget("f", "bob_0")
    nearby.forget("f", "bob_0")
    nearby.forget("g", "bob_2")
    assert "bob_0" not in names(nearby, "f", at(1, 0), QUBIT)
    nearby.sweep(NOW_S + 17)
    assert names(nearby, "f", at(1, 0), QUBIT) == ["bob_18"]
    nearby.sweep(NOW_S + 18)
    assert len(nearby) == 0
