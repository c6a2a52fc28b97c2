import asyncio
import contextlib
import shutil
import threading
import weakref

import numpy as np
import pytest

from app import labels
from app.changes import StoreReader
from app.errors import ModelError
from app.labels import Labels
from app.metrics import Metrics
from app.model import Model
from app.models import Models
from app.reloading import Reload, Reloader, Swap
from tests.fakes import FakeRuntime, open_fake, record, write_version


@pytest.fixture
def store(tmp_path):
    record(write_version(tmp_path / "store", number=1))
    return tmp_path / "store"


@contextlib.asynccontextmanager
async def reloading(store, open_runtime=open_fake, poll_seconds=0.0):
    reader = StoreReader(store)
    models = Models(reader.scan(), open_runtime, threads=1)
    models.open_default("fake")
    reloader = Reloader(models, reader, Metrics(), poll_seconds)
    try:
        yield models, reloader
    finally:
        reloader.stop()
        models.opener.shutdown()


def serving(models):
    return models.find("fake").reference


class NotFinite(FakeRuntime):
    """Fit until somebody says otherwise."""

    unfit = False

    def decode(self, z):
        return super().decode(z) + np.float32(np.nan if self.unfit else 0)


def counted(reloader, result):
    return reloader._metrics._swaps.labels(result)._value.get()


def test_a_new_version_is_opened_and_checked_before_requests_get_it_and_the_former_is_freed(store):
    async def life():
        async with reloading(store) as (models, reloader):
            former = weakref.ref(models.opened["fake@1"])
            record(write_version(store, number=2))
            assert serving(models) == "fake@1"  # nobody has looked yet
            done = await reloader.reload()
            assert done == Reload("reloaded", (Swap("fake", "fake@1", "fake@2", None),))
            assert sorted(models.opened) == ["fake@2"]
            assert former() is None
            assert (await models.find_opened("fake@1")).version.number == 1  # permanent addresses stay
            assert await reloader.reload() == Reload("unchanged")
            return counted(reloader, "swapped")

    assert asyncio.run(life()) == 1


def test_a_request_gets_the_former_version_until_the_new_one_is_open_and_never_waits(store):
    opening = []

    async def life():
        loop, go_on = asyncio.get_running_loop(), asyncio.Event()

        def open_runtime(folder, threads):
            if folder.name == "2":
                opening.append(folder.name)
                asyncio.run_coroutine_threadsafe(go_on.wait(), loop).result(10)
            return open_fake(folder, threads)

        async with reloading(store, open_runtime) as (models, reloader):
            write_version(store, number=2)
            task = asyncio.create_task(reloader.reload())
            while not opening:
                await asyncio.sleep(0.001)
            held = await models.find_opened("fake")
            assert held.version.number == 1
            go_on.set()
            await task
            assert (await models.find_opened("fake")).version.number == 2
            assert held.decode(np.zeros((32, 2), np.float32)).shape == (
                32,
                8,
                8,
            )  # it finishes with what it has

    asyncio.run(life())


@pytest.mark.fault(7)
@pytest.mark.parametrize("path", ["manifest.json", "decoder/weights", "examples/0.png"])
def test_a_new_version_with_a_flipped_byte_never_serves_and_says_why(store, path):
    async def life():
        async with reloading(store) as (models, reloader):
            folder = write_version(store, number=2)
            content = bytearray((folder / path).read_bytes())
            content[len(content) // 2] ^= 1
            (folder / path).write_bytes(content)
            done = await reloader.reload()
            assert serving(models) == "fake@1"
            assert list(done.refused) == list(models.rejected) == ["fake/2"]
            assert done.swaps == ()
            return counted(reloader, "refused")

    assert asyncio.run(life()) == 1


@pytest.mark.fault(11)
def test_a_new_version_that_cannot_be_opened_or_gives_no_numbers_never_serves_and_the_next_newest_does(store):
    def open_runtime(folder, threads):
        if folder.name == "4":
            raise OSError("no memory")
        runtime = NotFinite()
        runtime.unfit = folder.name == "3"
        return runtime

    async def life():
        async with reloading(store, open_runtime) as (models, reloader):
            for number in (2, 3, 4):
                write_version(store, number=number)
            done = await reloader.reload()
            assert done.swaps == (Swap("fake", "fake@1", "fake@2", None),)
            assert done.refused == {
                "fake/4": "fake@4: OSError: no memory",
                "fake/3": "fake@3: the model's output is not finite",
            }
            assert models.state_of(models.store.find("fake@3")) == "failed"

    asyncio.run(life())


@pytest.mark.fault(11)
def test_a_version_whose_check_fails_after_the_swap_is_taken_back(store, monkeypatch):
    check = Model.check

    def failing(self):
        if self.version.number == 2:
            raise ModelError("fake@2: not what it was")
        check(self)

    monkeypatch.setattr(Model, "check", failing)

    async def life():
        async with reloading(store) as (models, reloader):
            before = models.opened["fake@1"]
            write_version(store, number=2)
            done = await reloader.reload()
            assert serving(models) == "fake@1"
            assert models.opened == {"fake@1": before}  # it was not let go before that check
            assert done.refused == {"fake/2": "fake@2: not what it was; it was taken out of service"}
            assert await reloader.reload(again=True) == Reload("reloaded")  # and stays out
            return counted(reloader, "rolled_back")

    assert asyncio.run(life()) == 1


@pytest.mark.fault(11)
def test_a_version_that_gives_no_numbers_while_it_serves_gives_way_to_the_one_before(store):
    async def life():
        async with reloading(store, lambda folder, threads: NotFinite()) as (models, reloader):
            write_version(store, number=2)
            await reloader.reload()
            model = await models.find_opened("fake")
            model._runtime.unfit = True
            with pytest.raises(ModelError, match="fake@2: the model's output is not finite"):
                await asyncio.to_thread(model.decode, np.zeros((32, 2), np.float32))
            await asyncio.sleep(0)
            assert (await models.find_opened("fake")).version.number == 1
            assert models.rejected == {
                "fake/2": "fake@2: the model's output is not finite; it was taken out of service"
            }

    asyncio.run(life())


def test_the_only_version_goes_on_serving_whatever_it_gave_once(store):
    async def life():
        async with reloading(store, lambda folder, threads: NotFinite()) as (models, _):
            model = await models.find_opened("fake")
            model._runtime.unfit = True
            with pytest.raises(ModelError):
                model.decode(np.zeros((32, 2), np.float32))
            await asyncio.sleep(0.01)
            assert await models.find_opened("fake") is model

    asyncio.run(life())


def test_a_version_goes_on_serving_where_the_one_before_it_cannot_be_opened(store, caplog):
    record(write_version(store, number=2))

    def open_runtime(folder, threads):
        if folder.name == "1":
            raise KeyError("draw")
        return open_fake(folder, threads)

    async def life():
        async with reloading(store, open_runtime) as (models, reloader):
            reloader._roll_back("fake@2", "the model's output is not finite")
            while "fake@2" not in models.opened:
                await asyncio.sleep(0.001)
            assert (await models.find_opened("fake")).version.number == 2
            assert list(models.rejected) == ["fake/1"]
            assert "fake@2 serves again, as no other version can" in caplog.text
            reloader._roll_back("fake@2", "once more")
            assert (await models.find_opened("fake")).version.number == 2

    asyncio.run(asyncio.wait_for(life(), 30))


@pytest.mark.parametrize("change", ["removed", "tried again"])
def test_a_version_in_quarantine_that_has_changed_when_no_other_opens_is_what_the_store_says(
    store, caplog, change
):
    folder, asked, goes_on = write_version(store, number=2), threading.Event(), threading.Event()
    record(folder)

    def open_runtime(folder, threads):
        if folder.name == "1":
            asked.set()
            goes_on.wait(10)
            raise KeyError("draw")
        return open_fake(folder, threads)

    async def life():
        async with reloading(store, open_runtime) as (models, reloader):
            reloader._roll_back("fake@2", "the model's output is not finite")
            await asyncio.to_thread(asked.wait, 10)
            if change == "removed":
                shutil.rmtree(folder)
                models.install(StoreReader(store).scan(), {}, {})
            else:  # as another with its number is: between the failure and what becomes of it
                models.on_change = lambda _: models._opened.release("fake@2")
            (task,) = reloader._tasks
            goes_on.set()
            await task
            if change == "removed":
                assert models.state_of(gone) == "failed"
                assert "serves again" not in caplog.text
            else:
                assert serving(models) == "fake@2"

    gone = next(each for each in StoreReader(store).scan().all if each.number == 2)
    asyncio.run(asyncio.wait_for(life(), 30))


def test_a_version_goes_on_serving_while_the_store_is_lost_and_no_other_is_open(store):
    record(write_version(store, number=2))

    async def life():
        async with reloading(store) as (models, reloader):
            models.lost = "the store is unmounted"
            reloader._roll_back("fake@2", "the model's output is not finite")
            assert serving(models) == "fake@2"
            await models.find_opened("fake@1")
            reloader._roll_back("fake@2", "the model's output is not finite")
            assert serving(models) == "fake@1"

    asyncio.run(life())


@pytest.mark.fault(10)
@pytest.mark.parametrize("loss", ["emptied", "unmounted", "without its models"])
def test_a_store_that_is_lost_changes_nothing_but_a_warning_and_is_taken_up_when_it_is_back(store, loss):
    aside = store.with_name("aside")

    async def life():
        async with reloading(store) as (models, reloader):
            before = models.opened["fake@1"]
            store.rename(aside)
            if loss != "unmounted":
                store.mkdir()
            if loss == "without its models":
                shutil.copy(aside / "published.jsonl", store)
            for _ in range(2):
                done = await reloader.reload()
                assert (done.result, done.swaps) == ("kept", ())
                assert str(store) in done.warning
                assert done.warning == reloader.warning
                assert await models.find_opened("fake") is before
            shutil.rmtree(store, ignore_errors=True)
            aside.rename(store)
            write_version(store, number=2)
            done = await reloader.reload()
            assert [swap.after for swap in done.swaps] == ["fake@2"]
            assert reloader.warning == ""

    asyncio.run(life())


def test_a_version_that_was_asked_for_while_the_store_was_lost_serves_when_it_is_back(store):
    write_version(store, number=2)
    aside = store.with_name("aside")

    async def life():
        async with reloading(store) as (models, reloader):
            store.rename(aside)
            await reloader.reload()
            with pytest.raises(ModelError, match="fake@1"):
                await models.find_opened("fake@1")
            aside.rename(store)
            await reloader.reload()
            assert (await models.find_opened("fake@1")).version.number == 1

    asyncio.run(life())


def test_labels_say_which_version_serves_and_going_back_is_a_swap_as_any_other(store):
    for number in (2, 3):
        write_version(store, number=number)

    async def life():
        async with reloading(store) as (models, reloader):
            said = Labels(stable=2)
            labels.write(store / "fake", said)
            first = await reloader.reload()
            labels.write(store / "fake", said.promoted(3))
            second = await reloader.reload()
            labels.write(store / "fake", said.promoted(3).rolled_back())
            third = await reloader.reload()
            swaps = [(done.swaps[0].before, done.swaps[0].after) for done in (first, second, third)]
            assert swaps == [("fake@3", "fake@2"), ("fake@2", "fake@3"), ("fake@3", "fake@2")]
            assert sorted(models.opened) == ["fake@2"]

    asyncio.run(life())


def test_a_canary_is_opened_before_it_gets_its_share_and_let_go_when_it_is_none_any_more(store):
    write_version(store, number=2)

    async def life():
        async with reloading(store) as (models, reloader):
            labels.write(store / "fake", Labels(stable=1, canary=2, canary_share=0.25))
            done = await reloader.reload()
            assert done.swaps == (Swap("fake", "fake@2", "fake@1", "fake@2"),)
            drawn = [(await models.find_opened("fake")).version.number for _ in range(100)]
            assert (drawn.count(2), drawn.count(1)) == (25, 75)
            pinned = models.find("fake").pinned
            assert {(await models.find_opened(pinned)).version.number for _ in range(20)} == {1}
            assert models.state_of(models.store.find("fake@2")) == "canary"
            labels.write(store / "fake", Labels(stable=1))
            await reloader.reload()
            assert sorted(models.opened) == ["fake@1"]
            # That it ends brings no version to requests that had none of it.
            assert (counted(reloader, "swapped"), counted(reloader, "refused")) == (1, 0)

    asyncio.run(life())


def test_labels_that_cannot_be_used_change_nothing_and_are_told(store):
    write_version(store, number=2)

    async def life():
        labels.write(store / "fake", Labels(stable=1))
        async with reloading(store) as (models, reloader):
            (store / "fake" / "labels.json").write_text('{"stable": 0}')
            done = await reloader.reload()
            assert serving(models) == "fake@1"
            assert "fake: " in done.warning
            assert "labels.json: stable" in done.warning

    asyncio.run(life())


@pytest.mark.fault(13)
def test_of_reloads_at_once_each_finds_a_whole_store_and_versions_are_opened_once(store):
    opened = []

    def open_runtime(folder, threads):
        opened.append(folder.name)
        return open_fake(folder, threads)

    async def life():
        async with reloading(store, open_runtime) as (models, reloader):
            for number in (2, 3):  # by two publishers
                write_version(store, number=number)
            done = await asyncio.gather(*(reloader.reload() for _ in range(5)))
            assert [each.result for each in done] == ["reloaded"] + ["unchanged"] * 4
            assert serving(models) == "fake@3"
            assert (await models.find_opened("fake@2")).version.number == 2

    asyncio.run(life())
    assert opened == ["1", "3", "2"]


def test_the_store_is_looked_at_from_time_to_time_and_not_after_the_end(store):
    async def life():
        async with reloading(store, poll_seconds=0.01) as (models, reloader):
            write_version(store, number=2)
            while serving(models) != "fake@2":
                await asyncio.sleep(0.01)
            reloader.stop()
            write_version(store, number=3)
            await asyncio.sleep(0.1)
            assert serving(models) == "fake@2"

    asyncio.run(asyncio.wait_for(life(), 60))


def test_a_look_that_fails_in_an_unforeseen_way_is_logged_and_the_next_one_follows(
    store, monkeypatch, caplog
):
    looks = []

    async def life():
        async with reloading(store, poll_seconds=0.01) as (_, reloader):
            monkeypatch.setattr(reloader._reader, "read", lambda *_: looks.append(1) or 1 / 0)
            while len(looks) < 3:
                await asyncio.sleep(0.01)

    asyncio.run(asyncio.wait_for(life(), 60))
    assert "the store was not taken up: ZeroDivisionError: division by zero" in caplog.text


@pytest.mark.parametrize("how", ["cancelled", "failed"])
def test_what_a_look_read_that_was_broken_off_is_taken_up_by_the_next(store, monkeypatch, how):
    async def life():
        async with reloading(store) as (models, reloader):
            write_version(store, number=2)
            take_up = reloader._take_up

            async def broken_off(found):
                task.cancel() if how == "cancelled" else None
                await asyncio.sleep(0)
                raise OSError("no descriptors are left")

            monkeypatch.setattr(reloader, "_take_up", broken_off)
            task = asyncio.create_task(reloader.reload())
            with pytest.raises(asyncio.CancelledError if how == "cancelled" else OSError):
                await task
            monkeypatch.setattr(reloader, "_take_up", take_up)
            assert serving(models) == "fake@1"
            assert (await reloader.reload()).result == "reloaded"
            assert serving(models) == "fake@2"
            assert (await reloader.reload()).result == "unchanged"

    asyncio.run(life())


@pytest.mark.fault(15)
def test_many_swaps_leave_no_model_behind(store):
    alive = []

    def open_runtime(folder, threads):
        runtime = open_fake(folder, threads)
        alive.append(weakref.ref(runtime))
        return runtime

    write_version(store, number=2)

    async def life():
        async with reloading(store, open_runtime) as (models, reloader):
            for turn in range(50):
                labels.write(store / "fake", Labels(stable=1 + turn % 2))
                assert len((await reloader.reload()).swaps) == 1
                assert len(models.opened) == 1
            return sum(each() is not None for each in alive)

    assert asyncio.run(life()) == 1
    assert len(alive) == 51
