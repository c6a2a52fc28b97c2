import asyncio
import shutil
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from app.errors import (
    ModelError,
    ModelGone,
    ModelNotFound,
    ModelUnavailable,
    StoreError,
)
from app.models import Models
from app.runtimes import RuntimeUnavailable
from app.store import scan
from tests.fakes import digest_of, open_fake, png_bytes, record, write_version


@pytest.fixture
def version(tmp_path):
    write_version(tmp_path)
    return scan(tmp_path).find("fake")


def failing_open(*bad):
    """Opens every version but those in `bad`, for which it fails as a broken SavedModel does."""

    def open_runtime(folder, threads):
        opened.append(folder.name)
        if folder.name in bad:
            raise KeyError("draw")
        return open_fake(folder, threads)

    opened = open_runtime.opened = []
    return open_runtime


def test_a_version_that_cannot_be_opened_is_passed_over_and_the_one_before_it_serves(tmp_path):
    for number in (1, 2):
        write_version(tmp_path, number=number)
    write_version(tmp_path, name="other", number=2)
    models = Models(scan(tmp_path), failing_open("2"), threads=1)
    models.open_default("fake")
    assert list(models.opened) == ["fake@1"]
    models.open_in_background()
    for _ in range(3):  # names, and the end
        models.opener.submit(lambda: None).result()
    assert models.find("fake").number == 1
    assert set(models.rejected) == {"fake/2", "other/2"}
    assert "KeyError" in models.rejected["fake/2"]


def test_a_version_that_cannot_be_opened_is_tried_once(tmp_path):
    write_version(tmp_path)
    open_runtime = failing_open("1")
    models = Models(scan(tmp_path), open_runtime, threads=1)
    for _ in range(3):
        with pytest.raises(ModelError, match="fake@1: KeyError"):
            models.get(models.store.find("fake@1"))
    assert open_runtime.opened == ["1"]


def test_without_a_usable_default_model_the_service_does_not_start(tmp_path):
    write_version(tmp_path)
    with pytest.raises(StoreError, match="default model fake cannot be served"):
        Models(scan(tmp_path), failing_open("1"), threads=1).open_default("fake")


@pytest.mark.fault(9)
@pytest.mark.parametrize("relative", ["encoder/weights", "examples/0.png"])
def test_a_version_whose_files_changed_after_the_scan_is_not_served(tmp_path, relative):
    write_version(tmp_path, number=1)
    write_version(tmp_path, number=2)
    models = Models(scan(tmp_path), open_fake, 1)
    path = tmp_path / "fake" / "1" / relative
    path.write_bytes(png_bytes(np.full((8, 8), 7, np.uint8)))
    with pytest.raises(ModelError, match=f"fake@1: {relative}"):
        models.get(models.find("fake@1"))


def test_examples_are_those_that_were_checked_whatever_becomes_of_the_store(tmp_path):
    folder = write_version(tmp_path)
    models = Models(scan(tmp_path), open_fake, 1)
    model = models.get(models.find("fake"))
    shutil.rmtree(folder)
    assert model.examples.shape == (2, 8, 8)
    assert (model.examples[0] == 51).all()
    assert (model.examples[1] == 204).all()


def test_a_version_is_opened_once_however_many_ask_at_the_same_time(version, tmp_path):
    opened = []

    def slow_open(folder, threads):
        opened.append(folder)
        return open_fake(folder, threads)

    models = Models(scan(tmp_path), slow_open, threads=1)
    with ThreadPoolExecutor(16) as pool:
        found = set(pool.map(models.get, [version] * 64))
    assert len(opened) == len(found) == 1
    assert list(models.opened) == ["fake@1"]


def test_a_bare_name_asked_for_before_its_newest_version_failed_means_the_one_before(tmp_path):
    for number in (1, 2):
        write_version(tmp_path, number=number)
    models = Models(scan(tmp_path), failing_open("2"), threads=1)

    async def find(reference):
        return await models.find_opened(reference)

    assert asyncio.run(find("fake")).version.number == 1
    with pytest.raises(ModelError, match="fake@2: KeyError"):
        asyncio.run(find("fake@2"))


def test_models_opened_in_the_background_rest_until_they_are_asked_for(tmp_path):
    for name in ("fake", "other"):
        write_version(tmp_path, name=name)
    models = Models(scan(tmp_path), open_fake, threads=1)
    models.open_default("fake")
    models.open_in_background()
    for _ in range(3):
        models.opener.submit(lambda: None).result()
    rested = {name: models.get(models.find(name))._runtime.rested for name in ("fake", "other")}
    assert rested == {"fake": 0, "other": 1}


def test_when_all_models_are_open_what_is_to_follow_is_called_once(tmp_path):
    for name in ("fake", "other"):
        write_version(tmp_path, name=name)
    models = Models(scan(tmp_path), open_fake, threads=1)
    opened = []
    models.open_in_background(then=lambda: opened.append(sorted(models.opened)))
    for _ in range(3):
        models.opener.submit(lambda: None).result()
    assert opened == [["fake@1", "other@1"]]


@pytest.mark.parametrize("failure", [SystemExit, KeyboardInterrupt, BaseException])
def test_a_model_that_fails_in_whatever_way_keeps_no_other_from_being_opened(tmp_path, failure):
    for name in ("fake", "odd", "other"):
        write_version(tmp_path, name=name)

    def open_runtime(folder, threads):
        if folder.parent.name == "odd":
            raise failure
        return open_fake(folder, threads)

    models = Models(scan(tmp_path), open_runtime, threads=1)
    opened = []
    models.open_in_background(then=lambda: opened.append(sorted(models.opened)))
    for _ in range(4):
        models.opener.submit(lambda: None).result()
    assert opened == [["fake@1", "other@1"]]


def test_a_model_that_ends_the_program_is_refused_and_does_not_end_it(tmp_path):
    write_version(tmp_path)

    def ends(folder, threads):
        raise SystemExit(3)

    models = Models(scan(tmp_path), ends, threads=1)
    with pytest.raises(ModelError, match="fake@1: SystemExit: 3"):
        asyncio.run(models.find_opened("fake@1"))


def test_a_version_that_is_tried_again_is_opened_for_who_asks_for_its_bare_name_meanwhile(tmp_path):
    write_version(tmp_path)
    broken = {"1"}

    def open_runtime(folder, threads):
        return failing_open(*broken)(folder, threads)

    models = Models(scan(tmp_path), open_runtime, threads=1)
    with pytest.raises(ModelError, match="fake@1: KeyError"):
        asyncio.run(models.find_opened("fake"))
    with pytest.raises(ModelError, match="fake@1: KeyError"):
        models.find("fake")
    models.renew(scan(tmp_path), again=True)
    assert models.find("fake").reference == "fake@1"
    with pytest.raises(ModelError, match="fake@1: KeyError"):
        asyncio.run(models.find_opened("fake"))
    broken.clear()
    models.renew(scan(tmp_path), again=True)
    assert asyncio.run(models.find_opened("fake")).version.number == 1


def test_a_store_that_is_installed_while_a_model_is_unloaded_is_not_taken_back_by_that(tmp_path, monkeypatch):
    write_version(tmp_path, number=1)
    models = Models(scan(tmp_path), open_fake, threads=1)
    models.open_default("fake")
    write_version(tmp_path, number=2)
    beside, begun, installed = models._opened.beside, threading.Event(), threading.Event()

    def slow(store):
        merged = beside(store)
        if threading.current_thread() is unloading:
            begun.set()
            installed.wait(0.2)
        return merged

    monkeypatch.setattr(models._opened, "beside", slow)
    unloading = threading.Thread(target=models._opened.unload, args=("fake@1",))
    unloading.start()
    begun.wait(10)
    models.install(scan(tmp_path), {}, {})
    installed.set()
    unloading.join()
    assert [each.reference for each in models.store.all] == ["fake@1", "fake@2"]
    assert models.find("fake").number == 2


def needs_tensorflow(folder, threads):
    raise RuntimeUnavailable("needs tensorflow, which is not installed: publish it again")


def test_a_version_that_cannot_run_here_is_refused_in_one_line_and_asked_for_with_the_reason(
    tmp_path, caplog
):
    write_version(tmp_path, "good")
    write_version(tmp_path, "mine")

    def open_runtime(folder, threads):
        return (needs_tensorflow if folder.parent.name == "mine" else open_fake)(folder, threads)

    models = Models(scan(tmp_path), open_runtime, 1)
    models.open_default("good")
    models.open_in_background()
    models.opener.submit(int).result()
    while "mine/1" not in models.rejected:
        models.opener.submit(int).result()
    models.opener.shutdown()
    for reference in ("mine", "mine@1"):
        with pytest.raises(ModelUnavailable) as refusal:
            models.get(models.find(reference))
        assert refusal.value.status == 404
        assert refusal.value.detail.startswith(
            "mine@1 is in the store, and cannot be served here: needs tensorflow, which is not installed"
        )
    with pytest.raises(ModelNotFound) as unknown:
        models.find("another")
    assert "expected one of good@1. Received: another" in unknown.value.detail  # not what cannot be served
    assert [record.message for record in caplog.records if "mine" in record.message] == [
        f"not served: {refusal.value.detail}"
    ]
    assert all(record.exc_info is None for record in caplog.records)


def test_a_default_model_that_cannot_run_here_names_its_reason_once(tmp_path, caplog):
    for number in (1, 2):
        write_version(tmp_path, "mine", number)
    with pytest.raises(StoreError) as refusal:
        Models(scan(tmp_path), needs_tensorflow, 1).open_default("mine")
    assert refusal.value.detail.count("needs tensorflow") == 1
    assert "mine@2" in refusal.value.detail
    assert caplog.records == []


def test_every_reference_of_a_version_finds_the_one_opened_model(tmp_path):
    digest = digest_of(write_version(tmp_path))
    models = Models(scan(tmp_path), open_fake, 1)
    models.open_default(f"fake@1-{digest[:12]}")

    async def find(reference):
        return await models.find_opened(reference)

    found = [asyncio.run(find(reference)) for reference in ("fake", "fake@1", f"fake@1-{digest[:12]}")]
    assert found == [models.opened["fake@1"]] * 3
    assert list(models.opened) == ["fake@1"]


def test_a_pinned_version_that_cannot_be_opened_is_refused_with_its_reason_and_no_other_serves(tmp_path):
    write_version(tmp_path, number=1)
    digest = digest_of(write_version(tmp_path, number=2))
    models = Models(scan(tmp_path), failing_open("2"), threads=1)
    for _ in range(2):
        with pytest.raises(ModelError, match="fake@2: KeyError"):
            asyncio.run(models.find_opened(f"fake@2-{digest[:12]}"))


def test_a_default_model_that_was_deleted_is_named_with_its_digest(tmp_path):
    write_version(tmp_path, number=1)
    digest = record(write_version(tmp_path, number=2))
    shutil.rmtree(tmp_path / "fake" / "2")
    models = Models(scan(tmp_path), open_fake, 1)
    with pytest.raises(ModelGone):
        models.find("fake@2")
    with pytest.raises(StoreError, match=f"fake@2 was published as digest {digest}, and has been deleted"):
        models.open_default("fake@2")
