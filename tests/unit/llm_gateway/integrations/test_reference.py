"""docs/integrations.md lists what there is: every operation, whether it asks a model, and its route."""

import re
from pathlib import Path

import llm_gateway
from llm_gateway.core.settings import IntegrationSettings
from llm_gateway.integrations.registry import SERVICES
from llm_gateway.integrations.workflows.built_in import BUILT_IN

PAGE = (Path(llm_gateway.__file__).parents[2] / "docs" / "integrations.md").read_text()


def test_the_page_lists_every_operation() -> None:
    rows = re.findall(r"^\| (\w+) \| `(\w+)` \| (.*?) \| (yes)? ?\| (?:`(.*?)`)? ?\|$", PAGE, re.MULTILINE)
    assert rows == [
        (service.name, op.name, op.summary, "yes" if op.asks_model else "", op.remote.route if op.remote is not None else "")
        for service in SERVICES.values()
        for op in service.operations.values()
    ]


def test_the_page_names_settings_and_workflow_types_that_exist() -> None:
    assert set(re.findall(r"`integrations\.(\w+)", PAGE)) <= set(IntegrationSettings.model_fields)
    assert all(name in PAGE for name in BUILT_IN)
