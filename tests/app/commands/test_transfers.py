"""``vitrine models pull`` and ``push``."""

import json
from pathlib import Path

from click.testing import CliRunner

from app.cli import cli
from tests.fakes import digest_of, write_version


def run(*words: str) -> tuple[int, str, str]:
    done = CliRunner().invoke(cli, ["models", *words])
    return done.exit_code, done.stdout, done.stderr


def test_a_version_goes_to_another_store_and_comes_back(tmp_path: Path) -> None:
    folder = write_version(tmp_path / "a", number=2)
    digest, there = digest_of(folder), str(tmp_path / "b")
    code, out, _ = run("push", "fake", there, "--model-store", str(tmp_path / "a"))
    assert (code, out.startswith(f"fake@2 pushed, digest {digest}, ")) == (0, True)
    code, out, _ = run("pull", there, "--model-store", str(tmp_path / "c"), "--json")
    found = json.loads(out)
    assert (code, found["model"], found["digest"], found["was_there"]) == (0, "fake@2", digest, False)
    code, out, _ = run("pull", there, "fake@2", "--model-store", str(tmp_path / "c"))
    assert (code, out.startswith("fake@2 is here already")) == (0, True)


def test_exit_codes_tell_what_went_wrong(tmp_path: Path) -> None:
    write_version(tmp_path / "a")
    here = ("--model-store", str(tmp_path / "a"))
    assert run("pull", str(tmp_path / "none"), "fake@1", *here)[0] == 4
    assert run("pull", str(tmp_path / "a"), "no name", *here)[0] == 2
    assert run("pull", str(tmp_path / "a"), "fake@9", *here)[0] == 3
    assert run("push", "mine", str(tmp_path / "b"), *here)[0] == 3
    code, _, err = run("pull", "ftp://host", "fake@1", *here)
    assert (code, len(err.splitlines())) == (4, 1)
