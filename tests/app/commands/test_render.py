import hashlib
import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from click.testing import CliRunner

from app.cli import cli
from tests.conftest import FASHION, PROJECT, SHIPPED_STORE

SEEDS = "0..1499"


def is_running(process: str) -> bool:
    try:
        return "Z" not in Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False


@pytest.fixture
def run():
    return lambda *given: CliRunner().invoke(
        cli,
        [
            "render",
            "--seeds",
            SEEDS,
            "--model",
            FASHION,
            "--model-store",
            str(SHIPPED_STORE),
            *map(str, given),
        ],
    )


def files_in(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file() and not path.name.startswith(".")
    }


def test_json_tells_what_was_drawn(run, tmp_path):
    result = run("--out", tmp_path / "out", "--shard-images", 500, "--processes", 1, "--json")
    assert result.exit_code == 0, result.output
    told = json.loads(result.stdout)
    described = json.loads((tmp_path / "out" / "dataset.json").read_text())
    assert (told["images"], told["shards"], told["drawn"]) == (1500, 3, 1500)
    assert told["bytes"] == sum(file["size"] for file in described["files"])
    assert told["model"] == described["model"]
    assert "1,500 of 1,500 images" in result.stderr
    again = run("--out", tmp_path / "out", "--shard-images", 500, "--json")
    assert json.loads(again.stdout)["drawn"] == 0


@pytest.mark.process
def test_killed_at_any_moment_it_goes_on_to_the_files_of_an_undisturbed_run(run, tmp_path):
    options = ("--shard-images", 100, "--processes", 2)
    assert run("--out", tmp_path / "whole", *options).exit_code == 0
    command = [sys.executable, "-m", "app", "render", "--seeds", SEEDS, "--model", FASHION]
    command += ["--model-store", str(SHIPPED_STORE), "--out", str(tmp_path / "killed"), *map(str, options)]
    for kills in range(30):
        process = subprocess.Popen(command, cwd=PROJECT, stderr=subprocess.DEVNULL)
        records, wanted = tmp_path / "killed" / "records", 3 * (kills + 1)
        while process.poll() is None and len([*records.glob("*.json")]) < wanted:
            time.sleep(0.005)
        process.kill()
        if process.wait() == 0:
            break
        assert not (tmp_path / "killed" / "dataset.json").exists()
    assert kills >= 2
    assert files_in(tmp_path / "killed") == files_in(tmp_path / "whole")


@pytest.mark.process
def test_an_interrupted_command_says_how_to_go_on_and_leaves_no_process(tmp_path):
    command = [sys.executable, "-m", "app", "render", "--seeds", "0..999999", "--model", FASHION]
    command += ["--model-store", str(SHIPPED_STORE), "--out", str(tmp_path / "out"), "--shard-images", "50"]
    process = subprocess.Popen(
        command, cwd=PROJECT, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    while not [*(tmp_path / "out" / "records").glob("*.json")]:
        assert process.poll() is None
        time.sleep(0.01)
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    process.send_signal(signal.SIGINT)
    assert "interrupted. The same command goes on from there." in process.communicate(timeout=60)[1]
    assert process.returncode == 130
    assert children
    for _ in range(100):  # one of them, of Python's own, notices a moment later
        if not (living := [child for child in children if is_running(child)]):
            break
        time.sleep(0.1)
    assert not living


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (["--seeds", "5..3", "--out", "x"], "expected two whole numbers in order"),
        (["--seeds", "-1..3", "--out", "x"], "expected two whole numbers in order"),
        (["--seeds", "1..3"], "Missing option '--out'"),
        (["--seeds", "1..3", "--out", "x", "--label", "Hat"], "expected one of T-shirt/top"),
        (["--seeds", "1..3", "--out", "x", "--processes", "1", "--ray", "local"], "goes without --ray"),
        (["--seeds", "1..3", "--out", "-"], "--out -: name a folder; nothing goes to standard output"),
        (["--seeds", f"0..{2**63 - 1}", "--out", "x"], "expected at most 10000000000 seeds. Received: 92233"),
        (["--seeds", f"{2**63 - 1}..{2**63}", "--out", "x"], "2^63 - 1"),
    ],
)
def test_what_cannot_be_drawn_is_refused_before_anything_is_written(given, said, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(cli, ["render", *given, "--model-store", str(SHIPPED_STORE)])
    assert result.exit_code == 2
    assert said in result.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_place_that_cannot_be_written_ends_with_one_line(run, tmp_path):
    (tmp_path / "file").write_text("")
    result = run("--out", tmp_path / "file")
    assert result.exit_code == 2
    assert f"--out {tmp_path / 'file'}: a file is there of that name; name a folder." in result.stderr
    result = run("--out", tmp_path / "file" / "deep" / "below")
    assert result.exit_code == 2
    assert f"{tmp_path / 'file'} is a file; name a folder elsewhere." in result.stderr


def test_a_disk_that_is_full_ends_with_one_line(run, tmp_path, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("app.jobs.run.run", full)
    result = run("--out", tmp_path / "out")
    assert result.exit_code == 1
    assert "out: No space left on device. The same command goes on from there." in result.stderr


def test_without_seeds_it_takes_an_address_as_before():
    result = CliRunner().invoke(cli, ["render", "--help"])
    assert "ADDRESS [FILE]..." in result.stdout
    assert "--seeds A..B" in result.stdout
