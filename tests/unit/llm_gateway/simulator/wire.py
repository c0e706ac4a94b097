"""A raw client: http.client for whole answers, a bare socket where the bytes themselves matter."""

import http.client
import json
import socket
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from llm_gateway.simulator import SimulatorProcess

ANTHROPIC = {"anthropic-version": "2023-06-01"}
AWS = {"authorization": "Bearer simulated"}


@dataclass(frozen=True)
class Got:
    """An answer as it came."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def events(self) -> list[tuple[str, Any]]:
        """Server-sent events as (name, decoded data); `[DONE]` stays text."""
        found = []
        for block in self.body.decode().split("\n\n"):
            fields = [line.partition(": ")[::2] for line in block.split("\n") if line]
            data = "\n".join(value for name, value in fields if name == "data")
            if fields:
                found.append((dict(fields).get("event", ""), data if data == "[DONE]" else json.loads(data)))
        return found

    @property
    def lines(self) -> list[Any]:
        """Lines of JSON."""
        return [json.loads(line) for line in self.body.splitlines()]


class Wire:
    """Speaks to one simulator."""

    def __init__(self, simulator: SimulatorProcess) -> None:
        self.simulator = simulator

    def address(self, kind: str) -> tuple[str, int]:
        parts = urlsplit(self.simulator.urls[kind])  # type: ignore[index]
        assert parts.hostname is not None
        assert parts.port is not None
        return parts.hostname, parts.port

    def send(self, method: str, kind: str, path: str, body: object = None, headers: dict[str, str] | None = None) -> Got:
        connection = http.client.HTTPConnection(*self.address(kind), timeout=10)
        sent = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
        try:
            connection.request(method, path, sent, headers or {})
            response = connection.getresponse()
            return Got(response.status, {name.lower(): value for name, value in response.getheaders()}, response.read())
        finally:
            connection.close()

    def post(self, kind: str, path: str, body: object, headers: dict[str, str] | None = None) -> Got:
        return self.send("POST", kind, path, body, headers)

    def get(self, kind: str, path: str, headers: dict[str, str] | None = None) -> Got:
        return self.send("GET", kind, path, None, headers)

    def open(self, kind: str, path: str, body: object, *, extra: str = "") -> socket.socket:
        """A socket on which the request has been sent and nothing read."""
        data = json.dumps(body).encode()
        connected = socket.create_connection(self.address(kind), timeout=5)
        connected.sendall(f"POST {path} HTTP/1.1\r\nhost: simulated\r\n{extra}content-length: {len(data)}\r\n\r\n".encode() + data)
        return connected

    def chat(self, text: str = "hello there, friend of mine", **more: object) -> Got:
        """An OpenAI chat completion."""
        return self.post(
            "openai", "/v1/chat/completions", {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": text}], **more}
        )


def read_all(connected: socket.socket) -> tuple[bytes, bool]:
    """Everything until the end, and whether the end was a reset."""
    data = b""
    try:
        while part := connected.recv(65_536):
            data += part
    except ConnectionResetError:
        return data, True
    finally:
        connected.close()
    return data, False
