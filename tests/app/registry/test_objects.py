import sys
import time

import pytest
from fsspec.implementations.memory import MemoryFileSystem

from app import store
from app.registry import objects as module
from app.registry import pushing, sources
from app.registry.objects import Objects
from app.registry.pulling import pull
from app.registry.refusals import Refused, Unreachable
from tests import objects
from tests.fakes import digest_of, write_version


def test_a_pushed_version_is_named_by_its_pointer_and_comes_back_by_the_bare_name(address, tmp_path):
    digests = {number: digest_of(tmp_path / "ours" / "fake" / str(number)) for number in (1, 2)}
    there = Objects(address)
    assert there.models() == ["fake"]
    assert there.pointer("fake").digests == digests
    assert pull(sources.opened(address), "fake", tmp_path / "here").digest == digests[2]
    assert [each.reference for each in store.scan(tmp_path / "here").all] == ["fake@2"]


def test_a_version_that_is_there_is_not_sent_again_and_its_number_is_no_other_ones(address, tmp_path):
    write_version(tmp_path / "theirs", number=2)
    before = objects.read(address, "fake/current.json")
    with pytest.raises(Refused, match="a number is never used again"):
        objects.publish(tmp_path / "theirs", address, "fake@2")
    again = pushing.push(store.scan(tmp_path / "ours").find("fake@2"), tmp_path / "ours", address)
    assert again.was_there
    assert objects.read(address, "fake/current.json") == before


def test_the_pointer_is_written_last(address, tmp_path, monkeypatch):
    write_version(tmp_path / "ours", number=3)
    before = objects.read(address, "fake/current.json")

    def fails(self, path, file):
        if path.endswith("manifest.json"):
            raise Unreachable("gone")
        return send(self, path, file)

    send = Objects.send
    monkeypatch.setattr(Objects, "send", fails)
    with pytest.raises(Unreachable):
        objects.publish(tmp_path / "ours", address, "fake@3")
    assert objects.read(address, "fake/3/decoder/weights") == b"decoder"
    assert objects.read(address, "fake/current.json") == before


def test_a_file_goes_on_where_it_ended_and_never_grows_beyond_its_size(address, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "CHUNK", 3)
    part = tmp_path / "part"
    part.write_bytes(b"dec")
    Objects(address).fetch("fake/1/decoder/weights", part, 7)
    assert part.read_bytes() == b"decoder"
    with pytest.raises(Unreachable, match="ended after 7 of 9 bytes"):
        Objects(address).fetch("fake/1/decoder/weights", part, 9)
    part.unlink()
    Objects(address).fetch("fake/1/decoder/weights", part, 5)
    assert len(part.read_bytes()) == 6  # one too many tells that it is another file
    with pytest.raises(Refused, match="not there"):
        Objects(address).fetch("fake/1/none", tmp_path / "none", 5)


def test_small_files_are_read_missing_ones_are_none_and_large_ones_refused(address):
    there = Objects(address)
    assert there.read("fake/1/decoder/weights", 7) == b"decoder"
    assert there.read("fake/9/manifest.json", 7) is None
    with pytest.raises(Refused, match="over 6 bytes"):
        there.read("fake/1/decoder/weights", 6)


def test_a_tag_changes_with_its_file(address):
    there = Objects(address)
    before = there.tags("fake")["current.json"]
    assert before == there.tags("fake")["current.json"]
    objects.write(address, "fake/current.json", b"{}")
    assert there.tags("fake")["current.json"] != before
    assert there.tags("none") == {}


def test_a_place_without_anything_is_unreachable():
    with pytest.raises(Unreachable, match="nothing is there"):
        Objects(objects.empty()).models()


def test_a_store_that_hangs_is_left_alone_in_time(address, monkeypatch):
    there = Objects(address, seconds=0.1)
    monkeypatch.setattr(type(there._files), "cat_file", lambda *_, **__: time.sleep(5))
    began = time.monotonic()
    with pytest.raises(Unreachable, match=r"fake/current.json: not there within 0.1 s"):
        there.pointer("fake")
    assert time.monotonic() - began < 4


def test_what_fails_once_is_tried_again_and_no_more_often(address, monkeypatch):
    there, cat_file, tried = Objects(address), MemoryFileSystem.cat_file, []

    def fails(self, path, *given, **options):
        tried.append(path)
        if len(tried) < least:
            raise OSError("a bad day")
        return cat_file(self, path, *given, **options)

    monkeypatch.setattr(MemoryFileSystem, "cat_file", fails)
    least = 2
    assert there.read("fake/1/decoder/weights", 7) == b"decoder"
    tried.clear()
    least = 3
    with pytest.raises(Unreachable, match="fake/1/decoder/weights: a bad day"):
        there.read("fake/1/decoder/weights", 7)
    assert len(tried) == 2


def test_where_a_store_knows_no_conditions_a_file_is_written_whatever_is_there(address):
    there = Objects(address)
    assert there.stamp("fake/none") is None
    assert there.stamp("fake/current.json") == ""
    there.replace("fake/current.json", b"{}", there.stamp("fake/current.json"))
    assert objects.read(address, "fake/current.json") == b"{}"


def test_what_a_file_system_raises_is_told_in_one_line(address, monkeypatch):
    def fails(*_, **__):
        raise ValueError("no\nway")

    there = Objects(address)
    monkeypatch.setattr(type(there._files), "cat_file", fails)
    with pytest.raises(Unreachable, match=r"x: no$"):
        there.read("x", 1)


def test_without_fsspec_an_address_is_refused_with_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "fsspec", None)
    with pytest.raises(Refused, match="pip install"):
        Objects("s3://bucket/x")
