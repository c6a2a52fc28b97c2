import json
import os
import shutil

import pytest

from app import labels
from app.changes import look
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
