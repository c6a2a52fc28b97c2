import asyncio

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
