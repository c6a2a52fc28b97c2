"""Lines of ``published.jsonl`` that the service's commands add."""

from pathlib import Path

import pytest

from app import published
from app.registry.records import record, require_free
from app.registry.refusals import Refused

ONE, OTHER = "1" * 64, "2" * 64


def test_a_version_is_recorded_once_and_read_back(tmp_path: Path) -> None:
    record(tmp_path, "fake", 3, ONE)
    record(tmp_path, "fake", 3, ONE)
    assert (tmp_path / "published.jsonl").read_text().count("\n") == 1
    assert published.read(tmp_path).of("fake", 3) == (ONE,)


def test_a_line_that_a_killed_process_left_takes_no_other_with_it(tmp_path: Path) -> None:
    (tmp_path / "published.jsonl").write_text('{"model": "fa')
    record(tmp_path, "fake", 3, ONE)
    found = published.read(tmp_path)
    assert found.of("fake", 3) == (ONE,)
    assert "line 1" in found.warning


def test_a_number_is_never_given_to_another_digest(tmp_path: Path) -> None:
    record(tmp_path, "fake", 3, ONE)
    before = (tmp_path / "published.jsonl").read_bytes()
    with pytest.raises(Refused, match=f"published that number as digest {ONE}, not {OTHER}"):
        record(tmp_path, "fake", 3, OTHER)
    assert (tmp_path / "published.jsonl").read_bytes() == before
    assert require_free(tmp_path, "fake", 4, OTHER) == ()


def test_a_symbolic_link_is_not_written_through(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").write_text("")
    (tmp_path / "published.jsonl").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OSError, match="symbolic links"):
        record(tmp_path, "fake", 3, ONE)
    assert (tmp_path / "elsewhere").read_text() == ""
