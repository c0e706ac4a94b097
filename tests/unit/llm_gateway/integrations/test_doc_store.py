"""Documents: kept in pieces, found by words and by meaning, bounded, replaced whole."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.llm_gateway.integrations.working import TestWork, with_work

from llm_gateway.core.errors import InvalidRequest
from llm_gateway.integrations.chunking import chunks_of, snippet_of
from llm_gateway.integrations.full_text import terms_of
from llm_gateway.integrations.vectors import fused, matrix_of, nearest, packed


@given(st.text(alphabet=st.sampled_from("ab .\n。字"), max_size=3000), st.integers(min_value=50, max_value=400))
def test_pieces_hold_every_word_and_none_is_too_long(content: str, size: int) -> None:
    pieces = chunks_of(content, size)
    assert all(0 < len(piece) <= size for piece in pieces)
    assert "".join(content.split()) == "" or pieces
    assert set("".join(pieces).replace(" ", "").replace("\n", "")) == set(content.replace(" ", "").replace("\n", ""))
    whole = [word for word in content.split() if len(word) < size // 4]
    assert all(any(word in piece for piece in pieces) for word in whole)


def test_a_snippet_shows_the_word_that_was_looked_for() -> None:
    text = "filler " * 200 + "the needle stands here " + "filler " * 200
    assert "needle" in snippet_of(text, ["needle"])
    assert snippet_of("short", ["absent"]) == "short"


def test_everyday_words_count_only_alone() -> None:
    assert terms_of("How do I renew the token?") == ["renew", "token"]
    assert terms_of("what is it") == ["what", "is", "it"]
    assert terms_of("auth_error: 'x' OR NEAR(") == ["auth", "error", "x", "near"]
    assert terms_of("?!") == []


def test_ranks_are_fused() -> None:
    assert [name for name, _ in fused([1, 2, 3], [3, 4])] == [3, 1, 2, 4]
    assert fused() == []


def test_vectors_come_back_near_themselves() -> None:
    stored = [(1, packed([1.0, 0.0, 0.0])), (2, packed([0.0, 1.0, 0.1])), (3, packed([0.5, 0.5, 0.0]))]
    matrix = matrix_of((3, 3), [(name, data) for name, data in stored if data is not None])
    assert [name for name, _ in nearest(matrix, [0.9, 0.1, 0.0], 2)] == [1, 3]
    assert nearest(matrix, [1.0, 0.0], 2) == []
    assert packed([0.0, 0.0]) is None
    assert packed([float("nan")]) is None


def test_what_is_stored_is_found(tmp_path: Path) -> None:
    async def test(work: TestWork) -> None:
        await work.do("doc_store", "store", content="Tokens expire after an hour.", doc_id="a", metadata={"team": "auth"})
        await work.do("doc_store", "store", content="Cats sleep all day.", doc_id="b")
        await work.do("doc_store", "store", content="トークンは一時間で失効します。", doc_id="c")
        found = await work.do("doc_store", "search", query="when does a token expire?")
        assert [hit.doc_id for hit in found.hits] == ["a"], "porter stemming finds `Tokens`"
        assert found.method == "text"
        assert [hit.doc_id for hit in (await work.do("doc_store", "search", query="失効")).hits] == ["c"]
        assert (await work.do("doc_store", "search", query="token", metadata={"team": "x"})).hits == ()
        for query in ('"', "AND OR NOT", "a*", "content:cats", "NEAR(cats sleep)", "'; DROP TABLE documents; --", "\x00", "🎉"):
            await work.do("doc_store", "search", query=query)

    with_work(tmp_path, test)


def test_replacing_and_deleting_leave_no_trace_in_the_index(tmp_path: Path) -> None:
    async def test(work: TestWork) -> None:
        first = await work.do("doc_store", "store", content="The falcon flies.", doc_id="a")
        work.now_s += 5
        again = await work.do("doc_store", "store", content="The heron wades.", doc_id="a")
        assert (first.replaced, again.replaced, again.created) == (False, True, first.created)
        assert (await work.do("doc_store", "search", query="falcon")).hits == ()
        assert len((await work.do("doc_store", "search", query="heron")).hits) == 1
        await work.do("doc_store", "delete", doc_id="a")
        assert (await work.do("doc_store", "search", query="heron")).hits == ()
        assert (await work.do("doc_store", "list")).total == 0

    with_work(tmp_path, test)


def test_pages_hold_each_document_once(tmp_path: Path) -> None:
    async def test(work: TestWork) -> None:
        for number in range(7):
            await work.do("doc_store", "store", content=f"Document {number}.", doc_id=f"d{number}")
        seen: list[str] = []
        after = None
        while True:
            page = await work.do("doc_store", "list", limit=3, **({"after": after} if after else {}))
            seen += [each.doc_id for each in page.documents]
            after = page.next_after
            if after is None:
                break
        assert seen == [f"d{number}" for number in reversed(range(7))]

    with_work(tmp_path, test)


def test_bounds_hold(tmp_path: Path) -> None:
    async def test(work: TestWork) -> None:
        await work.do("doc_store", "store", content="one", doc_id="a")
        with pytest.raises(InvalidRequest, match="max_document_chars"):
            await work.do("doc_store", "store", content="x" * 101)
        await work.do("doc_store", "store", content="two", doc_id="b")
        with pytest.raises(InvalidRequest, match="max_documents"):
            await work.do("doc_store", "store", content="three")
        await work.do("doc_store", "store", content="other two", doc_id="b")
        with pytest.raises(InvalidRequest, match="white space"):
            await work.do("doc_store", "store", content=" \n ", doc_id="b")

    with_work(tmp_path, test, max_documents=2, max_document_chars=100)


def test_meaning_finds_what_words_do_not(tmp_path: Path) -> None:
    async def test(work: TestWork) -> None:
        work.vector_of = lambda text: [1.0, 0.0] if "feline" in text.lower() or "cat" in text.lower() else [0.0, 1.0]
        await work.do("doc_store", "store", content="A feline naps.", doc_id="cat")
        await work.do("doc_store", "store", content="The invoice is due.", doc_id="bill")
        found = await work.do("doc_store", "search", query="cats")
        assert found.hits[0].doc_id == "cat"
        assert found.method == "semantic"
        assert (await work.do("doc_store", "search", query="feline invoice")).method == "hybrid"
        work.vector_of = None
        assert (await work.do("doc_store", "search", query="cats")).hits == ()
        with pytest.raises(InvalidRequest) as refused:
            await work.do("doc_store", "search", query="cats", mode="semantic")
        assert refused.value.param == "mode"

    with_work(tmp_path, test, embedding="ollama/minilm")


def test_vectors_of_another_model_are_not_compared(tmp_path: Path) -> None:
    async def test(work: TestWork) -> None:
        work.vector_of = lambda _: [1.0, 0.0]
        await work.do("doc_store", "store", content="A feline naps.", doc_id="cat")
        work.settings = work.settings.model_copy(update={"embedding": "openai/other"})
        assert (await work.do("doc_store", "search", query="unrelated")).hits == ()

    with_work(tmp_path, test, embedding="ollama/minilm")


def test_a_sensitive_document_says_so(tmp_path: Path) -> None:
    async def test(work: TestWork) -> None:
        work.sensitive_words = ("CONFIDENTIAL",)
        stored = await work.do("doc_store", "store", content="CONFIDENTIAL\n\n" + "filler. " * 300 + "\n\nThe falcon flies.", doc_id="a")
        assert stored.sensitive
        assert stored.chunks > 1
        (hit,) = (await work.do("doc_store", "search", query="falcon")).hits
        assert "CONFIDENTIAL" not in hit.content
        assert hit.sensitive, "the piece alone looks harmless; the document it is of does not"

    with_work(tmp_path, test)


def test_answers_of_models_are_kept_apart(tmp_path: Path) -> None:
    async def test(work: TestWork) -> None:
        await work.do("doc_store", "store", content="The falcon flies.", doc_id="a", kind="llm_result")
        assert (await work.do("doc_store", "search", query="falcon")).hits == ()
        assert len((await work.do("doc_store", "search", query="falcon", kinds=["llm_result"])).hits) == 1

    with_work(tmp_path, test)
