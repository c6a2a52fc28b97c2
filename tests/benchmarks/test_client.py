import asyncio
import contextlib

import pytest

from benchmarks.client import Connection, Pool, percentiles, probe

BODY = b"picture" * 1000


@contextlib.asynccontextmanager
async def server(pieces=(), status=b"200 OK", closes=False):
    """A server that answers every request in the given pieces; yields its port and the connections it saw."""
    answer = b"HTTP/1.1 %s\r\nContent-Length: %d\r\nX-Seed:  7\r\n\r\n" % (status, len(BODY)) + BODY
    seen = []

    async def answered(reader, writer):
        seen.append(writer)
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while await reader.readuntil(b"\r\n\r\n"):
                starts = [0, *pieces]
                for start, end in zip(starts, [*pieces, len(answer)], strict=True):
                    writer.write(answer[start:end])
                    await writer.drain()
                    await asyncio.sleep(0.001)
                if closes:
                    break
        writer.close()

    running = await asyncio.start_server(answered, "127.0.0.1", 0)
    async with running:
        yield running.sockets[0].getsockname()[1], seen
        for writer in seen:
            writer.transport.abort()
        await asyncio.sleep(0.02)  # those who answer take notice


@pytest.mark.parametrize("pieces", [(), (5,), (30, 60), (2000, 6000)])
def test_an_answer_is_read_whole_however_it_is_cut(pieces):
    async def ask():
        async with server(pieces) as (port, _):
            connection = Connection()
            answers = [await connection.get(port, "/samples"), await connection.get(port, "/samples")]
            connection.close()
            return answers

    for answer in asyncio.run(ask()):
        assert (answer.status, answer.headers["x-seed"], answer.body) == (200, "7", BODY)
        assert answer.seconds > 0


def test_a_request_carries_its_method_its_headers_and_its_body():
    received = []

    async def answered(reader, writer):
        head = await reader.readuntil(b"\r\n\r\n")
        received.append((head, await reader.readexactly(4)))
        writer.write(b"HTTP/1.1 415 No\r\nContent-Length: 2\r\n\r\nno")
        writer.close()

    async def ask():
        async with await asyncio.start_server(answered, "127.0.0.1", 0) as running:
            port = running.sockets[0].getsockname()[1]
            return await Connection().ask(
                port, "POST", "/reconstruct", {"Content-Type": "image/png"}, b"1234"
            )

    answer = asyncio.run(ask())
    assert (answer.status, answer.body) == (415, b"no")
    head, body = received[0]
    assert head.startswith(b"POST /reconstruct HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 4\r\n")
    assert b"\r\nContent-Type: image/png\r\n" in head
    assert body == b"1234"


def test_an_answer_to_head_has_a_length_and_no_body():
    async def answered(reader, writer):
        for _ in range(2):
            await reader.readuntil(b"\r\n\r\n")
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 7000\r\n\r\n")
        writer.close()

    async def ask():
        async with await asyncio.start_server(answered, "127.0.0.1", 0) as running:
            port, connection = running.sockets[0].getsockname()[1], Connection()
            return [await connection.ask(port, "HEAD", "/samples") for _ in range(2)]

    for answer in asyncio.run(ask()):
        assert (answer.headers["content-length"], answer.body) == ("7000", b"")


def test_a_connection_is_kept_and_one_that_was_closed_opens_again():
    async def ask(closes):
        async with server(closes=closes) as (port, seen):
            connection = Connection()
            for _ in range(3):
                await connection.get(port, "/")
                await asyncio.sleep(0.02)  # the end of the connection arrives
            connection.close()
            return len(seen)

    assert asyncio.run(ask(closes=False)) == 1
    assert asyncio.run(ask(closes=True)) == 3


def test_a_request_that_is_given_up_leaves_nothing_for_the_next_one():
    async def ask():
        async with server(pieces=(3000,)) as (port, seen):
            connection = Connection()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(connection.get(port, "/"), 0.0005)
            answer = await connection.get(port, "/")
            connection.close()
            return answer.body, len(seen)

    body, connections = asyncio.run(ask())
    assert body == BODY
    assert connections <= 2


def test_a_pool_opens_as_many_connections_as_there_are_requests_at_once_and_no_more_than_it_may():
    async def ask():
        async with server() as (port, seen):
            pool = Pool(port, most=3)
            answers = await asyncio.gather(*(pool.get("/") for _ in range(5)), return_exceptions=True)
            pool.close()
            return answers, len(seen)

    answers, connections = asyncio.run(ask())
    assert connections == 3
    assert sum(isinstance(answer, ConnectionError) for answer in answers) == 2


def test_probes_come_at_their_rate_and_count_what_is_not_an_answer():
    async def ask(status):
        async with server(status=status) as (port, _):
            return await probe(port, "/livez", 0.2)

    good = asyncio.run(ask(b"200 OK"))
    assert len(good.seconds) == 10
    assert good.failed == 0
    assert min(good.seconds) > 0
    bad = asyncio.run(ask(b"503 Service Unavailable"))
    assert (bad.seconds, bad.failed) == ([], 10)


def test_percentiles_are_values_that_occurred():
    found = percentiles([value / 1000 for value in range(101)])
    assert found == pytest.approx({"p50_ms": 50, "p99_ms": 99, "max_ms": 100})
    assert percentiles([])["max_ms"] == 0
