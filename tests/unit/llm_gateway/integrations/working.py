"""A `Work` for tests: a real SQLite file, a clock to set, and a model whose answers are laid down."""

import asyncio
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from llm_gateway.core.findings import Sensitivity
from llm_gateway.core.settings import IntegrationSettings
from llm_gateway.core.types import JsonObject
from llm_gateway.integrations.asking import decoded
from llm_gateway.integrations.port import Asked, Outcome, ProviderFacts, ServiceFacts
from llm_gateway.integrations.registry import SERVICES
from llm_gateway.integrations.workflows import model
from llm_gateway.stores.sql import SqlStore

Answer = TypeVar("Answer", bound=msgspec.Struct)
DAY_S = 86_400.0


class TestWork:
    """One caller's work. `replies` are what the model says, in order; none left: there is no model."""

    __test__ = False

    def __init__(self, store: SqlStore, owner: str = "ann", **bounds: object) -> None:
        self.store = store
        self.owner = owner
        self.settings = IntegrationSettings.model_validate(bounds)
        self.now_s = 1_700_000_000.0
        self.left_s = 30.0
        self.correlation_id = "test"
        self.replies: list[str] = []
        self.asked: list[str] = []
        self.vector_of: Callable[[str], list[float]] | None = None
        self.sensitive_words: tuple[str, ...] = ()
        self.workflows: Any = None

    async def ask(
        self, system: str, prompt: str, answer: type[Answer], *, max_tokens: int = 1024, allow: Callable[[Answer], str] | None = None
    ) -> Asked[Answer] | None:
        self.asked.append(prompt)
        if not self.replies:
            return None
        found, _ = decoded(self.replies.pop(0), answer, allow)
        return None if found is None else Asked(found, "ollama", "llama3", 10, 0.0)

    async def judge(self, text: str) -> Sensitivity:
        found = any(word in text for word in self.sensitive_words)
        return Sensitivity(1.0 if found else 0.0, found)

    async def providers(self, text: str) -> list[ProviderFacts]:
        return []

    def catalogue(self) -> list[ServiceFacts]:
        return [
            ServiceFacts(name, "embedded", found.summary, {op.name: op.summary for op in found.operations.values()})
            for name, found in SERVICES.items()
        ]

    def commission(self) -> object:
        raise NotImplementedError

    async def service_status(self) -> list[JsonObject]:
        return []

    def check_workflow(self, workflow: Any, among: Any = ()) -> None:
        model.check(workflow, {n: s for n, s in SERVICES.items() if not among or n in among}, self.settings.max_steps)

    async def embed(self, texts: tuple[str, ...]) -> list[list[float]] | None:
        return None if self.vector_of is None else [self.vector_of(text) for text in texts]

    async def call(self, service: str, operation: str, body: JsonObject) -> JsonObject:
        raise NotImplementedError

    async def do(self, service: str, operation: str, **body: Any) -> Any:
        """The result of an operation."""
        found = SERVICES[service].operations[operation]
        outcome: Outcome = await found.handle(msgspec.convert(body, found.request), self)
        return outcome.result


def with_work(folder: Path, test: Callable[[TestWork], Coroutine[Any, Any, None]], **bounds: object) -> None:
    """Run a test's coroutine on a database of its own."""
    store = SqlStore.sqlite(folder / "work.sqlite3")
    try:
        asyncio.run(test(TestWork(store, **bounds)))
    finally:
        store.close()
