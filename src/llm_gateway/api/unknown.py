"""What is answered where a dialect has no endpoint: an error in the shape that the dialect's clients read."""

from collections.abc import Callable
from typing import ClassVar, Final

from llm_gateway.api.anthropic import VERSION_HEADER, AnthropicDialect
from llm_gateway.api.asgi import Handler, Headers, Receive, Scope, Send, header
from llm_gateway.api.call import Call, Calls, Dialect, Ingress
from llm_gateway.api.ollama import OllamaDialect
from llm_gateway.api.openai_errors import OpenAiDialect
from llm_gateway.core.clock import Clock
from llm_gateway.core.errors import InvalidRequest, LLMGatewayError, NotFound

_BEGINNINGS: Final = (
    ("/v1/messages", "anthropic"), ("/anthropic/", "anthropic"), ("/v1/", "openai"), ("/openai/", "openai"), ("/api/", "ollama"),
)  # fmt: skip


class _WrongMethod(InvalidRequest):
    """The path is there, and takes another method."""

    http_status: ClassVar[int] = 405

    def __init__(self, method: str, path: str, allowed: list[str]) -> None:
        words = ", ".join(allowed)
        super().__init__(f"{path[:128]} takes {words}, not {method[:16]}", code="method_not_allowed")
        self.allowed = words


class _Telling:
    """A dialect that names the methods which a path takes, as RFC 9110 (15.5.6) asks for."""

    def __init__(self, dialect: Dialect) -> None:
        self._dialect = dialect
        self.stream_type, self.keep_alive, self.request_id = dialect.stream_type, dialect.keep_alive, dialect.request_id
        self.error_status, self.error_body, self.error_event = dialect.error_status, dialect.error_body, dialect.error_event

    def error_headers(self, failure: LLMGatewayError) -> Headers:
        headers = self._dialect.error_headers(failure)
        return [*headers, (b"allow", failure.allowed.encode())] if isinstance(failure, _WrongMethod) else headers


class Unknown:
    """Handles what no endpoint is for, below the paths of a dialect. `allowed` gives the methods that a path takes."""

    def __init__(self, calls: Calls, clock: Clock, allowed: Callable[[str], list[str]]) -> None:
        self._allowed = allowed
        dialects: dict[str, Dialect] = {"openai": OpenAiDialect(), "anthropic": AnthropicDialect(), "ollama": OllamaDialect()}
        self._handlers: dict[str, Handler] = {
            name: Ingress(calls, clock, _Telling(dialect)).handler(self._serve) for name, dialect in dialects.items()
        }

    def handler(self, scope: Scope) -> Handler | None:
        """The handler in the dialect that a path belongs to; None where it belongs to none."""
        path: str = scope["path"]
        name = next((name for beginning, name in _BEGINNINGS if path.startswith(beginning)), "")
        if name == "openai" and not path.startswith("/openai/") and header(scope, VERSION_HEADER) is not None:
            name = "anthropic"
        return self._handlers.get(name)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> bool:
        """Answer, if the path belongs to a dialect; whether it does."""
        handler = self.handler(scope)
        if handler is None:
            return False
        await handler(scope, receive, send)
        return True

    async def _serve(self, call: Call) -> None:
        path, method = call.scope["path"], call.scope["method"]
        allowed = self._allowed(path)
        if allowed:
            raise _WrongMethod(method, path, allowed)
        raise NotFound(f"there is no {method[:16]} {path[:128]} here", code="unknown_url")
