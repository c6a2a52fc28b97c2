"""``vitrine-train import``: what it is asked."""

import pytest
from click.testing import CliRunner

from training.cli import cli
from training.errors import ConfigError, DataError


def invoke(*words):
    return CliRunner().invoke(cli, ["import", *words])


def files(tmp_path):
    return ("--encoder", str(tmp_path / "e.keras"), "--decoder", str(tmp_path / "d.keras"))


def test_a_name_that_no_store_takes_is_refused(tmp_path):
    done = invoke("Not A Name", *files(tmp_path), "--images", str(tmp_path))
    assert isinstance(done.exception, ConfigError)


def test_pictures_that_are_not_there_are_missed_before_anything_is_loaded(tmp_path):
    done = invoke("mine", *files(tmp_path), "--images", str(tmp_path / "none"))
    assert isinstance(done.exception, DataError)


@pytest.mark.parametrize("size", ["28", "28x", "x28", "28 x 28"])
def test_a_size_has_two_numbers(tmp_path, size):
    done = invoke("mine", *files(tmp_path), "--images", str(tmp_path), "--size", size)
    assert (done.exit_code, "expected HEIGHTxWIDTH" in done.output) == (2, True)
