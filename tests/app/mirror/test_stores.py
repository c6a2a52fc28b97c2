import shutil
import time

import pytest
from fsspec.implementations.memory import MemoryFileSystem

from app import store
from app.errors import StoreError
from app.mirror import stores
from app.mirror.stores import prepared
from app.registry.objects import Objects
from app.registry.refusals import Unreachable
from app.settings import Settings
from tests import objects
from tests.fakes import write_version


def settings(address, tmp_path, **more):
    return Settings(model_store=address, store_cache=tmp_path / "cache", **more)


def references(folder):
    return [each.reference for each in store.scan(folder).all]


def gone(monkeypatch):
    def fails(*_):
        raise Unreachable("no network")

    monkeypatch.setattr(Objects, "models", fails)


def test_of_a_folder_nothing_is_mirrored(tmp_path):
    found = prepared(Settings(model_store=tmp_path), fresh=True)
    assert (found.folder, found.mirror) == (tmp_path, None)
    assert stores.folder_of(Settings(model_store=tmp_path)) == tmp_path


def test_commands_get_all_of_a_store_elsewhere(address, tmp_path):
    assert references(stores.folder_of(settings(address, tmp_path))) == ["fake@1", "fake@2"]


@pytest.mark.parametrize(
    ("more", "expected"),
    [({}, ["fake@2"]), ({"default_model": "fake"}, ["fake@2"]), ({"default_model": "fake@1"}, ["fake@1"])],
)
def test_a_start_gets_the_default_model_first_and_nothing_else(address, tmp_path, more, expected):
    found = prepared(settings(address, tmp_path, **more), fresh=True)
    assert references(found.folder) == expected
    assert found.settings.default_model == more.get("default_model", "fake")
    found.mirror.update()
    assert references(found.folder) == ["fake@1", "fake@2"]


def test_a_default_model_that_is_here_needs_no_network_unless_it_is_to_be_fresh(
    address, tmp_path, monkeypatch, caplog
):
    named = settings(address, tmp_path, default_model="fake")
    prepared(named, fresh=True)
    gone(monkeypatch)
    assert references(prepared(named, fresh=False).folder) == ["fake@2"]
    assert caplog.messages == []
    assert references(prepared(named, fresh=True).folder) == ["fake@2"]
    assert caplog.messages == ["no network; what is here goes on being served"]


def test_a_start_that_can_do_with_what_is_here_does_not_wait_long_and_follows_with_patience(
    address, tmp_path, monkeypatch
):
    monkeypatch.setattr(stores, "WARM_SECONDS", 0.1)
    named = settings(address, tmp_path, default_model="fake")
    assert prepared(named, fresh=True).mirror._source._seconds == 30
    monkeypatch.setattr(MemoryFileSystem, "ls", lambda *_, **__: time.sleep(60))
    began = time.monotonic()
    found = prepared(named, fresh=True)
    assert time.monotonic() - began < 20
    assert references(found.folder) == ["fake@2"]
    assert found.mirror._source._seconds == 30


def test_with_an_empty_cache_and_no_network_the_reason_is_told_in_one_line(address, tmp_path, monkeypatch):
    gone(monkeypatch)
    for attempt in (lambda named: prepared(named, fresh=True), stores.folder_of):
        with pytest.raises(StoreError) as refused:
            attempt(settings(address, tmp_path))
        assert "no network" in refused.value.detail
        assert "\n" not in refused.value.detail


def test_a_store_of_several_models_without_a_default_names_them_before_anything_is_downloaded(
    address, tmp_path
):
    write_version(tmp_path / "ours", "other")
    objects.publish(tmp_path / "ours", address, "other")
    with pytest.raises(StoreError, match="fake, other"):
        prepared(settings(address, tmp_path), fresh=True)
    assert not list((tmp_path / "cache").rglob("manifest.json"))


def test_an_address_that_cannot_be_opened_and_an_empty_store_are_told(tmp_path):
    with pytest.raises(StoreError, match="nosuch://x"):
        prepared(settings("nosuch://x", tmp_path), fresh=True)
    with pytest.raises(StoreError, match="nothing is there"):
        prepared(settings(objects.empty(), tmp_path), fresh=True)


def test_a_model_without_any_version_that_can_be_taken_says_why(address, tmp_path):
    for number in (1, 2):
        objects.write(address, f"fake/{number}/decoder/weights", b"changed")
    with pytest.raises(StoreError, match="SHA-256 differs"):
        prepared(settings(address, tmp_path, default_model="fake"), fresh=True)
    shutil.rmtree(tmp_path / "cache")
