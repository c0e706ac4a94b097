"""A cached answer, and its bytes: sealed by a digest over name and content, compressed when that pays.

The digest is checked before anything else is done with the bytes. It covers the name, so that an answer that turns up under
another name than its own (another caller's, say) is no answer.
"""

import hashlib
import hmac
import sys
from typing import Final

import msgspec

from llm_gateway.core.types import Chunk, FinishReason, Usage

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

COMPRESS_FROM_BYTES: Final = 1024
"""Below, compression costs more than it saves."""
LEVEL: Final = 1
MAX_ENTRY_BYTES: Final = 64 << 20
"""No answer is larger when decompressed: the default bound of a provider's answer."""
PLAIN: Final = b"\x01"
PACKED: Final = b"\x02"
SEAL_BYTES: Final = 16


class CorruptEntry(ValueError):
    """These bytes are not the entry of this name."""


class Entry(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A complete answer: who gave it and when (Unix seconds), what it cost then, and its chunks.

    `streamed` says that it came in pieces, which were joined.
    """

    provider: str
    model: str
    made_s: float
    usage: Usage | None
    cost_usd: float | None
    finish_reason: FinishReason | None
    streamed: bool
    chunks: list[Chunk]


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Entry).decode


def packed(entry: Entry) -> bytes:
    """An entry as bytes, neither sealed nor compressed: what requests that wait for it are given."""
    return _encode(entry)


def unpacked(data: bytes) -> Entry:
    """A fresh entry of its bytes: stages behind may change its chunks.

    Raises:
        CorruptEntry: they are not an entry's.
    """
    try:
        return _decode(data)
    except msgspec.MsgspecError as failure:
        raise CorruptEntry("not an entry") from failure


class Codec:
    """Seals and opens entries. `secret` keys the seal; with `compress`, content from 1 KiB on is compressed with zstd."""

    def __init__(self, secret: bytes = b"", *, compress: bool = True) -> None:
        key = hashlib.blake2b(secret).digest() if secret else b""
        self._state = hashlib.blake2b(digest_size=SEAL_BYTES, key=key)
        self._compress = compress
        self._compressor = zstd.ZstdCompressor(level=LEVEL)

    def seal(self, name: str, content: bytes) -> bytes:
        """The bytes to store."""
        form = PLAIN
        if self._compress and len(content) >= COMPRESS_FROM_BYTES:
            smaller = self._compressor.compress(content, self._compressor.FLUSH_FRAME)
            if len(smaller) < len(content):
                form, content = PACKED, smaller
        return form + self._digest(name, form, content) + content

    def open(self, name: str, data: bytes) -> bytes:
        """The content that was sealed under this name.

        Raises:
            CorruptEntry: these are other bytes, or another name's.
        """
        form, digest, content = data[:1], data[1 : 1 + SEAL_BYTES], data[1 + SEAL_BYTES :]
        if form not in {PLAIN, PACKED} or not hmac.compare_digest(digest, self._digest(name, form, content)):
            raise CorruptEntry("the digest does not fit")
        return content if form == PLAIN else _decompressed(content)

    def _digest(self, name: str, form: bytes, content: bytes) -> bytes:
        state = self._state.copy()
        known = name.encode("utf-8", "surrogatepass")
        state.update(b"%b%d:%b" % (form, len(known), known))
        state.update(content)
        return state.digest()


def _decompressed(content: bytes) -> bytes:
    decompressor = zstd.ZstdDecompressor()
    try:
        plain = decompressor.decompress(content, MAX_ENTRY_BYTES)
    except zstd.ZstdError as failure:
        raise CorruptEntry("not zstd") from failure
    if not decompressor.eof:
        raise CorruptEntry("it is too large, or broken off")
    return plain
