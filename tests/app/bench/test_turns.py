import asyncio

import pytest

from app.bench import turns
from app.bench.turns import in_turns


@pytest.fixture
def clock(monkeypatch):
    """A clock that only measurements move on."""

    class Clock:
        now = 0.0

        def perf_counter(self):
            return self.now

    clock = Clock()
    monkeypatch.setattr(turns, "time", clock)
    return clock


def taking(clock, order, name, seconds):
    async def measure():
        clock.now += seconds
        order.append(name)
        return {name: seconds}

    return measure


def test_measurements_take_turns_of_a_slice_and_the_first_of_each_is_dropped(clock, monkeypatch):
    monkeypatch.setattr(turns, "LEAST", 1)
    order = []
    kinds = [taking(clock, order, "long", 0.05), taking(clock, order, "short", 0.01)]
    found = asyncio.run(in_turns(kinds, 0.14))
    assert order == ["long", "short"] + 2 * ["long", "short", "short"]
    assert found == {"long": [0.05] * 2, "short": [0.01] * 4}


def test_they_go_on_until_each_has_enough_values_for_a_median(clock):
    found = asyncio.run(in_turns([taking(clock, [], "a", 0.1), taking(clock, [], "b", 0.01)], 1))
    assert len(found["a"]) == turns.LEAST
    assert len(found["b"]) == 2 * turns.LEAST


def test_what_is_very_slow_ends_before_that(clock):
    found = asyncio.run(in_turns([taking(clock, [], "slow", 3)], 1))
    assert len(found["slow"]) == 4  # the first beyond ten times the second that it was given


def test_without_any_time_each_still_has_a_turn(clock):
    found = asyncio.run(in_turns([taking(clock, [], "a", 3), taking(clock, [], "b", 0.1)], 0))
    assert found == {"a": [3], "b": [0.1]}


def test_they_can_be_cancelled_though_they_await_nothing(clock):
    async def cancel():
        task = asyncio.create_task(in_turns([taking(clock, [], "a", 0.001)], 1e9))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(cancel())
