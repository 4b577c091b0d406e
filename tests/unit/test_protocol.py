"""What one connection may send, and for how long: over real sockets, to an application of a few lines."""

import asyncio
import itertools
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from functools import partial
from typing import Any

import pytest
import uvicorn
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from uvicorn.server import ServerState

from app.server.memory_budget import Budget
from app.server.protocol import MAX_HEAD_BYTES, MAX_HEADERS, BoundedProtocol, RequestLimits
from tests.support.waiting import PATIENCE, until

KIB = 1024
GET = b"GET / HTTP/1.1\r\nHost: t\r\n\r\n"
POST = b"POST / HTTP/1.1\r\nHost: t\r\nContent-Length: %d\r\n\r\n"
CHUNKED = b"POST / HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: chunked\r\n\r\n"


class Served:
    """Its application answers with what it was asked, once the gate is open."""

    def __init__(self, limits: RequestLimits, budget: int) -> None:
        self.budget = Budget(budget)
        self.gate = asyncio.Event()
        self.gate.set()
        self.disconnected = 0
        self.clients: list[Client] = []
        self._state = ServerState()
        self._limits = limits
        self._config = uvicorn.Config(self._app, interface="asgi3", lifespan="off", log_config=None, access_log=False)
        self._config.load()

    async def _app(self, scope: Any, receive: Any, send: Any) -> None:
        body, more = b"", scope["method"] == "POST"
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                self.disconnected += 1
                return
            body, more = body + message["body"], message["more_body"]
        await self.gate.wait()
        headers = sorted((name.decode(), value.decode()) for name, value in scope["headers"])
        answer = json.dumps([scope["method"], scope["path"], headers, body.decode("latin-1")]).encode()
        length = (b"content-length", b"%d" % len(answer))
        await send({"type": "http.response.start", "status": 200, "headers": [length]})
        await send({"type": "http.response.body", "body": answer})

    @property
    def connections(self) -> set[Any]:
        return self._state.connections

    @asynccontextmanager
    async def listening(self) -> AsyncIterator[None]:
        self._server = await asyncio.get_running_loop().create_server(self._protocol, "127.0.0.1", 0)
        try:
            async with asyncio.timeout(PATIENCE):
                yield
        finally:
            for client in self.clients:
                client.writer.close()
            await until(lambda: not self.connections)
            self._server.close()

    def _protocol(self) -> BoundedProtocol:
        return BoundedProtocol(self._config, self._state, {}, limits=self._limits, budget=self.budget)

    async def connect(self) -> "Client":
        port = self._server.sockets[0].getsockname()[1]
        self.clients.append(Client(*await asyncio.open_connection("127.0.0.1", port)))
        return self.clients[-1]


class Client:
    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def send(self, *packets: bytes) -> None:
        for packet in packets:
            self.writer.write(packet)
            await self.writer.drain()
            await asyncio.sleep(0)

    async def answer(self) -> tuple[int, dict[str, str], Any]:
        """The next one: status, headers and JSON."""
        head = (await self.reader.readuntil(b"\r\n\r\n")).decode()
        status, *lines = head.rstrip().split("\r\n")
        headers = {name.lower(): value for name, value in (line.split(": ", 1) for line in lines)}
        return (
            int(status.split()[1]),
            headers,
            json.loads(await self.reader.readexactly(int(headers["content-length"]))),
        )

    async def ended(self) -> bool:
        try:
            return await self.reader.read() == b""
        except ConnectionResetError:
            return True


@asynccontextmanager
async def serving(head_timeout: float = 60, shutdown_timeout: float = 60, budget: int = 10**9) -> AsyncIterator[Served]:
    served = Served(RequestLimits(head_timeout, shutdown_timeout), budget)
    async with served.listening():
        yield served


LONG = b"a" * (MAX_HEAD_BYTES + 1)
TOO_MUCH = {
    "a long path": b"GET /" + LONG,
    "a long query": b"GET /?q=" + LONG,
    "a long value": b"GET / HTTP/1.1\r\nHost: t\r\nX: " + LONG,
    "a long value that ends": b"GET / HTTP/1.1\r\nHost: t\r\nX: " + LONG + b"\r\n\r\n",
    "a long name": b"GET / HTTP/1.1\r\nHost: t\r\n" + LONG,
    "many headers": b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * (MAX_HEADERS + 1) + b"\r\n",
    "headers without end": b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * (MAX_HEAD_BYTES // 6),
    "empty lines": b"\r\n" * (MAX_HEAD_BYTES // 2 + 1),
    "a chunk's extension": CHUNKED + b"5;" + LONG,
    "extensions of many chunks": CHUNKED + (b"1;" + b"x" * 100 + b"\r\ny\r\n") * 1000,
    "a trailer": CHUNKED + b"5\r\nhello\r\n0\r\nX: " + LONG,
    "many trailers": CHUNKED + b"5\r\nhello\r\n0\r\n" + b"X: y\r\n" * (MAX_HEAD_BYTES // 6 + 1),
}


BEFORE = [b"", GET, POST % 3 + b"abc", CHUNKED + b"3\r\nabc\r\n0\r\n\r\n"]


@pytest.mark.parametrize("what", TOO_MUCH)
async def test_head_of_more_than_64_kib_or_100_headers_is_refused(what: str) -> None:
    """At the first request, and at one that follows another, in packets of either size."""
    async with serving() as served:
        for before, size in itertools.product(BEFORE, (1000, 2**20)):
            client = await served.connect()
            sent = before + TOO_MUCH[what]
            await client.send(*(sent[at : at + size] for at in range(0, len(sent), size)))
            if before:
                assert (await client.answer())[0] == 200
            status, headers, problem = await client.answer()
            assert (status, problem["status"], headers["connection"]) == (431, 431, "close")
            assert await client.ended()
        assert served.budget.total == 0


async def test_client_that_sends_on_is_not_listened_to() -> None:
    async with serving() as served:
        client = await served.connect()
        await client.send(b"GET / HTTP/1.1\r\nX: ")
        (connection,) = served.connections
        with suppress(ConnectionError):
            while True:
                await client.send(b"a" * 2**20)
        assert served.budget.total == 0
        await until(lambda: connection not in served.connections)


async def test_head_of_just_64_kib_and_100_headers_is_served() -> None:
    async with serving() as served:
        client = await served.connect()
        head = b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * (MAX_HEADERS - 1) + b"Z: "
        await client.send(head + b"z" * (MAX_HEAD_BYTES - len(head) - 4) + b"\r\n\r\n")
        status, _, (_, _, headers, _) = await client.answer()
        assert (status, len(headers)) == (200, MAX_HEADERS)


@pytest.mark.parametrize("request_", [GET, POST % 3 + b"abc", CHUNKED + b"3\r\nabc\r\n0\r\n\r\n"])
async def test_request_is_whole_wherever_a_packet_ends(request_: bytes) -> None:
    async with serving() as served:
        client = await served.connect()
        for at in range(1, len(request_)):
            await client.send(request_[:at])
            await until(lambda: not served.connections or all(not c._data for c in served.connections))
            await client.send(request_[at:])
            assert (await client.answer())[0] == 200


CONTENT = st.binary(max_size=300) | st.sampled_from([b"\r\n\r\n", b"0\r\n\r\n", GET, CHUNKED])
MESSAGES = st.lists(st.tuples(CONTENT, st.lists(st.integers(1, 300))), min_size=1, max_size=8)


def in_chunks(content: bytes, sizes: list[int]) -> bytes:
    parts, rest = [], content
    for size in sizes:
        part, rest = rest[:size], rest[size:]
        parts += [b"%x\r\n%b\r\n" % (len(part), part)] if part else []
    parts += [b"%x\r\n%b\r\n" % (len(rest), rest)] if rest else []
    return CHUNKED + b"".join(parts) + b"0\r\n\r\n"


def test_requests_in_a_row_are_answered_in_their_order() -> None:
    """Whatever is in their bodies, and wherever packets end."""

    async def converse(served: Served, messages: list[tuple[bytes, list[int]]], cuts: list[int]) -> list[str]:
        rest = b"".join(
            in_chunks(*message) if message[1] else POST % len(message[0]) + message[0] for message in messages
        )
        client = await served.connect()
        for cut in cuts:
            await client.send(rest[:cut])
            rest = rest[cut:]
        await client.send(rest)
        return [(await client.answer())[2][3] for _ in messages]

    with asyncio.Runner() as runner:
        context = serving()
        served = runner.run(context.__aenter__())

        @hypothesis_settings(max_examples=100, deadline=None)
        @given(messages=MESSAGES, cuts=st.lists(st.integers(1, 400)))
        def check(messages: list[tuple[bytes, list[int]]], cuts: list[int]) -> None:
            expected = [content.decode("latin-1") for content, _ in messages]
            assert runner.run(converse(served, messages, cuts)) == expected

        try:
            check()
        finally:
            runner.run(context.__aexit__(None, None, None))


@pytest.mark.parametrize("request_", [GET, POST % 3 + b"abc", POST % 0, CHUNKED + b"3\r\nabc\r\n0\r\n\r\n"])
async def test_offer_of_another_protocol_is_ignored(request_: bytes) -> None:
    """Java's client offers HTTP/2 with its first request, which may have a body (RFC 9110, 7.8)."""
    offer = b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n\r\n"
    offering = request_.replace(b"\r\n\r\n", b"\r\n" + offer, 1)
    body = "abc" if b"abc" in request_ else ""
    async with serving() as served:
        client = await served.connect()
        for at in range(1, len(offering) + 1):
            await client.send(offering[:at], offering[at:] + request_)
            assert [(await client.answer())[2][3] for _ in range(2)] == [body, body]


async def test_requests_that_wait_for_an_answer_are_kept_as_they_came() -> None:
    async with serving() as served:
        served.gate.clear()
        client = await served.connect()
        await client.send(GET * 1000)
        await until(lambda: served.budget.total == len(GET) * 999)
        (connection,) = served.connections
        assert not connection.pipeline
        served.gate.set()
        assert [(await client.answer())[0] for _ in range(1000)] == [200] * 1000
        assert served.budget.total == 0


async def test_trailers_are_no_headers() -> None:
    async with serving() as served:
        client = await served.connect()
        await client.send(CHUNKED + b"3\r\nabc\r\n0\r\nX-Agent-Token: t\r\n\r\n")
        _, _, (_, _, headers, body) = await client.answer()
        assert (headers, body) == ([["host", "t"], ["transfer-encoding", "chunked"]], "abc")


@pytest.mark.parametrize("before", [b"", GET])
async def test_head_that_does_not_come_in_time_is_408(before: bytes) -> None:
    async with serving(head_timeout=0.2) as served:
        client = await served.connect()
        await client.send(before + GET[:5])
        if before:
            assert (await client.answer())[0] == 200
        sending = asyncio.create_task(drip(client))
        status, _, problem = await client.answer()
        assert (status, problem["code"]) == (408, "request_timeout")
        sending.cancel()
        assert await client.ended()


async def drip(client: Client) -> None:
    with suppress(ConnectionError):
        while True:
            await client.send(b"a")
            await asyncio.sleep(0.02)


@pytest.mark.parametrize("sent", [b"", b"GET / HTTP/1.1\r\nContent-Length: 99\r\n\r\nx"])
async def test_connection_on_which_nothing_comes_is_closed(sent: bytes) -> None:
    """Also one whose request was answered before its body was there."""
    async with serving(head_timeout=0.2) as served:
        client = await served.connect()
        await client.send(sent)
        if sent:
            assert (await client.answer())[0] == 200
        assert await client.ended()


async def test_what_is_no_http_is_a_problem() -> None:
    async with serving() as served:
        client = await served.connect()
        await client.send(b"SSH-2.0-OpenSSH_9.2\r\n\r\n")
        status, headers, problem = await client.answer()
        assert (status, problem["code"]) == (400, "malformed_request")
        assert headers["content-type"] == "application/problem+json"
        assert await client.ended()


def _has_taken(served: Served, before: int) -> bool:
    return served.budget.total != before or served.budget.total > 350 * KIB


async def test_unfinished_requests_of_all_take_no_more_than_the_budget() -> None:
    """The oldest make room, with a 503; whoever sends to the end meanwhile is served."""
    async with serving(budget=400 * KIB) as served:
        clients = [await served.connect() for _ in range(20)]
        for client in clients:
            # The first are on their way with a body, the others with a head.
            sent = POST % (100 * KIB) if client in clients[:10] else b"GET / HTTP/1.1\r\nX: "
            before = served.budget.total
            await client.send(sent + b"a" * 50 * KIB)
            await until(partial(_has_taken, served, before))
            assert served.budget.total <= 400 * KIB
        refused = [await client.answer() for client in clients[:12]]
        assert {(status, headers["retry-after"]) for status, headers, _ in refused} == {(503, "2")}
        assert served.disconnected == 10
        busy = await served.connect()
        await busy.send(POST % 3 + b"abc")
        assert (await busy.answer())[0] == 200


async def test_request_that_is_worked_on_is_not_told_that_it_was_not() -> None:
    """Its client sends further ones meanwhile, and these take what there is."""
    async with serving(budget=10 * KIB) as served:
        served.gate.clear()
        client = await served.connect()
        await client.send(POST % 3 + b"abc", GET * 1000)
        assert await client.ended()


async def test_what_is_answered_is_not_kept() -> None:
    async with serving() as served:
        client = await served.connect()
        await client.send(b"GET / HTTP/1.1\r\nContent-Length: 99999\r\n\r\n" + b"a" * 50_000)
        assert (await client.answer())[0] == 200
        await client.send(b"a" * 40_000)
        (connection,) = served.connections
        assert served.budget.total == len(connection.cycle.body) == 0


@pytest.mark.parametrize("sent", [0, 5])
async def test_client_that_has_just_connected_is_answered_by_a_server_that_stops(sent: int) -> None:
    """A proxy could not send its POST to another server, since this one may have carried it out."""
    async with serving() as served:
        client = await served.connect()
        await client.send(GET[:sent])
        await until(lambda: served.connections)
        (connection,) = served.connections
        connection.shutdown()
        await client.send(GET[sent:])
        status, headers, _ = await client.answer()
        assert (status, headers["connection"]) == (200, "close")
        assert await client.ended()


async def test_client_that_sends_nothing_does_not_keep_a_server_from_stopping() -> None:
    async with serving() as served:
        idle, silent = await served.connect(), await served.connect()
        await idle.send(GET)
        assert (await idle.answer())[0] == 200
        await until(lambda: len(served.connections) == 2)
        for connection in list(served.connections):
            connection.shutdown()
        for client in (idle, silent):
            assert await client.ended()
