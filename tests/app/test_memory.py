import asyncio
import gc

import pytest

from app import memory


class Cycle:
    """An object that only a collection can free."""

    def __init__(self, freed):
        self.freed, self.self = freed, self

    def __del__(self):
        self.freed.append(True)


def test_collections_are_held_until_the_start_is_over_and_then_go_on():
    freed = []
    try:
        with memory.collections_held():
            assert not gc.isenabled()
            Cycle(freed)
            assert freed == []
            memory.settle()
            assert gc.isenabled()
            assert freed == [True]
    finally:
        gc.unfreeze()


def test_collections_go_on_where_a_start_fails():
    with pytest.raises(OSError, match="taken"), memory.collections_held():
        raise OSError("taken")
    assert gc.isenabled()


def test_what_remains_is_left_out_of_later_collections():
    kept = [{} for _ in range(100)]
    try:
        memory.settle()
        assert gc.get_freeze_count() > len(kept)
        assert not any(each is kept for each in gc.get_objects())
    finally:
        gc.unfreeze()
    assert any(each is kept for each in gc.get_objects())


def test_memory_is_given_back_when_the_start_is_over(monkeypatch):
    calls = []
    monkeypatch.setattr(memory, "give_back", lambda: calls.append(1))
    try:
        memory.settle()
    finally:
        gc.unfreeze()
    assert calls == [1]


def test_something_is_done_once_after_a_time_without_a_request_and_again_after_the_next(monkeypatch):
    monkeypatch.setattr(memory, "IDLE_SECONDS", 0.02)
    requests, done = 0, []

    async def life():
        nonlocal requests
        idle = memory.WhenIdle(lambda: requests, lambda: done.append(requests), lambda: None)
        await asyncio.sleep(0.1)
        assert done == []  # there was nothing that it could give back
        for expected in ([1], [1, 2]):
            requests += 1
            await asyncio.sleep(0.2)
            assert done == expected
        idle.stop()
        requests += 1
        await asyncio.sleep(0.1)
        assert done == [1, 2]

    asyncio.run(life())


def test_while_requests_come_free_memory_is_given_back_now_and_then_and_nothing_else(monkeypatch):
    monkeypatch.setattr(memory, "IDLE_SECONDS", 0.02)
    idle, given_back, looks = [], [], 0

    def another_one():  # at every look
        nonlocal looks
        looks += 1
        return looks

    async def life():
        watching = memory.WhenIdle(
            another_one, lambda: idle.append(True), under_load=lambda: given_back.append(looks)
        )
        await asyncio.sleep(0.5)
        watching.stop()

    asyncio.run(life())
    assert idle == []
    assert given_back == list(range(1 + memory.BUSY_LOOKS, looks + 1, memory.BUSY_LOOKS))
    assert given_back
