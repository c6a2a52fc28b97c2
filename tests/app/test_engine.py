import asyncio
import functools
import threading

import pytest

from app.engine import Engine
from app.errors import Overloaded


async def until(condition):
    for _ in range(2000):
        if condition():
            return
        await asyncio.sleep(0.001)
    raise AssertionError("never happened")


async def filled_engine(lanes, max_waiting):
    """An engine with every lane busy and every place taken, and the event that lets it go on."""
    engine, go_on, running = Engine(lanes, max_waiting), threading.Event(), threading.Semaphore(0)

    def work(number):
        running.release()
        go_on.wait(10)
        return number

    tasks = [
        asyncio.ensure_future(engine.run(functools.partial(work, i))) for i in range(lanes + max_waiting)
    ]
    for _ in range(lanes):
        await until(lambda: running.acquire(blocking=False))
    return engine, go_on, tasks


def test_a_function_runs_in_another_thread_and_its_result_comes_back():
    async def scenario():
        engine = Engine(1, 0)
        return await engine.run(lambda: ("done", threading.get_ident()))

    result, thread = asyncio.run(scenario())
    assert result == "done"
    assert thread != threading.get_ident()


def test_an_error_in_the_function_reaches_the_caller():
    with pytest.raises(ZeroDivisionError):
        asyncio.run(Engine(1, 0).run(lambda: 1 / 0))


def test_beyond_the_last_place_callers_are_refused_with_a_time_and_those_admitted_finish():
    async def scenario():
        engine, go_on, tasks = await filled_engine(lanes=2, max_waiting=3)
        for _ in range(10):
            with pytest.raises(Overloaded) as caught:
                await engine.run(int)
            assert int(caught.value.headers["Retry-After"]) >= 1
        go_on.set()
        return await asyncio.gather(*tasks)

    assert asyncio.run(scenario()) == [0, 1, 2, 3, 4]


def test_a_cancelled_caller_that_waited_gives_its_place_back():
    async def scenario():
        engine, go_on, tasks = await filled_engine(lanes=1, max_waiting=2)
        tasks[-1].cancel()
        await until(lambda: engine.waiting == 1)
        late = asyncio.ensure_future(engine.run(lambda: "late"))
        await asyncio.sleep(0)
        go_on.set()
        return await late

    assert asyncio.run(scenario()) == "late"


def test_the_event_loop_answers_while_every_lane_is_busy():
    async def scenario():
        engine, go_on, tasks = await filled_engine(lanes=1, max_waiting=0)
        await asyncio.wait_for(asyncio.sleep(0.001), 1)
        go_on.set()
        await asyncio.gather(*tasks)
        await until(lambda: engine.waiting == 0)
        return await engine.run(lambda: "next")

    assert asyncio.run(scenario()) == "next"
