import os
import subprocess

import click
import pytest

from app.cli import cli
from app.commands.group import SUMMARIES
from app.http.pictures import PICTURES
from app.pictures.formats import FORMATS
from tests.serving import VITRINE


def test_every_picture_has_its_command():
    assert {endpoint.path for endpoint in PICTURES} == {f"/{name}" for name in SUMMARIES} - {
        "/inspect",
        "/render",
    }
    assert set(SUMMARIES) <= set(cli.commands)


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        (["vitrine", "s"], {"samples", "serve", "score", "sign", "sign-url"}),
        (["vitrine", "samples", "--te"], {"--temperature"}),
        (["vitrine", "samples", "--render", ""], {"mean", "draw"}),
        (["vitrine", "e"], {"encode", "export-page"}),
        (["vitrine", "reconstruct", "--format", ""], set(FORMATS)),
        (["vitrine", "encode", "--format", ""], {"json", "csv", "npy", "npz"}),
        (["vitrine", "complete", "--m"], {"--mask", "--model", "--model-store"}),
        (["vitrine", "complete", "--hide", "l"], {"lower", "left"}),
        (["vitrine", "decode", "--invert", "a"], {"auto"}),
    ],
)
def test_a_shell_completes_commands_options_and_choices(words, offered):
    environment = os.environ | {
        "_VITRINE_COMPLETE": "bash_complete",
        "COMP_WORDS": " ".join(words),
        "COMP_CWORD": str(len(words) - 1),
    }
    done = subprocess.run([VITRINE], capture_output=True, text=True, env=environment, check=True)
    assert {line.partition(",")[2] for line in done.stdout.splitlines()} == offered


def test_options_are_made_once():
    command = cli.commands["samples"]
    context = click.Context(command)
    assert [each.name for each in command.get_params(context)] == [
        each.name for each in command.get_params(context)
    ]
