"""Prompts: every change a version, rendered without logic."""

from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from tests.unit.llm_gateway.integrations.working import TestWork, with_work

from llm_gateway.core.errors import InvalidRequest, NotFound
from llm_gateway.integrations.prompt_rules import optimized
from llm_gateway.integrations.render import names_in, rendered


@given(st.text(max_size=200), st.dictionaries(st.sampled_from(["a", "b"]), st.text(max_size=50), max_size=2))
def test_values_are_put_in_and_never_looked_at(text: str, values: dict[str, str]) -> None:
    template = text.replace("{", "").replace("}", "") + "{{a}}|{{ b }}"
    shown, missing = rendered(template, dict(values))
    assert shown.endswith(values.get("a", "{{a}}") + "|" + values.get("b", "{{ b }}"))
    assert set(missing) == {"a", "b"} - values.keys()


def test_nothing_but_names_means_anything() -> None:
    assert rendered("{{user.name}} {{#if x}} {{ 1+1 }} {{{a}}} {%b%}", {"user": {"name": "Ann"}, "a": "A"})[0] == (
        "Ann {{#if x}} {{ 1+1 }} {A} {%b%}"
    )
    assert rendered("{{a}}", {"a": "{{b}}", "b": "no"})[0] == "{{b}}"
    assert rendered("{{a.__class__}}", {"a": "x"})[1] == ("a.__class__",)
    assert rendered("{{a}}", {"a": {"k": [1]}})[0] == '{"k":[1]}'
    assert names_in("{{b}} {{a}} {{b}}") == ("b", "a")


@given(st.text(min_size=1, max_size=300), st.sampled_from(["summary", "code_review", "nonsense", "technical_summary"]))
@example(",ß", "summary")
@example("ıt", "summary")
def test_rules_keep_every_word_but_courtesies(prompt: str, task: str) -> None:
    better, _ = optimized(prompt, task)
    courtesies = {"could", "can", "would", "will", "you", "i", "want", "to", "like", "i'd", "need", "please", "kindly"}
    words = [word.strip(" ,.!?:").lower() for word in prompt.split()]
    assert all(word in better.lower() for word in words if word and word not in courtesies)


def test_versions_are_kept(tmp_path: Path) -> None:
    async def test(work: TestWork) -> None:
        first = await work.do("prompt_store", "store_prompt", name="sum", category="summary", content="Sum up {{text}}")
        second = await work.do("prompt_store", "store_prompt", name="sum", category="summary", content="Condense {{text}}")
        assert (first.version, second.version, second.variables) == (1, 2, ("text",))
        assert (await work.do("prompt_store", "render", name="sum", variables={"text": "x"})).prompt == "Condense x"
        assert (await work.do("prompt_store", "render", name="sum", variables={"text": "x"}, version=1)).prompt == "Sum up x"
        assert [p.version for p in (await work.do("prompt_store", "get_prompts", name="sum")).prompts] == [2, 1]
        mine, built_in = (await work.do("prompt_store", "get_prompts", category="summary")).prompts
        assert (mine.version, built_in.version) == (2, 0)
        best = await work.do("prompt_store", "get_optimized", task_type="summary", context={"text": "this"})
        assert (best.prompt, best.missing) == ("Condense this", ())
        with pytest.raises(InvalidRequest) as missing:
            await work.do("prompt_store", "render", name="sum")
        assert missing.value.param == "variables.text"
        for body in ({"name": "absent"}, {"name": "sum", "version": 9}):
            with pytest.raises(NotFound):
                await work.do("prompt_store", "render", **body)
        with pytest.raises(InvalidRequest, match="built-in"):
            await work.do("prompt_store", "store_prompt", name="built-in/x", content="x")

    with_work(tmp_path, test)


def test_a_model_may_not_lose_a_variable(tmp_path: Path) -> None:
    async def test(work: TestWork) -> None:
        work.replies = ['{"optimized_prompt": "Sum it up", "changes": ["shorter"]}']
        lost = await work.do("prompt_store", "optimize", prompt="please sum up {{text}}")
        assert "{{text}}" in lost.optimized_prompt
        work.replies = ['{"optimized_prompt": "Condense {{text}}.", "changes": ["shorter"]}']
        kept = await work.do("prompt_store", "optimize", prompt="please sum up {{text}}")
        assert kept.optimized_prompt == "Condense {{text}}."

    with_work(tmp_path, test)


def test_the_bound_holds(tmp_path: Path) -> None:
    async def test(work: TestWork) -> None:
        await work.do("prompt_store", "store_prompt", name="a", content="x")
        with pytest.raises(InvalidRequest, match="max_prompts"):
            await work.do("prompt_store", "store_prompt", name="b", content="x")

    with_work(tmp_path, test, max_prompts=1)
