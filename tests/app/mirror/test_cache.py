import os
import stat

import pytest

from app.errors import StoreError
from app.mirror import cache
from app.mirror.cache import folder_for


def test_each_address_has_a_folder_of_its_own_in_the_one_that_is_named(tmp_path):
    one, other = folder_for("s3://a/b", tmp_path / "x" / "y"), folder_for("s3://a/c", tmp_path / "x" / "y")
    assert one.parent == other.parent == tmp_path / "x" / "y"
    assert one != other
    assert one == folder_for("s3://a/b", tmp_path / "x" / "y")
    assert list(one.iterdir()) == []


def test_without_a_name_it_is_the_users_cache_or_one_in_the_temporary_folder(tmp_path, monkeypatch):
    monkeypatch.setattr(cache, "_usual", lambda: iter([tmp_path / "file" / "vitrine", tmp_path / "other"]))
    (tmp_path / "file").write_text("no folder can be made in a file")
    found = folder_for("s3://a/b")
    assert found.parent == tmp_path / "other"
    assert stat.S_IMODE(found.parent.stat().st_mode) == 0o700


def test_a_folder_that_others_could_look_into_is_closed(tmp_path, monkeypatch):
    (tmp_path / "older").mkdir(mode=0o755)
    monkeypatch.setattr(cache, "_usual", lambda: iter([tmp_path / "older"]))
    folder_for("s3://a/b")
    assert stat.S_IMODE((tmp_path / "older").stat().st_mode) == 0o700


def test_a_folder_of_another_user_is_not_taken(tmp_path, monkeypatch):
    (tmp_path / "theirs").mkdir(mode=0o700)
    monkeypatch.setattr(cache, "_usual", lambda: iter([tmp_path / "theirs"]))
    monkeypatch.setattr(os, "getuid", lambda: (tmp_path / "theirs").stat().st_uid + 1)
    with pytest.raises(StoreError, match="belongs to another user"):
        folder_for("s3://a/b")
    assert list((tmp_path / "theirs").iterdir()) == []


def test_a_folder_that_others_can_write_to_is_not_taken_unless_it_is_named(tmp_path, monkeypatch):
    (tmp_path / "shared").mkdir()
    (tmp_path / "shared").chmod(0o777)
    monkeypatch.setattr(cache, "_usual", lambda: iter([tmp_path / "shared"]))
    with pytest.raises(StoreError, match=r"others can write to it.*VITRINE_STORE_CACHE"):
        folder_for("s3://a/b")
    assert folder_for("s3://a/b", tmp_path / "shared").is_dir()


def test_a_link_is_not_taken(tmp_path, monkeypatch):
    (tmp_path / "theirs").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "theirs")
    monkeypatch.setattr(cache, "_usual", lambda: iter([tmp_path / "link"]))
    with pytest.raises(StoreError, match="not a folder of its own"):
        folder_for("s3://a/b")
    assert list((tmp_path / "theirs").iterdir()) == []


def test_a_place_that_cannot_be_written_to_is_told_in_one_line(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError) as refused:
        folder_for("s3://a/b", tmp_path / "file")
    assert "s3://a/b" in refused.value.detail
    assert "\n" not in refused.value.detail
