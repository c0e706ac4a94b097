"""What services bring to a query: asked side by side, each within its time; one that fails is named and gone without."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Final

import msgspec
import structlog

from llm_gateway.core.clock import Clock
from llm_gateway.core.errors import Internal, InvalidRequest, LLMGatewayError
from llm_gateway.core.types import Json, JsonObject
from llm_gateway.integrations.asking import Visit

Run = Callable[[str, str, JsonObject, Visit], Awaitable[JsonObject]]
"""Runs one operation; gives its reply document."""
MOST_NAMED: Final = 10
"""Documents that a report names."""
_encode = msgspec.json.Encoder().encode
_log = structlog.get_logger(__name__)


class Wanted(msgspec.Struct, frozen=True):
    """One operation that may contribute; `key` is what its result is called."""

    key: str
    service: str
    operation: str
    body: JsonObject


class Report:
    """What took part in one query: what each contributed, how long it took, and what it had to do without."""

    def __init__(self) -> None:
        self.contributions: list[JsonObject] = []
        self.degraded: list[JsonObject] = []
        self.skipped: list[JsonObject] = []
        """Services that had nothing to do with what was asked, in their own words: nothing is wrong with them."""
        self.took_s = 0.0

    def add(self, wanted: Wanted, reply: JsonObject, contributed: JsonObject) -> None:
        """A service took part."""
        took = reply.get("processing_time", 0.0)
        said = {"method": reply["method"]} if reply.get("method") else {}
        self.contributions.append(
            {
                "service": wanted.service, "operation": wanted.operation, "mode": reply.get("mode"), "took": took, **said,
                "contributed": contributed,
            }
        )  # fmt: skip

    def lack(self, service: str, operation: str, reason: str) -> None:
        """A service did not take part, or not as it should have."""
        self.degraded.append({"service": service, "operation": operation, "reason": reason})

    def skip(self, service: str, operation: str, reason: str) -> None:
        """A service said that this is nothing for it."""
        self.skipped.append({"service": service, "operation": operation, "reason": reason})

    def document(self) -> JsonObject:
        """The `integrations` of an answer."""
        used: list[Json] = list(dict.fromkeys(contribution["service"] for contribution in self.contributions))
        return {
            "used": used,
            "degraded": list(self.degraded),
            "skipped": list(self.skipped),
            "contributions": list(self.contributions),
            "took": round(self.took_s, 6),
        }


async def gathered(run: Run, wanted: Sequence[Wanted], visit: Visit, within_s: float, clock: Clock, report: Report) -> dict[str, Json]:
    """The results by key of those that answered in time."""
    started_s = clock.monotonic_s()
    bounded = msgspec.structs.replace(visit, deadline_s=min(visit.deadline_s, started_s + within_s))

    async def one(each: Wanted) -> JsonObject | LLMGatewayError:
        try:
            return await run(each.service, each.operation, each.body, bounded)
        except LLMGatewayError as failure:
            return failure
        except Exception:  # a fault of a service's own is no reason to leave a query without its answer
            _log.exception("a service failed", service=each.service, operation=each.operation, correlation_id=visit.correlation_id)
            return Internal("the service failed")

    replies = await asyncio.gather(*(one(each) for each in wanted))
    results: dict[str, Json] = {}
    for each, reply in zip(wanted, replies, strict=True):
        if isinstance(reply, InvalidRequest):
            report.skip(each.service, each.operation, reply.message)
        elif isinstance(reply, LLMGatewayError):
            report.lack(each.service, each.operation, f"{reply.error_type}: {reply.message}")
        else:
            results[each.key] = reply["result"]
            report.add(each, reply, _CONTRIBUTED.get(each.key, _nothing)(_object(reply["result"])))
    report.took_s += clock.monotonic_s() - started_s
    return results


def _object(value: Json) -> JsonObject:
    return value if isinstance(value, dict) else {}


def _nothing(_: JsonObject) -> JsonObject:
    return {}


def items(result: Json, *keys: str) -> list[JsonObject]:
    """The objects of a list in a result, under the first of `keys` that holds one."""
    held = _object(result)
    found = next((held[key] for key in keys if isinstance(held.get(key), list)), [])
    return [item for item in found if isinstance(item, dict)] if isinstance(found, list) else []


def _of_documents(result: JsonObject) -> JsonObject:
    hits = items(result, "hits")
    named: list[Json] = [{"doc_id": hit.get("doc_id"), "title": hit.get("title"), "score": hit.get("score")} for hit in hits[:MOST_NAMED]]
    return {"documents": named, "method": result.get("method")}


def _of_memory(result: JsonObject) -> JsonObject:
    return {"memories": len(items(result, "memories", "interactions"))}


def _some(*names: str) -> Callable[[JsonObject], JsonObject]:
    return lambda result: {name: result[name] for name in names if name in result and _is_small(result[name])}


def _is_small(value: Json) -> bool:
    return len(_encode(value)) <= 2_000


_CONTRIBUTED: Final[Mapping[str, Callable[[JsonObject], JsonObject]]] = {
    "meaning": _some("intent", "confidence", "task_type", "keywords"),
    "documents": _of_documents,
    "memory": _of_memory,
    "security": _some("sensitive", "score", "kinds", "risk_level", "severity", "summary"),
    "prompt": _some("name", "version", "category", "changes"),
    "remembered": _some("memory_id", "sensitive"),
    "stored": _some("doc_id", "sensitive"),
}
"""By key, what of a result is worth telling the caller."""


def material(results: Mapping[str, Json], most_chars: int) -> tuple[list[JsonObject], bool]:
    """What documents and memory hold for a query, the best first and no more than `most_chars` of text, and whether any of it came
    from something sensitive."""
    found: list[JsonObject] = []
    sensitive = False
    left = most_chars
    for hit in items(results.get("documents"), "hits"):
        left, sensitive = _take(
            found, {"document": hit.get("title") or hit.get("doc_id"), "text": hit.get("content")}, hit, left, sensitive
        )
    for memory in items(results.get("memory"), "memories", "interactions"):
        said: JsonObject = {"earlier_question": memory.get("prompt"), "earlier_answer": memory.get("response")}
        left, sensitive = _take(found, said, memory, left, sensitive)
    return found, sensitive


def without_ids(value: Json) -> Json:
    """A result as a model is to read it: the ids of rows say nothing to it, and random as they are, look like secrets."""
    if isinstance(value, dict):
        return {name: without_ids(item) for name, item in value.items() if not name.endswith("_id")}
    return [without_ids(item) for item in value] if isinstance(value, list) else value


def _take(found: list[JsonObject], item: JsonObject, of: JsonObject, left: int, sensitive: bool) -> tuple[int, bool]:
    if left <= 0:
        return left, sensitive
    cut: dict[str, Any] = {name: value[:left] if isinstance(value, str) else value for name, value in item.items()}
    found.append(cut)
    return left - sum(len(value) for value in cut.values() if isinstance(value, str)), sensitive or of.get("sensitive") is True
