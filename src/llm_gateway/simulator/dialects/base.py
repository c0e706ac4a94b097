"""What every dialect is: a vendor's wire, as a function from a request to an answer."""

import base64
import hashlib
from typing import Protocol

from llm_gateway.simulator.exchange import Answer, Json, JsonObject, Refused, Request
from llm_gateway.simulator.tokens import size_of, tokens_of_bytes


class Dialect(Protocol):
    """One vendor's protocol."""

    def answer(self, request: Request) -> Answer:
        """The answer to a request. Raises `Refused`, which the caller hands to `refusal`."""
        ...

    def refusal(self, request: Request, refused: Refused) -> Answer:
        """An error in this vendor's shape."""
        ...

    def stream_error(self, status: int, message: str) -> bytes:
        """The frame that tells of an error inside a stream; empty when the protocol has none."""
        ...


class Tape:
    """Frames of a stream, each with the output tokens charged once it is out.

    A slot is what is counted as one text (an answer, a thought, a tool call), so that the last mark equals the
    answer's `output_tokens` however it was cut.
    """

    def __init__(self) -> None:
        self.pieces: list[bytes] = []
        self.marks: list[int] = []
        self.texts = 0
        self._sizes: dict[int, int] = {}
        self._spent = 0

    def add(self, frame: bytes, slot: int = 0, size_bytes: int = 0) -> None:
        """Appends a frame that brings `size_bytes` more of the slot's text."""
        if size_bytes:
            before = self._sizes.get(slot, 0)
            self._sizes[slot] = before + size_bytes
            self._spent += tokens_of_bytes(before + size_bytes) - tokens_of_bytes(before)
            self.texts += 1
        self.pieces.append(frame)
        self.marks.append(self._spent)

    def charge(self, tokens: int) -> None:
        """Tokens that no frame shows (hidden reasoning), charged with the next one."""
        self._spent += tokens


def argument_pieces(arguments: str, width: int = 12) -> list[str]:
    """A tool call's arguments in the portions in which they are streamed."""
    return [arguments[start : start + width] for start in range(0, len(arguments), width)]


def text_of(body: JsonObject, name: str, *, required: bool = True) -> str:
    """A text field of the body. Raises `Refused` 400 naming it."""
    value = body.get(name)
    if isinstance(value, str) and value:
        return value
    if value is None and not required:
        return ""
    raise Refused(
        400, f"Missing required parameter: '{name}'." if value is None else f"Invalid type for '{name}': expected a string.", param=name
    )


def list_of(value: Json) -> list[Json]:
    """The value if it is a list, else an empty one."""
    return value if isinstance(value, list) else []


def object_of(value: Json) -> JsonObject:
    """The value if it is an object, else an empty one."""
    return value if isinstance(value, dict) else {}


def string_of(value: Json) -> str:
    """The value if it is a text, else an empty one."""
    return value if isinstance(value, str) else ""


def whole_number(body: JsonObject, name: str, *, least: int = 1) -> int | None:
    """An optional whole number of the body. Raises `Refused` 400 naming the field."""
    value = body.get(name)
    if value is None:
        return None
    if not isinstance(value, int) or isinstance(value, bool) or value < least:
        raise Refused(400, f"Invalid value for '{name}': expected an integer of at least {least}.", param=name)
    return value


def number_between(body: JsonObject, name: str, low: float, high: float) -> float | None:
    """An optional number of the body. Raises `Refused` 400 naming the field."""
    value = body.get(name)
    if value is None:
        return None
    if not isinstance(value, int | float) or isinstance(value, bool) or not low <= value <= high:
        raise Refused(400, f"Invalid value for '{name}': expected a number from {low} to {high}.", param=name)
    return value


def stops_of(value: Json) -> list[str]:
    """Stop sequences, given as one text or a list."""
    return [value] if isinstance(value, str) else [item for item in list_of(value) if isinstance(item, str)]


def bearer(request: Request) -> str:
    """The token of the `Authorization: Bearer` header, or the empty string."""
    scheme, _, token = request.header("authorization").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""


def masked(key: str) -> str:
    """A key as vendors show it in their errors."""
    return f"{key[:4]}{'*' * 8}{key[-4:]}" if len(key) > 12 else "*" * len(key)


def signature_of(thoughts: str) -> str:
    """What vouches for a thought when it comes back: bytes in base64, which say nothing to a reader."""
    return base64.b64encode(hashlib.sha512(thoughts.encode()).digest()).decode()


def sizes(*texts: str) -> int:
    """Bytes of all the texts together."""
    return sum(map(size_of, texts))
