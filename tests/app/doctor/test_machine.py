"""The machine and what is installed: what is there, and what is told where something is not."""

import errno
import json
import sys
import tempfile
import time
from importlib import metadata
from pathlib import Path

import pytest

from app.doctor import machine
from app.settings import Settings


def test_this_python_is_right_and_an_old_one_is_not(monkeypatch):
    assert machine.python().state == "ok"
    monkeypatch.setattr(sys, "version_info", (3, 10, 0))
    found = machine.python()
    assert (found.state, "3.11, 3.12 or 3.13" in found.remedy) == ("failed", True)


def test_every_package_is_told_with_its_version():
    found = machine.packages()
    assert found.state == "ok"
    for name in ("fastapi", "numpy", "pillow"):
        assert f"{name} {metadata.version(name)}" in found.found
    assert "pytest" not in found.found


def test_a_package_that_is_missing_or_too_old_is_named():
    def version_of(name):
        if name == "isal":
            raise metadata.PackageNotFoundError(name)
        return {"pillow": "9.5.0"}.get(name) or metadata.version(name)

    found = machine.packages(version_of)
    assert found.state == "failed"
    assert found.found == "pillow 9.5.0 is older than 13; isal is missing"


@pytest.mark.parametrize(
    ("flags", "vectors"), [("fpu avx2 fma", "avx2, fma"), ("fpu sse2", "vector units unknown")]
)
def test_the_processors_vectors_are_told(tmp_path, monkeypatch, flags, vectors):
    (tmp_path / "proc").mkdir()
    (tmp_path / "proc" / "cpuinfo").write_text(f"model name\t: A Processor\nflags\t\t: {flags}\n")
    monkeypatch.setattr("platform.machine", lambda: "x86_64")
    found = machine.processor(tmp_path)
    assert found.state == ("ok" if "avx2" in flags else "warning")
    assert found.found.startswith("A Processor, ")
    assert found.found.endswith(vectors)


@pytest.mark.parametrize(("limit", "state"), [(20_000, "ok"), (1024, "ok"), (256, "warning"), (63, "failed")])
def test_few_open_files_are_told_with_the_command_that_gives_more(monkeypatch, limit, state):
    monkeypatch.setattr("resource.getrlimit", lambda _: (limit, 20_000))
    found = machine.files()
    assert found.state == state
    assert ("ulimit -n 1024" in found.remedy) == (state != "ok")


@pytest.mark.parametrize(("workers", "state"), [(1, "warning"), (2, "failed")])
def test_a_temporary_folder_that_cannot_be_written_fails_where_workers_count_in_it(
    monkeypatch, workers, state
):
    def refuse(*args, **options):
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr(tempfile, "TemporaryFile", refuse)
    found = machine.temporary(Settings(workers=workers))
    assert (found.state, found.found) == (state, "none can be written to: Read-only file system")
    assert "TMPDIR" in found.remedy


def test_a_clock_before_the_installation_is_wrong():
    assert machine.clock().state == "ok"
    found = machine.clock(lambda: 0.0)
    assert (found.state, found.found) == (
        "warning",
        "1970-01-01 00:00:00 UTC, before this installation was made",
    )
    assert machine.clock(lambda: time.time() + 1000).state == "ok"


def test_draws_without_compiled_code_are_told(monkeypatch):
    monkeypatch.setattr(machine, "library", lambda: None)
    found = machine.native()
    assert found.state == "warning"
    assert found.remedy.startswith("make native")


def test_files_of_pages_that_are_missing_are_named(tmp_path):
    static = tmp_path / "app" / "static"
    for folder, name in (("templates", "page.html"), ("static", "style.css")):
        (tmp_path / "app" / folder).mkdir(parents=True, exist_ok=True)
        (tmp_path / "app" / folder / name).write_text("")
    assert machine.pages(static).remedy.startswith("make assets")
    (static / "vendor" / "zoom-1").mkdir(parents=True)
    package = {"name": "zoom", "folder": "zoom-1", "files": {"zoom.js": "0" * 64}}
    (static / "vendor" / "MANIFEST.json").write_text(json.dumps({"packages": [package]}))
    other = tmp_path / "again"  # what a folder has is looked up once
    other.symlink_to(tmp_path / "app")
    found = machine.pages(other / "static")
    assert (found.state, found.found) == ("warning", "1 files missing, like zoom-1/zoom.js")
    (static / "vendor" / "zoom-1" / "zoom.js").write_text("")
    assert machine.pages(other / "static").found == "all files are there, those of zoom too"
    assert machine.pages(Path("/nowhere/static")).state == "failed"
