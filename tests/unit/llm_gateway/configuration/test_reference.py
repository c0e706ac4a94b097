import re
from pathlib import Path

import pytest
import yaml

from llm_gateway.configuration.loading import load
from llm_gateway.configuration.reference import main, refreshed
from llm_gateway.configuration.shape import find
from llm_gateway.configuration.variables import VARIABLES
from llm_gateway.core.settings import Settings

PAGE = Path(__file__).parents[4] / "docs" / "configuration.md"
TEXT = PAGE.read_text(encoding="utf-8")


def test_the_page_is_what_the_code_says() -> None:
    assert refreshed(TEXT) == TEXT, "renew it: python -m llm_gateway.configuration.reference docs/configuration.md"


def test_the_page_has_every_part() -> None:
    assert sorted(re.findall(r"<!-- generated: (\w+) -->", TEXT)) == ["keys", "providers", "restart", "variables"]


def test_every_variable_and_section_stands_on_the_page() -> None:
    assert [variable.name for variable in VARIABLES if f"| `{variable.name}` |" not in TEXT] == []
    assert [section for section in Settings.model_fields if f"### `{section}`" not in TEXT] == []


def test_every_key_on_the_page_is_one() -> None:
    keys = re.findall(r"^\| `([a-z_]+(?:\.[a-z_<>]+)*)` \|", TEXT[TEXT.index("<!-- generated: keys -->") :], re.MULTILINE)
    names = {"services": "doc_store"}
    assert len(keys) > 80
    assert [key for key in keys if find(tuple(key.replace("<name>", names.get(key.split(".")[0], "x"), 1).split("."))) is None] == []


@pytest.mark.parametrize("example", re.findall(r"```yaml\n(.*?)```", TEXT, re.DOTALL))
def test_the_examples_work(example: str, tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_text(example, encoding="utf-8")
    environ = {"AZURE_API_KEY": "k", "REDIS_URL": "redis://r", "DATABASE_URL": "postgresql://h/d"}
    assert load(path, environ, {}).warnings == []
    assert yaml.safe_load(example)


def test_the_example_of_an_error_is_what_is_said() -> None:
    said = "providers.openai.timeout (environment LLM_GATEWAY__PROVIDERS__OPENAI__TIMEOUT): fast; expected a number above 0 up to 86400"
    with pytest.raises(Exception, match=re.escape(said)):
        load(None, {"LLM_GATEWAY__PROVIDERS__OPENAI__TIMEOUT": "fast"}, {})
    assert said in TEXT


def test_renewing_replaces_the_generated_parts_only(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("before\n<!-- generated: restart -->\nold\n<!-- end -->\nbetween\n<!-- generated: restart -->\n<!-- end -->\n")
    main(str(page))
    text = page.read_text()
    assert text.startswith("before\n<!-- generated: restart -->\n`server.host`")
    assert "\nbetween\n" in text
    assert "old" not in text
    assert refreshed(text) == text


def test_an_unknown_part_is_refused() -> None:
    with pytest.raises(KeyError):
        refreshed("<!-- generated: nothing -->\n<!-- end -->")
