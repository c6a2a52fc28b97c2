"""How ``fit`` is given to workers; what one process does with it is in tests/training/test_cli.py."""

import json
import shlex
from pathlib import Path

import pytest
from click.testing import CliRunner

from tests.tiny import TINY
from training import launching
from training.cli import cli
from training.configs.load import to_toml
from training.configs.schema import from_dict
from training.errors import Interrupted, RunError, WorkerLost


@pytest.fixture
def launched(tmp_path, monkeypatch):
    """What the launcher is given in the place of starting workers; it may end otherwise."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("TF_CONFIG", raising=False)
    Path("tiny.toml").write_text(to_toml(from_dict(TINY).as_dict()))
    given, ends = [], []

    def launch(arguments, count):
        given.append((arguments, count))
        for error in ends:
            raise error

    monkeypatch.setattr(launching, "launch", launch)
    launch.given, launch.ends = given, ends
    return launch


def asked(words):
    return CliRunner().invoke(cli, shlex.split(words))


def test_every_option_of_a_run_reaches_its_workers(launched, monkeypatch):
    monkeypatch.setattr("training.fit_command.need_mlflow", lambda: None)
    done = asked("fit tiny.toml --seed 5 --data photos --tensorboard --json --mlflow http://m --workers 3")
    assert done.exit_code == 0, done.output
    ((arguments, count),) = launched.given
    expected = "fit tiny.toml --out runs/tiny-seed5 --data photos --seed 5 --mlflow http://m --workers 3"
    assert arguments == [*expected.split(), "--json", "--tensorboard"]
    assert count == 3


def test_tf_config_is_not_read_where_workers_are_launched(launched, monkeypatch):
    monkeypatch.setenv("TF_CONFIG", "{}")
    assert asked("fit tiny.toml --workers 2").exit_code == 0
    assert asked("fit tiny.toml").exit_code == 2
    assert len(launched.given) == 1


@pytest.mark.parametrize(
    ("folder", "error", "code", "line"),
    [
        (True, WorkerLost("worker 1 of 2 was lost"), 1, "worker 1 of 2 was lost; to go on: vitrine-train fit tiny.toml --resume --out run --workers 2"),
        (False, WorkerLost("worker 1 of 2 was lost"), 1, "worker 1 of 2 was lost; to go on: vitrine-train fit tiny.toml --out run --workers 2"),
        (True, Interrupted(15), 143, "stopped by signal 15; to go on: vitrine-train fit tiny.toml --resume --out run --workers 2"),
    ],
    ids=["after a while", "before there was a folder", "signal"],
)  # fmt: skip
def test_one_line_says_why_workers_stopped_and_how_to_go_on(launched, folder, error, code, line):
    if folder:
        Path("run").mkdir()
    launched.ends.append(error)
    done = asked("fit tiny.toml --out run --workers 2")
    assert (done.exit_code, done.stderr) == (code, f"vitrine-train: {line}\n")


def test_what_only_the_first_worker_writes_is_looked_at_by_it_alone(launched, monkeypatch):
    Path("run").mkdir()
    Path("run/environment.json").write_text(json.dumps({}))
    monkeypatch.setattr(
        "training.fit_command.need_tensorflow", lambda: (_ for _ in ()).throw(RunError("goes on"))
    )
    first, second = (asked(f"fit tiny.toml --out run --cluster a:1,b:2 --worker-index {n}") for n in (0, 1))
    assert "holds a run already" in str(first.exception)
    assert str(second.exception) == "goes on"


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("--worker-index 1", "of which workers"),
        ("--cluster a:1,b:2", "expected a number below 2"),
        ("--workers 0", "0 is not in the range"),
    ],
)
def test_options_that_name_no_worker_are_usage_errors(launched, words, told):
    done = asked(f"fit tiny.toml {words}")
    assert done.exit_code == 2
    assert told in done.stderr


def test_without_mlflows_client_one_line_says_so_before_anything_is_loaded(launched, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert str(asked("fit tiny.toml --mlflow http://m").exception).endswith(
        "pip install 'vitrine-vae[mlflow]'"
    )
