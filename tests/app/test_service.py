import asyncio

import pytest

from app.errors import NotReady
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
