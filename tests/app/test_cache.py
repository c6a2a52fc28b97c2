"""What is kept and for how long, and one computation for all who wait for it."""

import asyncio
import gc
import tracemalloc
import weakref

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.cache import ENTRY_BYTES, PictureCache
from app.errors import DeadlinePassed, ModelError, Overloaded
from app.explore.grids import Answer
from app.metrics import Metrics
from tests.app.test_metrics import read


def key(number, digest="a digest"):
    return digest, b"/samples?seed=%04d" % number


ADDRESS_BYTES = len(key(0)[1])


def picture(size=100, fill=b"x"):
    return Answer(fill * size, "image/png")


def cache_of(entries, size=100):
    """A cache with place for so many pictures of `size` bytes, which are not too large for it."""
    return PictureCache(entries * (ENTRY_BYTES + ADDRESS_BYTES + size), Metrics())


async def keep(cache, number, made=None):
    """Have a cache compute a picture, and return it."""
    future = asyncio.get_running_loop().create_future()
    future.set_result(made or picture())
    return await cache.submit(key(number), lambda: future)


def kept(cache, numbers=range(100)):
    """The numbers of the pictures that are kept, without asking for them."""
    return [number for number in numbers if key(number) in cache._pictures]


def test_a_picture_that_was_computed_is_found_again_and_no_other():
    async def ask():
        cache = cache_of(8)
        made = await keep(cache, 1)
        assert cache.find(key(1)) is made
        assert cache.find(key(2)) is None
        assert cache.find(key(1, digest="another digest")) is None

    asyncio.run(ask())


def test_the_pictures_asked_for_least_recently_make_place():
    async def ask():
        cache = cache_of(8)
        for number in range(8):
            await keep(cache, number)
        cache.find(key(0))
        cache.find(key(2))
        for number in (8, 9, 10):
            await keep(cache, number)
        assert kept(cache) == [0, 2, 5, 6, 7, 8, 9, 10]

    asyncio.run(ask())


@pytest.mark.bad_input(74)
@given(
    st.integers(0, 6000),
    st.lists(st.tuples(st.booleans(), st.integers(0, 12), st.integers(0, 900)), max_size=60),
)
def test_no_more_bytes_are_kept_than_may_be_and_those_asked_for_last_are(most, requests):
    async def ask():
        cache, expected = (
            PictureCache(most, Metrics()),
            {},
        )  # bytes by number, the one asked for last at the end
        for looks, number, size in requests:
            found = cache.find(key(number))
            assert (found is not None) == (number in expected)
            if found is not None:
                expected[number] = expected.pop(number)
            elif not looks:
                await keep(cache, number, picture(size))
                if (bytes_ := ENTRY_BYTES + ADDRESS_BYTES + size) <= most // 8:
                    expected[number] = bytes_
                    while sum(expected.values()) > most:
                        del expected[next(iter(expected))]
            assert cache.num_bytes == sum(expected.values()) <= most
            assert kept(cache) == sorted(expected)
            assert len(cache) == len(expected)

    asyncio.run(ask())


@pytest.mark.parametrize(("more", "is_kept"), [(0, True), (1, False)])
def test_a_picture_of_more_than_an_eighth_of_the_whole_is_not_kept(more, is_kept):
    async def ask():
        cache = cache_of(8)
        await keep(cache, 1)
        await keep(cache, 2, picture(100 + more))
        assert kept(cache) == ([1, 2] if is_kept else [1])

    asyncio.run(ask())


def test_a_cache_of_no_bytes_keeps_nothing_and_computes_once_all_the_same():
    async def ask():
        cache, future, calls = PictureCache(0, Metrics()), asyncio.get_running_loop().create_future(), []
        futures = [cache.submit(key(1), lambda: calls.append(1) or future) for _ in range(3)]
        future.set_result(picture(0))
        assert await asyncio.gather(*futures) == [picture(0)] * 3
        assert len(calls) == 1
        assert cache.find(key(1)) is None
        assert (len(cache), cache.num_bytes) == (0, 0)

    asyncio.run(ask())


def test_memory_is_given_back_with_the_picture():
    async def ask():
        cache = cache_of(8)
        first = weakref.ref(await keep(cache, 0))
        for number in range(1, 9):
            assert first() is not None
            await keep(cache, number)
        gc.collect()
        assert first() is None

    asyncio.run(ask())


@pytest.mark.parametrize(("size", "number"), [(100, 2000), (20_000, 500)])
def test_what_is_counted_is_what_the_pictures_take(size, number):
    async def fill():
        cache = PictureCache(number * (ENTRY_BYTES + ADDRESS_BYTES + size) // 2, Metrics())
        for _ in range(2):  # the second time every picture is another, and drives one out
            tracemalloc.start()
            before = tracemalloc.get_traced_memory()[0]
            for each in range(number):
                cache._keep(key(each), Answer(bytes(size), "image/png"))
            gc.collect()
            taken = tracemalloc.get_traced_memory()[0] - before
            assert 0.75 * cache.num_bytes < taken < 1.02 * cache.num_bytes
            tracemalloc.stop()
            cache._pictures.clear()
            cache.num_bytes = 0

    asyncio.run(fill())


def test_who_waits_for_one_picture_waits_for_one_computation():
    async def ask():
        metrics = Metrics()
        cache, future, calls = PictureCache(10**6, metrics), asyncio.get_running_loop().create_future(), []

        async def one():
            return await cache.submit(key(1), lambda: calls.append(1) or future)

        tasks = [asyncio.create_task(one()) for _ in range(1000)]
        await asyncio.sleep(0)
        future.set_result(picture())
        found = await asyncio.gather(*tasks)
        assert len(calls) == 1
        assert all(each is future.result() for each in found)
        assert cache.find(key(1)) is future.result()
        assert read(metrics, "vitrine_cache_requests_total") == {
            'result="miss"': 1.0,
            'result="shared"': 999.0,
            'result="hit"': 1.0,
        }

    asyncio.run(ask())


@pytest.mark.parametrize("leaving", [0, 1, 2])
def test_who_leaves_takes_the_picture_from_nobody(leaving):
    async def ask():
        cache, future = cache_of(8), asyncio.get_running_loop().create_future()

        async def one():
            return await cache.submit(key(1), lambda: future)

        tasks = [asyncio.create_task(one()) for _ in range(3)]
        await asyncio.sleep(0)
        tasks[leaving].cancel()
        await asyncio.wait([tasks[leaving]])
        assert not future.cancelled()
        future.set_result(picture())
        others = tasks[:leaving] + tasks[leaving + 1 :]
        assert await asyncio.gather(*others) == [picture()] * 2
        assert tasks[leaving].cancelled()
        assert kept(cache) == [1]

    asyncio.run(ask())


def test_when_the_last_one_has_left_the_computation_is_given_up_and_the_next_begins_another():
    async def ask():
        cache, loop = cache_of(8), asyncio.get_running_loop()
        first, second = loop.create_future(), loop.create_future()
        futures = [cache.submit(key(1), lambda: first) for _ in range(3)]
        for future in futures:
            assert not first.cancelled()
            future.cancel()
            await asyncio.sleep(0)
        assert first.cancelled()
        again = cache.submit(key(1), lambda: second)
        await asyncio.sleep(0)  # what follows the cancellation of the first does not touch the second
        second.set_result(picture())
        assert await again == picture()
        assert cache._computing == {}

    asyncio.run(ask())


def test_who_comes_in_the_turn_in_which_the_last_one_leaves_gets_the_picture():
    async def ask():
        cache, future = cache_of(8), asyncio.get_running_loop().create_future()
        cache.submit(key(1), lambda: future).cancel()
        late = cache.submit(key(1), lambda: future)
        await asyncio.sleep(0)
        future.set_result(picture())
        assert await late == picture()

    asyncio.run(ask())


class Odd(Exception):
    """An exception of a program: its constructor takes other arguments than it keeps."""

    def __init__(self, one, other):
        super().__init__(f"{one} and {other}")
        self.one = one


def depth(error):
    """Number of frames in an exception's traceback."""
    count, traceback = 0, error.__traceback__
    while traceback is not None:
        count, traceback = count + 1, traceback.tb_next
    return count


@pytest.mark.parametrize(
    "error",
    [
        Overloaded(7, 3),
        DeadlinePassed(1.5, 2),
        ModelError("fake@1: not finite"),
        MemoryError(),
        RuntimeError("can't start new thread"),
        OSError(28, "No space left on device"),
        Odd(1, 2),
    ],
    ids=lambda error: type(error).__name__,
)
def test_a_failure_is_everybodys_each_has_an_error_of_its_own_and_nothing_is_kept(error):
    async def ask():
        cache, future = cache_of(8), asyncio.get_running_loop().create_future()
        met = []

        async def one():
            try:
                await cache.submit(key(1), lambda: future)
            except Exception as raised:
                await asyncio.sleep(0)  # as a refusal is held back while the others are raised
                met.append(raised)

        tasks = [asyncio.create_task(one()) for _ in range(50)]
        await asyncio.sleep(0)
        future.set_exception(error)
        await asyncio.gather(*tasks)
        assert len({id(each) for each in met}) == 50
        assert {type(each) for each in met} == {type(error)}
        assert {str(each) for each in met} == {str(error)}
        assert all(vars(each) == vars(error) for each in met)
        assert {depth(each) for each in met} == {1}
        assert kept(cache) == []
        assert cache._computing == {}

    asyncio.run(ask())


def test_a_refusal_to_compute_is_raised_at_once_and_the_next_request_tries_again():
    async def ask():
        cache = cache_of(8)

        def refuse():
            raise Overloaded(7, 3)

        for _ in range(2):
            with pytest.raises(Overloaded):
                cache.submit(key(1), refuse)
        assert await keep(cache, 1) == picture()

    asyncio.run(ask())


def test_bytes_and_pictures_are_told_as_they_are_kept_and_driven_out():
    async def ask():
        metrics = Metrics()
        cache = PictureCache(8 * (ENTRY_BYTES + ADDRESS_BYTES + 100), metrics)
        for number, (pictures, size) in enumerate([(1, 100), (2, 100), (3, 50)]):
            await keep(cache, number, picture(size))
            assert read(metrics, "vitrine_cache_pictures") == {"": pictures}
            assert read(metrics, "vitrine_cache_bytes") == {"": cache.num_bytes}
        for number in range(10, 30):
            await keep(cache, number)
        assert read(metrics, "vitrine_cache_pictures") == {"": 8.0}
        assert read(metrics, "vitrine_cache_bytes") == {"": 8.0 * (ENTRY_BYTES + ADDRESS_BYTES + 100)}

    asyncio.run(ask())
