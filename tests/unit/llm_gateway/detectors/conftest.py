import pytest

from llm_gateway.detectors.check import default_inspector
from llm_gateway.detectors.inspector import Inspector


@pytest.fixture(scope="session")
def inspector() -> Inspector:
    return default_inspector()
