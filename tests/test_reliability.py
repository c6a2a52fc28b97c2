"""Every fault and bad input has a test that stands for it; the page says what there is."""

import argparse
import json

import pytest

from tests import reliability

SUITE = {"command": "make test", "hardware": "2 cores", "commit": "abc", "tests": {}}


@pytest.fixture(scope="module")
def marks():
    return reliability.marks()


@pytest.mark.parametrize("kind", reliability.KINDS)
def test_every_row_has_a_test_that_stands_for_it(marks, kind):
    rows = reliability.rows()[kind]
    lacking = {number for number in rows if not marks[kind].get(number)}
    assert lacking <= reliability.untested()[kind]
    assert set(marks[kind]) <= set(rows), "a test stands for a row that there is not"


def test_rows_are_numbered_from_one_without_a_gap():
    for kind, count in {"fault": 32, "bad_input": 75}.items():
        assert sorted(reliability.rows()[kind]) == list(range(1, count + 1))


def test_the_page_is_what_the_generator_writes(marks):
    assert reliability.PAGE.read_text() == reliability.page(marks, reliability.kept()), "make reliability"


def test_results_of_a_run_are_told_by_test(tmp_path):
    cases = [
        '<testcase classname="tests.app.test_x" name="test_a[1]" time="1"/>',
        '<testcase classname="tests.app.test_x" name="test_a[2]"><failure>x</failure></testcase>',
        '<testcase classname="tests.app.test_x" name="test_b"><skipped/></testcase>',
        '<testcase classname="tests.app.test_x" name="test_c"/>',
    ]
    junit = tmp_path / "junit.xml"
    junit.write_text(f"<testsuites><testsuite>{''.join(cases)}</testsuite></testsuites>")
    ran = reliability.results(junit)
    assert ran == {
        "tests/app/test_x.py::test_a": {"failed": 1, "passed": 1},
        "tests/app/test_x.py::test_b": {"skipped": 1},
        "tests/app/test_x.py::test_c": {"passed": 1},
    }
    found = {
        "fault": {1: ["tests/app/test_x.py::test_a"], 2: ["tests/app/test_x.py::test_c"]},
        "bad_input": {},
    }
    page = reliability.page(found, {"suite": SUITE | {"tests": ran}})
    lines = [line for line in page.splitlines() if line.startswith(("| 1 |", "| 2 |"))]
    assert lines[0].endswith("| a (`tests/app/test_x.py`) | **1 failed** |")
    assert lines[1].endswith("| c (`tests/app/test_x.py`) | passed |")


def test_figures_of_a_long_run_stand_below_its_command_hardware_and_commit(tmp_path, monkeypatch):
    measured = {
        "command": "make soak",
        "hardware": "2 cores",
        "commit": "abc",
        "figures": {"requests": 123456},
    }
    page = reliability.page({"fault": {}, "bad_input": {}}, {"long": {"soak": measured}})
    assert "`make soak` on 2 cores, commit abc.\n\n| | |\n|---|---|\n| requests | 123,456 |" in page
    assert "Not measured yet: `make fuzz`." in page

    (tmp_path / "soak.json").write_text(json.dumps(measured))
    monkeypatch.setattr(reliability, "KEPT", tmp_path / "kept.json")
    monkeypatch.setattr(reliability, "PAGE", tmp_path / "page.md")
    monkeypatch.setattr(reliability, "marks", lambda: {"fault": {}, "bad_input": {}})
    monkeypatch.setattr("sys.argv", ["reliability", "--record", "soak", str(tmp_path / "soak.json")])
    reliability.main()
    assert reliability.kept() == {"long": {"soak": measured}}
    assert (tmp_path / "page.md").read_text() == page


def test_the_command_of_a_run_has_every_option_but_where_the_figures_go():
    asked = argparse.Namespace(
        minutes=45.0, workers=2, max_waiting=None, ceiling=True, n=[1, 21], quick=False, out=reliability.PAGE
    )
    expected = "python -m tests.soak --minutes 45 --workers 2 --ceiling --n 1 21"
    assert reliability.command_of("tests.soak", asked) == expected


def test_a_long_run_is_told_with_what_repeats_it_and_ends_by_what_was_wrong(tmp_path, capsys):
    out = tmp_path / "run.json"
    wrong = [f"fault {number}" for number in range(30)]
    assert reliability.tell({"requests": 7}, wrong, "python -m tests.soak", out, series=[1, 2]) == 1
    told = json.loads(out.read_text())
    assert (told["command"], told["figures"], told["series"]) == (
        "python -m tests.soak",
        {"requests": 7},
        [1, 2],
    )
    assert told["commit"] == reliability.commit()
    assert told["hardware"] == reliability.machine()
    printed = capsys.readouterr().out.splitlines()
    assert printed == ["requests: 7", *wrong[:20]]
    assert reliability.tell({"requests": 7}, [], "python -m tests.soak", None) == 0
