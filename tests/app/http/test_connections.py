import asyncio
from types import SimpleNamespace

import pytest

from app.http import connections
from app.http.connections import Stage, connections_of
from app.metrics import Metrics
from app.protocol_errors import TooManyRequests
from app.settings import Settings


class Connection:
    """What the sweep asks, and what it does."""

    def __init__(self, stage=(Stage.NOTHING, None), idle=False):
        self.loop = asyncio.get_running_loop()
        self.stage = lambda: stage
        self.is_idle = lambda: idle
        self.received = 0
        self.ended = []
        self.transport = SimpleNamespace(
            abort=lambda: self.ended.append("aborted"), close=lambda: self.ended.append("closed")
        )
        self.too_late = lambda refusal: self.ended.append(refusal.detail)

    def waits_for(self, *stage):
        self.stage = lambda: stage


def sharing(**limits):
    return connections_of(Settings(**limits), Metrics())


def swept(shared, at):
    """Sweep at a time, and return how many turns of the event loop that took."""
    turns = []
    loop = SimpleNamespace(time=lambda: at, call_later=lambda *_: None)
    loop.call_soon = lambda go_on, *arguments: turns.append((go_on, arguments))
    shared._sweep(loop)
    for go_on, arguments in turns:  # which grow
        go_on(*arguments)
    return 1 + len(turns)


def in_a_loop(scenario):
    async def run():
        scenario()

    asyncio.run(run())


@pytest.mark.fault(24)
def test_a_head_is_late_by_its_own_time_and_not_by_that_of_the_one_before():
    def scenario():
        shared, connection = sharing(head_seconds=10), Connection()
        shared.opened(connection)
        first, second = [], []  # alike, and not the same
        for at, head in ((0, first), (9, first), (9.5, second), (19, second)):
            connection.waits_for(Stage.HEAD, head)
            swept(shared, at)
        assert connection.ended == []
        swept(shared, 20)
        assert connection.ended == ["The head was not complete within 10 s (VITRINE_HEAD_SECONDS)."]

    in_a_loop(scenario)


def test_a_body_is_late_in_all_or_if_it_brings_too_little():
    def scenario():
        shared = sharing(body_seconds=25, body_bytes_per_second=100)
        slow, steady = Connection((Stage.BODY, "a")), Connection((Stage.BODY, "b"))
        shared.opened(slow)
        shared.opened(steady)
        for at in range(31):
            slow.received += 99
            steady.received += 101
            swept(shared, at)
            if at == 10:
                assert slow.ended[0].startswith("The body brought less than 100 bytes a second over 10 s")
                slow.waits_for(Stage.NOTHING, None)
        assert len(slow.ended) == 1
        assert steady.ended[0].startswith("The body was not complete within 25 s")

    in_a_loop(scenario)


def test_time_in_which_a_connection_is_not_read_is_not_its_clients():
    def scenario():
        shared, connection = sharing(body_seconds=5, body_bytes_per_second=0), Connection()
        shared.opened(connection)
        connection.waits_for(Stage.BODY, "a")
        swept(shared, 0)
        connection.waits_for(Stage.PAUSED, None)
        shared._swept = 0
        swept(shared, 100)
        connection.waits_for(Stage.BODY, "a")
        swept(shared, 104)
        assert connection.ended == []
        swept(shared, 105)
        assert len(connection.ended) == 1

    in_a_loop(scenario)


@pytest.mark.fault(25)
def test_a_client_that_reads_nothing_is_cut_off_and_one_that_reads_slowly_is_not():
    def scenario():
        shared = sharing(write_seconds=3)
        still, slow = Connection((Stage.READER, 10**6)), Connection()
        shared.opened(still)
        shared.opened(slow)
        for at in range(6):
            slow.waits_for(Stage.READER, 10**6 - at)
            swept(shared, at)
        assert "aborted" in still.ended
        assert slow.ended == []

    in_a_loop(scenario)


@pytest.mark.fault(25)
def test_those_with_most_to_read_are_cut_off_if_all_together_have_too_much():
    def scenario():
        shared = sharing(max_unsent_bytes=1000)
        sizes = {size: Connection((Stage.READER, size)) for size in (300, 500, 400)}
        for connection in sizes.values():
            shared.opened(connection)
        swept(shared, 0)
        assert [size for size, connection in sizes.items() if connection.ended] == [500]

    in_a_loop(scenario)


def test_an_idle_connection_makes_place_and_where_none_is_idle_there_is_none():
    def scenario():
        shared = sharing(max_connections=2)
        idle, busy = Connection(idle=True), Connection()
        assert shared.opened(idle)
        assert shared.opened(busy)
        swept(shared, 0)
        assert shared.opened(Connection())
        assert (idle.ended, busy.ended) == (["closed"], [])
        shared.forget(idle)
        shared.closed()
        assert not shared.opened(Connection())
        assert not shared.is_crowded
        shared.count += connections.SPARE
        assert shared.is_crowded

    in_a_loop(scenario)


def test_bodies_are_refused_beyond_the_bound_and_taken_again_behind_it():
    shared = sharing(max_bodies_bytes=1000)
    assert shared.hold("a", 5000) is None  # one that is alone is another limit's
    shared.give_back("a", 5000)
    assert shared.hold("a", 1000) is None
    refusal = shared.hold("b", 10)
    assert (refusal.status, refusal.headers["Retry-After"]) == (503, "1")
    shared.give_back("b", 10)
    shared.give_back("a", 1000)
    assert shared.hold("b", 10) is None
    assert shared.bodies_bytes == 10


def test_a_client_with_more_than_its_share_of_the_bodies_is_refused_while_others_send():
    shared = sharing(max_bodies_bytes=1000)
    assert shared.hold("a", 900) is None
    shared.hold("b", 200)  # which waits now
    assert isinstance(shared.hold("a", 10), TooManyRequests)


@pytest.mark.fault(23)
def test_each_turn_of_the_event_loop_looks_at_some_connections_and_all_are_looked_at():
    def scenario():
        shared = sharing(head_seconds=10)
        several = [Connection((Stage.HEAD, number)) for number in range(2 * connections.SWEPT_AT_ONCE + 1)]
        for connection in several:
            shared.opened(connection)
        assert swept(shared, 0) == 3
        assert swept(shared, 9) == 3
        shared.forget(several[-1])
        assert swept(shared, 10) == 3  # the last turn finds that none is left
        assert [len(connection.ended) for connection in several] == [1] * (len(several) - 1) + [0]

    in_a_loop(scenario)


def test_a_connection_that_ends_while_others_are_looked_at_is_not_looked_at():
    def scenario():
        shared = sharing(head_seconds=10)
        several = [Connection((Stage.HEAD, number)) for number in range(connections.SWEPT_AT_ONCE + 1)]
        for connection in several:
            shared.opened(connection)
        swept(shared, 0)
        several[0].too_late = lambda refusal: shared.forget(several[-1])
        swept(shared, 10)
        assert several[-1].ended == []
        assert several[-1] not in shared._open

    in_a_loop(scenario)
