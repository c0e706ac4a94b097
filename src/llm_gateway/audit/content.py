"""What was said, as the trail keeps it: a keyed digest always; question and answer only sealed, and only if neither is sensitive."""

import base64
import binascii
import hashlib
from collections.abc import Iterable
from typing import Final

import msgspec

from llm_gateway.core.errors import NotFound
from llm_gateway.core.sealing import CannotOpen, Sealer
from llm_gateway.core.types import Chunk, Request

MAX_CONTENT_CHARS: Final = 64_000
"""Longer questions and answers are not kept."""
_json = msgspec.json.Encoder()


def fingerprint_of(answer: str) -> bytes:
    """What the digest of an answer is made of: its text, with names and arguments of tool calls where they came."""
    return hashlib.blake2b(answer.encode("utf-8", "surrogatepass"), digest_size=32).digest()


class Answered(msgspec.Struct, eq=False):
    """A `ReplyPart` that sees an answer as the caller gets it, and keeps up to `_room` characters of it."""

    _room: int
    _hash: hashlib.blake2b | None = None
    _kept: list[str] = []

    def feed(self, chunk: Chunk) -> Iterable[Chunk]:
        said = chunk.text
        if chunk.tool_calls:
            said += "".join([call.name + call.arguments for call in chunk.tool_calls])
        if said:
            if self._hash is None:
                self._hash = hashlib.blake2b(digest_size=32)
            self._hash.update(said.encode("utf-8", "surrogatepass"))
            if self._room > 0:
                self._room -= len(said)
                self._kept.append(said)
        return (chunk,)

    def finish(self) -> Iterable[Chunk]:
        return ()

    @property
    def fingerprint(self) -> bytes:
        """`fingerprint_of` what was answered, or nothing."""
        return self._hash.digest() if self._hash is not None else b""

    @property
    def text(self) -> str | None:
        """What was answered; None: it is longer than what is kept."""
        return "".join(self._kept) if self._room >= 0 else None


def sealed(request: Request, answer: str, correlation_id: str, sealer: Sealer) -> str:
    """Question and answer as a row may hold them; "" if they are too long."""
    content = _json.encode({"request": request, "answer": answer})
    return base64.b64encode(sealer.seal(content, _place(correlation_id))).decode() if len(content) <= 2 * MAX_CONTENT_CHARS else ""


def opened(content: str, correlation_id: str, sealer: Sealer) -> bytes:
    """The JSON of what was sealed: `request` and `answer`.

    Raises:
        CannotOpen: it was sealed under another key, or changed.
        NotFound: there is nothing.
    """
    if not content:
        raise NotFound("the content of this call was not kept (audit.store_content, and nothing sensitive in it)")
    try:
        return sealer.open(base64.b64decode(content, validate=True), _place(correlation_id))
    except binascii.Error:
        raise CannotOpen("stored content was changed after it was written") from None


def _place(correlation_id: str) -> str:
    return f"audit/{correlation_id}"
