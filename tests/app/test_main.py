"""What the service says when it starts."""

import asyncio
import contextlib
import logging

import pytest

from app import profiles
from app import settings as reading
from app.main import create_app
from app.profiles import Profile, ProfileError, Rate
from app.settings import Settings
from app.store import scan
from tests.conftest import Client
from tests.fakes import open_fake


@pytest.fixture
def started(settings, caplog):
    """Starts and stops a service with changed settings, and returns its log."""

    def start(**changes):
        with caplog.at_level(logging.INFO, "vitrine"):
            Client(create_app(settings.model_copy(update=changes), open_fake)).close()
        return caplog.text

    return start


def test_the_only_model_of_a_store_answers_where_nobody_set_a_default(settings):
    alone = Settings(**settings.model_dump(exclude={"default_model"}))
    assert alone.default_model == "fashion"
    with contextlib.closing(Client(create_app(alone, open_fake))) as client:
        assert client.get("/samples?n=1&seed=1").headers["x-model"] == "fake@1"
        assert client.get("/version").json()["default_model"] == "fake@1"


@pytest.fixture
def profile(settings, tmp_path):
    return Profile(
        cores=profiles.available_cores(),
        processor="a processor",
        model="fake@1",
        digest=scan(settings.model_store).find("fake").manifest.digest,
        runtime="fake",
        worker_threads=2,
        inference_threads=1,
        rates=(Rate(worker_threads=2, inference_threads=1, images_per_second={"64 x 21": 1234.4}),),
    )


def test_with_a_profile_the_service_says_what_it_expects(started, profile, tmp_path):
    profiles.write(tmp_path / "profile.json", profile)
    log = started(profile=tmp_path / "profile.json")
    assert f"serving fake@1 from {tmp_path / 'store'}; expecting about 1234 images/s" in log


def test_of_another_model_the_service_expects_nothing(started, profile, tmp_path):
    profiles.write(tmp_path / "profile.json", profile.model_copy(update={"digest": "0" * 64}))
    assert "no rate is known" in started(profile=tmp_path / "profile.json")


def test_without_a_profile_the_service_expects_nothing(started, tmp_path):
    assert f"serving fake@1 from {tmp_path / 'store'}\n" in started()


def test_a_profile_that_does_not_fit_keeps_the_service_from_starting(settings, profile, tmp_path):
    profiles.write(tmp_path / "profile.json", profile.model_copy(update={"cores": profile.cores + 1}))
    app = create_app(settings.model_copy(update={"profile": tmp_path / "profile.json"}), open_fake)

    async def start():
        async with app.router.lifespan_context(app):
            pass

    with pytest.raises(ProfileError):
        asyncio.run(start())


@pytest.mark.parametrize(("workers", "warned"), [(1, False), (2, True)])
def test_more_threads_than_cores_are_warned_of_when_the_service_starts(started, monkeypatch, workers, warned):
    monkeypatch.setattr(reading, "available_cores", lambda: 3)
    log = started(workers=workers, worker_threads=3)
    assert ("6 threads may compute on 3 cores" in log) is warned
