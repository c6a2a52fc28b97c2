"""A real service whose store is a bucket of an S3 server: what it serves when that, or the way to it, fails."""

import json
import os
import re
import shutil
import signal
import subprocess
import time

import httpx
import pytest

from app import store
from app.mirror import stores
from app.registry.objects import Objects
from app.registry.pushing import push
from app.settings import Settings
from tests import objects
from tests.conftest import SHIPPED_VERSION
from tests.fakes import digest_of, seal
from tests.objects_server import ObjectsServer
from tests.serving import VITRINE, serving

pytestmark = pytest.mark.process

NAME = "followed"
REQUEST_SECONDS = 3
LOOK_SECONDS = 10
PICTURE = "/samples?n=4&seed=1"
FIRST_PICTURE_SECONDS = 60  # 3 on a machine that does nothing else; see docs/operating.md


def make_version(folder, number):
    """Make a version of the shipped model that is small and differs from others by one number alone."""
    made = shutil.copytree(SHIPPED_VERSION, folder / NAME / str(number))
    manifest = json.loads((made / "manifest.json").read_text())
    seal(made, manifest | {"name": NAME, "walk": manifest["walk"] | {"high": 0.8 + number / 1000}})
    (made / "manifest.sig").unlink(missing_ok=True)
    return digest_of(made)


class Running:
    """A service that follows a store, and the store."""

    def __init__(self, server, bucket, address, ours):
        self.bucket, self.address, self._server, self._ours = bucket, address, server, ours
        self.newest = 1

    def publish(self):
        """Publish another version, and return its reference."""
        self.newest += 1
        make_version(self._ours, self.newest)
        push(store.scan(self._ours).find(f"{NAME}@{self.newest}"), self._ours, self.address)
        return f"{NAME}@{self.newest}"

    def look(self):
        """Have the service look at the store now, and try again what failed."""
        os.kill(self._server.process.pid, signal.SIGHUP)

    def version(self):
        found = httpx.get(f"{self._server.url}/version", timeout=30).json()
        return found["default_model"], found["warning"] or ""

    def picture(self):
        """Return the picture and the version that drew it."""
        answer = httpx.get(self._server.url + PICTURE, timeout=30)
        assert answer.status_code == 200
        return answer.content, answer.headers["x-model"]

    def eventually(self, expected):
        """Wait until the default model and the warning are as expected, on a busy machine by several looks."""
        deadline, looked = time.monotonic() + 200, time.monotonic()
        while not expected(*(found := self.version())):
            assert time.monotonic() < deadline, found
            if time.monotonic() - looked > LOOK_SECONDS:
                self.look()
                looked = time.monotonic()
            time.sleep(0.05)


@pytest.fixture(scope="module")
def bucket():
    server = ObjectsServer()
    with pytest.MonkeyPatch.context() as patched:
        for name, value in server.environment.items():
            patched.setenv(name, value)
        server.make_bucket()
        yield server
    server.close()


@pytest.fixture(scope="module")
def ours(tmp_path_factory):
    folder = tmp_path_factory.mktemp("ours")
    make_version(folder, 1)
    return folder


def settings(address, cache, **more):
    return {
        "VITRINE_MODEL_STORE": address,
        "VITRINE_STORE_CACHE": str(cache),
        "VITRINE_DEFAULT_MODEL": NAME,
        "VITRINE_STORE_REQUEST_SECONDS": str(REQUEST_SECONDS),
        "VITRINE_STORE_POLL_SECONDS": "0",
        "VITRINE_DRAIN_SECONDS": "0",
        **more,
    }


@pytest.fixture(scope="module")
def running(bucket, ours, tmp_path_factory):
    address, folder = bucket.address("running"), tmp_path_factory.mktemp("running")
    push(store.scan(ours).find(f"{NAME}@1"), ours, address)
    # A start from an empty cache fails where a busy machine takes longer for a request than it may take.
    stores.folder_of(Settings(model_store=address, store_cache=folder / "cache"))
    with serving(folder, **settings(address, folder / "cache")) as server:
        found = Running(server, bucket, address, ours)
        found.eventually(lambda _, warning: not warning)
        yield found


@pytest.fixture(autouse=True)
def healed(bucket):
    yield
    bucket.faults.clear()


def test_the_first_picture_comes_from_an_empty_cache_and_later_ones_without_a_network(bucket, ours, tmp_path):
    address = bucket.address("first")
    push(store.scan(ours).find(f"{NAME}@1"), ours, address)
    began = time.monotonic()
    bucket.asked.clear()
    patient = {"VITRINE_STORE_REQUEST_SECONDS": "30"}
    with serving(tmp_path, **settings(address, tmp_path / "cache", **patient)) as server:
        first = httpx.get(server.url + PICTURE)
        assert time.monotonic() - began < FIRST_PICTURE_SECONDS
        assert first.headers["x-model"] == f"{NAME}@1"
        files = json.loads((ours / NAME / "1" / "manifest.json").read_text())["files"]
        objects_read = [path for _, path, query in bucket.asked if "list-type" not in query]
        assert sum("/1/" in path for path in objects_read) == len(files) + 2  # manifest and signature
        server.stop()
    bucket.faults[""] = "dropped"
    with serving(tmp_path, **settings(address, tmp_path / "cache")) as server:
        assert httpx.get(server.url + PICTURE).content == first.content
        running = Running(server, bucket, address, ours)
        running.eventually(lambda _, warning: "what is here goes on being served" in warning)
        assert running.version()[1].startswith(address)


def test_an_empty_cache_without_a_network_is_told_in_one_line(bucket, tmp_path):
    bucket.faults[""] = "dropped"
    address = bucket.address("nowhere")
    environment = os.environ | settings(address, tmp_path / "cache")
    ended = subprocess.run(
        [VITRINE, "serve", "--port", "0"],
        env=environment,
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )
    assert ended.returncode == 3
    assert ended.stderr.count("\n") == 1
    assert address in ended.stderr
    assert "is here" not in ended.stderr


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        ("500", "bad day"),
        ("dropped", "Connection was closed"),
        ("silent", f"not there within {REQUEST_SECONDS} s"),
        ("truncated", "Connection was closed"),
    ],
)
def test_a_store_that_fails_at_every_request_leaves_what_serves_and_is_followed_again_later(
    running, fault, reason
):
    before = running.picture()
    running.bucket.faults[""] = fault
    running.look()
    running.eventually(lambda _, warning: re.search(reason, warning))
    assert running.picture() == before
    running.bucket.faults.clear()
    running.look()
    running.eventually(lambda _, warning: not warning)
    assert running.picture() == before


@pytest.mark.parametrize(
    ("end", "fault", "reason"),
    [
        ("decoder.tflite", "truncated", "not enough data|ayload|ended after"),
        ("decoder.tflite", "500", "bad day"),
        ("decoder.tflite", "slow", f"not there within {REQUEST_SECONDS} s"),
        ("manifest.json", "truncated", "ayload"),
        ("current.json", "truncated", "ayload"),
    ],
)
def test_a_version_that_cannot_be_read_whole_is_not_served_until_it_can(running, end, fault, reason):
    before, (serves, _) = running.picture(), running.version()
    running.bucket.faults[end] = fault
    reference = publish_past(running, end)
    running.look()
    running.eventually(lambda _, warning: end in warning and re.search(reason, warning))
    assert running.picture() == before
    assert running.version()[0] == serves
    running.bucket.faults.clear()
    running.look()
    running.eventually(lambda model, warning: (model.partition("-")[0], warning) == (reference, ""))
    assert running.picture()[1].startswith(reference)


def test_a_pointer_that_names_what_is_not_there_changes_nothing(running):
    before, path = running.picture(), f"{NAME}/current.json"
    right = objects.read(running.address, path)
    wrong = json.loads(right)
    wrong["versions"].append({"version": 900, "digest": "0" * 64})
    objects.write(running.address, path, json.dumps(wrong).encode())
    running.look()
    running.eventually(lambda _, warning: f"has no {NAME}@900, though it says so" in warning)
    assert running.picture() == before
    objects.write(running.address, path, right)
    running.look()
    running.eventually(lambda _, warning: not warning)
    assert running.picture() == before


def test_an_object_that_is_shorter_than_its_manifest_says_is_not_served(running):
    before = running.picture()
    path = f"{NAME}/{running.newest + 1}/map.npz"
    send = Objects.send

    def cut(self, path, file):
        send(self, path, file)
        if path.endswith("map.npz"):
            self.put(path, file.read_bytes()[:1000])

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(Objects, "send", cut)
        reference = running.publish()
    running.look()
    running.eventually(lambda _, warning: f"{path}: ended after 1000 of" in warning)
    assert running.picture() == before
    objects.write(running.address, path, (SHIPPED_VERSION / "map.npz").read_bytes())
    running.look()
    running.eventually(lambda model, warning: (model, warning) == (reference, ""))


@pytest.mark.parametrize("published", [[], [1]])
def test_two_who_publish_at_the_same_time_do_not_overwrite_each_other(bucket, tmp_path, published):
    address = bucket.address(f"two-{len(published)}")
    for number in (1, 2, 3):
        make_version(tmp_path, number)
    for number in published:
        push(store.scan(tmp_path).find(f"{NAME}@{number}"), tmp_path, address)
    replace, interrupted = Objects.replace, []

    def interrupt(self, path, content, stamp):
        if not interrupted:
            interrupted.append(path)
            push(store.scan(tmp_path).find(f"{NAME}@3"), tmp_path, address)
        replace(self, path, content, stamp)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(Objects, "replace", interrupt)
        push(store.scan(tmp_path).find(f"{NAME}@2"), tmp_path, address)
    assert set(Objects(address).pointer(NAME).digests) == {*published, 2, 3}
    assert bucket.times(f"two-{len(published)}/{NAME}/current.json", "PUT") == 3 + len(published)


def publish_past(running, end):
    """Publish a version though its publisher cannot read the pointer either."""
    faults = {end: running.bucket.faults.pop(end)}
    reference = running.publish()
    running.bucket.faults.update(faults)
    return reference
