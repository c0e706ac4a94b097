"""The fastest upstream that Python can be: fixed OpenAI answers, no parsing beyond where a request ends.

`python -m benchmarks.upstream PORT`. A body that holds `"stream":true` gets 50 chunks, any other one 665 bytes.
"""

import asyncio
import json
import sys

import uvloop

TEXT = "A qubit can be in a superposition of both states until it is measured. " * 5
_ANSWER = json.dumps(
    {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1700000000,
        "model": "gpt-4o",
        "choices": [{"index": 0, "message": {"role": "assistant", "content": TEXT[:356]}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 250, "completion_tokens": 80, "total_tokens": 330},
    }
).encode()
CHUNKS = 50


def _chunk(delta: dict[str, str], finish: str | None = None) -> bytes:
    document = {
        "id": "chatcmpl-1",
        "object": "chat.completion.chunk",
        "created": 1700000000,
        "model": "gpt-4o",
        "choices": [{"index": 0, "delta": delta, "finish_reason": finish}],
    }
    return b"data: " + json.dumps(document).encode() + b"\n\n"


def _streamed() -> list[bytes]:
    usage = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1700000000, "model": "gpt-4o", "choices": []} | {
        "usage": {"prompt_tokens": 250, "completion_tokens": CHUNKS, "total_tokens": 250 + CHUNKS}
    }
    events = [_chunk({"role": "assistant", "content": ""})]
    events += [_chunk({"content": f" word{n}"}) for n in range(CHUNKS)]
    events += [_chunk({}, "stop"), b"data: " + json.dumps(usage).encode() + b"\n\n", b"data: [DONE]\n\n"]
    head = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
    return [head, *(b"%x\r\n%s\r\n" % (len(event), event) for event in events), b"0\r\n\r\n"]


UNARY = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n" % len(_ANSWER) + _ANSWER
STREAM = _streamed()
_EMPTY = b'HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 11\r\n\r\n{"data":[]}'


class Upstream(asyncio.Protocol):
    """One connection: answers each request when its body is whole."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # it is one
        self.transport = transport
        self.held = b""

    def data_received(self, data: bytes) -> None:
        self.held += data
        while (head := self.held.find(b"\r\n\r\n")) >= 0:
            lines = self.held[:head].lower()
            at = lines.find(b"content-length: ")
            length = int(lines[at + 16 :].split(b"\r\n", 1)[0]) if at >= 0 else 0
            end = head + 4 + length
            if len(self.held) < end:
                return
            body = self.held[head + 4 : end]
            self.held = self.held[end:]
            streamed = b'"stream":true' in body or b'"stream": true' in body
            if length and streamed:
                self._stream(0)
            else:
                self.transport.write(UNARY if length else _EMPTY)

    def _stream(self, index: int) -> None:
        """Each event is a write of its own, as a model's are; a turn of the loop between them keeps them apart."""
        self.transport.write(STREAM[index])
        if index + 1 < len(STREAM) and not self.transport.is_closing():
            asyncio.get_running_loop().call_soon(self._stream, index + 1)


async def _serve(port: int) -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(Upstream, "127.0.0.1", port)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(_serve(int(sys.argv[1]) if len(sys.argv) > 1 else 0))
