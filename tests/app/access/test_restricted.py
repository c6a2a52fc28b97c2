import asyncio

import pytest

from app.access import keys
from app.access.budgets import Budget
from app.access.callers import Caller, current
from app.access.refusals import BudgetSpent, ModelNotAllowed
from app.access.restricted import MeteredEngine, RestrictedService
from app.engine.work import Work
from app.errors import NotReady
from app.metrics import Metrics
from app.settings import Settings
from tests.fakes import open_fake, write_version


def drawing(count):
    def steps():
        return count
        yield

    return Work(steps, count)


def caller(images_per_minute=None, models=()):
    _, key = keys.new("press", images_per_minute, models)
    return Caller(key, Budget(images_per_minute) if images_per_minute else None)


def asking(caller, function):
    """Run an asynchronous function as a request of `caller`."""

    async def ask():
        current.set(caller)
        return await function()

    return asyncio.run(ask())


def test_work_is_taken_from_the_budget_of_the_request_that_brings_it():
    press = caller(10)

    async def draw():
        engine = MeteredEngine(1, 100, 10, Metrics())
        try:
            assert await engine.run(drawing(7)) == 7
            with pytest.raises(BudgetSpent):
                engine.submit(drawing(4))
            assert await engine.run(drawing(3)) == 3
        finally:
            engine.close()
        with pytest.raises(NotReady):
            engine.submit(drawing(0))

    asking(press, draw)


def test_work_of_nobody_is_not_counted():
    async def draw():
        engine = MeteredEngine(1, 1000, 10, Metrics())
        try:
            return await engine.run(drawing(500))
        finally:
            engine.close()

    assert asking(None, draw) == 500
    assert asking(caller(), draw) == 500


def test_a_model_that_a_key_is_not_for_is_not_even_opened(tmp_path):
    write_version(tmp_path)
    write_version(tmp_path, "other")
    opened = []

    def noting(folder, threads):
        opened.append(folder.parent.name)
        return open_fake(folder, threads)

    async def ask():
        service = RestrictedService(Settings(model_store=tmp_path, default_model="fake"), noting)
        service.start()
        try:
            for reference in ("other", "other@1", "other@7", "nowhere"):
                with pytest.raises(ModelNotAllowed):
                    service.find(reference)
            return (await service.find(None)).version.reference, (await service.find("fake@1")).version.name
        finally:
            service.stop()

    assert asking(caller(models=["fake"]), ask) == ("fake@1", "fake")
    assert opened[0] == "fake"
