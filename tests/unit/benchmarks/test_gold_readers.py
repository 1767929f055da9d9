"""Readers of the gold benchmark count what was answered, tell what was not, and go on after a line broke."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from benchmarks.gold_readers import ENDPOINTS, FLOOR, Line, Seen, _read

pytestmark = pytest.mark.anyio

GOOD = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


async def served(answer: Callable[[asyncio.StreamWriter, bytes], Awaitable[None]], ask: Callable[[str], Awaitable[None]]
) -> int:  # fmt: skip
    """How many connections were made while a server answered each head of a request."""
    made = 0

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal made
        made += 1
        while not writer.is_closing():
            try:
                head = await reader.readuntil(b"\r\n\r\n")
            except (asyncio.IncompleteReadError, ConnectionError):
                break
            await answer(writer, head)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        await ask(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}")
    return made


async def test_a_line_is_kept_and_an_answer_may_come_in_pieces() -> None:
    heads = []

    async def in_pieces(writer: asyncio.StreamWriter, head: bytes) -> None:
        heads.append(head)
        for piece in (GOOD[:20], GOOD[20:-1], GOOD[-1:]):
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(0)

    async def ask(url: str) -> None:
        line = Line(url, "pk_x")
        assert [await line.ask("/a?b=c") for _ in range(3)] == [200] * 3
        line.close()

    assert await served(in_pieces, ask) == 1
    assert heads[0].startswith(b"GET /a?b=c HTTP/1.1\r\nHost: 127.0.0.1:")
    assert b"\r\nX-API-Key: pk_x\r\n" in heads[0]


async def test_a_line_that_the_server_ended_between_two_requests_is_opened_again() -> None:
    async def once(writer: asyncio.StreamWriter, _: bytes) -> None:
        writer.write(GOOD)
        await writer.drain()
        writer.close()

    async def ask(url: str) -> None:
        line = Line(url, "")
        for _ in range(2):
            assert await line.ask("/") == 200
            await asyncio.sleep(0.01)
        line.close()

    assert await served(once, ask) == 2


async def test_what_is_refused_or_cut_off_is_counted_by_its_kind() -> None:
    async def badly(writer: asyncio.StreamWriter, head: bytes) -> None:
        if FLOOR.encode() in head:
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{}")
            writer.close()
        elif b"kpis" in head:
            writer.write(b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 2\r\n\r\n{}")
        else:
            writer.write(GOOD)

    seen = Seen()

    async def ask(url: str) -> None:
        nonlocal seen
        seen = await _read(url, 8, 0.3, 0.0, "", 1)

    await served(badly, ask)
    assert set(seen.errors) == {"kpis: 503", f"{FLOOR}: IncompleteReadError"}
    assert seen.answers.keys() <= ENDPOINTS.keys() - {"kpis"}
    assert 0 < seen.figures()["all"]["p50_ms"] < 300


async def test_nobody_there_is_told_and_not_asked_without_a_pause() -> None:
    server = await asyncio.start_server(lambda *_: None, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    server.close()
    await server.wait_closed()
    seen = await _read(f"http://127.0.0.1:{port}", 2, 0.15, 0.0, "", 1)
    assert (seen.count, {kind.rpartition(" ")[2] for kind in seen.errors}) == (0, {"ConnectionRefusedError"})
    assert 2 <= seen.errors.total() <= 6
