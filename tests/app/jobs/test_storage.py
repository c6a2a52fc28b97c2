import errno
import os
import sys
from pathlib import Path

import pytest

from app.jobs.job import InvalidJob
from app.jobs.storage import LARGE, Folder, Remote, storage_at

fsspec = pytest.importorskip("fsspec")


@pytest.fixture(params=["folder", "memory", "local"])
def storage(request, tmp_path):
    address = {
        "folder": str(tmp_path / "new"),
        "memory": f"memory://{tmp_path.name}",
        "local": f"local://{tmp_path}/x",
    }
    return storage_at(address[request.param])


def test_a_file_is_there_as_it_was_put(storage):
    assert storage.is_empty()
    assert storage.get("index/0.csv") is None
    assert storage.size("index/0.csv") is None
    storage.put("index/0.csv", b"abc")
    storage.put("index/0.csv", b"abcd")
    storage.settle()
    assert storage.get("index/0.csv") == b"abcd"
    assert storage.size("index/0.csv") == 4
    assert not storage.is_empty()


def test_a_file_that_could_not_be_written_leaves_the_former_one(tmp_path, monkeypatch):
    storage = Folder(tmp_path)
    storage.put("a", b"former")

    def full(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        storage.put("a", b"new")
    assert storage.get("a") == b"former"
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


@pytest.mark.skipif(not hasattr(os, "posix_fadvise"), reason="this system has no posix_fadvise")
def test_a_large_file_that_is_on_the_disk_leaves_the_systems_memory(tmp_path, monkeypatch):
    told = []
    monkeypatch.setattr(os, "fsync", lambda descriptor: told.append("written"))
    monkeypatch.setattr(os, "posix_fadvise", lambda *given: told.append(given[1:]))
    storage = Folder(tmp_path)
    storage.put("small", bytes(LARGE - 1))
    assert told == ["written"] * 2  # the folder too
    storage.put("large", bytes(LARGE))
    assert told[2:] == ["written", (0, 0, os.POSIX_FADV_DONTNEED), "written"]
    assert storage.get("large") == bytes(LARGE)


def test_what_outlives_a_loss_of_power_is_a_file_and_the_names_on_the_way_to_it(tmp_path, monkeypatch):
    kept, plain = [], os.fsync

    def remembered(descriptor):
        kept.append(str(Path(f"/proc/self/fd/{descriptor}").readlink()))
        plain(descriptor)

    monkeypatch.setattr(os, "fsync", remembered)
    storage = Folder(tmp_path / "set")
    storage.put("index/0.csv", b"1")
    content, *names = kept
    assert content.startswith(f"{tmp_path}/set/index/.part-0.csv-")
    assert names == [f"{tmp_path}/set/index", f"{tmp_path}/set", str(tmp_path)]
    kept.clear()
    storage.put("index/1.csv", b"2")
    assert kept[1:] == [f"{tmp_path}/set/index"]
    kept.clear()
    storage.put("x.png", b"3", durable=False)
    assert kept == []


@pytest.mark.parametrize("number", [errno.EACCES, errno.EINVAL])
def test_a_folder_that_cannot_be_read_or_kept_by_itself_takes_files_all_the_same(
    tmp_path, monkeypatch, number
):
    def refused(path):
        raise OSError(number, os.strerror(number), path)

    monkeypatch.setattr("app.jobs.storage.fsync", refused)
    storage = Folder(tmp_path / "set")
    storage.put("index/0.csv", b"1")
    assert storage.get("index/0.csv") == b"1"
    number = errno.EIO
    with pytest.raises(OSError, match="Input/output"):
        storage.put("index/1.csv", b"2")


def test_what_a_killed_process_left_behind_does_not_count(tmp_path):
    (tmp_path / ".part-0.tar-1234").write_bytes(b"half")
    assert Folder(tmp_path).is_empty()


def test_a_path_and_an_address_of_a_file_are_folders(tmp_path):
    storage_at(f"file://{tmp_path}").put("a", b"1")
    assert storage_at(str(tmp_path)).get("a") == b"1"


def test_an_address_that_nobody_knows_is_refused():
    with pytest.raises(InvalidJob, match="nonsense://x: "):
        storage_at("nonsense://x")


def test_without_fsspec_an_address_is_refused_with_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "fsspec", None)
    with pytest.raises(InvalidJob, match=r"vitrine-vae\[remote\]"):
        Remote("s3://bucket/x")
