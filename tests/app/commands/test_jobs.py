import re

import click
import pytest
from click.testing import CliRunner

from app.commands import jobs
from app.commands.jobs import Report, counted, ends_in_one_line, maker_of, working
from app.errors import InvalidParameter
from app.jobs.job import InvalidJob
from app.jobs.run import Interrupted, Progress


@pytest.mark.parametrize(
    ("error", "code", "line"),
    [
        (InvalidJob("out: something else is there"), 2, "vitrine: out: something else is there"),
        (InvalidParameter.of("k", "1..9", 0, "Use fewer.", "range"), 2, "vitrine: k: expected 1..9"),
        (Interrupted("Ray: gone"), 1, "vitrine: Ray: gone. The same command goes on from there."),
        (KeyboardInterrupt(), 130, "vitrine: interrupted. The same command goes on from there."),
        (
            OSError(28, "No space left"),
            1,
            "vitrine: out: No space left. The same command goes on from there.",
        ),
    ],
    ids=["invalid", "parameter", "interrupted", "keyboard", "disk"],
)
def test_what_ends_a_job_is_one_line_and_an_exit_code(error, code, line, capsys):
    with pytest.raises(SystemExit) as left, ends_in_one_line("out"):
        raise error
    said = capsys.readouterr().err
    assert left.value.code == code
    assert said.startswith(line)
    assert said.count("\n") == 1


@pytest.mark.parametrize(
    ("number", "told"), [(0, "0 images"), (1, "1 image"), (2, "2 images"), (12000, "12,000 images")]
)
def test_one_of_a_thing_is_told_in_the_singular(number, told):
    assert counted(number, "image") == told


def test_progress_is_told_at_the_beginning_now_and_then_and_at_the_end(monkeypatch, capsys):
    now = [0.0]
    monkeypatch.setattr(jobs.time, "monotonic", lambda: now[0])
    report = Report(as_json=False)
    for seconds, images in ((0, 10), (1, 20), (11, 30), (12, 40)):
        now[0] = seconds
        report(Progress(images, 40, 2.0))
    assert capsys.readouterr().err.splitlines() == [
        "10 of 40 images, 2 a second, 0:00:15 left",
        "30 of 40 images, 2 a second, 0:00:05 left",
        "40 of 40 images",
    ]
    assert (report.done, report.per_second) == (30, 2.0)


def test_processes_and_a_cluster_contradict_each_other():
    with pytest.raises(click.UsageError, match="goes without --ray"):
        maker_of({"cluster": "local", "processes": 2}, None)


def test_every_command_of_a_job_has_the_same_options():
    told = CliRunner().invoke(click.command("x")(working(lambda **_: None)), ["--help"]).stdout
    options = re.findall(r"--[a-z-]+", told)
    assert options[:5] == ["--model", "--model-store", "--processes", "--ray", "--json"]
