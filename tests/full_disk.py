"""A disk that is full when it comes to one file, which then holds a half of what was to be written."""

import errno
import io
import os
from pathlib import Path

import pytest


class HalfWritten(io.FileIO):
    def write(self, content):
        super().write(content[: len(content) // 2])
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def fill_at(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """Let the disk be full for whatever writes the file `name`, until ``monkeypatch.undo``."""
    plain = Path.open

    def opened(path, mode="r", *rest, **options):
        if "w" in mode and path.name.startswith(name):
            return HalfWritten(path, "w")
        return plain(path, mode, *rest, **options)

    monkeypatch.setattr(Path, "open", opened)
