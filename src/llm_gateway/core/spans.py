"""The port of tracing: what the parts know of it. Without tracing everything here costs one comparison.

`llm_gateway.tracing` fills it, and is loaded only where tracing is configured.
"""

from collections.abc import Callable, Coroutine, Mapping
from contextlib import AbstractContextManager
from contextvars import ContextVar
from functools import wraps
from typing import Any, ParamSpec, Protocol, TypeVar

from llm_gateway.core.routing import Attempt

P = ParamSpec("P")
T = TypeVar("T")

incoming: ContextVar[str] = ContextVar("traceparent", default="")
"""The `traceparent` header of the request that this task serves."""


class CallTrace(Protocol):
    """The trace of one call."""

    def attempt(self, attempt: Attempt) -> str:
        """Begin the span of an attempt; gives the `traceparent` header for it, "" for none."""
        ...


class Tracer(Protocol):
    """What makes spans beside those of calls."""

    def integration(self, service: str, operation: str) -> AbstractContextManager[None]:
        """The span of an operation of an integrated service; what happens inside belongs to it."""
        ...


class _Installed:
    tracer: Tracer | None = None


def is_configured(environ: Mapping[str, str]) -> bool:
    """Whether the standard variables of OpenTelemetry say where traces go. Without an endpoint nothing is sent, to no default either."""
    if environ.get("OTEL_SDK_DISABLED", "").strip().lower() == "true" or environ.get("OTEL_TRACES_EXPORTER", "otlp").strip() == "none":
        return False
    return bool(environ.get("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT") or environ.get("OTEL_EXPORTER_OTLP_ENDPOINT"))


def install(tracer: Tracer | None) -> None:
    """From now on, trace with this; None: do not."""
    _Installed.tracer = tracer


def of_integration(run: Callable[P, Coroutine[Any, Any, T]]) -> Callable[P, Coroutine[Any, Any, T]]:
    """Decorates a method that runs an operation, given (self, service, operation, ...) by position."""

    @wraps(run)
    async def traced(*args: P.args, **kwargs: P.kwargs) -> T:
        tracer = _Installed.tracer
        if tracer is None:
            return await run(*args, **kwargs)
        with tracer.integration(str(args[1]), str(args[2])):
            return await run(*args, **kwargs)

    return traced
