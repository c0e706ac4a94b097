"""A `Work` for services that keep nothing: our real detector, providers to choose from, and a model whose answers are laid down."""

import asyncio
from typing import Any

import msgspec
from tests.unit.llm_gateway.integrations.working import TestWork

from llm_gateway.core.findings import Sensitivity
from llm_gateway.core.types import JsonObject, SecurityLevel
from llm_gateway.detectors.check import default_inspector
from llm_gateway.integrations.port import Outcome, ProviderFacts
from llm_gateway.integrations.registry import SERVICES

SECRET = "the admin password is " + "Tr0ub4dor" + "&Qy2k2"
CARD = "card 4539 1488 0343 6467 exp 11/27"


class Ruling(TestWork):
    """`replies` are what the model says, in order; none left: there is no model."""

    def __init__(self, *replies: Any) -> None:
        super().__init__(None)  # type: ignore[arg-type]  # nothing is stored here
        self.replies = [reply if isinstance(reply, str) else msgspec.json.encode(reply).decode() for reply in replies]
        self.down: set[str] = set()
        self.kept: dict[str, str] = {}

    async def judge(self, text: str) -> Sensitivity:
        return default_inspector().judge([("/text", text)])

    async def providers(self, text: str) -> list[ProviderFacts]:
        sensitive = bool(text) and (await self.judge(text)).sensitive
        high, medium = SecurityLevel.HIGH, SecurityLevel.MEDIUM
        every = [
            ProviderFacts("openai", "gpt-4o", medium, "available", 128_000, 0.00001, True, 0.9),
            ProviderFacts("ollama", "llama3", high, "available", 8_192, 0.0, True, 0.6),
            ProviderFacts("bedrock", "claude", high, "available", 200_000, None, True, 0.5),
            ProviderFacts("grok", "grok-1", medium, "unconfigured", None, None, True, 0.0, "it has no key"),
        ]
        found = []
        for each in every:
            eligible = not sensitive or each.security_level is high
            status = "unavailable" if each.name in self.down else each.status
            found.append(msgspec.structs.replace(each, eligible=eligible, status=status))
        return found

    async def call(self, service: str, operation: str, body: JsonObject) -> JsonObject:
        assert (service, operation) == ("doc_store", "retrieve")
        return {"result": {"content": self.kept[str(body["doc_id"])]}}

    def run(self, name: str, **body: Any) -> Outcome:
        """The outcome of `service.operation`."""
        service, _, operation = name.partition(".")
        found = SERVICES[service].operations[operation]
        outcome: Outcome = asyncio.run(found.handle(msgspec.convert(body, found.request), self))
        assert isinstance(outcome.result, found.result)
        assert outcome.method is None or found.asks_model
        return outcome
