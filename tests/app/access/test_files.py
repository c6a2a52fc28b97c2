import logging
import os

import pytest

from app.access import files
from app.access.files import AccessError, WatchedFile, read


def word(text):
    if text == "bad":
        raise AccessError("says nothing that can be used")
    return text


@pytest.fixture
def watched(tmp_path, monkeypatch):
    """A watched file, looked at every time."""
    monkeypatch.setattr(files, "LOOK_SECONDS", 0.0)
    path = tmp_path / "words"
    path.write_text("first")
    return path, WatchedFile(path, word)


def test_a_file_is_read_again_when_it_was_replaced_or_written_over(watched):
    path, file = watched
    assert file.value == "first"
    new = path.with_name("new")
    new.write_text("other")
    os.utime(new, ns=(path.stat().st_atime_ns, path.stat().st_mtime_ns))  # as old, and as long
    new.replace(path)
    assert file.value == "other"
    path.write_text("third")
    assert file.value == "third"


def test_a_file_that_has_not_changed_is_not_read_again(watched, monkeypatch):
    _, file = watched
    monkeypatch.setattr(files, "read", lambda *_: pytest.fail("read again"))
    assert file.value == "first"


@pytest.mark.parametrize("spoil", ["bad", None], ids=["changed", "removed"])
def test_a_file_that_is_spoiled_changes_nothing_and_is_told_once(watched, caplog, spoil):
    path, file = watched
    path.unlink() if spoil is None else path.write_text(spoil)
    with caplog.at_level(logging.ERROR, "vitrine"):
        assert [file.value for _ in range(3)] == ["first"] * 3
    (record,) = caplog.records
    assert str(path) in record.getMessage()
    path.write_text("mended")
    assert file.value == "mended"


def test_a_file_that_could_not_be_read_for_a_moment_is_read_later_though_it_is_the_same(
    watched, monkeypatch, caplog
):
    """A key that was taken away must not stay in force because descriptors were short just then."""
    path, file = watched
    path.write_text("second")
    with monkeypatch.context() as patch, caplog.at_level(logging.ERROR, "vitrine"):
        patch.setattr(
            type(path), "open", lambda *_: (_ for _ in ()).throw(OSError(24, "Too many open files"))
        )
        assert [file.value for _ in range(3)] == ["first"] * 3
    (record,) = caplog.records
    assert record.getMessage() == f"{path}: Too many open files; what it said before stays in force"
    assert file.value == "second"


def test_a_file_is_looked_at_once_a_second_at_most(tmp_path):
    path = tmp_path / "words"
    path.write_text("first")
    file = WatchedFile(path, word)
    path.write_text("second")
    assert file.value == "first"
    file._next_look = 0.0
    assert file.value == "second"


def test_what_cannot_be_read_is_one_line_without_what_the_file_holds(tmp_path):
    with pytest.raises(AccessError, match=r"^No such file or directory$"):
        read(tmp_path / "nowhere", word)
    with pytest.raises(AccessError, match=r"^Is a directory$"):
        read(tmp_path, word)
    (tmp_path / "bytes").write_bytes(b"\xff\xfe secret")
    with pytest.raises(AccessError, match=r"^is no text in UTF-8$"):
        read(tmp_path / "bytes", word)
    (tmp_path / "long").write_bytes(b"x" * (files.MAX_BYTES + 1))
    with pytest.raises(AccessError, match=r"^has more than 1048576 bytes$"):
        read(tmp_path / "long", word)
