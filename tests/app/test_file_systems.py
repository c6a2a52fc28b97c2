import sys
import threading

import pytest

from app import file_systems
from app.file_systems import NoSuchPlace


def test_an_address_means_a_path_in_a_file_system():
    files, root = file_systems.opened("memory://bucket/prefix")
    files.pipe_file(f"{root}/x", b"here")
    assert file_systems.opened("memory://bucket")[0].cat_file("/bucket/prefix/x") == b"here"
    assert file_systems.is_object_store(files)
    assert not file_systems.is_object_store(file_systems.opened("file:///tmp")[0])


def test_an_address_that_nobody_knows_is_no_place():
    with pytest.raises(NoSuchPlace, match="nosuch://x"):
        file_systems.opened("nosuch://x")


def test_without_fsspec_there_is_none_and_what_to_install_is_said(monkeypatch):
    monkeypatch.setitem(sys.modules, "fsspec", None)
    with pytest.raises(NoSuchPlace, match="pip install 'vitrine-vae"):
        file_systems.opened("s3://bucket")


def test_a_method_is_called_in_time_and_one_that_hangs_is_left_alone():
    files, root = file_systems.opened("memory://calls")
    file_systems.call(files, "pipe_file", 30, f"{root}/x", b"content")
    assert file_systems.call(files, "cat_file", 30, f"{root}/x", start=3, end=5) == b"te"
    with pytest.raises(FileNotFoundError):
        file_systems.call(files, "cat_file", 30, f"{root}/none")
    ended = threading.Event()
    files.hangs = ended.wait
    with pytest.raises(TimeoutError):
        file_systems.call(files, "hangs", 0.05)
    ended.set()
