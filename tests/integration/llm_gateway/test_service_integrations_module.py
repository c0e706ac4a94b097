"""services/llm-gateway/modules/service_integrations.py against a running gateway."""

import asyncio
import importlib
from pathlib import Path

import pytest
from tests.support import running_gateway

from llm_gateway.integrations.registry import NAMES
from llm_gateway.simulator import SimulatorProcess
from llm_gateway_client import GatewayError


def test_every_service_is_there_and_every_operation_a_method(
    tmp_path: Path, simulator: SimulatorProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = importlib.import_module("services.llm_gateway.modules.service_integrations")
    integrations = module.service_integrations
    assert set(vars(integrations)) == set(NAMES)
    with running_gateway(tmp_path, simulator) as gateway:
        monkeypatch.setenv("LLM_GATEWAY_URL", gateway.url)

        async def test() -> None:
            stored = await integrations.doc_store.store(content="Falcons fly.", user_id="ann")
            assert stored.result["chunks"] == 1
            found = await integrations.doc_store.search(query="falcon", user_id="ann")
            assert found.result["hits"][0]["doc_id"] == stored.result["doc_id"]
            meant = await integrations.call("interpreter", "interpret_query", query="analyze this code", context={"language": "python"})
            assert meant.method in {"llm", "rules"}
            with pytest.raises(GatewayError):
                await integrations.doc_store.burn()

        asyncio.run(test())
