"""The connections to one origin: which addresses it may have, opening one, keeping it warm.

Names are resolved here and nowhere else, every address is classified, and sockets connect to the checked number; the
name stays in the host header, in SNI and in the certificate check. So a name that changes its mind (DNS rebinding)
can never lead anywhere that was not checked.
"""

import asyncio
import errno
import re
import socket
import ssl
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from ipaddress import ip_address
from typing import Final

import msgspec

from llm_gateway.core.addresses import AddressClass, classify
from llm_gateway.core.clock import Clock
from llm_gateway.core.errors import (
    ConfigurationError,
    LLMGatewayError,
    Overloaded,
    ProviderRejected,
    ProviderTimeout,
    ProviderUnavailable,
)
from llm_gateway.transport.head import HeadWriter
from llm_gateway.transport.http1 import Connection

Resolver = Callable[[str, int], Awaitable[Sequence[str]]]
"""Host name and port to IP addresses as text, best first. Raises `OSError` when the name does not resolve."""

_ORIGIN: Final = re.compile(r"(https?)://(\[[0-9a-fA-F:.]+\]|[0-9A-Za-z_](?:[0-9A-Za-z_.-]*[0-9A-Za-z_.])?)(?::([0-9]{1,5}))?\Z")
_OUR_LIMITS: Final = frozenset((errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM, errno.EADDRNOTAVAIL))
_ALLOWED: Final[dict[bool, frozenset[AddressClass]]] = {
    True: frozenset(("loopback", "private")),
    False: frozenset(("public",)),
}


class Origin(msgspec.Struct, frozen=True):
    """Where connections lead. `authority` is the host header's value, `host` the name to resolve and to verify."""

    scheme: str
    host: str
    port: int
    authority: str

    @property
    def secure(self) -> bool:
        return self.scheme == "https"


def parse_origin(text: str, *, local: bool) -> Origin:
    """Read `scheme://host[:port]`.

    Raises:
        ConfigurationError: it is no such origin, or plain http to a host that is not local.
    """
    match = _ORIGIN.match(text)
    if match is None or int(match[3] or 1) not in range(1, 65_536):
        raise ConfigurationError("an endpoint's origin must read http(s)://host or http(s)://host:port, in ASCII")
    scheme, host, port = match[1], match[2].lower(), match[3]
    default = 443 if scheme == "https" else 80
    if scheme == "http" and not local:
        raise ConfigurationError("plain http is for local endpoints only; use https for this one")
    number = int(port or default)
    return Origin(scheme, host.strip("[]").removesuffix("."), number, host if number == default else f"{host}:{number}")


async def system_resolver(host: str, port: int) -> list[str]:
    """Ask the operating system."""
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


class PoolOptions(msgspec.Struct, frozen=True):
    """What all pools of a transport share. `tls` is asked for each new connection that needs it; `dns_ttl_s`: how long checked addresses
    serve for new connections."""

    clock: Clock
    resolver: Resolver
    tls: Callable[[], ssl.SSLContext]
    dns_ttl_s: float
    keep_idle_s: float
    max_idle: int


class Pool:
    """Connections to one origin, the most recently used first."""

    def __init__(self, origin: str, *, local: bool, options: PoolOptions) -> None:
        self.origin = parse_origin(origin, local=local)
        self.local = local
        self.head = HeadWriter(origin, self.origin.authority)
        self._options = options
        self._idle: deque[Connection] = deque()
        self._all: set[Connection] = set()
        self._addresses: tuple[str, ...] = ()
        self._fresh_until_s = float("-inf")
        self._resolving = asyncio.Lock()
        self._sweeper: asyncio.TimerHandle | None = None
        self._empty = asyncio.Event()
        self._closed = False

    def take(self) -> Connection | None:
        """A warm connection, if there is one."""
        idle = self._idle
        while idle:
            connection = idle.pop()
            transport = connection.transport
            if transport is not None and not transport.is_closing():
                return connection
        return None

    async def connect(self, provider: str, connect_s: float) -> Connection:
        """Open a connection, to the first checked address that takes one.

        Raises:
            ProviderTimeout: code `connect`; resolving, connecting and the TLS handshake together took `connect_s`.
            ProviderUnavailable: code `dns`, `connect` (the same target may be asked again) or `tls` (it may not).
            ProviderRejected: code `address`; the host has no address that it may have.
            Overloaded: this machine has no free descriptors or ports.
        """
        try:
            async with asyncio.timeout(connect_s):
                return await self._dial_any(await self.addresses(provider), connect_s)
        except TimeoutError:  # also the kernel's own ETIMEDOUT
            raise ProviderTimeout(f"{provider} could not be reached in time", provider=provider, code="connect") from None
        except OSError as error:
            raise _connect_error(error, provider) from None

    async def close(self) -> None:
        """End all connections; calls in flight fail, and so do those still connecting."""
        self._closed = True
        if self._sweeper is not None:
            self._sweeper.cancel()
            self._sweeper = None
        self._idle.clear()
        self._empty.clear()
        for connection in list(self._all):
            connection.shut()
        if self._all:
            await self._empty.wait()

    # Addresses

    async def addresses(self, provider: str) -> tuple[str, ...]:
        """The addresses that new connections may lead to: those the resolver gives, without the ones it may not have.

        Raises:
            ProviderRejected: code `address`; nothing is left.
            ProviderUnavailable: code `dns`; the name does not resolve, and never did.
        """
        async with self._resolving:
            now_s = self._options.clock.monotonic_s()
            if now_s < self._fresh_until_s:
                return self._addresses
            try:
                found = await self._look_up()
            except (OSError, UnicodeError) as error:
                if self._addresses:  # checked before; a name server that fails makes them no worse
                    return self._addresses
                again = getattr(error, "errno", None) == socket.EAI_AGAIN
                raise ProviderUnavailable(
                    f"the host name of {provider} does not resolve", provider=provider, same_again=again, code="dns"
                ) from None
            allowed = tuple(address for address in found if classify(address) in _ALLOWED[self.local])
            self._addresses = allowed
            self._fresh_until_s = now_s + self._options.dns_ttl_s if allowed else float("-inf")
        if not allowed:
            raise self._refusal(found, provider)
        for connection in [connection for connection in self._idle if connection.address not in allowed]:
            connection.abort()
        return allowed

    async def _look_up(self) -> Sequence[str]:
        try:
            return (str(ip_address(self.origin.host)),)
        except ValueError:
            return await self._options.resolver(self.origin.host, self.origin.port)

    def _refusal(self, found: Sequence[str], provider: str) -> ProviderRejected:
        kinds = ", ".join(sorted({classify(address) for address in found})) or "no"
        wanted = "a loopback or private one, since it is configured as local" if self.local else "a public one, since it is not local"
        what = f"the host of {provider} has {kinds} addresses only; it must have {wanted}"
        return ProviderRejected(what, provider=provider, code="address")

    # Connections

    async def _dial_any(self, addresses: Sequence[str], connect_s: float) -> Connection:
        loop = asyncio.get_running_loop()
        until = loop.time() + connect_s
        for place, address in enumerate(addresses):
            last = place == len(addresses) - 1
            try:  # each address but the last gets its share of the time, so that one dead one cannot use it all
                async with asyncio.timeout(None if last else (until - loop.time()) / (len(addresses) - place)):
                    return await self._dial(loop, address)
            except OSError as error:
                if last or isinstance(error, ssl.SSLError) or error.errno in _OUR_LIMITS:
                    raise
        raise OSError("no address")

    async def _dial(self, loop: asyncio.AbstractEventLoop, address: str) -> Connection:
        sock = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_STREAM)
        try:
            sock.setblocking(False)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            await loop.sock_connect(sock, (address, self.origin.port))
            _, connection = await loop.create_connection(
                lambda: Connection(loop, address, self._free, self._lost),
                sock=sock,
                ssl=self._options.tls() if self.origin.secure else None,
                server_hostname=self.origin.host if self.origin.secure else None,
            )
        except BaseException:
            sock.close()
            raise
        if self._closed:
            connection.abort()
        if not connection.usable:
            raise ConnectionResetError(errno.ECONNRESET, "closed at once")
        self._all.add(connection)
        return connection

    def _free(self, connection: Connection) -> None:
        """A connection has carried an answer and can carry another."""
        loop = connection.loop
        options, idle = self._options, self._idle
        connection.idle_until = loop.time() + options.keep_idle_s
        idle.append(connection)
        if len(idle) > options.max_idle:
            idle.popleft().abort()
        if self._sweeper is None:
            self._sweeper = loop.call_at(connection.idle_until, self._sweep, loop)

    def _sweep(self, loop: asyncio.AbstractEventLoop) -> None:
        """Close what has been idle too long: the upstream would soon do it, perhaps while we write."""
        self._sweeper = None
        now = loop.time()
        while self._idle and self._idle[0].idle_until <= now:
            self._idle.popleft().abort()
        if self._idle:
            self._sweeper = loop.call_at(self._idle[0].idle_until, self._sweep, loop)

    def _lost(self, connection: Connection) -> None:
        self._all.discard(connection)
        if connection in self._idle:
            self._idle.remove(connection)
        if not self._all:
            self._empty.set()


def _connect_error(error: OSError, provider: str) -> LLMGatewayError:
    if isinstance(error, ssl.SSLCertVerificationError):
        return ProviderUnavailable(f"the certificate of {provider} was refused: {error.verify_message}", provider=provider, code="tls")
    if isinstance(error, ssl.SSLError):
        return ProviderUnavailable(f"TLS with {provider} failed: {error.reason or 'handshake'}", provider=provider, code="tls")
    if error.errno in _OUR_LIMITS:
        return Overloaded("no more connections can be opened from this machine", retry_after_s=1.0)
    what = errno.errorcode.get(error.errno or 0, "connection failed")
    return ProviderUnavailable(f"{provider} could not be reached: {what}", provider=provider, same_again=True, code="connect")
