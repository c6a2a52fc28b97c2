"""Where answers go."""

import json
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import PROJECT
from tests.fakes import pixels_of

ASKED = ("samples", "-n", "2", "--seed", "1")


def test_a_file_is_written_in_the_format_of_its_name(run, tmp_path):
    starts = {
        "png": b"\x89PNG",
        "webp": b"RIFF",
        "gif": b"GIF89a",
        "npy": b"\x93NUMPY",
        "zip": b"PK",
        "csv": b"image,",
    }
    for suffix, start in starts.items():
        done = run(*ASKED, "-o", f"out.{suffix}")
        assert (done.exit_code, done.stdout, done.stderr) == (0, "", f"wrote out.{suffix}\n")
        assert (tmp_path / f"out.{suffix}").read_bytes().startswith(start)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(f"out.{suffix}" for suffix in starts)


def test_a_format_that_is_named_wins_over_the_name_of_the_file(run, tmp_path):
    assert run(*ASKED, "-o", "table.txt", "--format", "csv").exit_code == 0
    assert (tmp_path / "table.txt").read_bytes().startswith(b"image,")
    assert run(*ASKED, "-o", "picture").exit_code == 0
    assert (tmp_path / "picture").read_bytes().startswith(b"\x89PNG")


def test_a_file_has_the_rights_that_any_new_file_has(run, tmp_path):
    old = os.umask(0o027)
    try:
        run(*ASKED, "-o", "out.png")
    finally:
        os.umask(old)
    assert stat.S_IMODE((tmp_path / "out.png").stat().st_mode) == 0o640


@pytest.mark.bad_input(75)
def test_a_file_that_is_there_stays_unless_told_otherwise(run, tmp_path):
    path = tmp_path / "out.png"
    path.write_text("mine")
    done = run(*ASKED, "-o", "out.png")
    assert (done.exit_code, path.read_text()) == (1, "mine")
    assert "--force" in done.stderr
    assert run(*ASKED, "-o", "out.png", "--force").exit_code == 0
    assert pixels_of(path.read_bytes()).shape == (8, 16)
    assert list(tmp_path.iterdir()) == [path]


def test_a_file_that_somebody_else_makes_meanwhile_stays(run, tmp_path, monkeypatch):
    path = tmp_path / "out.png"
    monkeypatch.setattr("app.commands.output.Output.check", lambda output, suffix: path.write_text("theirs"))
    done = run(*ASKED, "-o", "out.png")
    assert (done.exit_code, done.stderr) == (1, "vitrine: out.png: File exists\n")
    assert path.read_text() == "theirs"
    assert list(tmp_path.iterdir()) == [path]


def test_a_link_keeps_being_one(run, tmp_path):
    (tmp_path / "real.png").write_text("old")
    (tmp_path / "link.png").symlink_to("real.png")
    assert run(*ASKED, "-o", "link.png", "--force").exit_code == 0
    assert (tmp_path / "link.png").is_symlink()
    assert (tmp_path / "real.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.bad_input(75)
@pytest.mark.parametrize(
    ("out", "code", "said"),
    [
        ("nowhere/out.png", 2, "is no folder"),
        ("out.jpg", 2, "jpg is none of png, webp"),
        (".", 2, "is a directory"),
        ("/dev/full", 1, "No space left on device"),
        ("/proc/out.png", 1, "No such file"),
    ],
)
def test_a_file_that_cannot_be_written_is_an_error_and_leaves_nothing(run, tmp_path, out, code, said):
    done = run(*ASKED, "-o", out)
    assert (done.exit_code, done.stdout) == (code, "")
    assert said in done.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.bad_input(75)
@pytest.mark.parametrize("end", ["gif", "apng", "zip"])
def test_a_file_named_as_a_format_that_is_not_offered_is_refused_before_anything_is_asked(run, end):
    done = run("score", "-o", f"out.{end}", "--url", "http://127.0.0.1:1")
    assert done.exit_code == 2
    assert f"{end} is none of json, csv, npy, npz, png, webp" in done.stderr


def test_nothing_is_left_of_a_file_when_the_disk_is_full(run, tmp_path, monkeypatch):
    class Full:
        def __init__(self, stream):
            self.stream = stream

        def __enter__(self):
            return self

        def __exit__(self, *raised):
            self.stream.close()

        def write(self, content):
            self.stream.write(content[:10])
            raise OSError(28, "No space left on device")

    opened = Path.open
    monkeypatch.setattr(Path, "open", lambda path, mode="r": Full(opened(path, mode)))
    done = run(*ASKED, "-o", "out.png")
    assert (done.exit_code, done.stderr) == (1, "vitrine: out.png: No space left on device\n")
    assert list(tmp_path.iterdir()) == []


def test_a_device_is_written_to_as_it_is(run):
    assert run(*ASKED, "-o", "/dev/null").exit_code == 0
    assert stat.S_ISCHR(Path("/dev/null").stat().st_mode)


def test_on_a_terminal_a_picture_goes_into_a_file_called_like_the_command(run, on_a_terminal, tmp_path):
    done = run(*ASKED)
    assert (done.exit_code, done.stdout, done.stderr) == (0, "", "wrote samples.png\n")
    assert run(*ASKED, "--format", "webp").stderr == "wrote samples.webp\n"
    assert run("render", "/samples?seed=1").stderr == "wrote render.png\n"
    again = run(*ASKED)
    assert again.exit_code == 1
    assert "samples.png is there already" in again.stderr
    assert {path.name for path in tmp_path.iterdir()} == {"samples.png", "samples.webp", "render.png"}


def test_on_a_terminal_text_is_printed_and_a_picture_where_that_is_said(run, on_a_terminal, tmp_path):
    assert run(*ASKED, "--format", "csv").stdout.startswith("image,z0,z1\n")
    assert json.loads(run("render", "/version").stdout)["default_model"] == "fake@1"
    assert run(*ASKED, "-o", "-").stdout_bytes.startswith(b"\x89PNG")
    assert list(tmp_path.iterdir()) == []


def test_json_beside_a_file_tells_of_the_file(run, tmp_path):
    done = run(*ASKED, "-o", "out.webp", "--json")
    said = json.loads(done.stdout)
    assert (said["file"], said["bytes"]) == ("out.webp", (tmp_path / "out.webp").stat().st_size)
    assert (said["media_type"], said["seed"]) == ("image/webp", 1)
    assert "data" not in said


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--json", "-o", "-"), "--json and -o -"),
        (("--json", "--format", "webp"), "name a file for the webp"),
    ],
)
def test_json_and_a_picture_cannot_both_be_printed(run, arguments, said):
    done = run(*ASKED, *arguments)
    assert (done.exit_code, done.stdout) == (2, "")
    assert said in done.stderr


def test_a_file_is_not_named_for_another_kind_of_picture(run, tmp_path):
    done = run("render", "/samples?seed=1", "-o", "out.webp")
    assert done.exit_code == 2
    assert done.stderr == "vitrine: out.webp: the answer is image/png; name it .png\n"
    assert list(tmp_path.iterdir()) == []


MAIN = [sys.executable, "-c", "from app.cli import main; main()"]


@pytest.mark.bad_input(75)
def test_a_reader_that_has_had_enough_is_told_nothing(url, tmp_path):
    reading, writing = os.pipe()
    os.close(reading)
    for command in ("samples --seed 1", "samples --seed 1 --json", "samples --format csv -n 400"):
        done = subprocess.run(
            [*MAIN, *command.split(), "--url", url],
            stdout=writing,
            stderr=subprocess.PIPE,
            cwd=PROJECT,
            check=False,
        )
        assert (done.returncode, done.stderr) == (1, b"")
    os.close(writing)


def test_a_full_disk_behind_standard_output_is_one_line(url):
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [*MAIN, *ASKED, "--url", url],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            cwd=PROJECT,
            check=False,
        )
    assert (done.returncode, done.stderr) == (1, "vitrine: standard output: No space left on device\n")


@pytest.mark.bad_input(75)
def test_names_beyond_ascii_do_in_any_locale(url, tmp_path):
    environment = os.environ | {"LANG": "C", "LC_ALL": "C", "PYTHONPATH": str(PROJECT)}
    done = subprocess.run(
        [*MAIN, *ASKED, "--url", url, "-o", "été.png"],
        capture_output=True,
        env=environment,
        cwd=tmp_path,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "été.png").read_bytes().startswith(b"\x89PNG")
