"""Sweeps with a program in the place of ``vitrine-train fit``, which writes what a finished run has."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from click.testing import CliRunner

from tests.conftest import PROJECT
from tests.tiny import TINY
from training import runs, trials
from training.cli import cli
from training.configs.load import to_toml
from training.configs.schema import from_dict

# What it is told is kept beside the run; val_loss is the seed.
FIT = """
import json, os, sys, time
from pathlib import Path
from training.configs.load import load
words = sys.argv[1:]
config = load(Path(words[1])).replaced({"seed": int(words[words.index("--seed") + 1])})
run = Path(words[words.index("--out") + 1])
with open(f"{run}.told", "a") as told:
    print(os.getpid(), *words[4:], file=told, flush=True)
run.mkdir(exist_ok=True)
(run / "config.json").write_text(json.dumps(config.as_dict()))
HERE
history = {name: [9.0, float(config.seed)] for name in ("val_loss", "val_bits_per_dim", "val_kl", "val_mse")}
(run / "history.json").write_text(json.dumps(history))
(run / "weights.weights.h5").touch()
(run / "environment.json").write_text(json.dumps({"epoch": 2}))
"""
WORDS = ["sweep", "tiny.toml", "other.toml", "--seeds", "1..3", "--out", "runs", "--processes", "2"]


@pytest.fixture
def asked(tmp_path, monkeypatch):
    """Runs a sweep of two configurations, of which each run does a statement before it ends."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(trials, "CHECKED_EVERY", 0.02)
    for name in ("tiny", "other"):
        Path(f"{name}.toml").write_text(to_toml(from_dict(TINY | {"name": name}).as_dict()))

    def run(statement="", words=WORDS):
        monkeypatch.setenv("PYTHONPATH", str(PROJECT))
        monkeypatch.setattr(trials, "COMMAND", (sys.executable, "-c", FIT.replace("HERE", statement)))
        return CliRunner().invoke(cli, words)

    return run


def told(name):
    """What the processes of a run were told, each without its number."""
    return [line.partition(" ")[2] for line in Path(f"runs/{name}.told").read_text().splitlines()]


def test_a_sweep_trains_each_configuration_with_each_seed_and_compares_them(asked):
    done = asked(words=[*WORDS, "--json"])
    assert done.exit_code == 0, done.output
    found = json.loads(done.stdout)
    assert [(row["name"], row["seed"], row["val_loss"]) for row in found["runs"]] == [
        (name, seed, float(seed)) for name in ("tiny", "other") for seed in (1, 2, 3)
    ]
    assert found["summary"]["tiny"]["val_loss"] == {"mean": 2.0, "sd": 1.0}
    assert json.loads(Path("runs/sweep.json").read_text()) == found
    assert told("tiny-seed2") == ["--out runs/tiny-seed2"]


def test_the_table_has_a_row_for_each_run_and_mean_and_spread_of_each_name(asked):
    lines = asked().stdout.splitlines()[-11:]
    assert lines[0].split() == ["name", "seed", *trials.NUMBERS]
    assert lines[7].split() == ["tiny", "mean", "of", "3"] + ["2.0000"] * 4
    assert lines[10].split() == ["other", "sd"] + ["1.0000"] * 4


def test_what_is_finished_is_left_alone_and_what_was_interrupted_is_resumed(asked):
    once = asked("config.seed == 2 and sys.exit(1)")
    assert once.exit_code == 1
    assert "2 of 6 runs failed: runs/tiny-seed2 (runs/tiny-seed2.fit.log)" in str(once.exception)
    again = asked()
    assert again.exit_code == 0
    assert "runs/tiny-seed1: finished before" in again.output
    assert told("tiny-seed1") == ["--out runs/tiny-seed1"]
    assert told("tiny-seed2") == ["--out runs/tiny-seed2", "--out runs/tiny-seed2 --resume"]


def test_two_sweeps_of_one_folder_train_every_run_once_and_both_have_the_whole_table(asked, tmp_path):
    asked(
        words=["sweep", "tiny.toml", "--seeds", "9", "--out", "runs"]
    )  # sets the command that both are given
    code = (
        "import sys\nfrom training import cli, trials\n"
        f"trials.COMMAND = {(*trials.COMMAND[:2], FIT.replace('HERE', 'time.sleep(0.1)'))!r}\n"
        "cli.cli(sys.argv[1:])"
    )
    both = [
        subprocess.Popen(
            [sys.executable, "-c", code, *WORDS, "--json"], stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        for _ in range(2)
    ]
    said = [process.communicate(timeout=100) for process in both]
    assert [process.returncode for process in both] == [0, 0], said
    assert json.loads(said[0][0]) == json.loads(said[1][0])
    for name in ("tiny", "other"):
        for seed in (1, 2, 3):
            assert told(f"{name}-seed{seed}") == [f"--out runs/{name}-seed{seed}"]


def test_a_signal_stops_the_runs_under_way_and_the_same_command_goes_on(asked):
    stopping = f"import signal; signal.signal(signal.SIGTERM, lambda *_: sys.exit(143)); config.seed == 3 and os.kill({os.getpid()}, signal.SIGTERM); config.seed == 3 and time.sleep(60)"
    done = asked(stopping, [*WORDS[:2], *WORDS[3:]])
    assert done.exit_code == 128 + signal.SIGTERM
    assert "stopped by signal 15; the same command goes on" in done.stderr
    pid = int(Path("runs/tiny-seed3.told").read_text().split()[0])
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
    assert asked(words=[*WORDS[:2], *WORDS[3:]]).exit_code == 0


def test_a_run_stays_locked_as_long_as_its_process_lives_whoever_started_it(asked):
    Path("runs").mkdir()
    job = trials.Job(Path("tiny.toml"), "tiny", 1, Path("runs/tiny-seed1"))
    asked(words=["sweep", "tiny.toml", "--seeds", "9", "--out", "runs"])
    trials.COMMAND = (*trials.COMMAND[:2], FIT.replace("HERE", "time.sleep(60)"))
    process = trials._started(job, [])
    assert trials._started(job, []) is None
    process.kill()
    process.wait()
    until = time.monotonic() + 10
    while (second := trials._started(job, [])) is None and time.monotonic() < until:
        time.sleep(0.02)
    assert second is not None
    second.kill()
    second.wait()


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["sweep", "tiny.toml", "--seeds", "3..1"], "expected two whole numbers in order"),
        (["sweep", "tiny.toml", "--seeds", "x"], "expected two whole numbers in order"),
        (["sweep", "tiny.toml", "tiny.toml", "--seeds", "1"], "two of them have one name"),
        (["sweep", "--seeds", "1"], "Missing argument 'CONFIGS...'"),
    ],
)
def test_what_is_no_sweep_is_a_usage_error(asked, words, told):
    done = asked(words=words)
    assert done.exit_code == 2
    assert told in done.stderr


def test_a_finished_run_of_another_experiment_is_not_taken_for_one_of_the_sweep(asked):
    asked()
    Path("tiny.toml").write_text(to_toml(from_dict(TINY).replaced({"optimizer.epochs": 7}).as_dict()))
    assert "runs/tiny-seed1: holds a run of another experiment" in str(asked().exception)
    assert runs.read(Path("runs/tiny-seed1"))[0].optimizer.epochs == 2
