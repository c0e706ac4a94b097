"""transport/pool.py: where connections may lead, and how opening one fails."""

import asyncio
import resource
import socket
import ssl
import time
from collections.abc import Sequence

import pytest
from tests.unit.llm_gateway.transport.upstream import LIMIT, OK, TLS_DATA, Call, says, upstream, wire, within

from llm_gateway.core.clock import SystemClock
from llm_gateway.core.errors import (
    ConfigurationError,
    LLMGatewayError,
    Overloaded,
    ProviderRejected,
    ProviderTimeout,
    ProviderUnavailable,
)
from llm_gateway.transport import Transport
from llm_gateway.transport.pool import Pool, PoolOptions, parse_origin, system_resolver


class Names:
    """A resolver that says what the test wants, and how often it was asked."""

    def __init__(self, *answers: Sequence[str] | Exception) -> None:
        self.answers = list(answers)
        self.asked: list[tuple[str, int]] = []

    async def __call__(self, host: str, port: int) -> Sequence[str]:
        self.asked.append((host, port))
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer


class Time:
    def __init__(self) -> None:
        self.now_s = 100.0

    def monotonic_s(self) -> float:
        return self.now_s

    def wall_s(self) -> float:
        return self.now_s


def pool(origin: str, names: Names, clock: Time | None = None, *, local: bool = False) -> Pool:
    options = PoolOptions(clock or Time(), names, lambda: ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), 30, 60, 4)
    return Pool(origin, local=local, options=options)


async def fails(transport: Transport, origin: str, *, local: bool = True, connect_s: float = 2.0) -> tuple[LLMGatewayError, float]:
    start = time.perf_counter()
    with pytest.raises(LLMGatewayError) as caught:
        await transport.fetch(wire(origin), within(connect_s), LIMIT, local=local)
    return caught.value, time.perf_counter() - start


# Origins


@pytest.mark.parametrize(
    ("text", "host", "port", "authority"),
    [
        ("https://api.test", "api.test", 443, "api.test"),
        ("https://API.test:443", "api.test", 443, "api.test"),
        ("http://ollama:11434", "ollama", 11434, "ollama:11434"),
        ("http://[::1]:80", "::1", 80, "[::1]"),
        ("https://api.test.:8443", "api.test", 8443, "api.test.:8443"),
    ],
)
def test_origins(text: str, host: str, port: int, authority: str) -> None:
    origin = parse_origin(text, local=True)
    assert (origin.host, origin.port, origin.authority) == (host, port, authority)


@pytest.mark.parametrize(
    "text",
    ["", "api.test", "ftp://api.test", "https://", "https://user:pw@api.test", "https://api.test/", "https://api.test:0", "https://api.test:70000",
     "https://api.test\n", "https://a pi.test", "https://api.test\\@evil.test", "https://\u00fcber.test", "https://[::1%25eth0]", "HTTPS://api.test"],
)  # fmt: skip
def test_what_is_no_origin(text: str) -> None:
    with pytest.raises(ConfigurationError, match="origin"):
        parse_origin(text, local=True)


async def test_plain_http_is_for_local_endpoints(transport: Transport) -> None:
    error, _ = await fails(transport, "http://api.test", local=False)
    assert isinstance(error, ConfigurationError)


# Addresses

PUBLIC, OTHER = "93.184.216.34", "2606:2800:220:1::1"
BAD = [
    "127.0.0.1", "10.0.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1", "0.0.0.0", "2002:7f00:1::1", "64:ff9b::7f00:1",
    "::ffff:127.0.0.1", "::1", "fd00::1", "fe80::1%1", "nonsense",
]  # fmt: skip


@pytest.mark.parametrize("address", BAD)
async def test_a_public_name_may_not_lead_inside(address: str) -> None:
    with pytest.raises(ProviderRejected, match="must have a public one") as caught:
        await pool("https://api.test", Names([address])).addresses("acme")
    assert (caught.value.code, caught.value.try_next, caught.value.same_again) == ("address", True, False)
    assert address not in str(caught.value)


async def test_of_a_mixed_answer_only_what_is_allowed_is_used() -> None:
    assert await pool("https://api.test", Names([*BAD, PUBLIC, *BAD, OTHER])).addresses("acme") == (PUBLIC, OTHER)
    assert await pool("https://api.test", Names([*BAD, PUBLIC]), local=True).addresses("acme") == (
        "127.0.0.1", "10.0.0.1", "192.168.1.1", "::1", "fd00::1",
    )  # fmt: skip


async def test_a_name_that_turns_inside_is_refused_from_then_on() -> None:
    clock, names = Time(), Names([PUBLIC], ["127.0.0.1"], [PUBLIC])
    made = pool("https://api.test", names, clock)
    assert await made.addresses("acme") == (PUBLIC,)
    clock.now_s += 29.9
    assert await made.addresses("acme") == (PUBLIC,)
    assert len(names.asked) == 1
    clock.now_s += 0.1
    with pytest.raises(ProviderRejected):
        await made.addresses("acme")
    assert await made.addresses("acme") == (PUBLIC,)  # a refusal is not remembered
    assert names.asked == [("api.test", 443)] * 3


async def test_refused_names_are_never_connected_to() -> None:
    async with upstream(says(OK)) as server:
        transport = Transport(SystemClock(), resolver=Names(["127.0.0.1"]))
        error, _ = await fails(transport, f"https://api.test:{server.port}", local=False)
        assert isinstance(error, ProviderRejected)
        error, _ = await fails(transport, f"https://127.0.0.1:{server.port}", local=False)
        assert isinstance(error, ProviderRejected)
        error, _ = await fails(transport, f"https://[::1]:{server.port}", local=False)
        assert isinstance(error, ProviderRejected)
        assert server.connections == 0
        await transport.aclose()


@pytest.mark.parametrize(
    "origin",
    ["http://8.8.8.8", "http://claims-to-be-local.test", "http://0.0.0.0:1", "http://169.254.169.254", "http://[::ffff:127.0.0.1]:1"],
)
async def test_what_is_called_local_must_be_local(origin: str) -> None:
    transport = Transport(SystemClock(), resolver=Names([PUBLIC, "169.254.169.254", "0.0.0.0"]))
    error, _ = await fails(transport, origin)
    assert isinstance(error, ProviderRejected)
    assert "configured as local" in error.message
    await transport.aclose()


async def test_numbers_in_disguise_are_judged_by_what_they_resolve_to() -> None:
    async with upstream(says(OK)) as server:
        transport = Transport(SystemClock())
        for host in ("2130706433", "0x7f.1", "127.1"):
            assert (await transport.fetch(wire(f"http://{host}:{server.port}"), within(), LIMIT, local=True)).body == b"ok"
            error, _ = await fails(transport, f"https://{host}:{server.port}", local=False)
            assert isinstance(error, ProviderRejected)
        assert server.connections == 3
        await transport.aclose()


async def test_a_warm_connection_to_an_address_that_is_no_longer_given_is_closed() -> None:
    clock, names = Time(), Names(["127.0.0.1"], ["::1", "127.0.0.2"])
    async with upstream(says(OK, keep=True), host="name.test") as server:
        transport = Transport(clock, resolver=names)
        await transport.fetch(wire(server.origin), within(), LIMIT, local=True)
        clock.now_s += 31
        assert (await transport.fetch(wire(server.origin), within(), LIMIT, local=True)).body == b"ok"
        assert (server.connections, len(names.asked)) == (1, 1)  # a warm connection needs no name
        (made,) = transport._pools.values()
        assert await made.addresses("acme") == ("::1", "127.0.0.2")
        assert made.take() is None
        await transport.aclose()


async def test_names_that_do_not_resolve() -> None:
    for number, again in ((socket.EAI_NONAME, False), (socket.EAI_AGAIN, True)):
        with pytest.raises(ProviderUnavailable, match="does not resolve") as caught:
            await pool("https://api.test", Names(socket.gaierror(number, "no"))).addresses("acme")
        assert (caught.value.code, caught.value.same_again, caught.value.try_next) == ("dns", again, True)


async def test_checked_addresses_outlive_a_failing_name_server() -> None:
    clock, names = Time(), Names([PUBLIC], socket.gaierror(socket.EAI_AGAIN, "no"))
    made = pool("https://api.test", names, clock)
    await made.addresses("acme")
    clock.now_s += 1000
    assert await made.addresses("acme") == (PUBLIC,)


async def test_a_slow_name_server_counts_as_connecting() -> None:
    async def never(host: str, port: int) -> Sequence[str]:
        await asyncio.Event().wait()
        return []

    transport = Transport(SystemClock(), resolver=never)
    error, took_s = await fails(transport, "https://api.test", local=False, connect_s=0.1)
    assert (type(error), error.code, took_s < 1) == (ProviderTimeout, "connect", True)
    await transport.aclose()


async def test_many_calls_ask_once() -> None:
    names = Names([PUBLIC])
    made = pool("https://api.test", names)
    await asyncio.gather(*(made.addresses("acme") for _ in range(50)))
    assert len(names.asked) == 1


async def test_the_systems_resolver() -> None:
    found = await system_resolver("localhost", 80)
    assert set(found) <= {"127.0.0.1", "::1"}
    assert len(found) == len(set(found)) > 0


# Opening


async def test_small_pieces_are_sent_at_once() -> None:
    async with upstream(says(OK)) as server:
        made = pool(server.origin, Names(["127.0.0.1"]), local=True)
        connection = await made.connect("acme", 30)
        assert connection.transport is not None
        assert connection.transport.get_extra_info("socket").getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
        connection.abort()
        await made.close()


async def test_a_closed_port_fails_at_once(transport: Transport) -> None:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))  # bound, not listening: nobody else takes it
        tries = [await fails(transport, f"http://127.0.0.1:{sock.getsockname()[1]}") for _ in range(5)]
    error = tries[0][0]
    assert isinstance(error, ProviderUnavailable)
    assert (error.code, error.same_again, error.try_next) == ("connect", True, True)
    assert min(took_s for _, took_s in tries) < 0.05
    assert "ECONNREFUSED" in error.message


@pytest.mark.parametrize(("connect_s", "total_s", "code"), [(0.1, 2, "connect"), (2, 0.1, "total")])
async def test_a_black_hole_times_out(transport: Transport, connect_s: float, total_s: float, code: str) -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        fillers = [socket.socket() for _ in range(4)]
        for filler in fillers:  # the queue is full: further handshakes get no answer
            filler.setblocking(False)
            filler.connect_ex(listener.getsockname())
        origin = f"http://127.0.0.1:{listener.getsockname()[1]}"
        start = time.perf_counter()
        with pytest.raises(ProviderTimeout) as caught:
            await transport.fetch(wire(origin), within(connect_s, 2, 2, total_s), LIMIT, local=True)
        assert (caught.value.code, caught.value.try_next, caught.value.same_again) == (code, True, False)
        assert 0.09 < time.perf_counter() - start < 1
        for filler in fillers:
            filler.close()


async def test_the_next_address_is_tried_when_one_takes_no_connection() -> None:
    async with upstream(says(OK), host="name.test") as server:
        transport = Transport(SystemClock(), resolver=Names(["127.0.0.9", "::1", "127.0.0.1"]))
        assert (await transport.fetch(wire(server.origin), within(), LIMIT, local=True)).body == b"ok"
        assert server.requests[0].split(b"\r\n")[1] == f"host: name.test:{server.port}".encode()
        await transport.aclose()


async def test_one_dead_address_does_not_use_all_the_time() -> None:
    with socket.socket() as dead:
        async with upstream(says(OK), host="name.test") as server:
            dead.bind(("127.0.0.9", server.port))
            dead.listen(0)
            fillers = [socket.socket() for _ in range(4)]
            for filler in fillers:
                filler.setblocking(False)
                filler.connect_ex(dead.getsockname())
            transport = Transport(SystemClock(), resolver=Names(["127.0.0.9", "127.0.0.1"]))
            assert (await transport.fetch(wire(server.origin), within(0.3), LIMIT, local=True)).body == b"ok"
            await transport.aclose()
            for filler in fillers:
                filler.close()


async def test_no_free_descriptor_is_our_own_fault(transport: Transport) -> None:
    async with upstream(says(OK, keep=True)) as server:
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        with socket.socket() as highest:
            resource.setrlimit(resource.RLIMIT_NOFILE, (1, hard))
            try:
                assert highest.fileno() > 1
                error, _ = await fails(transport, server.origin)
            finally:
                resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        assert isinstance(error, Overloaded)
        assert (await transport.fetch(wire(server.origin), within(), LIMIT, local=True)).body == b"ok"


# TLS


def server_tls(name: str, newest: ssl.TLSVersion | None = None) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    if newest is not None:
        context.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
        context.maximum_version = newest
        context.set_ciphers("ALL:@SECLEVEL=0")
    context.load_cert_chain(TLS_DATA / f"{name}.pem")
    return context


@pytest.fixture
def trusting() -> Transport:
    return Transport(SystemClock(), ca_file=str(TLS_DATA / "ca.pem"), resolver=Names(["127.0.0.1"]))


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "upstream.test"])
async def test_a_certificate_of_the_extra_authority_is_taken(trusting: Transport, host: str) -> None:
    named: list[str | None] = []
    context = server_tls("good")
    context.sni_callback = lambda _socket, name, _context: named.append(name)  # type: ignore[assignment]
    async with upstream(says(OK, keep=True), context, host) as server:
        for _ in range(2):
            assert (await trusting.fetch(wire(server.origin), within(), LIMIT, local=True)).body == b"ok"
        assert (server.connections, named) == (1, [None if host == "127.0.0.1" else host])
        await trusting.aclose()


@pytest.mark.parametrize(
    ("certificate", "trusts", "says_why"),
    [
        ("self_signed", True, "self-signed certificate"),
        ("good", False, "unable to get local issuer certificate"),
        ("expired", True, "certificate has expired"),
        ("wrong_host", True, "IP address mismatch"),
    ],
)
async def test_bad_tls_is_refused_and_nothing_is_sent(
    trusting: Transport, transport: Transport, certificate: str, trusts: bool, says_why: str
) -> None:
    asyncio.get_running_loop().set_exception_handler(lambda *_: None)  # the server's own side of a broken handshake
    async with upstream(says(OK), server_tls(certificate)) as server:
        error, _ = await fails(trusting if trusts else transport, server.origin)
        assert isinstance(error, ProviderUnavailable)
        assert (error.code, error.same_again, error.try_next) == ("tls", False, True)
        assert says_why in error.message
        assert server.requests == []
    await trusting.aclose()


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion:DeprecationWarning")
async def test_tls_is_never_older_than_1_2(trusting: Transport) -> None:
    asyncio.get_running_loop().set_exception_handler(lambda *_: None)
    context = trusting._options.tls()
    assert (context.minimum_version, context.verify_mode, context.check_hostname) == (ssl.TLSVersion.TLSv1_2, ssl.CERT_REQUIRED, True)
    for newest, taken in ((ssl.TLSVersion.TLSv1_1, False), (ssl.TLSVersion.TLSv1_2, True)):
        async with upstream(says(OK), server_tls("good", newest)) as server:
            if taken:
                assert (await trusting.fetch(wire(server.origin), within(), LIMIT, local=True)).body == b"ok"
            else:
                error, _ = await fails(trusting, server.origin)
                assert isinstance(error, ProviderUnavailable)
                assert server.requests == []
    await trusting.aclose()


@pytest.mark.parametrize("give_up", [False, True])
async def test_a_handshake_that_stalls_ends_and_its_connection_too(trusting: Transport, give_up: bool) -> None:
    first = bytearray()
    ended, begun = asyncio.Event(), asyncio.Event()

    async def stall(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(1 << 16):
            first.extend(data)
            begun.set()
        ended.set()
        writer.close()

    server = await asyncio.start_server(stall, "127.0.0.1", 0)
    origin = f"https://localhost:{server.sockets[0].getsockname()[1]}"
    call = asyncio.ensure_future(trusting.fetch(wire(origin), within(5 if give_up else 0.1), LIMIT, local=True))
    await asyncio.wait_for(begun.wait(), 1)
    if give_up:
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
    else:
        with pytest.raises(ProviderTimeout) as caught:
            await call
        assert caught.value.code == "connect"
    await asyncio.wait_for(ended.wait(), 1)
    assert first[0] == 0x16  # a TLS handshake, and no plaintext after it
    assert b"HTTP/1.1" not in first
    server.close()
    await trusting.aclose()


async def test_a_stream_over_tls_ends_at_once_when_given_up(trusting: Transport) -> None:
    async def answer(call: Call) -> None:
        asked.set()
        await call.gone()

    asked = asyncio.Event()
    async with upstream(answer, server_tls("good")) as server:
        call = asyncio.ensure_future(trusting.fetch(wire(server.origin), within(), LIMIT, local=True))
        await asyncio.wait_for(asked.wait(), 1)
        call.cancel()
        await asyncio.gather(call, return_exceptions=True)
        await asyncio.wait_for(server.ended.wait(), 1)
    await trusting.aclose()
