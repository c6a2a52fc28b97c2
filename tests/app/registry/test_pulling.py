"""A version from another store: every file verified, the whole or nothing."""

import json
import shutil
from pathlib import Path

import pytest

from app import labels, published, signing, store
from app.labels import Labels
from app.registry import sources
from app.registry.pulling import Pulled, pull
from app.registry.refusals import NotAllowed, Refused, Unreachable
from tests.fakes import digest_of, record, seal, write_version
from tests.file_server import FileServer


def pulled(server: FileServer, here: Path, reference: str | None = "fake@1", **options: int) -> Pulled:
    return pull(sources.opened(server.url), reference, here, **options)


def names(here: Path) -> list[str]:
    return sorted(path.name for path in here.glob("fake/*"))


def test_a_version_arrives_as_it_is_under_its_number_and_is_recorded(server: FileServer, here: Path) -> None:
    labels.write(server.folder / "fake", Labels(stable=1))
    digest = digest_of(server.folder / "fake" / "1")
    done = pulled(server, here)
    assert done[:2] == ("fake@1", digest)
    assert not done.was_there
    theirs, ours = server.folder / "fake" / "1", here / "fake" / "1"
    files = sorted(path.relative_to(theirs) for path in theirs.rglob("*") if path.is_file())
    assert files == sorted(path.relative_to(ours) for path in ours.rglob("*") if path.is_file())
    assert all((theirs / path).read_bytes() == (ours / path).read_bytes() for path in files)
    assert published.read(here).of("fake", 1) == (digest,)
    assert names(here) == [".lock", "1"]  # labels are an operator's word, and none of its own
    assert store.scan(here).find(f"fake@1-{digest[:12]}").number == 1


def test_what_is_here_is_not_asked_for_again(server: FileServer, here: Path) -> None:
    pulled(server, here)
    server.asked.clear()
    assert pulled(server, here).was_there
    assert [path for _, path, _ in server.asked] == ["/fake/1/manifest.json"]


def test_a_bare_name_or_none_means_the_newest_that_is_there(server: FileServer, here: Path) -> None:
    assert pulled(server, here, "fake").model == "fake@2"
    shutil.rmtree(server.folder / "fake" / "2")
    assert pulled(server, here, None).model == "fake@1"
    record(write_version(server.folder, "other"))
    with pytest.raises(NotAllowed, match="has the models fake, other; name one"):
        pulled(server, here, None)
    (server.folder / "published.jsonl").unlink()
    with pytest.raises(NotAllowed, match=r"has no published.jsonl"):
        pulled(server, here, None)
    with pytest.raises(Refused, match="has no fake@9"):
        pulled(server, here, "fake@9")
    with pytest.raises(NotAllowed, match="expected NAME"):
        pulled(server, here, "../fake")
    with pytest.raises(Refused, match="has the digest"):
        pulled(server, here, "fake@1-" + "0" * 12)


@pytest.mark.parametrize("kind", ["truncated", "500", "wrong", "longer", "403", "loop", "slow"])
def test_of_a_version_that_does_not_arrive_whole_nothing_is_published(
    server: FileServer, here: Path, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sources, "STALLED_SECONDS", 0.2)
    server.faults["0.png"] = [kind, 999]
    with pytest.raises(Refused):
        pulled(server, here)
    arrived = f".pulling-1-{digest_of(server.folder / 'fake' / '1')[:12]}"
    assert names(here) == [".lock", arrived]  # hidden from every reader, for the next attempt
    assert not (here / "fake" / "1").exists()
    assert published.read(here).digests == {}
    server.faults.clear()
    pulled(server, here)
    assert [version.reference for version in store.scan(here).all] == ["fake@1"]


def test_a_pull_that_was_broken_off_goes_on_where_it_ended(server: FileServer, here: Path) -> None:
    server.faults["encoder/weights"] = ["403", 1]
    with pytest.raises(Unreachable):
        pulled(server, here)
    server.asked.clear()
    pulled(server, here)
    assert server.times("decoder/weights") == 0  # which had arrived
    assert server.times("encoder/weights") == 1


def test_a_part_of_other_bytes_is_asked_for_once_more_as_a_whole(server: FileServer, here: Path) -> None:
    digest = digest_of(server.folder / "fake" / "1")
    manifest = json.loads((server.folder / "fake" / "1" / "manifest.json").read_text())
    file = next(each for each in manifest["files"] if each["path"] == "decoder/weights")
    parts = here / "fake" / f".pulling-1-{digest[:12]}" / ".parts"
    parts.mkdir(parents=True)
    (parts / file["sha256"]).write_bytes(b"xxx")
    assert pulled(server, here).model == "fake@1"
    assert server.times("decoder/weights") == 2


def forged(server: FileServer, path: str) -> None:
    """Have the other store's manifest name a file by a path of somebody's choice, with a right digest."""
    folder = server.folder / "fake" / "1"
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["files"][0]["path"] = path
    seal(folder, manifest)


@pytest.mark.parametrize(
    "path",
    [
        "../../outside", "/etc/outside", "a/../../outside", "a//b", "./a", ".hidden", "a/.hidden", "C:\\outside",
        "a\\..\\b", "manifest.json", "a\x00b", "", "a/", "encoder", "Encoder/Weights", "con. ", "%2e%2e/outside",
    ],
)  # fmt: skip
def test_a_path_that_leads_elsewhere_is_refused_before_anything_is_asked_for(
    server: FileServer, here: Path, path: str
) -> None:
    forged(server, path)
    with pytest.raises(Refused):
        pulled(server, here)
    assert [asked for _, asked, _ in server.asked] == ["/fake/1/manifest.json"]
    assert list(here.rglob("*")) == []


def test_a_manifest_that_does_not_agree_with_itself_is_refused(server: FileServer, here: Path) -> None:
    path = server.folder / "fake" / "1" / "manifest.json"
    good = path.read_text()
    for content in (
        "",
        "[]",
        "{}",
        "1",
        good.replace('"latent_dim": 2', '"latent_dim": 3'),
        good.replace("fake", "else"),
    ):
        path.write_text(content)
        with pytest.raises(Refused):
            pulled(server, here)
    assert list(here.rglob("*")) == []


def test_a_version_over_the_limit_is_not_asked_for(server: FileServer, here: Path) -> None:
    with pytest.raises(Refused, match="over 100; see --max-bytes"):
        pulled(server, here, max_bytes=100)
    assert len(server.asked) == 1


def test_a_number_that_was_another_version_here_is_refused(server: FileServer, here: Path) -> None:
    ours = digest_of(write_version(here, number=1, latent_dim=2, walk={"axis": 0}))
    with pytest.raises(Refused, match=f"is another version, digest {ours}"):
        pulled(server, here)
    record(here / "fake" / "1")
    shutil.rmtree(here / "fake" / "1")
    with pytest.raises(Refused, match=f"published that number as digest {ours}"):
        pulled(server, here)
    assert not (here / "fake" / "1").exists()


def test_a_version_that_is_broken_here_is_not_taken_for_whole(server: FileServer, here: Path) -> None:
    pulled(server, here)
    (here / "fake" / "1" / "decoder" / "weights").write_text("changed")
    with pytest.raises(Refused, match=r"does not verify.*vitrine models remove it first"):
        pulled(server, here)


@pytest.mark.fault(16)
def test_on_a_full_disk_nothing_is_published_and_nothing_is_left(
    server: FileServer, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pulled(server, here, "fake@2")

    def full(path: Path) -> None:
        raise OSError(28, "No space left on device", str(path))

    monkeypatch.setattr("app.registry.pulling.fsync", full)
    with pytest.raises(Refused, match="No space left on device"):
        pulled(server, here)
    monkeypatch.undo()
    assert [version.reference for version in store.scan(here).all] == ["fake@2"]
    assert published.read(here).of("fake", 1) == ()


def test_a_signature_goes_along_and_a_damaged_one_is_refused(server: FileServer, here: Path) -> None:
    pytest.importorskip("cryptography")
    key = signing.new_key(here.parent / "key")
    folder = server.folder / "fake" / "1"
    signing.sign(folder, (folder / "manifest.json").read_bytes(), signing.read_key(here.parent / "key"))
    source = sources.opened(server.url)
    assert pull(source, "fake@1", here, trusted=frozenset({key})).model == "fake@1"
    assert (here / "fake" / "1" / "manifest.sig").read_bytes() == (folder / "manifest.sig").read_bytes()
    with pytest.raises(Refused, match="does not verify"):  # which is not signed
        pull(source, "fake@2", here, trusted=frozenset({key}))
    (server.folder / "fake" / "2" / "manifest.sig").write_bytes(b"damaged")
    with pytest.raises(Refused, match="does not verify"):
        pull(source, "fake@2", here)
    assert not (here / "fake" / "2").exists()
