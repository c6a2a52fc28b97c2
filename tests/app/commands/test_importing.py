"""``vitrine models import``: what it hands on to ``vitrine-train import``."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from app.cli import cli
from app.commands.importing import import_model

WORDS = ["import", "mine", "--encoder", "e.keras", "--decoder", "d.keras", "--images", "pictures"]


@pytest.fixture
def handed_on(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[list[str]]:
    """The commands that would have been run, each of which ends with exit code 7."""
    monkeypatch.chdir(tmp_path)
    Path("e.keras").touch()
    Path("d.keras").touch()
    commands: list[list[str]] = []

    def run(command: list[str], check: bool) -> Any:
        commands.append(command)
        return subprocess.CompletedProcess(command, 7)

    monkeypatch.setattr("app.commands.importing.subprocess.run", run)
    return commands


def test_options_and_exit_code_are_handed_on(handed_on: list[list[str]]) -> None:
    more = ["--likelihood", "gaussian", "--size", "28x20", "--trust", "--model-store", "st", "--json"]
    assert CliRunner().invoke(cli, ["models", *WORDS, *more]).exit_code == 7
    changed = [word if word != "--model-store" else "--store" for word in [*WORDS, *more]]
    assert handed_on == [[sys.executable, "-m", "training.cli", *changed]]


def test_options_before_the_name_of_the_command_count_too(handed_on: list[list[str]]) -> None:
    CliRunner().invoke(cli, ["models", "--model-store", "st", "--json", *WORDS])
    assert handed_on == [[sys.executable, "-m", "training.cli", *WORDS, "--store", "st", "--json"]]


def test_without_the_training_side_the_way_out_is_told_in_one_line(
    handed_on: list[list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.commands.importing.importlib.util.find_spec", lambda name: None)
    done = CliRunner().invoke(cli, ["models", *WORDS])
    assert done.exit_code == 1
    assert done.stderr.startswith(
        "vitrine: importing needs tensorflow and keras and training: import it where"
    )
    assert len(done.stderr.splitlines()) == 1
    assert handed_on == []


@pytest.mark.parametrize("missing", ["e.keras", "d.keras"])
def test_a_network_that_is_not_there_is_a_usage_error_and_starts_nothing(
    handed_on: list[list[str]], missing: str
) -> None:
    Path(missing).unlink()
    done = CliRunner().invoke(cli, ["models", *WORDS])
    assert done.exit_code == 2
    assert f"Path '{missing}' does not exist" in done.stderr
    assert handed_on == []


def test_both_commands_have_the_same_options() -> None:
    from training.importing import import_model as of_training

    def options(command: Any) -> set[str]:
        return {option for parameter in command.params for option in parameter.opts}

    assert options(import_model) - {"--model-store"} == options(of_training) - {"--store"}


@pytest.mark.parametrize(
    ("code", "said"),
    [(-9, "SIGKILL; its memory may not have sufficed"), (-15, "SIGTERM"), (-40, "40")],
)
def test_an_import_that_a_signal_ended_says_so_in_one_line(
    handed_on: list[list[str]], monkeypatch: pytest.MonkeyPatch, code: int, said: str
) -> None:
    def ended(command: list[str], check: bool) -> Any:
        return subprocess.CompletedProcess(command, code)

    monkeypatch.setattr("app.commands.importing.subprocess.run", ended)
    done = CliRunner().invoke(cli, ["models", *WORDS])
    assert done.exit_code == 1
    assert done.stderr == f"vitrine: vitrine-train import was ended by signal {said}\n"
