"""SECURITY.md: every threat names tests, and each of them is there."""

import re

import pytest

from app.settings import Settings, variable
from tests.conftest import PROJECT

TEXT = (PROJECT / "SECURITY.md").read_text()
ROWS = [
    [cell.strip() for cell in line.strip("|").split("|")]
    for line in TEXT.splitlines()
    if line.startswith("| ")
][1:]


def named(cell):
    """(file, test) of a cell; a test without a file is in that of the one before."""
    path = None
    for given, test in re.findall(r"`(?:(tests/[\w/]+\.py): )?(test_\w+)`", cell):
        path = given or path
        yield path, test


def test_there_are_threats_and_each_has_an_asset_and_what_stops_it():
    assert len(ROWS) >= 15
    for row in ROWS:
        assert len(row) == 5, row
        assert all(row[:4]), row


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[1][:40])
def test_every_threat_names_tests_that_exist(row):
    found = list(named(row[3]))
    assert found
    for path, test in found:
        assert re.search(rf"^(async )?def {test}\(", (PROJECT / path).read_text(), re.MULTILINE), (path, test)


def test_every_setting_that_is_named_exists():
    known = {variable(name) for name in Settings.model_fields}
    assert set(re.findall(r"VITRINE_\w+", TEXT)) <= known


def test_it_says_how_to_report():
    assert "## Reporting" in TEXT
    assert "in private" in TEXT
