"""Budget alerts from a call to the webhook, across a restart."""

import json
from pathlib import Path
from threading import Event

from tests.support import RunningGateway, running_gateway
from tests.unit.llm_gateway.ledger.test_bulletin import receiver

from llm_gateway.simulator import SimulatorProcess

ADMIN = "an-admin-token-for-tests-only"
PROMPT = "a word that must stay here"


def spend(gateway: RunningGateway, times: int) -> list[int]:
    return [
        gateway.post("/query", prompt=f"{PROMPT} {number} {gateway.port}", provider="openai", max_tokens=50).status
        for number in range(times)
    ]


def events(gateway: RunningGateway) -> list[tuple[str, int]]:
    listed = gateway.get("/admin/budgets", {"authorization": f"Bearer {ADMIN}"}).json["events"]
    return sorted((event["kind"], event["percent"]) for event in listed if event["kind"] == "threshold")


def test_each_level_is_told_once_to_everybody_and_no_prompt_goes_along(tmp_path: Path, simulator: SimulatorProcess) -> None:
    with receiver() as server:
        settings = {
            "auth.admin_token": ADMIN,
            "routing.explicit_fallback": False,
            "budgets.all.limit_usd": 0.002,
            "alerts.webhook_url": f"http://127.0.0.1:{server.server_port}/hooks/budgets",
            "alerts.webhook_secret": "shared",
        }
        waiting = Event()

        def told() -> list[dict[str, object]]:
            return [json.loads(body) for _, _, body in server.got]  # type: ignore[attr-defined]

        def levels() -> list[object]:
            return sorted(str(notice["percent"]) for notice in told() if notice["kind"] == "threshold")

        with running_gateway(tmp_path, simulator, settings) as gateway:
            statuses = spend(gateway, 12)
            assert 402 in statuses
            shown = events(gateway)
            assert ("threshold", 50) in shown
            for _ in range(6_000):
                if len(levels()) == len(shown):
                    break
                waiting.wait(0.01)
            assert len(levels()) == len(shown)
        with running_gateway(tmp_path, simulator, settings) as gateway:
            spend(gateway, 3)
            after = events(gateway)
            assert set(shown) <= set(after)
            for _ in range(6_000):
                if len(levels()) == len(after):
                    break
                waiting.wait(0.01)
        assert len(after) == len(set(after))
        assert levels() == sorted(str(percent) for _, percent in after)
        ids = [notice["id"] for notice in told()]
        assert len(ids) == len(set(ids))
        sent = b"".join(body for _, _, body in server.got)  # type: ignore[attr-defined]
        assert PROMPT.encode() not in sent
        assert all("x-gateway-signature" in headers for _, headers, _ in server.got)  # type: ignore[attr-defined]
