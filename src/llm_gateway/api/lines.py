"""The response headers of a model call as text: lines that end with CRLF, and have no other line break."""

from typing import Final

from llm_gateway.api.asgi import Headers
from llm_gateway.core.exchange import Exchange

MAX_ID_CHARACTERS: Final = 128


def answer_lines(exchange: Exchange, request_id: str, now_s: float) -> str:
    """Of a call that was answered. `request_id` is a second header for the correlation id ("": none), `now_s` the monotonic time."""
    name, chosen, headers = exchange.correlation_id, exchange.chosen, exchange.headers
    same = f"{request_id}: {name}\r\n" if request_id else ""
    by = ""
    if chosen is not None:
        provider, model = chosen.target.provider, chosen.target.model
        both = provider + model
        if not (both.isascii() and both.isprintable()):
            provider, model = _shown(provider), _shown(model)
        by = f"x-gateway-provider: {provider}\r\nx-gateway-model: {model}\r\n"
    overhead_s = now_s - exchange.received_s - exchange.upstream_s
    return (
        f"x-correlation-id: {name}\r\n{same}x-gateway-cache: {exchange.cache_state}\r\n{by}"
        f"{_attempts(exchange) if exchange.attempts else ''}x-gateway-overhead-ms: {overhead_s * 1000 if overhead_s > 0 else 0.0:.3f}\r\n"
        f"{joined(exchange.all_headers()) if headers else exchange.standing}"
    )


def failure_lines(exchange: Exchange) -> str:
    """Of a call that failed, beside what its dialect says."""
    return joined(exchange.all_headers()) + (_attempts(exchange) if exchange.attempts else "")


def joined(headers: dict[str, str]) -> str:
    """Headers as lines.

    Raises:
        RuntimeError: a line break in a name or value would begin a header, or a response, of somebody else's making.
    """
    lines = "".join([f"{name}: {value}\r\n" for name, value in headers.items()])
    if not lines.count("\r") == lines.count("\n") == len(headers):
        raise RuntimeError("a response header has a line break in it")
    return lines


def pairs(lines: str) -> Headers:
    """Lines as ASGI wants headers."""
    return [(name, value) for name, _, value in [line.partition(b": ") for line in lines.encode().split(b"\r\n")[:-1]]]


def _attempts(exchange: Exchange) -> str:
    """How often providers were asked, and what the last one calls the request: what its support wants to know."""
    said, upstream_id = exchange.upstream_headers, ""
    if said:
        upstream_id = said.get("x-request-id") or said.get("request-id") or said.get("x-amzn-requestid") or ""
    told = f"x-gateway-attempts: {len(exchange.attempts)}\r\n"
    if upstream_id and len(upstream_id) <= MAX_ID_CHARACTERS and upstream_id.isascii() and upstream_id.isprintable():
        return f"{told}x-gateway-upstream-request-id: {upstream_id}\r\n"
    return told


def _shown(name: str) -> str:
    """A name in a header, where only printable ASCII may stand."""
    return "".join([letter if letter.isascii() and letter.isprintable() else "?" for letter in name])
