import asyncio
import time

import pytest

from app.errors import Overloaded
from app.http import refusals
from app.http.refusals import Refusals


@pytest.fixture
def held(monkeypatch):
    """Seconds that refusals were held back."""
    seconds = []

    async def sleep(delay):
        seconds.append(delay)

    monkeypatch.setattr(asyncio, "sleep", sleep)
    return seconds


def test_a_client_that_asks_again_before_its_time_waits_for_the_next_refusal(held):
    async def scenario():
        kept = Refusals()
        await kept.hold_back(("10.0.0.1", 1), Overloaded(1, retry_after_seconds=60))
        await kept.hold_back(("10.0.0.1", 2), Overloaded(1, retry_after_seconds=60))
        assert held == []  # each is refused for the first time
        await kept.hold_back(("10.0.0.1", 1), Overloaded(1, retry_after_seconds=60))
        assert held == [refusals.LONGEST_SECONDS]

    asyncio.run(scenario())


def test_a_client_that_came_when_it_was_told_is_refused_at_once(held):
    async def scenario():
        kept = Refusals()
        for _ in range(3):
            await kept.hold_back(("10.0.0.1", 1), Overloaded(1, retry_after_seconds=0))
        assert held == []

    asyncio.run(scenario())


def test_a_client_without_an_address_is_never_held_back(held):
    async def scenario():
        kept = Refusals()
        for _ in range(3):
            await kept.hold_back(None, Overloaded(1, retry_after_seconds=60))
        assert held == []

    asyncio.run(scenario())


def test_no_more_connections_are_remembered_than_a_bound(held):
    async def scenario():
        kept = Refusals()
        for port in range(refusals.MAX_KEPT + 10):
            await kept.hold_back(("10.0.0.1", port), Overloaded(1, retry_after_seconds=60))
        assert len(kept._until) == refusals.MAX_KEPT

    asyncio.run(scenario())


@pytest.mark.fault(23)
def test_an_address_that_is_refused_often_waits_though_each_connection_is_new(monkeypatch):
    turns = []

    async def turn():
        turns.append(1)

    monkeypatch.setattr(refusals._PACE, "turn", turn)
    monkeypatch.setattr(refusals.time, "monotonic", lambda: 100.0)

    async def scenario():
        kept = Refusals()
        for port in range(refusals.FREE_A_SECOND + 5):
            await kept.hold_back(("10.0.0.1", port), Overloaded(1, retry_after_seconds=1))
        await kept.hold_back(("10.0.0.2", 1), Overloaded(1, retry_after_seconds=1))
        assert len(turns) == 5
        monkeypatch.setattr(refusals.time, "monotonic", lambda: 102.0)
        await kept.hold_back(("10.0.0.1", 1), Overloaded(1, retry_after_seconds=1))
        assert len(turns) == 5

    asyncio.run(scenario())


@pytest.mark.fault(23)
def test_those_who_are_held_back_are_let_go_a_few_at_a_time_and_in_order():
    async def scenario():
        pace, gone, most = refusals.Pace(), [], []

        async def wait(number):
            await pace.turn()
            gone.append(number)

        waiting = [asyncio.create_task(wait(number)) for number in range(20)]
        await asyncio.sleep(0)
        waiting[0].cancel()  # its client left
        while not all(each.done() for each in waiting):
            before = len(gone)
            await asyncio.sleep(0.001)
            most.append(len(gone) - before)
        assert gone == list(range(1, 20))
        assert max(most) <= 10

    for _ in range(2):  # a loop that ended leaves nothing behind
        asyncio.run(scenario())


def test_a_busy_event_loop_lets_as_many_go_in_a_second_as_one_that_is_on_time():
    async def scenario():
        pace = refusals.Pace()
        waiting = [asyncio.create_task(pace.turn()) for _ in range(100)]
        await asyncio.sleep(0)
        time.sleep(0.1)  # the tick comes late
        await asyncio.sleep(0.001)
        await asyncio.sleep(0)
        gone = sum(each.done() for each in waiting)
        assert 0.1 * refusals.LET_GO_A_SECOND <= gone < 100
        for each in waiting:
            each.cancel()

    asyncio.run(scenario())


def test_nobody_is_held_back_behind_more_than_a_bound():
    async def scenario():
        pace = refusals.Pace()
        waiting = [asyncio.create_task(pace.turn()) for _ in range(refusals.MOST_WAITING + 5)]
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert sum(each.done() for each in waiting) == 5
        for each in waiting:
            each.cancel()

    asyncio.run(scenario())
