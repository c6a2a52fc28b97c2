import json
import shutil

import pytest

from app import labels, published, store
from app.labels import Labels
from app.mirror.backoff import Backoff
from app.mirror.mirror import Mirror
from app.registry.objects import Objects
from app.registry.refusals import Unreachable
from tests import objects
from tests.fakes import digest_of, seal, write_version


@pytest.fixture
def ours(tmp_path):
    """A store with ``fake`` 1, 2 and 3, and ``other`` 1."""
    for number in (1, 2, 3):
        write_version(tmp_path / "ours", number=number, walk={"axis": 0, "steps": number + 1})
    write_version(tmp_path / "ours", "other")
    return tmp_path / "ours"


@pytest.fixture
def address(ours):
    """A store of objects with ``fake`` 1 and 2, and ``other`` 1."""
    found = objects.empty()
    objects.publish(ours, found, "fake@1", "fake@2", "other@1")
    return found


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def mirror(address, tmp_path, clock):
    (tmp_path / "here").mkdir()
    return Mirror(Objects(address), tmp_path / "here", backoff=Backoff(2.0, clock))


def references(mirror):
    return [each.reference for each in store.scan(mirror.folder).all]


class Counted:
    """Counts what is read of a store."""

    def __init__(self, monkeypatch):
        self.paths = []

        def read(objects, path, limit):
            self.paths.append(path)
            return Counted.read(objects, path, limit)

        def fetch(objects, path, part, size):
            self.paths.append(path)
            return Counted.fetch(objects, path, part, size)

        Counted.read, Counted.fetch = Objects.read, Objects.fetch
        monkeypatch.setattr(Objects, "read", read)
        monkeypatch.setattr(Objects, "fetch", fetch)


def test_everything_that_the_pointers_name_comes_here_and_is_an_ordinary_store(mirror, ours):
    told = []
    mirror.update(lambda: told.append(1))
    assert references(mirror) == ["fake@1", "fake@2", "other@1"]
    assert len(told) == 2  # once for each model
    assert mirror.warning == ""
    assert published.read(mirror.folder).of("fake", 2) == (digest_of(ours / "fake" / "2"),)


def test_what_is_here_is_not_downloaded_again_and_unchanged_pointers_are_not_read(
    mirror, ours, address, monkeypatch
):
    mirror.update()
    counted = Counted(monkeypatch)
    mirror.update()
    assert counted.paths == []
    objects.publish(ours, address, "fake@3")
    counted.paths.clear()
    told = []
    mirror.update(lambda: told.append(1))
    assert told == [1]
    assert references(mirror) == ["fake@1", "fake@2", "fake@3", "other@1"]
    assert {path.rpartition("/")[0] for path in counted.paths if "/3/" not in path} == {"fake"}
    again = Mirror(Objects(address), mirror.folder)
    counted.paths.clear()
    again.update()
    assert set(counted.paths) == {"fake/current.json", "other/current.json"}


def test_one_version_comes_alone_by_the_labels_else_the_newest_else_the_one_that_is_asked_for(
    address, tmp_path, mirror
):
    assert mirror.bring("fake", alone=True)
    assert references(mirror) == ["fake@2"]
    objects.write(address, "fake/labels.json", b'{"stable": 1}')
    for name, first, expected in (("by labels", None, ["fake@1"]), ("asked for", 2, ["fake@2"])):
        (tmp_path / name).mkdir()
        other = Mirror(Objects(address), tmp_path / name)
        other.bring("fake", first=first, alone=True)
        assert references(other) == expected


def test_labels_come_once_their_version_is_here_and_before_versions_that_they_hold_back(
    mirror, ours, address, monkeypatch
):
    objects.write(address, "fake/labels.json", b'{"stable": 1}')
    seen = []
    take = Mirror._take

    def taken(self, name, number, digest):
        done = take(self, name, number, digest)
        seen.append((number, labels.read(self.folder / name).stable))
        return done

    monkeypatch.setattr(Mirror, "_take", taken)
    mirror.bring("fake")
    assert seen == [(1, None), (2, 1)]
    objects.publish(ours, address, "fake@3")
    objects.write(address, "fake/labels.json", b'{"stable": 3}')
    objects.remove(address, "fake/3/decoder/weights")
    mirror.bring("fake")
    assert labels.read(mirror.folder / "fake") == Labels(stable=1)
    objects.remove(address, "fake/labels.json")
    mirror.bring("fake")
    assert labels.read(mirror.folder / "fake") == Labels()


def test_what_a_pointer_names_no_more_goes_when_all_that_it_names_is_here(mirror, ours, address):
    mirror.update()
    digest = digest_of(ours / "fake" / "1")
    one = {"format": 1, "model": "fake", "versions": [{"version": 9, "digest": digest}]}
    objects.write(address, "fake/current.json", json.dumps(one).encode())
    mirror.update()
    assert references(mirror) == ["fake@1", "fake@2", "other@1"]  # 9 is not there
    one["versions"] = [{"version": 1, "digest": digest}]
    objects.write(address, "fake/current.json", json.dumps(one).encode())
    mirror.update()
    assert references(mirror) == ["fake@1", "other@1"]
    assert mirror.warning == ""
    assert list(store.scan(mirror.folder).gone["fake"]) == [2]


def damage(address, path):
    content = bytearray(objects.read(address, path))
    content[len(content) // 2] ^= 1
    objects.write(address, path, bytes(content))


WRONG = {
    "a changed file": (lambda at: damage(at, "fake/3/decoder/weights"), "SHA-256 differs"),
    "a truncated file": (
        lambda at: objects.write(at, "fake/3/decoder/weights", b"deco"),
        "ended after 4 of 7 bytes",
    ),
    "a longer file": (
        lambda at: objects.write(at, "fake/3/decoder/weights", b"decoder!"),
        "8 bytes, expected 7",
    ),
    "a file that is not there": (
        lambda at: objects.remove(at, "fake/3/decoder/weights"),
        "is named by the manifest and not there",
    ),
    "no manifest": (
        lambda at: objects.remove(at, "fake/3/manifest.json"),
        "has no fake@3, though it says so",
    ),
    "a changed manifest": (lambda at: damage(at, "fake/3/manifest.json"), "manifest"),
    "a manifest that is too large": (
        lambda at: objects.write(at, "fake/3/manifest.json", bytes(4_194_305)),
        "over 4194304 bytes",
    ),
}


@pytest.mark.parametrize(("wrong", "reason"), WRONG.values(), ids=WRONG)
def test_a_version_with(mirror, ours, address, clock, wrong, reason):
    """A version with ... is not taken, told, tried again later, and taken once it is right."""
    mirror.update()
    before = labels.read(mirror.folder / "fake")
    objects.publish(ours, address, "fake@3")
    wrong(address)
    mirror.update()
    assert references(mirror) == ["fake@1", "fake@2", "other@1"]
    assert reason in mirror.rejected["fake/3"]
    assert "tried again in 2 s" in mirror.warning
    assert before == labels.read(mirror.folder / "fake")
    for path in (ours / "fake" / "3").rglob("*"):
        if path.is_file():
            objects.write(address, f"fake/{path.relative_to(ours / 'fake').as_posix()}", path.read_bytes())
    mirror.update()
    assert "fake@3" not in references(mirror)  # not yet
    clock.now += 2
    mirror.update()
    assert "fake@3" in references(mirror)
    assert (mirror.warning, mirror.rejected) == ("", {})


def test_a_manifest_of_another_digest_than_the_pointers_is_refused_before_any_file(
    mirror, ours, address, tmp_path, monkeypatch
):
    mirror.update()
    objects.publish(ours, address, "fake@3")
    other = write_version(tmp_path / "theirs", number=3)
    objects.write(address, "fake/3/manifest.json", (other / "manifest.json").read_bytes())
    counted = Counted(monkeypatch)
    mirror.update()
    assert (
        f"has the digest {digest_of(other)}, not {digest_of(ours / 'fake' / '3')}"
        in mirror.rejected["fake/3"]
    )
    assert not any("weights" in path for path in counted.paths)


def test_a_number_that_was_another_versions_is_refused_and_that_one_stays(mirror, ours, address, tmp_path):
    mirror.update()
    other = write_version(tmp_path / "theirs", number=2)
    new = {"format": 1, "model": "fake", "versions": [{"version": 2, "digest": digest_of(other)}]}
    objects.write(address, "fake/current.json", json.dumps(new).encode())
    objects.write(address, "fake/2/manifest.json", (other / "manifest.json").read_bytes())
    mirror.update()
    assert "a number is never used again" in mirror.rejected["fake/2"]
    assert store.scan(mirror.folder).find("fake@2").manifest.digest == digest_of(ours / "fake" / "2")


@pytest.mark.parametrize(
    "path", ["../../escaped", "/etc/x", "decoder/../../x", "current.json/../../../x", ".hidden"]
)
def test_a_manifest_whose_paths_lead_out_writes_nothing(tmp_path, path):
    folder = write_version(tmp_path / "theirs")
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["files"][0]["path"] = path
    seal(folder, manifest)
    address = objects.empty()
    objects.write(address, "fake/1/manifest.json", (folder / "manifest.json").read_bytes())
    named = {"format": 1, "model": "fake", "versions": [{"version": 1, "digest": digest_of(folder)}]}
    objects.write(address, "fake/current.json", json.dumps(named).encode())
    here = tmp_path / "a" / "b" / "here"
    here.mkdir(parents=True)
    mirror = Mirror(Objects(address), here)
    mirror.update()
    assert "which no version may have" in mirror.rejected["fake/1"]
    files = [each for each in (tmp_path / "a").rglob("*") if each.is_file() and each.name != ".lock"]
    assert files == []


def test_a_version_over_the_limit_is_refused_before_any_file(address, tmp_path, monkeypatch):
    counted = Counted(monkeypatch)
    mirror = Mirror(Objects(address), tmp_path, max_bytes=10)
    mirror.update()
    assert "over 10; see" in mirror.rejected["other/1"]
    assert {path.rpartition("/")[2] for path in counted.paths} == {"current.json", "manifest.json"}


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b'{"format": 2}', b'{"format": 1, "model": "other", "versions": []}', bytes(1_048_577)],
)
def test_a_pointer_that_cannot_be_used_changes_nothing_here(mirror, address, content, clock):
    mirror.update()
    right = objects.read(address, "fake/current.json")
    objects.write(address, "fake/current.json", content)
    mirror.update()
    assert "fake/current.json" in mirror.faults["fake"]
    assert references(mirror) == ["fake@1", "fake@2", "other@1"]
    objects.write(address, "fake/current.json", right)
    clock.now += 2
    mirror.update()
    assert mirror.warning == ""


def test_a_pointer_or_a_store_that_is_gone_changes_nothing_here(mirror, address, clock, monkeypatch):
    mirror.update()
    objects.remove(address, "fake/current.json")
    mirror.update()
    assert "has no fake/current.json" in mirror.warning
    assert "what is here goes on being served" in mirror.warning

    def fails(*_):
        raise Unreachable("no network")

    monkeypatch.setattr(Objects, "models", fails)
    clock.now += 2
    for delay in (2, 4, 8):
        mirror.update()
        assert "no network" in mirror.warning
        clock.now += delay - 0.5
        assert not mirror.backoff.is_due("")
        clock.now += 0.5
        assert mirror.backoff.is_due("")
    assert references(mirror) == ["fake@1", "fake@2", "other@1"]


def test_labels_that_cannot_be_used_change_nothing_here(mirror, address):
    objects.write(address, "fake/labels.json", b'{"stable": 1}')
    mirror.update()
    objects.write(address, "fake/labels.json", b'{"stable": 0}')
    mirror.update()
    assert "labels.json: stable" in mirror.warning
    assert labels.read(mirror.folder / "fake") == Labels(stable=1)


def test_what_somebody_damages_or_removes_here_comes_again(mirror, address):
    mirror.update()
    (mirror.folder / "fake" / "2" / "decoder" / "weights").write_bytes(b"changed")
    again = Mirror(Objects(address), mirror.folder)  # the next start
    again.update()
    assert references(again) == ["fake@1", "fake@2", "other@1"]
    shutil.rmtree(mirror.folder / "fake" / "1")
    again.update()
    assert references(again) == ["fake@1", "fake@2", "other@1"]
