"""`Idempotency-Key`: a model call that is repeated with the same key is not made twice.

The first call with a key runs. While it does, a repetition is refused (409); once it was answered in full, a repetition gets that
answer, byte for byte, for `idempotency.ttl` seconds. Another request under a key that was used is refused (422). A call
that fails, or whose caller leaves before it is answered, frees its key.

Works on what goes over the wire, around the handlers of all dialects. A key is its caller's: nobody meets another's.
"""

import contextlib
import hashlib
from collections.abc import Callable, MutableMapping
from os import urandom
from typing import Any, Final, Protocol

import msgspec

from llm_gateway.api.asgi import Handler, Headers, Receive, Scope, Send, header, read_body
from llm_gateway.api.call import EXCHANGE, REFUSAL
from llm_gateway.api.credentials import credentials_of
from llm_gateway.cache_manager import is_sensitive
from llm_gateway.caching.entries import Codec, CorruptEntry
from llm_gateway.caching.store import Claimed, Store, StoreUnavailable
from llm_gateway.core.clock import Clock
from llm_gateway.core.errors import IdempotencyConflict, IdempotencyMismatch, InvalidRequest, LLMGatewayError, Overloaded
from llm_gateway.core.exchange import Caller, Credentials, Exchange
from llm_gateway.core.ids import correlation_id
from llm_gateway.core.settings import Settings

HEADER: Final = b"idempotency-key"
REPLAY: Final = (b"x-gateway-idempotent-replay", b"true")
MAX_KEY_CHARACTERS: Final = 255
MAX_ANSWER_BYTES: Final = 8 << 20
"""A longer answer is not kept; that it was given is."""
GRACE_S: Final = 30.0
"""How much longer than a call may take its claim lasts, should the process die with it."""
_OF_THE_MOMENT: Final = (b"x-correlation-id", b"x-gateway-overhead-ms", b"ratelimit", b"x-ratelimit", b"date")
"""Beginnings of headers that say something of one exchange, and are not repeated."""


class Recording(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """An answer that was given: to which request, and its pieces as they were sent. `withheld`: they were not kept."""

    fingerprint: bytes
    headers: list[tuple[bytes, bytes]]
    pieces: list[bytes]
    withheld: bool = False


class _User(msgspec.Struct, gc=False):
    user_id: str | None = None


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Recording).decode
_decode_user = msgspec.json.Decoder(_User).decode


class Identifying(Protocol):
    """Says who a caller is; raises what the caller is told."""

    def identify(self, credentials: Credentials) -> Caller: ...


class Serving(Protocol):
    """The gateway as it is now."""

    @property
    def settings(self) -> Settings: ...
    @property
    def authenticator(self) -> Identifying: ...


class Idempotency:
    """Puts itself around a handler for requests that carry the header. `store` holds the answers."""

    def __init__(self, store: Store, clock: Clock, serving: Callable[[], Serving]) -> None:
        self.store = store
        self._clock = clock
        self._serving = serving
        self._codec = Codec()

    async def __call__(self, handler: Handler, scope: Scope, receive: Receive, send: Send) -> None:
        serving = self._serving()
        body = b""
        try:
            key = _checked(header(scope, HEADER) or "")
            body = await read_body(scope, receive, serving.settings.server.max_body_bytes)
            caller = serving.authenticator.identify(credentials_of(scope, _user_of(body)))
            name = f"{caller.id}_{hashlib.blake2b(key.encode(), digest_size=16).hexdigest()}"
            fingerprint = hashlib.blake2b(f"{scope['path']}\n".encode() + body, digest_size=16).digest()
            claim = fingerprint + urandom(12)
            recorded = await self._begin(name, claim, fingerprint, serving.settings.server.request_timeout_s + GRACE_S)
        except LLMGatewayError as failure:
            scope[REFUSAL] = failure  # told by the handler, in its dialect
            await handler(scope, _again(body, receive), send)
            return
        if recorded is not None:
            await self._replay(recorded, scope, send)
            return
        recorder = _Recorder(self, scope, send, name, fingerprint)
        try:
            await handler(scope, _again(body, receive), recorder.send)
        finally:
            if not recorder.kept:
                with contextlib.suppress(StoreUnavailable):  # the claim ends by itself
                    await self.store.release(name, claim)

    async def _begin(self, name: str, claim: bytes, fingerprint: bytes, lease_s: float) -> Recording | None:
        """None: this call is the first, and the key its own now. Else what to replay."""
        try:
            found = await self.store.claim(name, claim, lease_s)
            if isinstance(found, bytes):
                try:
                    recorded = _decode(self._codec.open(name, found))
                except (CorruptEntry, msgspec.MsgspecError):
                    await self.store.remove(name)
                    found = await self.store.claim(name, claim, lease_s)
                else:
                    return _same(recorded, fingerprint)
        except StoreUnavailable:
            raise Overloaded(
                "whether this call was made before cannot be known at the moment", code="idempotency_unavailable", retry_after_s=1
            ) from None
        if isinstance(found, Claimed):
            if found.claim[: len(fingerprint)] != fingerprint:
                raise _mismatch()
            raise IdempotencyConflict("the first call with this Idempotency-Key is not answered yet", code="in_progress", retry_after_s=1)
        return None

    async def sweep(self) -> None:
        """Drop what has come to its end, and take over the limits of the settings."""
        settings = self._serving().settings.idempotency
        self.store.resize(settings.max_entries, settings.max_bytes)
        with contextlib.suppress(StoreUnavailable):  # it says so itself, and the next sweep does the work
            await self.store.sweep()

    async def keep(self, name: str, recording: Recording, exchange: Exchange) -> bool:
        """Keep an answer; what may not be kept, or is too long, is noted as given. False: the store did not take it."""
        settings = self._serving().settings
        if self.store.shared and is_sensitive(exchange) and not settings.cache.store_sensitive:
            recording = Recording(recording.fingerprint, [], [], True)
        try:
            kept = await self.store.put(name, self._codec.seal(name, _encode(recording)), settings.idempotency.ttl)
            if not kept:
                recording = Recording(recording.fingerprint, [], [], True)
                kept = await self.store.put(name, self._codec.seal(name, _encode(recording)), settings.idempotency.ttl)
        except StoreUnavailable:
            return False
        return kept

    async def _replay(self, recorded: Recording, scope: Scope, send: Send) -> None:
        name = correlation_id(header(scope, b"x-correlation-id"), self._clock.wall_s(), urandom)
        headers: Headers = [*recorded.headers, (b"x-correlation-id", name.encode()), REPLAY]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        for piece in recorded.pieces[:-1]:
            await send({"type": "http.response.body", "body": piece, "more_body": True})
        await send({"type": "http.response.body", "body": recorded.pieces[-1] if recorded.pieces else b""})


class _Recorder:
    """Sends on, and keeps what is sent. Kept before its last piece leaves: who has the answer can count on it."""

    def __init__(self, idempotency: Idempotency, scope: Scope, send: Send, name: str, fingerprint: bytes) -> None:
        self._idempotency = idempotency
        self._scope = scope
        self._send = send
        self._name = name
        self._fingerprint = fingerprint
        self._status = 0
        self._headers: list[tuple[bytes, bytes]] = []
        self._pieces: list[bytes] = []
        self._bytes = 0
        self.kept = False

    async def send(self, message: MutableMapping[str, Any]) -> None:
        if message["type"] == "http.response.start":
            self._status = message["status"]
            headers: Headers = message["headers"]
            self._headers = [pair for pair in headers if not pair[0].startswith(_OF_THE_MOMENT)]
        else:
            piece: bytes = message.get("body", b"")
            self._bytes += len(piece)
            if self._bytes <= MAX_ANSWER_BYTES:
                self._pieces.append(piece)
            if not message.get("more_body"):
                await self._finish()
        await self._send(message)

    async def _finish(self) -> None:
        exchange: Exchange | None = self._scope.get(EXCHANGE)
        if self._status != 200 or exchange is None or exchange.failure is not None:
            return
        withheld = self._bytes > MAX_ANSWER_BYTES
        recording = Recording(self._fingerprint, [] if withheld else self._headers, [] if withheld else self._pieces, withheld)
        self.kept = await self._idempotency.keep(self._name, recording, exchange)


def _same(recorded: Recording, fingerprint: bytes) -> Recording:
    if recorded.fingerprint != fingerprint:
        raise _mismatch()
    if recorded.withheld:
        raise IdempotencyConflict(
            "the call with this Idempotency-Key was answered, and its answer may not be kept: use another key to make it again",
            code="answer_not_kept",
        )
    return recorded


def _mismatch() -> IdempotencyMismatch:
    return IdempotencyMismatch("this Idempotency-Key was used for another request: use a new one", param="Idempotency-Key")


def _checked(key: str) -> str:
    if not 0 < len(key) <= MAX_KEY_CHARACTERS or not (key.isascii() and key.isprintable()):
        raise InvalidRequest(f"Idempotency-Key: expected 1 to {MAX_KEY_CHARACTERS} printable ASCII characters", param="Idempotency-Key")
    return key


def _user_of(body: bytes) -> str | None:
    """The user that a body names. A body that is no such thing is the handler's to refuse."""
    try:
        return _decode_user(body).user_id
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None


def _again(body: bytes, receive: Receive) -> Receive:
    """`receive`, from the beginning of a body that was read."""
    given = False

    async def receiving() -> MutableMapping[str, Any]:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return receiving
