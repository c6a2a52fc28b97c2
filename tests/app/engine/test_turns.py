import asyncio

from app.engine.turns import LONE_TURNS, Turns


async def turns_of(*requests):
    """Turns of the event loop, each with so many requests."""
    turns = Turns(asyncio.get_running_loop())
    for count in requests:
        for _ in range(count):
            turns.count()
        if count:
            last = turns.bring_one
        await asyncio.sleep(0)
    return last


def test_one_request_in_each_of_several_turns_means_one_in_the_next():
    assert not asyncio.run(turns_of(*[1] * LONE_TURNS))
    assert asyncio.run(turns_of(*[1] * LONE_TURNS, 1))
    assert asyncio.run(turns_of(*[1, 0, 0] * LONE_TURNS, 1))  # turns without any say nothing


def test_two_requests_in_one_turn_mean_that_others_are_to_be_waited_for():
    assert not asyncio.run(turns_of(*[1] * LONE_TURNS, 2))
    assert not asyncio.run(turns_of(*[1] * LONE_TURNS, 2, 1))
    assert asyncio.run(turns_of(2, *[1] * LONE_TURNS, 1))
