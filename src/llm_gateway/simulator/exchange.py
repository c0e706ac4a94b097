"""One request to a simulated upstream and the answer it gets, before any fault is put on it."""

from typing import Literal, TypeAlias

import msgspec

Json: TypeAlias = bool | int | float | str | list["Json"] | dict[str, "Json"] | None
JsonObject: TypeAlias = dict[str, Json]
Kind = Literal["ollama", "openai", "anthropic", "bedrock", "bedrock_native", "grok"]
Framing = Literal["body", "sse", "ndjson", "eventstream"]

KINDS: tuple[Kind, ...] = ("ollama", "openai", "anthropic", "bedrock", "bedrock_native", "grok")


def words(text: str) -> tuple[str, ...]:
    """A list of names written as one text."""
    return tuple(text.split())


encode = msgspec.json.Encoder().encode
decode = msgspec.json.Decoder().decode


class Request(msgspec.Struct, gc=False):
    """A request as it came. `target` is the raw request target, `path` is it without the query, still percent-encoded.

    `headers` keep their order and their doubles; names are in lower case. `quirks` are oddities a fault rule asks the
    dialect itself for (see `faults.Fault.quirks`).
    """

    kind: Kind
    number: int
    method: str
    target: str
    path: str
    headers: list[tuple[str, str]]
    body: bytes
    received_at_s: float
    quirks: tuple[str, ...] = ()

    def header(self, name: str) -> str:
        """The first value of a header (`name` in lower case), or the empty string."""
        for key, value in self.headers:
            if key == name:
                return value
        return ""


class Bill(msgspec.Struct, gc=False):
    """What an answer is charged in tokens. `input_tokens` includes the cached, `output_tokens` the reasoning ones."""

    model: str
    input_tokens: int
    output_tokens: int = 0
    cache_read_tokens: int = 0
    cache_write_tokens: int = 0
    reasoning_tokens: int = 0


class Answer(msgspec.Struct, gc=False):
    """A whole answer. `pieces` are the stream's frames, or the one body.

    `marks`, where given, holds for each piece the output tokens charged once it is out. `texts` counts the pieces a
    model would have taken time to make: an unstreamed answer takes as long as its stream would.
    """

    status: int
    content_type: str
    pieces: list[bytes]
    framing: Framing = "body"
    headers: tuple[tuple[str, str], ...] = ()
    bill: Bill | None = None
    marks: list[int] | None = None
    texts: int = 0


class Refused(Exception):
    """The simulated vendor refuses the request; each dialect words it in its own error shape."""

    def __init__(self, status: int, message: str, *, code: str = "", param: str = "") -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.code = code
        self.param = param


def json_answer(payload: object, *, status: int = 200, headers: tuple[tuple[str, str], ...] = (), bill: Bill | None = None) -> Answer:
    """An unstreamed JSON answer."""
    return Answer(status, "application/json", [encode(payload)], "body", headers, bill)


def body_of(request: Request) -> JsonObject:
    """The request's JSON object. Raises `Refused` 400 when it is none."""
    try:
        body = decode(request.body)
    except msgspec.DecodeError:
        raise Refused(400, "We could not parse the JSON body of your request.") from None
    if not isinstance(body, dict):
        raise Refused(400, "The JSON body of your request must be an object.")
    return body
