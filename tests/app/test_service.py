import asyncio

import pytest

from app import memory
from app.errors import NotReady
from app.models import Model
from app.service import Service
from tests.fakes import open_fake


def test_a_service_that_has_not_started_or_has_ended_says_that_it_is_not_ready(settings):
    async def life():
        service = Service(settings, open_fake)
        for part in ("models", "engine"):
            with pytest.raises(NotReady, match="is starting or stopping"):
                getattr(service, part)
        service.start()
        assert (await service.find(None)).version.reference == "fake@1"
        engine = service.engine
        service.stop()
        with pytest.raises(NotReady, match="is starting or stopping"):
            service.engine  # noqa: B018
        return engine

    assert asyncio.run(life())._closed


def test_the_default_model_is_the_settings_and_a_name_asks_for_another(settings):
    async def found(*references):
        service = Service(settings, open_fake)
        service.start()
        try:
            return [(await service.find(reference)).version.reference for reference in references]
        finally:
            service.stop()

    assert asyncio.run(found(None, "fake", "fake@1")) == ["fake@1"] * 3


def test_memory_is_given_back_after_a_load_and_the_default_model_stays_ready(settings, monkeypatch):
    monkeypatch.setattr(memory, "IDLE_SECONDS", 0.02)
    rested = []
    monkeypatch.setattr(
        Model, "rest", lambda self, ready=False: rested.append((self.version.reference, ready))
    )

    async def life():
        service = Service(settings, open_fake)
        service.start()
        try:
            await asyncio.sleep(0.1)
            opening = len(rested)  # models are given back when they are opened
            await service.check()  # a row, as any request has one
            await asyncio.sleep(0.2)
            return rested[opening:]
        finally:
            service.stop()

    assert ("fake@1", True) in asyncio.run(life())
