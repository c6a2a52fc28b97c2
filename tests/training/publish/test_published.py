import errno
import json
import os
import shutil
from concurrent.futures import ProcessPoolExecutor

import pytest

from training.errors import NotWritten
from training.publish import published
from training.publish.published import PUBLISHED, next_number, remember

DIGEST = "0" * 63


def put(store, model="tiny", version=1):
    """Write what there is of a version for this; return its digest."""
    folder = store / model / str(version)
    folder.mkdir(parents=True)
    digest = f"{version:064x}"
    (folder / "manifest.json").write_text(json.dumps({"name": model, "digest": digest}))
    return digest


def lines(store):
    return [json.loads(line) for line in (store / PUBLISHED).read_text().splitlines()]


def test_every_version_of_a_store_is_remembered_once(tmp_path):
    for model, version in (("b", 10), ("b", 9), ("a", 1)):
        put(tmp_path, model, version)
    for name in ("a/.publishing-x", "a/01", "a/notes", "UPPER/1"):
        (tmp_path / name).mkdir(parents=True)
        (tmp_path / name / "manifest.json").write_text(json.dumps({"digest": DIGEST + "1"}))
    remember(tmp_path)
    expected = [{"model": m, "version": v, "digest": f"{v:064x}"} for m, v in (("a", 1), ("b", 9), ("b", 10))]
    assert lines(tmp_path) == expected
    put(tmp_path, "b", 11)
    remember(tmp_path)
    remember(tmp_path)
    assert lines(tmp_path) == [*expected, {"model": "b", "version": 11, "digest": f"{11:064x}"}]


@pytest.mark.parametrize("manifest", [None, "{", "[]", "{}", '{"digest": 1}', '{"digest": "0123"}'])
def test_a_folder_that_is_no_version_is_not_remembered(tmp_path, manifest):
    put(tmp_path)
    (tmp_path / "tiny" / "2").mkdir()
    if manifest is not None:
        (tmp_path / "tiny" / "2" / "manifest.json").write_text(manifest)
    remember(tmp_path)
    assert [line["version"] for line in lines(tmp_path)] == [1]


def test_a_folder_that_took_the_number_of_another_version_is_not_remembered_in_its_place(tmp_path):
    digest = put(tmp_path)
    remember(tmp_path)
    (tmp_path / "tiny" / "1" / "manifest.json").write_text(json.dumps({"digest": "f" * 64}))
    remember(tmp_path)
    assert [line["digest"] for line in lines(tmp_path)] == [digest]


def test_the_next_number_follows_the_highest_of_folders_and_memory(tmp_path):
    model = tmp_path / "tiny"
    assert next_number(model) == 1  # of a store that there is not yet
    put(tmp_path, version=2)
    put(tmp_path, "other", 40)
    assert next_number(model) == 3  # before anything is remembered
    remember(tmp_path)
    put(tmp_path, version=5)
    assert next_number(model) == 6
    shutil.rmtree(model)
    assert next_number(model) == 3
    assert next_number(tmp_path / "another") == 1


def test_there_is_no_number_of_ten_digits(tmp_path):
    put(tmp_path, version=999_999_999)
    remember(tmp_path)
    with pytest.raises(NotWritten, match="no version number after 999999999"):
        next_number(tmp_path / "tiny")


@pytest.mark.parametrize(
    "torn", ['{"model": "tiny", "ver', "{", "\0" * 100, '{"model": "tiny", "version": 7}']
)
def test_a_torn_last_line_is_left_alone_and_the_next_begins_on_its_own(tmp_path, caplog, torn):
    put(tmp_path)
    remember(tmp_path)
    with (tmp_path / PUBLISHED).open("a") as file:
        file.write(torn)
    assert next_number(tmp_path / "tiny") == 2
    put(tmp_path, version=2)
    remember(tmp_path)
    written = (tmp_path / PUBLISHED).read_text().splitlines()
    assert [written[1], json.loads(written[2])["version"]] == [torn, 2]
    assert [record.message for record in caplog.records] == [
        f"{tmp_path / PUBLISHED}: line 2: no record of a version, passed over"
    ]
    shutil.rmtree(tmp_path / "tiny" / "2")
    assert next_number(tmp_path / "tiny") == 3


def test_a_version_whose_line_was_torn_gets_another(tmp_path):
    put(tmp_path)
    put(tmp_path, version=2)
    remember(tmp_path)
    content = (tmp_path / PUBLISHED).read_bytes()
    (tmp_path / PUBLISHED).write_bytes(content[:-20])
    remember(tmp_path)
    assert (tmp_path / PUBLISHED).read_bytes() == content[:-20] + b"\n" + content[len(content) // 2 :]


def test_a_last_line_without_its_line_feed_is_a_record(tmp_path):
    put(tmp_path)
    remember(tmp_path)
    content = (tmp_path / PUBLISHED).read_bytes()
    (tmp_path / PUBLISHED).write_bytes(content[:-1])
    put(tmp_path, version=2)
    remember(tmp_path)
    assert [line["version"] for line in lines(tmp_path)] == [1, 2]


def put_and_remember(store, version):
    put(store, version=version)
    remember(store)


def test_processes_that_remember_at_once_leave_a_line_of_every_version(tmp_path):
    with ProcessPoolExecutor(4) as pool:
        list(pool.map(put_and_remember, [tmp_path] * 40, range(1, 41)))
    assert sorted(line["version"] for line in lines(tmp_path)) == list(range(1, 41))


def test_every_user_can_read_it_whatever_the_umask(tmp_path):
    before = os.umask(0o077)
    try:
        remember(tmp_path)
    finally:
        os.umask(before)
    assert (tmp_path / PUBLISHED).stat().st_mode & 0o777 == 0o644


def make_link(path):
    target = path.with_name("elsewhere")
    target.touch()
    path.symlink_to(target)


@pytest.mark.parametrize("make", [make_link, os.mkdir])
def test_what_is_no_file_is_not_written_to_and_gives_no_number(tmp_path, make):
    put(tmp_path)
    make(tmp_path / PUBLISHED)
    for use in (lambda: remember(tmp_path), lambda: next_number(tmp_path / "tiny")):
        with pytest.raises(NotWritten, match=r"published\.jsonl: cannot be written"):
            use()


def test_a_disk_that_takes_half_a_line_is_named(tmp_path, monkeypatch):
    put(tmp_path)
    write = os.write
    monkeypatch.setattr(published.os, "write", lambda descriptor, line: write(descriptor, line[:9]))
    with pytest.raises(NotWritten, match=os.strerror(errno.ENOSPC)):
        remember(tmp_path)
    monkeypatch.undo()
    remember(tmp_path)
    assert (tmp_path / PUBLISHED).read_text().splitlines()[0] == '{"model":'
    assert json.loads((tmp_path / PUBLISHED).read_text().splitlines()[1])["version"] == 1
