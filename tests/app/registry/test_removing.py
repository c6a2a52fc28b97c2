"""Deleting a version."""

import shutil
from pathlib import Path

import pytest

from app import labels, published, store
from app.labels import Labels
from app.registry.refusals import NotAllowed, Refused
from app.registry.removing import remove
from tests.fakes import digest_of, write_version


@pytest.fixture
def two(tmp_path: Path) -> Path:
    """A store with ``fake`` 1 and 2."""
    for number in (1, 2):
        write_version(tmp_path, number=number)
    return tmp_path


def removed(folder: Path, reference: str, default: str = "fake", force: bool = False) -> None:
    remove(folder, reference, store.survey(folder), default, force)


def test_a_version_is_gone_and_its_number_is_remembered(two: Path) -> None:
    digest = digest_of(two / "fake" / "1")
    done = remove(two, "fake@1", store.survey(two), "fake")
    assert (done.model, done.digest) == ("fake@1", digest)
    assert done.bytes > 1_000
    assert published.read(two).of("fake", 1) == (digest,)
    found = store.scan(two)
    assert [version.reference for version in found.all] == ["fake@2"]
    assert list(found.deleted) == [f"fake@1-{digest[:12]}"]
    assert sorted(path.name for path in (two / "fake").iterdir()) == [".lock", "2"]


def test_never_half_of_a_version_is_visible(two: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    original = shutil.rmtree

    def killed(path: Path) -> None:
        original(path / "decoder")
        raise KeyboardInterrupt

    monkeypatch.setattr("app.registry.removing.shutil.rmtree", killed)
    with pytest.raises(KeyboardInterrupt):
        removed(two, "fake@1")
    found = store.scan(two)
    assert found.rejected == {}
    assert [version.number for version in found.versions["fake"]] == [2]
    monkeypatch.undo()
    write_version(two, number=3)
    removed(two, "fake@2")  # and the next removal deletes what was left
    assert sorted(path.name for path in (two / "fake").iterdir()) == [".lock", "3"]


@pytest.mark.parametrize(
    ("known", "default", "reference", "said"),
    [
        (Labels(), "fake", "fake@2", "fake@2 is what requests for fake get"),
        (Labels(stable=1), "fake", "fake@1", "fake@1 is labelled stable"),
        (Labels(stable=1, canary=2, canary_share=0.1), "fake", "fake@2", "fake@2 is labelled canary"),
        (Labels(stable=2), "fake@1", "fake@1", "fake@1 is the default model"),
    ],
)
def test_a_version_that_answers_is_deleted_by_force_alone(
    two: Path, known: Labels, default: str, reference: str, said: str
) -> None:
    if known != Labels():
        labels.write(two / "fake", known)
    with pytest.raises(NotAllowed, match=said):
        removed(two, reference, default)
    assert len(store.scan(two).all) == 2
    removed(two, reference, default, force=True)
    assert len(store.scan(two).all) == 1


def test_labels_never_name_what_is_not_there(two: Path) -> None:
    labels.write(two / "fake", Labels(stable=2, previous=(1,)))
    removed(two, "fake@2", force=True)
    assert labels.read(two / "fake") == Labels(stable=1)


def test_a_version_that_is_not_served_can_be_deleted_too(two: Path) -> None:
    (two / "fake" / "2" / "decoder" / "weights").write_text("changed")
    digest = digest_of(two / "fake" / "2")
    removed(two, "fake@2")
    assert published.read(two).of("fake", 2) == (digest,)
    (two / "fake" / "7").mkdir()
    removed(two, "fake@7")
    assert published.read(two).of("fake", 7) == ()
    assert store.scan(two).rejected == {}


def test_of_the_last_version_the_models_folder_goes_too(two: Path) -> None:
    labels.write(two / "fake", Labels(stable=2))
    removed(two, "fake@1")
    removed(two, "fake@2", force=True)
    assert [path.name for path in two.iterdir()] == ["published.jsonl"]


@pytest.mark.parametrize("reference", ["fake", "fake@0", "../fake@1", "fake@1-zz", ""])
def test_only_one_whole_version_can_be_named(two: Path, reference: str) -> None:
    with pytest.raises(NotAllowed, match="name one version"):
        removed(two, reference, force=True)


def test_another_digest_or_number_deletes_nothing(two: Path) -> None:
    with pytest.raises(Refused, match="no such version"):
        removed(two, "fake@9")
    with pytest.raises(Refused, match="has the digest"):
        removed(two, "fake@1-" + "0" * 12)
    (two / "linked").mkdir()
    (two / "linked" / "1").symlink_to(two / "fake" / "1")
    with pytest.raises(Refused, match="no such version"):
        removed(two, "linked@1", force=True)
    assert len(store.scan(two).versions["fake"]) == 2
