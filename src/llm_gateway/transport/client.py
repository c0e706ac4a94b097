"""The transport: it sends `WireBytes` and nothing else, keeps every deadline, and closes what is given up.

Own HTTP/1.1 over asyncio streams of bytes, parsed by httptools, because a call that is cancelled must end upstream at
once: clients that run requests on a runtime of their own leave a request that has no answer yet running (and
billing) until its own timeout.
"""

import asyncio
import functools
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Final, NamedTuple

import msgspec

from llm_gateway.core.clearance import WireBytes
from llm_gateway.core.clock import Clock
from llm_gateway.core.errors import ConfigurationError, Internal, Overloaded, ProviderTimeout
from llm_gateway.transport.http1 import Connection, Exchange
from llm_gateway.transport.pool import Pool, PoolOptions, Resolver, system_resolver

DNS_TTL_S: Final = 30.0
KEEP_IDLE_S: Final = 60.0
MAX_IDLE_PER_ORIGIN: Final = 256


class Deadlines(msgspec.Struct, frozen=True, gc=False):
    """Seconds that one call has left, each from its own beginning.

    `connect_s`: name resolution, TCP and TLS of a new connection. `first_byte_s`: from the request being sent to the
    answer's headers. `idle_s`: the longest silence while somebody waits for more of the body. `total_s`: everything.
    """

    connect_s: float
    first_byte_s: float
    idle_s: float
    total_s: float


class Answer(NamedTuple):
    """A whole answer. Header names are lower-case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


_answer: Final = tuple.__new__  # what `Answer(...)` does, without a call of Python's


class UpstreamResponse:
    """An answer whose headers have arrived. Read it with `body` or `chunks`, once; close it when that is not to the end.

    Giving it up in any way (`aclose`, cancelling the reader, leaving the loop over `chunks`, dropping the object)
    closes the upstream connection. After the end the connection is already somebody else's, and nothing happens.
    """

    __slots__ = ("__weakref__", "_exchange", "_loop", "headers", "status")

    def __init__(self, exchange: Exchange, loop: asyncio.AbstractEventLoop) -> None:
        self._exchange = exchange
        self._loop = loop
        self.status = exchange.status
        self.headers = exchange.headers

    async def body(self) -> bytes:
        """Everything that has not been read yet.

        Raises:
            ProviderTimeout: code `idle` or `total`.
            ProviderBadResponse: it broke off, or was larger than allowed.
        """
        pieces = []
        while piece := await self._exchange.next_bytes():
            pieces.append(piece)
        return b"".join(pieces)

    def chunks(self) -> AsyncIterator[bytes]:
        """The body as it arrives, in pieces of any size, never empty. Raises what `body` raises."""
        return _Chunks(self)

    async def aclose(self) -> None:
        """Give up what has not been read."""
        self._exchange.abort()

    def __del__(self) -> None:
        # Perhaps in another thread, where the cycle collector ran.
        exchange = self._exchange
        if not exchange.complete and exchange.error is None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(exchange.abort)


class _Chunks:
    """Iterates over a body. Leaving it before the end gives the answer up, even while the response is still held."""

    __slots__ = ("_exchange", "_response")

    def __init__(self, response: UpstreamResponse) -> None:
        self._response = response
        self._exchange = response._exchange

    def __aiter__(self) -> "_Chunks":
        return self

    async def __anext__(self) -> bytes:
        data = await self._exchange.next_bytes()
        if not data:
            raise StopAsyncIteration
        return data

    def __del__(self) -> None:
        self._response.__del__()


class Transport:
    """All connections to providers. One per event loop; may be made before the loop runs.

    Certificates are always verified, TLS is 1.2 or newer, and roots are the operating system's as OpenSSL finds them
    (SSL_CERT_FILE and SSL_CERT_DIR count), with those in `ca_file` added. Redirects and proxies are not followed, nothing
    is decompressed, and HTTP/1.1 is what is spoken.
    """

    def __init__(
        self,
        clock: Clock,
        *,
        ca_file: str | None = None,
        resolver: Resolver = system_resolver,
        dns_ttl_s: float = DNS_TTL_S,
        keep_idle_s: float = KEEP_IDLE_S,
        max_idle_per_origin: int = MAX_IDLE_PER_ORIGIN,
    ) -> None:
        self._options = PoolOptions(clock, resolver, _tls(ca_file), dns_ttl_s, keep_idle_s, max_idle_per_origin)
        self._pools: dict[tuple[str, bool], Pool] = {}
        self._closed = False

    async def fetch(self, wire: WireBytes, deadlines: Deadlines, max_response_bytes: int, *, local: bool) -> Answer:
        """Send, and wait for the whole answer, of any status but a redirect.

        `local`: the destination is configured as one on this machine or network; it must then have such addresses,
        and else public ones.

        Raises:
            ProviderTimeout: code `connect`, `first_byte`, `idle` or `total`; another provider may be tried.
            ProviderUnavailable: it could not be reached, or closed without an answer; code `dns`, `connect`, `tls`,
                `connection_lost`.
            ProviderBadResponse: not HTTP, a redirect, compressed, too large, too many headers, or broken off.
            ProviderRejected: code `address`: its host name leads where it may not.
            ConfigurationError: the origin or a header cannot be used.
            Overloaded: the gateway is closing, or this machine has no free descriptors.
        """
        exchange, opening = self._begin(wire, deadlines, max_response_bytes, local, True)
        if opening is not None:
            await opening
        try:
            while not exchange.complete:
                await exchange.arrival()
        except BaseException:
            exchange.abort()
            raise
        return _answer(Answer, (exchange.status, exchange.headers, exchange.take()))

    async def open(self, wire: WireBytes, deadlines: Deadlines, max_response_bytes: int, *, local: bool) -> UpstreamResponse:
        """Send, and wait for the answer's headers. Raises what `fetch` raises."""
        exchange, opening = self._begin(wire, deadlines, max_response_bytes, local, False)
        if opening is not None:
            await opening
        await exchange.headers_arrived()
        return UpstreamResponse(exchange, asyncio.get_running_loop())

    async def aclose(self) -> None:
        """Close all connections. Calls in flight fail, later ones are refused."""
        self._closed = True
        for pool in self._pools.values():
            await pool.close()

    def _begin(
        self, wire: WireBytes, deadlines: Deadlines, max_response_bytes: int, local: bool, whole: bool
    ) -> tuple[Exchange, Awaitable[None] | None]:
        """Send on a warm connection; where there is none, what comes back with the exchange opens one first."""
        if type(wire) is not WireBytes:
            raise Internal("the transport sends cleared bytes only")
        destination, http = wire.destination, wire.http
        pool = self._pools.get((destination.origin, local))
        if pool is None or self._closed:
            pool = self._new_pool(destination.origin, local)
        head = pool.head.write(http)
        connection = pool.take()
        loop = asyncio.get_running_loop() if connection is None else connection.loop
        total_due = loop.time() + deadlines.total_s
        exchange = Exchange(destination.provider, max_response_bytes, deadlines.first_byte_s, deadlines.idle_s, total_due, whole)
        if connection is None:
            return exchange, self._open_for(exchange, pool, deadlines, head, http.body)
        connection.send(exchange, head, http.body)
        return exchange, None

    async def _open_for(self, exchange: Exchange, pool: Pool, deadlines: Deadlines, head: bytes, body: bytes) -> None:
        connection = await self._connect(pool, exchange.provider, deadlines)
        connection.send(exchange, head, body)

    def _new_pool(self, origin: str, local: bool) -> Pool:
        if self._closed:
            raise Overloaded("the gateway is closing")
        pool = self._pools[origin, local] = Pool(origin, local=local, options=self._options)
        return pool

    async def _connect(self, pool: Pool, provider: str, deadlines: Deadlines) -> Connection:
        if deadlines.connect_s < deadlines.total_s:
            return await pool.connect(provider, deadlines.connect_s)
        try:
            return await pool.connect(provider, deadlines.total_s)
        except ProviderTimeout as error:
            error.code = "total"
            raise


def _tls(ca_file: str | None) -> Callable[[], ssl.SSLContext]:
    if ca_file is None:
        return _system_roots
    context = _new_context()
    try:
        context.load_verify_locations(cafile=ca_file)
    except OSError as error:  # ssl.SSLError is one
        raise ConfigurationError(f"ca_file: {ca_file} holds no certificates that can be read") from error
    return lambda: context


@functools.cache
def _system_roots() -> ssl.SSLContext:
    """Shared by all transports, and read when the first of them needs it, which the first health check does: some 20 ms, and 2 MiB that
    a gateway of local providers has no use for."""
    return _new_context()


def _new_context() -> ssl.SSLContext:
    # Made by hand: ssl.create_default_context would write session keys to a file that the environment names.
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # checks certificate and host name
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    context.load_default_certs(ssl.Purpose.SERVER_AUTH)
    return context
