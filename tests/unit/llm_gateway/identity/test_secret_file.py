import threading
from pathlib import Path

from llm_gateway.identity import secret_file
from llm_gateway.identity.secret_file import read_or_make


def test_of_many_who_start_at_once_one_makes_it_and_all_read_it(tmp_path: Path) -> None:
    path = tmp_path / "folder" / "secret"
    gate = threading.Barrier(8)
    found: list[tuple[bytes, bool]] = []

    def start(number: int) -> None:
        def make() -> bytes:
            gate.wait(10)  # all have seen that there is no file
            return b"%d" % number

        found.append(read_or_make(path, make))

    threads = [threading.Thread(target=start, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert {content for content, _ in found} == {path.read_bytes()}
    assert len(found) == 8
    assert sum(made for _, made in found) == 1
    assert [entry.name for entry in path.parent.iterdir()] == ["secret"]


def test_a_draft_that_a_crash_left_does_no_harm(tmp_path: Path) -> None:
    path = tmp_path / "secret"
    secret_file._make(path, b"one")
    for draft in (tmp_path / f".secret.{number}" for number in range(3)):
        draft.write_bytes(b"half")
    assert read_or_make(path, lambda: b"two") == (b"one", False)
