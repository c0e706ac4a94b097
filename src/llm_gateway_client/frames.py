"""Server-sent events of a gateway, from bytes cut anywhere."""

import json
from typing import Any

from llm_gateway_client.errors import GatewayUnavailable, ServiceFailed, error_of
from llm_gateway_client.results import Frame, Progress

MOST_HELD_BYTES = 16 << 20


class _Events:
    """Takes a stream apart into events: (name, data)."""

    def __init__(self) -> None:
        self._held = b""

    def feed(self, data: bytes) -> list[tuple[str, bytes]]:
        *events, self._held = (self._held + data).replace(b"\r\n", b"\n").split(b"\n\n")
        if len(self._held) > MOST_HELD_BYTES:
            raise ServiceFailed("the stream has an event without an end")
        return [found for event in events if (found := _event(event)) is not None]


def _event(event: bytes) -> tuple[str, bytes] | None:
    name, data = "", []
    for line in event.split(b"\n"):
        if line.startswith(b"data:"):
            data.append(line[5:].removeprefix(b" "))
        elif line.startswith(b"event:"):
            name = line[6:].strip().decode("utf-8", "replace")
    return (name, b"\n".join(data)) if data else None


def _document(data: bytes) -> dict[str, Any]:
    try:
        document = json.loads(data)
    except ValueError:
        document = None
    if not isinstance(document, dict):
        raise ServiceFailed("the stream has an event that is no gateway's")
    failure = document.get("error")
    if isinstance(failure, dict) and "type" in failure:
        raise error_of(None, data)
    return document


class Frames:
    """The frames of `/stream`. `end` says whether it ended as it should."""

    def __init__(self) -> None:
        self._events = _Events()
        self._done = False

    def feed(self, data: bytes) -> list[Frame]:
        """The frames that `data` completes.

        Raises:
            GatewayError: the gateway says that it failed, or it is no gateway's stream.
        """
        frames = []
        for _, body in self._events.feed(data):
            if body == b"[DONE]":
                self._done = True
                continue
            document = _document(body)
            chunk, finished = document.get("chunk"), document.get("finished")
            if not isinstance(chunk, str) or not isinstance(finished, bool):
                raise ServiceFailed("the stream has a frame that is no gateway's")
            frames.append(Frame(chunk, finished, document))
        return frames

    def end(self) -> None:
        """The stream is over. Raises GatewayUnavailable when it was cut off."""
        if not self._done:
            raise GatewayUnavailable("the stream broke off before its end")


class Steps:
    """The events of a workflow query."""

    def __init__(self) -> None:
        self._events = _Events()
        self._done = False

    def feed(self, data: bytes) -> list[Progress]:
        """The events that `data` completes. Raises like `Frames.feed`."""
        steps = []
        for name, body in self._events.feed(data):
            if body == b"[DONE]":
                self._done = True
                continue
            document = _document(body)
            event = name or document.get("event") or ("done" if document.get("finished") else "answer")
            steps.append(Progress(str(event), document))
        return steps

    def end(self) -> None:
        """The stream is over. Raises GatewayUnavailable when it was cut off."""
        if not self._done:
            raise GatewayUnavailable("the stream broke off before its end")
