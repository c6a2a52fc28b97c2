import json
import os
import shutil

import pytest

from app import labels
from app.changes import StoreReader, look
from app.errors import StoreError
from app.labels import Labels
from tests.fakes import record, write_version


@pytest.fixture
def store(tmp_path):
    for number in (1, 2):
        write_version(tmp_path, number=number)
    return tmp_path


def rewrite(path):
    """The same bytes once more, as a file of its own."""
    content = path.read_bytes()
    path.unlink()
    path.write_bytes(content)


CHANGES = {
    "a version is added": lambda store: write_version(store, number=3),
    "a model is added": lambda store: write_version(store, "other"),
    "a version is deleted": lambda store: shutil.rmtree(store / "fake" / "2"),
    "a version is renamed": lambda store: (store / "fake" / "2").rename(store / "fake" / "4"),
    "a manifest is replaced": lambda store: rewrite(store / "fake" / "1" / "manifest.json"),
    "labels are written": lambda store: labels.write(store / "fake", Labels(stable=1)),
    "a version is recorded": lambda store: record(store / "fake" / "1"),
    "a file becomes unreadable": lambda store: (store / "fake" / "1" / "manifest.json").chmod(0),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_a_store_looks_otherwise_after(store, change):
    before = look(store)
    assert look(store) == before
    change(store)
    assert look(store) != before


def test_what_a_publisher_has_not_finished_changes_nothing(store):
    before = look(store)
    (store / "fake" / ".publishing-3").mkdir()
    (store / "fake" / ".publishing-3" / "manifest.json").write_text("{")
    assert look(store) == before


def test_of_a_version_that_was_refused_every_file_counts_and_of_others_none_is_read(store):
    known, refused = look(store), look(store, {"fake/2"})
    weights = store / "fake" / "2" / "decoder" / "weights"
    weights.write_bytes(b"changed")
    assert look(store) == known
    assert look(store, {"fake/2"}) != refused
    os.utime(store / "fake" / "2" / "manifest.json", (1, 1))
    after = look(store)
    assert after.same(known, store / "fake" / "1")
    assert not after.same(known, store / "fake" / "2")
    assert not after.same(known, store / "fake" / "3")


def test_a_store_that_is_not_there_is_an_error_and_an_empty_one_is_not(store):
    with pytest.raises(FileNotFoundError):
        look(store / "gone")
    (store / "nothing").mkdir()
    assert look(store / "nothing").versions == {}
    assert json.loads((store / "fake" / "1" / "manifest.json").read_text())["name"] == "fake"


def test_a_store_is_read_again_when_it_has_changed_and_only_what_has(store):
    reader = StoreReader(store)
    first = reader.scan()
    assert reader.read() is None
    write_version(store, number=3)
    rewrite(store / "fake" / "2" / "manifest.json")
    second = reader.read()
    one, two, three = second.versions["fake"]
    assert [one is first.find("fake@1"), two is first.find("fake@2"), three.number] == [True, False, 3]
    assert reader.read() is None
    assert reader.read(again=True).find("fake@1") is one


@pytest.mark.fault(10)
def test_a_store_that_is_emptied_or_gone_is_an_error_each_time_and_read_again_when_it_is_back(
    store, tmp_path
):
    reader, aside = StoreReader(store / "."), tmp_path.with_name("aside")
    first = reader.scan()
    (store / "fake").rename(aside)
    for _ in range(2):
        with pytest.raises(StoreError, match="no model that can be served"):
            reader.read()
    aside.rename(store / "fake")
    back = reader.read()
    assert back.find("fake@1") is first.find("fake@1")  # nothing of it was read again
    assert reader.read() is None


@pytest.mark.fault(8)
def test_a_version_that_is_copied_into_place_file_by_file_is_refused_until_it_is_whole(
    store, tmp_path_factory
):
    reader = StoreReader(store)
    reader.scan()
    whole = write_version(tmp_path_factory.mktemp("elsewhere"), number=3)
    files = sorted(path for path in whole.rglob("*") if path.is_file())
    for count, path in enumerate(sorted(files, key=lambda path: path.name != "manifest.json"), 1):
        placed = store / "fake" / "3" / path.relative_to(whole)
        placed.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, placed)
        found = reader.read({"fake/3"})
        numbers = [each.number for each in found.versions["fake"]]
        assert numbers == ([1, 2] if count < len(files) else [1, 2, 3])
    assert reader.read() is None or reader.read() is None
