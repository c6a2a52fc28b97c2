import asyncio
import gc
import shutil
import threading
import time
import weakref

import numpy as np
import pytest

from app import labels
from app.errors import ModelError, ModelGone
from app.labels import Labels
from app.model import Model
from app.models import Models
from app.opened import least_bytes
from app.store import scan
from tests.fakes import digest_of, open_fake, record, write_version

MIB = 1_048_576


def find(models, reference):
    return asyncio.run(models.find_opened(reference))


@pytest.fixture
def store(tmp_path):
    for number in (1, 2, 3):
        record(write_version(tmp_path, number=number))
    return tmp_path


def with_sizes(models, num_bytes):
    """Have every model seem to take so much: the fake ones take nothing that could be measured."""
    opening = models._opened._open

    def opened(version):
        model = opening(version)
        model.num_bytes = num_bytes
        return model

    models._opened._open = opened
    return models


def test_models_beyond_the_memory_budget_are_unloaded_least_recently_used_first_and_come_back(store):
    models = with_sizes(Models(scan(store), open_fake, 1, max_bytes=25 * MIB), 10 * MIB)
    models.open_default("fake@3")
    first = find(models, "fake@1")
    find(models, "fake@3")
    find(models, "fake@2")
    assert sorted(models.opened) == ["fake@2", "fake@3"]
    assert first.retired
    assert models.state_of(models.find("fake@1")) == "unopened"
    again = find(models, "fake@1")
    assert again is not first
    assert sorted(models.opened) == ["fake@1", "fake@3"]  # the default model stays
    assert first.version.pinned == again.version.pinned


def test_without_a_budget_nothing_is_unloaded(store):
    models = with_sizes(Models(scan(store), open_fake, 1), 10**12)
    for reference in ("fake@1", "fake@2", "fake@3"):
        find(models, reference)
    assert sorted(models.opened) == ["fake@1", "fake@2", "fake@3"]


def test_what_answers_to_other_names_is_opened_ahead_only_as_far_as_the_budget_goes(store):
    for name in ("a", "b", "c"):
        write_version(store, name)
    models = with_sizes(Models(scan(store), open_fake, 1, max_bytes=25 * MIB), 10 * MIB)
    models.open_default("fake")
    models._opened._budget.max_bytes = 20 * MIB + 5
    done = []
    models.open_in_background(then=lambda: done.append(sorted(models.opened)))
    while not done:
        models.opener.submit(int).result()
    assert done == [["a@1", "fake@3"]]


def canary(store, stable, other):
    found = Labels(stable=stable, canary=other, canary_share=0.5)
    labels.write(store / "a", found)
    return found


def test_a_canary_without_a_place_in_the_budget_waits_for_a_request_and_does_not_change_places_for_ever(
    store,
):
    for number in (1, 2):
        write_version(store, "a", number=number)
    canary(store, 1, 2)
    models = with_sizes(Models(scan(store), open_fake, 1, max_bytes=25 * MIB), 10 * MIB)
    models.open_default("fake")
    models._opened._budget.max_bytes = 20 * MIB + 5
    done = []
    models.open_in_background(then=lambda: done.append(sorted(models.opened)))
    for _ in range(20):
        models.opener.submit(int).result(10)
    assert done == [["a@1", "fake@3"]]
    assert [find(models, "a").version.number for _ in range(4)] == [1, 2, 1, 2]


def test_versions_that_drive_each_other_out_of_the_budget_are_opened_once_for_a_choice(store):
    for number in (1, 2, 3, 4):
        write_version(store, "a", number=number)
    canary(store, 1, 2)
    models = with_sizes(Models(scan(store), open_fake, 1, max_bytes=25 * MIB), 10 * MIB)
    models.open_default("fake")
    assert find(models, "a").version.number == 1
    found = canary(store, 3, 4)
    tried = []
    while (version := models.to_open(models.choose("a", models.store, {"a": found}), tried)) is not None:
        models.get(version)
        find(models, "a@1")  # its requests go on
        tried.append(version.reference)
    assert tried == ["a@3", "a@4"]


def test_a_model_that_is_unloaded_as_soon_as_it_is_opened_is_who_asked_for_its(store):
    models = Models(scan(store), open_fake, 1)
    models.on_change = lambda unloaded: unloaded or models._opened.unload("fake@1")
    assert models.get(models.find("fake@1")).retired
    assert not models.opened


def test_nothing_is_unloaded_while_the_store_is_lost_as_it_could_not_come_back(store):
    models = with_sizes(Models(scan(store), open_fake, 1, max_bytes=25 * MIB), 10 * MIB)
    models.open_default("fake@3")
    models.lost = "the store cannot be read"
    for reference in ("fake@1", "fake@2"):
        find(models, reference)
    assert sorted(models.opened) == ["fake@1", "fake@2", "fake@3"]


def test_memory_is_at_least_what_the_weights_take(store):
    models = Models(scan(store), open_fake, 1)
    version = models.find("fake")
    assert least_bytes(version) == len(b"encoder") + len(b"decoder")
    assert find(models, "fake").num_bytes >= least_bytes(version)


@pytest.mark.fault(9)
def test_a_version_whose_folder_was_deleted_serves_from_memory_until_it_is_unloaded_and_is_gone_then(store):
    models = Models(scan(store), open_fake, 1)
    before, pinned = find(models, "fake"), models.find("fake").pinned
    digest = digest_of(store / "fake" / "3")
    shutil.rmtree(store / "fake" / "3")
    models.install(scan(store), {}, {})
    assert find(models, "fake") is find(models, pinned) is find(models, "fake@3") is before
    models._opened.unload("fake@3")
    with pytest.raises(ModelGone, match=digest):
        find(models, pinned)
    assert find(models, "fake").version.number == 2


@pytest.mark.fault(9)
def test_a_version_that_was_replaced_in_its_folder_goes_on_from_memory_and_the_other_is_refused(tmp_path):
    folder = write_version(tmp_path)
    models = Models(scan(tmp_path), open_fake, 1)
    before, digest = find(models, "fake"), digest_of(folder)
    shutil.rmtree(folder)
    write_version(tmp_path, walk={"axis": 0, "low": None, "high": None, "steps": 9})
    other = digest_of(folder)
    models.install(scan(tmp_path), {}, {})
    assert find(models, "fake@1") is before
    assert models.rejected == {
        "fake/1": f"version 1 is served as digest {digest}, not {other}; a number is never used again"
    }


@pytest.mark.fault(15)
def test_the_memory_of_an_unloaded_model_is_freed_when_the_last_request_that_has_it_is_done(store):
    models = Models(scan(store), open_fake, 1)
    in_flight = find(models, "fake@1")
    model, runtime = weakref.ref(in_flight), weakref.ref(in_flight._runtime)
    gc.disable()
    try:
        models._opened.unload("fake@1")
        assert in_flight.decode(np.zeros((32, 2), np.float32)).shape == (32, 8, 8)
        del in_flight
        models.opener.submit(time.sleep, 0).result()
        assert (model(), runtime()) == (None, None)
    finally:
        gc.enable()


def test_a_version_that_could_not_be_opened_is_tried_again_when_it_has_changed_or_somebody_says_so(store):
    broken = [True]

    def open_runtime(folder, threads):
        if broken[0] and folder.name == "3":
            raise OSError("no file descriptors")
        return open_fake(folder, threads)

    models = Models(scan(store), open_runtime, 1)
    assert find(models, "fake").version.number == 2
    broken[0] = False
    models.renew(models.store)
    with pytest.raises(ModelError, match="no file descriptors"):
        find(models, "fake@3")
    models.renew(models.store, again=True)
    assert find(models, "fake@3").version.number == 3


def test_a_version_in_quarantine_stays_there_until_it_is_another(store):
    models = Models(scan(store), open_fake, 1)
    find(models, "fake")
    assert models.quarantine("fake@3", "its output is not finite")
    assert not models.quarantine("fake@3", "once more")
    models.renew(scan(store), again=True)
    assert models.find("fake").number == 2
    with pytest.raises(ModelError, match="fake@3: its output is not finite; it was taken out of service"):
        find(models, "fake@3")
    shutil.rmtree(store / "fake" / "3")
    write_version(store, number=3, walk={"axis": 0, "low": None, "high": None, "steps": 9})
    (store / "published.jsonl").unlink()
    found = scan(store)
    models.renew(found)
    models.install(found, {}, {})
    assert models.find("fake").number == 3


def test_a_model_serves_before_it_is_found_out_whether_idle_threads_help(store, monkeypatch):
    begun, goes_on, seen = threading.Event(), threading.Event(), []

    def widen(model):
        begun.set()
        goes_on.wait(30)
        seen.append(model.version.reference)

    monkeypatch.setattr(Model, "widens", True)
    monkeypatch.setattr(Model, "widen", widen)
    models = Models(scan(store), open_fake, 1)
    models.open_default("fake@3")
    assert begun.wait(30)
    assert seen == []
    assert sorted(models.opened) == ["fake@3"]
    goes_on.set()
    models.opener.submit(int).result()
    assert seen == ["fake@3"]


def test_what_idle_threads_need_counts_as_a_models_memory(store, monkeypatch):
    kept = []
    monkeypatch.setattr(Model, "widens", True)
    monkeypatch.setattr(Model, "widen", lambda _: kept.append(np.ones(8 * MIB)))  # 64 MiB
    models = with_sizes(Models(scan(store), open_fake, 1), 10 * MIB)
    models.open_default("fake@3")
    models.opener.submit(int).result()
    # What else the process needs meanwhile is a few MiB.
    assert models.opened["fake@3"].num_bytes == pytest.approx(74 * MIB, abs=8 * MIB)


def test_a_model_that_was_opened_ahead_rests_behind_its_widening(store, monkeypatch):
    """Widening takes the memory that resting gives back."""
    write_version(store, "other")
    seen = []
    monkeypatch.setattr(Model, "widens", True)
    monkeypatch.setattr(Model, "widen", lambda model: seen.append(("widen", model.version.name)))
    monkeypatch.setattr(Model, "rest", lambda model: seen.append(("rest", model.version.name)))
    models = Models(scan(store), open_fake, 1)
    models.open_default("fake@3")
    done = threading.Event()
    models.open_in_background(then=done.set)
    assert done.wait(30)
    models.opener.submit(int).result()
    assert [each for each in seen if each[1] == "other"] == [("widen", "other"), ("rest", "other")]


def test_idle_threads_that_fail_leave_a_model_as_it_was(store, monkeypatch, caplog):
    def fails(_):
        raise MemoryError("none left")

    monkeypatch.setattr(Model, "widens", True)
    monkeypatch.setattr(Model, "widen", fails)
    models = Models(scan(store), open_fake, 1)
    models.open_default("fake@3")
    models.opener.submit(int).result()
    assert sorted(models.opened) == ["fake@3"]
    assert "fake@3: computed by one thread, as several failed: none left" in caplog.text


def test_a_model_unloaded_meanwhile_is_not_tried_with_more_threads(store, monkeypatch):
    tried = []
    monkeypatch.setattr(Model, "widens", True)
    monkeypatch.setattr(Model, "widen", lambda model: tried.append(model.version.reference))
    models = Models(scan(store), open_fake, 1)
    held = threading.Event()
    models.opener.submit(held.wait, 30)
    models.open_default("fake@3")
    models.get(models.find("fake@2"))
    models._opened.unload("fake@2")
    held.set()
    models.opener.submit(int).result()
    assert tried == ["fake@3"]


def test_a_version_that_is_unloaded_while_it_is_taken_out_of_service_stays_out(store, monkeypatch):
    models = Models(scan(store), open_fake, 1)
    models.open_default("fake@3")
    find(models, "fake@2")
    monkeypatch.setattr(models, "_defaults", lambda: models._opened.unload("fake@2") or set())
    assert models.quarantine("fake@2", "its output is not finite")
    with pytest.raises(ModelError, match="out of service"):
        find(models, "fake@2")
