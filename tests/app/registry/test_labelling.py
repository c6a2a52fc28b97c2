"""Which versions serve: promotion, canaries, and the way back."""

import subprocess
import sys
from pathlib import Path

import pytest

from app import labels, store
from app.labels import InvalidLabels, Labels
from app.registry.labelling import promote, rollback, without
from app.registry.refusals import NotAllowed
from tests.conftest import PROJECT
from tests.fakes import write_version


@pytest.fixture
def three(tmp_path: Path) -> Path:
    """A store with ``fake`` 1 to 3."""
    for number in (1, 2, 3):
        write_version(tmp_path, number=number)
    return tmp_path


def version(folder: Path, number: int) -> store.Version:
    return store.scan(folder).find(f"fake@{number}")


def test_promoting_keeps_the_version_that_answered_before_for_a_rollback(three: Path) -> None:
    found = store.scan(three)
    assert promote(version(three, 1), found) == Labels(stable=1, previous=(3,))  # the newest answered
    assert promote(version(three, 2), found) == Labels(stable=2, previous=(1, 3))
    assert rollback(three / "fake", found) == Labels(stable=1, previous=(3,))
    assert rollback(three / "fake", found) == Labels(stable=3)
    assert labels.read(three / "fake") == Labels(stable=3)
    with pytest.raises(NotAllowed, match="no version was stable before"):
        rollback(three / "fake", found)


def test_the_newest_version_promoted_first_can_be_rolled_back_to_the_one_before(three: Path) -> None:
    found = store.scan(three)
    assert promote(version(three, 3), found) == Labels(stable=3, previous=(2,))


def test_a_canary_leaves_the_stable_version_and_ends_when_it_is_promoted(three: Path) -> None:
    found = store.scan(three)
    assert promote(version(three, 3), found, 0.25) == Labels(stable=2, canary=3, canary_share=0.25)
    with pytest.raises(NotAllowed, match="fake@2 is the only or the stable version"):
        promote(version(three, 2), found, 0.25)
    assert promote(version(three, 3), found) == Labels(stable=3, previous=(2,))


def test_a_rollback_passes_over_versions_that_are_gone(three: Path) -> None:
    labels.write(three / "fake", Labels(stable=3, previous=(7, 2, 1)))
    assert rollback(three / "fake", store.scan(three)) == Labels(stable=2, previous=(1,))


def test_labels_that_cannot_be_used_are_not_written_over(three: Path) -> None:
    (three / "fake" / "labels.json").write_text("{")
    with pytest.raises(InvalidLabels):
        promote(version(three, 1), store.scan(three))
    assert (three / "fake" / "labels.json").read_text() == "{"


def test_labels_without_a_version_fall_back_to_the_one_before() -> None:
    known = Labels(stable=3, canary=4, canary_share=0.5, previous=(2, 1, 2))
    assert without(known, 3) == Labels(stable=2, canary=4, canary_share=0.5, previous=(1, 2))
    assert without(known, 4) == Labels(stable=3, previous=(2, 1, 2))
    assert without(known, 2) == Labels(stable=3, canary=4, canary_share=0.5, previous=(1,))
    assert without(Labels(stable=3), 3) == Labels()
    assert without(Labels(stable=3, canary=2, canary_share=0.5, previous=(2,)), 3) == Labels(stable=2)


PROMOTES = """
import sys
from pathlib import Path
from app import store
from app.registry.labelling import promote
folder = Path(sys.argv[1])
found = store.scan(folder)
version = found.find(f"fake@{sys.argv[2]}")
print("ready", flush=True)
sys.stdin.read()
for _ in range(40):
    promote(version, found)
"""


@pytest.mark.fault(13)
def test_of_two_who_promote_at_once_one_wins_and_the_other_is_previous(three: Path) -> None:
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    started = [
        subprocess.Popen([sys.executable, "-c", PROMOTES, str(three), number], cwd=PROJECT, **pipes)  # type: ignore[call-overload]
        for number in ("1", "2")
    ]
    for each in started:
        assert each.stdout.readline() == b"ready\n"
    for each in started:
        each.stdin.close()
    assert [each.wait(60) for each in started] == [0, 0]
    for each in started:
        each.stdout.close()
    known = labels.read(three / "fake")
    # What one has read the other has not written over: the two are stable and previous, in whichever order.
    assert {known.stable, known.previous[0]} == {1, 2}
    assert sorted(path.name for path in (three / "fake").iterdir()) == [".lock", "1", "2", "3", "labels.json"]
