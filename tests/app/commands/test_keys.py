import json

import pytest
from click.testing import CliRunner

from app.access import keys
from app.cli import cli


def run(*arguments):
    return CliRunner().invoke(cli, ["keys", "new", *arguments])


def test_a_new_key_is_printed_with_the_line_for_the_file():
    done = run("press", "--images-per-minute", "600", "--model", "fashion", "--model", "emoji")
    assert done.exit_code == 0
    first, second = done.stdout.splitlines()
    (key,) = keys.parse(second.removeprefix("line: "))
    assert keys.find([key], first.removeprefix("key:  ").encode()) is key
    assert (key.name, key.images_per_minute, key.models) == ("press", 600, {"fashion", "emoji"})


def test_the_same_as_json():
    found = json.loads(run("press", "--json").stdout)
    (key,) = keys.parse(found["line"])
    assert keys.find([key], found["key"].encode()) is key


@pytest.mark.parametrize(
    "arguments", [("two words",), ("press", "--model", "No Model"), ("press", "--model", "")]
)
def test_what_the_file_could_not_hold_exits_2_in_one_line_and_makes_no_key(arguments):
    done = run(*arguments)
    assert (done.exit_code, done.stdout) == (2, "")
    assert len(done.stderr.splitlines()) == 1


def test_a_budget_of_nothing_is_a_usage_error():
    assert run("press", "--images-per-minute", "0").exit_code == 2
