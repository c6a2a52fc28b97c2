"""Settings, store, memory, port and picture: what is found, and what is to be done."""

import shutil
import socket

import pytest
from fsspec.implementations.memory import MemoryFileSystem

from app import store
from app.doctor import serving
from app.settings import Settings, load_settings
from tests import objects
from tests.conftest import SHIPPED_MODEL, SHIPPED_STORE, SHIPPED_VERSION
from tests.fakes import write_version
from tests.serving import serving_fakes

SHIPPED = Settings(model_store=SHIPPED_STORE, default_model=SHIPPED_MODEL)


def test_settings_are_told_with_what_set_them(monkeypatch):
    monkeypatch.setenv("VITRINE_MAX_IMAGES", "7")
    monkeypatch.setenv("VITRINE_MAX_STEPS", " ")  # as if it were not set
    told = [
        finding.found for finding in serving.settings_in_force(load_settings(workers=1, worker_threads=1))
    ]
    assert "VITRINE_MAX_IMAGES=7 (environment)" in told
    assert "VITRINE_WORKERS=1 (option)" in told
    assert not any("MAX_STEPS" in line or "KEEP_ALIVE" in line for line in told)


def test_more_threads_than_cores_are_a_warning():
    found = serving.settings_in_force(Settings(workers=64, worker_threads=64))
    assert found[-1].state == "warning"
    assert "4096 threads may compute" in found[-1].found


@pytest.fixture
def damaged(tmp_path):
    """A store with a version that LiteRT runs, one without its files, and one with a flipped byte."""
    shutil.copytree(SHIPPED_VERSION, tmp_path / "fashion-dense" / "7")
    write_version(tmp_path, "bare")
    card = write_version(tmp_path, "broken") / "encoder" / "weights"
    card.write_bytes(b"Encoder")
    return Settings(model_store=tmp_path, default_model="fashion-dense", runtime="litert")


def test_every_version_is_told_and_why_one_is_not_served(damaged):
    found = serving.versions(damaged, store.scan(damaged.model_store))
    by_name = {finding.found.split(":")[0].split(",")[0]: finding for finding in found}
    assert by_name["fashion-dense@7"].state == "ok"
    assert "has no flatbuffers" in by_name["bare@1"].found
    assert "encoder/weights" in by_name["broken/1"].found
    assert by_name["broken/1"].remedy == "Copy it again as a whole, or remove it."


@pytest.mark.parametrize(
    ("default", "said"),
    [("nothing", "nothing"), ("bare", "has no flatbuffers"), ("broken", "broken")],
)
def test_a_default_model_that_cannot_answer_fails(damaged, default, said):
    settings = damaged.model_copy(update={"default_model": default})
    found, version = serving.default_model(settings, store.scan(settings.model_store))
    assert (found.state, version) == ("failed", None)
    assert said in found.found


def test_the_default_model_is_told_with_its_store(damaged):
    found, version = serving.default_model(damaged, store.scan(damaged.model_store))
    assert (found.state, version.reference) == ("ok", "fashion-dense@7")
    assert str(damaged.model_store) in found.found


def test_a_store_that_is_not_there_fails(tmp_path):
    found = serving.scanned(Settings(model_store=tmp_path / "none"))
    assert found.state == "failed"
    assert "VITRINE_MODEL_STORE" in found.remedy


def test_a_store_at_an_address_answers_or_says_why_it_does_not(tmp_path, monkeypatch):
    assert serving.address(Settings(model_store=tmp_path)) is None
    write_version(tmp_path / "ours")
    where = objects.empty()
    objects.publish(tmp_path / "ours", where, "fake@1")
    settings = Settings(model_store=where, store_cache=tmp_path / "cache", default_model="fake")
    right = serving.address(settings)
    assert right.state == "ok"
    assert right.found.startswith(f"{where} answers in ")
    assert right.found.endswith("and has fake")

    def gone(*_, **__):
        raise OSError("no network")

    monkeypatch.setattr(MemoryFileSystem, "ls", gone)
    wrong = serving.address(settings)
    assert (wrong.state, "no network" in wrong.found) == ("failed", True)
    assert "VITRINE_MODEL_STORE" in wrong.remedy
    monkeypatch.undo()
    assert serving.scanned(settings).names == {"fake"}
    monkeypatch.setattr(MemoryFileSystem, "ls", gone)
    kept = serving.address(settings)
    assert (kept.state, "a copy is in" in kept.found) == ("warning", True)


def test_an_address_that_nobody_knows_fails(tmp_path):
    found = serving.address(Settings(model_store="nosuch://x", store_cache=tmp_path))
    assert (found.state, "nosuch://x" in found.found) == ("failed", True)


@pytest.mark.parametrize(("limit", "state"), [("max", "ok"), ("200000000", "failed")])
def test_memory_for_all_models_in_every_worker_is_held_against_the_limit(tmp_path, monkeypatch, limit, state):
    group = tmp_path / "sys" / "fs" / "cgroup"
    group.mkdir(parents=True)
    (group / "memory.max").write_text(limit)
    monkeypatch.setattr(serving.bench, "memory_of", lambda settings, reference: 30_000_000)
    settings = SHIPPED.model_copy(update={"workers": 2, "cache_bytes": 0})
    found = serving.memory(settings, store.scan(SHIPPED_STORE), tmp_path)
    models = len(store.scan(SHIPPED_STORE).versions)
    assert found.state == state
    assert found.found.startswith(f"{2 * (170 + 30 * models)} MB of ")
    assert ("VITRINE_WORKERS" in found.remedy) == (state == "failed")


def test_a_port_is_free_or_taken_or_vitrines_own(tmp_path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        settings = Settings(port=taken.getsockname()[1])
        taken.settimeout(0.1)
        found = serving.port(settings)
    assert found.state == "failed"
    assert "VITRINE_PORT" in found.remedy
    assert serving.port(settings).state == "ok"
    write_version(tmp_path)
    with serving_fakes(Settings(model_store=tmp_path, default_model="fake")) as port:
        found = serving.port(Settings(port=port))
    assert (found.state, "Vitrine listens on" in found.found) == ("ok", True)


def test_a_picture_is_computed_and_its_time_told():
    found = serving.picture(SHIPPED)
    assert found.state == "ok"
    assert found.found.startswith("21 images in ")


def test_a_picture_that_is_refused_or_fails_says_why(tmp_path, monkeypatch):
    refused = serving.picture(SHIPPED.model_copy(update={"max_images": 3}))
    assert refused.state == "failed"
    assert '"status":422' in refused.found.replace(" ", "")
    write_version(tmp_path)  # files that no runtime reads
    failed = serving.picture(Settings(model_store=tmp_path, default_model="fake"))
    assert failed.state == "failed"
    assert failed.remedy


def test_labels_that_cannot_be_used_are_a_warning_with_what_to_do(damaged):
    folder = damaged.model_store / "fashion-dense"
    (folder / "labels.json").write_text("{broken")
    told = [
        each for each in serving.versions(damaged, store.scan(damaged.model_store)) if each.check == "labels"
    ]
    assert [each.state for each in told] == ["warning"]
    assert "labels.json: Invalid JSON" in told[0].found
    assert "vitrine models promote" in told[0].found
