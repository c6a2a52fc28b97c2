from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fakes import record, write_version
from tests.file_server import FileServer


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FileServer]:
    """A server of a store with ``fake`` 1 and 2, both recorded."""
    for number in (1, 2):
        record(write_version(tmp_path / "there", number=number))
    monkeypatch.setattr("app.registry.sources.PAUSE", 0.01)
    found = FileServer(tmp_path / "there")
    yield found
    found.close()


@pytest.fixture
def here(tmp_path: Path) -> Path:
    """An empty store."""
    (tmp_path / "here").mkdir()
    return tmp_path / "here"
