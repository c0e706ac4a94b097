"""Memory: recent and fitting things first, what is recalled fades more slowly, and what is forgotten is gone."""

from pathlib import Path

from tests.unit.llm_gateway.integrations.working import DAY_S, TestWork, with_work


async def told(work: TestWork, prompt: str, **of: str) -> str:
    return str((await work.do("memory_agent", "store_interaction", prompt=prompt, response="ok", **of)).memory_id)


def test_of_equally_fitting_memories_the_newer_comes_first(tmp_path: Path) -> None:
    async def test(work: TestWork) -> None:
        await told(work, "the falcon was grey")
        work.now_s += 60 * DAY_S
        await told(work, "the falcon was white")
        found = (await work.do("memory_agent", "retrieve_context", query="falcon")).memories
        assert [memory.prompt for memory in found] == ["the falcon was white", "the falcon was grey"]
        assert found[0].score > found[1].score

    with_work(tmp_path, test)


def test_what_was_recalled_fades_more_slowly(tmp_path: Path) -> None:
    async def test(work: TestWork) -> None:
        await told(work, "alpha is a letter", conversation_id="one")
        await told(work, "omega is a letter", conversation_id="two")
        work.now_s += 7 * DAY_S
        await work.do("memory_agent", "retrieve_context", query="alpha")
        work.now_s += 14 * DAY_S
        scores = {memory.prompt[:5]: memory.score for memory in (await work.do("memory_agent", "retrieve_context")).memories}
        assert scores["alpha"] > scores["omega"]
        assert abs(scores["omega"] - 0.5 ** (21 / 14)) < 1e-6, "half after each half-life"

    with_work(tmp_path, test, memory_half_life_days=14)


def test_conversations_are_told_in_order_and_can_be_left_out(tmp_path: Path) -> None:
    async def test(work: TestWork) -> None:
        for number in range(4):
            await told(work, f"falcon {number}", conversation_id="talk")
        await told(work, "falcon elsewhere")
        history = await work.do("memory_agent", "get_conversation_history", conversation_id="talk", limit=3)
        assert [memory.prompt for memory in history.interactions] == ["falcon 1", "falcon 2", "falcon 3"]
        others = await work.do("memory_agent", "retrieve_context", query="falcon", except_conversation_id="talk")
        assert [memory.prompt for memory in others.memories] == ["falcon elsewhere"]
        inside = await work.do("memory_agent", "retrieve_context", query="falcon", conversation_id="talk", limit=10)
        assert {memory.conversation_id for memory in inside.memories} == {"talk"}

    with_work(tmp_path, test)


def test_the_oldest_make_room(tmp_path: Path) -> None:
    async def test(work: TestWork) -> None:
        for number in range(5):
            await told(work, f"thing number{number}")
        kept = (await work.do("memory_agent", "retrieve_context", limit=10)).memories
        assert [memory.prompt for memory in kept] == ["thing number4", "thing number3", "thing number2"]
        assert (await work.do("memory_agent", "retrieve_context", query="number0")).memories == ()

    with_work(tmp_path, test, max_interactions=3)


def test_forgetting(tmp_path: Path) -> None:
    async def test(work: TestWork) -> None:
        first = await told(work, "one", conversation_id="talk")
        await told(work, "two", conversation_id="talk")
        work.now_s += 100
        await told(work, "three")
        assert (await work.do("memory_agent", "forget", memory_id=first)).forgotten == 1
        assert (await work.do("memory_agent", "forget", before=work.now_s - 50)).forgotten == 1
        assert (await work.do("memory_agent", "retrieve_context", query="two")).memories == ()
        assert (await work.do("memory_agent", "forget", all=True)).forgotten == 1

    with_work(tmp_path, test)
