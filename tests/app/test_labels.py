"""Which versions serve: reading and writing ``labels.json``."""

from pathlib import Path

import pytest

from app import labels
from app.labels import InvalidLabels, Labels


def test_a_model_without_the_file_has_no_labels(tmp_path: Path) -> None:
    assert labels.read(tmp_path) == Labels()


def test_what_was_written_is_read_and_nothing_else_is_left_in_the_folder(tmp_path: Path) -> None:
    written = Labels(stable=6, canary=7, canary_share=0.1, previous=(5, 3))
    labels.write(tmp_path, written)
    assert labels.read(tmp_path) == written
    assert [path.name for path in tmp_path.iterdir()] == ["labels.json"]


def test_labels_that_cannot_be_written_leave_the_former_ones(tmp_path: Path) -> None:
    labels.write(tmp_path, Labels(stable=6))
    with pytest.raises(FileNotFoundError):
        labels.write(tmp_path / "missing", Labels(stable=7))
    assert labels.read(tmp_path) == Labels(stable=6)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "Invalid JSON"),
        (b'{"stable": 6', "Invalid JSON"),
        (b"[]", "should be an object"),
        (b'{"stable": "6"}', "stable: "),
        (b'{"stable": true}', "stable: "),
        (b'{"stable": 0}', "stable: "),
        (b'{"stabel": 6}', "stabel: "),
        (b'{"canary": 7, "canary_share": NaN}', "canary_share: "),
        (b'{"canary": 7, "canary_share": 1.5}', "canary_share: "),
        (b'{"canary_share": 0.5}', "without a canary"),
        (b" " * 70_000, "over 65536 bytes"),
    ],
)
def test_a_file_that_cannot_be_used_is_refused_by_name(tmp_path: Path, content: bytes, said: str) -> None:
    (tmp_path / "labels.json").write_bytes(content)
    with pytest.raises(InvalidLabels, match=said) as refusal:
        labels.read(tmp_path)
    assert str(tmp_path / "labels.json") in str(refusal.value)


def test_a_link_in_its_place_is_refused(tmp_path: Path) -> None:
    (tmp_path / "elsewhere.json").write_text('{"stable": 6}')
    (tmp_path / "labels.json").symlink_to("elsewhere.json")
    with pytest.raises(InvalidLabels, match="symbolic link"):
        labels.read(tmp_path)


def test_promoting_remembers_what_was_stable_and_rolling_back_returns_to_it() -> None:
    promoted = Labels(stable=5, canary=6, canary_share=0.2).promoted(6)
    assert promoted == Labels(stable=6, previous=(5,))
    assert promoted.promoted(6) == promoted
    assert promoted.rolled_back() == Labels(stable=5)
    assert Labels(stable=5).rolled_back() is None


def test_only_so_many_former_versions_are_kept() -> None:
    found = Labels()
    for number in range(1, 100):
        found = found.promoted(number)
    assert found.previous[0] == 98
    assert len(found.previous) == labels.MAX_PREVIOUS
