"""A version for another store."""

import sys
import types
from pathlib import Path
from typing import Any

import pytest

from app import labels, published, store
from app.labels import Labels
from app.registry import sources
from app.registry.pulling import Pulled, pull
from app.registry.pushing import push
from app.registry.refusals import Refused, Unreachable
from tests.fakes import digest_of, write_version
from tests.file_server import FileServer


def pushed(here: Path, destination: str, number: int = 3) -> Pulled:
    return push(store.scan(here).find(f"fake@{number}"), here, destination)


@pytest.fixture
def ours(here: Path) -> Path:
    """A store with ``fake@3`` and labels."""
    write_version(here, number=3)
    labels.write(here / "fake", Labels(stable=3))
    return here


def test_a_folder_gets_the_version_whole_recorded_and_without_labels(ours: Path, tmp_path: Path) -> None:
    for destination in (str(tmp_path / "a"), f"file://{tmp_path / 'b'}"):
        done = pushed(ours, destination)
        assert (done.model, done.was_there) == ("fake@3", False)
        assert pushed(ours, destination).was_there
    for name in ("a", "b"):
        assert [each.reference for each in store.scan(tmp_path / name).all] == ["fake@3"]
        assert published.read(tmp_path / name).of("fake", 3) == (digest_of(ours / "fake" / "3"),)
        assert labels.read(tmp_path / name / "fake") == Labels()


def test_a_server_gets_the_manifest_last_and_can_be_pulled_from(
    ours: Path, server: FileServer, tmp_path: Path
) -> None:
    assert not pushed(ours, server.url).was_there
    put = [path for method, path, _ in server.asked if method == "PUT"]
    assert put[-1] == "/fake/3/manifest.json"
    assert len(put) == len(set(put)) == 5
    assert not any("labels" in path for path in put)
    assert pull(sources.opened(server.url), "fake@3", tmp_path / "third").digest == digest_of(
        ours / "fake" / "3"
    )
    server.asked.clear()
    assert pushed(ours, server.url).was_there
    assert [method for method, _, _ in server.asked] == ["GET"]


def test_a_server_that_does_not_take_a_file_gets_no_manifest(ours: Path, server: FileServer) -> None:
    server.faults["weights"] = ["507", 1]
    with pytest.raises(Refused, match=r"does not take .*weights: status 507"):
        pushed(ours, server.url)
    assert not (server.folder / "fake" / "3" / "manifest.json").exists()


def test_another_version_of_the_number_is_never_written_over(ours: Path, server: FileServer) -> None:
    theirs = digest_of(write_version(server.folder, number=3, walk={"axis": 0}))
    with pytest.raises(Refused, match=f"has another fake@3, digest {theirs}"):
        pushed(ours, server.url)
    with pytest.raises(Refused, match=f"digest {theirs}"):
        pushed(ours, str(server.folder))
    assert digest_of(server.folder / "fake" / "3") == theirs


def test_a_version_that_changed_meanwhile_is_not_sent(ours: Path, server: FileServer) -> None:
    version = store.scan(ours).find("fake@3")
    (ours / "fake" / "3" / "decoder" / "weights").write_text("changed")
    with pytest.raises(store.InvalidVersion):
        push(version, ours, server.url)
    assert server.times("", "PUT") == 0


def test_the_hub_needs_its_own_package_and_says_so(ours: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(Refused, match=r"huggingface_hub \(pip install 'vitrine-vae\[hub\]'\)"):
        pushed(ours, "hf://owner/repo")


def test_the_hub_gets_one_commit_with_the_line_of_the_record(
    ours: Path, server: FileServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    commits: list[dict[str, Any]] = []

    class Api:
        def create_commit(self, **given: Any) -> None:
            commits.append(given)

    hub = types.SimpleNamespace(HfApi=Api, CommitOperationAdd=lambda path, content: (path, content))
    monkeypatch.setitem(sys.modules, "huggingface_hub", hub)
    monkeypatch.setattr(sources, "HUB", server.url)
    (server.folder / "owner" / "repo" / "resolve" / "main").mkdir(parents=True)
    assert not pushed(ours, "hf://owner/repo").was_there
    (commit,) = commits
    assert (commit["repo_id"], commit["revision"]) == ("owner/repo", None)
    *files, manifest, record = commit["operations"]
    assert manifest[0] == "fake/3/manifest.json"
    assert len(files) == 4
    assert published.parse(record[1], Path("x")).of("fake", 3) == (digest_of(ours / "fake" / "3"),)


@pytest.mark.parametrize("destination", ["hf://owner"])
def test_other_destinations_are_refused(
    ours: Path, destination: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "huggingface_hub", types.SimpleNamespace())
    with pytest.raises(Refused, match="expected"):
        pushed(ours, destination)


def test_nobody_listening_is_unreachable(ours: Path, server: FileServer) -> None:
    server.close()
    with pytest.raises(Unreachable):
        pushed(ours, server.url)
