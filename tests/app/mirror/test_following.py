import contextlib
import threading
import time

import pytest

from app import store
from app.mirror.backoff import Backoff
from app.mirror.following import Follower
from app.mirror.mirror import Mirror
from app.registry.objects import Objects
from tests import objects
from tests.fakes import write_version


@pytest.fixture
def ours(tmp_path):
    for number in (1, 2, 3):
        write_version(tmp_path / "ours", number=number, walk={"axis": 0, "steps": number + 1})
    return tmp_path / "ours"


@pytest.fixture
def address(ours):
    found = objects.empty()
    objects.publish(ours, found, "fake@1")
    return found


@contextlib.contextmanager
def following(address, folder, poll_seconds, retry_seconds=0.05):
    folder.mkdir()
    changed = threading.Semaphore(0)
    mirror = Mirror(Objects(address), folder, backoff=Backoff(retry_seconds))
    follower = Follower(mirror, poll_seconds, changed.release)
    try:
        yield follower, changed
    finally:
        follower.stop()
        follower._thread.join(30)
        assert not follower._thread.is_alive()


def eventually(found):
    deadline = time.monotonic() + 30
    while not found():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_it_looks_at_once_then_from_time_to_time(ours, address, tmp_path):
    with following(address, tmp_path / "here", 0.05) as (follower, changed):
        assert changed.acquire(timeout=30)
        objects.publish(ours, address, "fake@2")
        assert changed.acquire(timeout=30)
        assert [each.number for each in store.scan(tmp_path / "here").all] == [1, 2]
        assert follower.warning == ""


def test_without_a_poll_it_looks_when_it_is_woken_and_tries_again_what_failed(ours, address, tmp_path):
    with following(address, tmp_path / "here", 0) as (follower, changed):
        assert changed.acquire(timeout=30)
        objects.publish(ours, address, "fake@2")
        assert not changed.acquire(timeout=0.3)
        weights = objects.read(address, "fake/2/decoder/weights")
        objects.write(address, "fake/2/decoder/weights", b"changed")
        follower.wake()
        eventually(lambda: "SHA-256 differs" in follower.rejected.get("fake/2", ""))
        eventually(lambda: "fake/2" in follower.warning)
        objects.write(address, "fake/2/decoder/weights", weights)
        assert changed.acquire(timeout=30)
        eventually(lambda: (follower.warning, follower.rejected) == ("", {}))


def test_waking_it_does_not_wait_for_what_is_due_later(ours, address, tmp_path):
    objects.publish(ours, address, "fake@2")
    weights = objects.read(address, "fake/2/decoder/weights")
    objects.write(address, "fake/2/decoder/weights", b"changed")
    with following(address, tmp_path / "here", 0.05, retry_seconds=300) as (follower, _):
        eventually(lambda: "fake/2" in follower.warning)
        objects.write(address, "fake/2/decoder/weights", weights)
        follower.wake()
        eventually(lambda: follower.warning == "")
        assert [each.number for each in store.scan(tmp_path / "here").all] == [1, 2]


def test_an_error_that_nobody_expects_does_not_end_it(ours, address, tmp_path, monkeypatch, caplog):
    update = Mirror.update

    def fails(*_):
        monkeypatch.setattr(Mirror, "update", update)
        raise ZeroDivisionError("no such luck")

    monkeypatch.setattr(Mirror, "update", fails)
    with following(address, tmp_path / "here", 0.05) as (_, changed):
        assert changed.acquire(timeout=30)
    assert "the store was not followed: ZeroDivisionError: no such luck" in caplog.messages
