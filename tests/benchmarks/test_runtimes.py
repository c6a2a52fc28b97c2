import argparse
import subprocess

import pytest

from benchmarks import runtimes
from benchmarks.runtimes import Way


def loop(runtime, rate, number=0, way="1x2", **more):
    row = {"kind": "loop", "model": "fashion@6", "runtime": runtime, "round": number, "way": way}
    return row | {"render": "mean", "n": 21, "first_call_seconds": 0.5, "images_per_second": rate} | more


def rows():
    found = [loop("litert", rate, number) for number, rate in enumerate((100.0, 900.0, 200.0))]
    found += [loop("litert", rate, number, "2x1") for number, rate in enumerate((250.0, 300.0, 240.0))]
    return found + [loop("openvino", rate, number) for number, rate in enumerate((500.0, 300.0, 480.0))]


def test_there_is_one_way_of_using_one_core_and_two_of_using_more():
    assert runtimes.ways_of(1) == [Way(1, 1)]
    assert runtimes.ways_of(4) == [Way(1, 4), Way(4, 1)]
    assert str(Way(at_once=4, threads=1)) == "4x1"


def test_the_better_way_is_that_of_the_higher_median():
    litert = [row for row in rows() if row["runtime"] == "litert"]
    assert {row["way"] for row in runtimes.best(litert)} == {"2x1"}  # 250 beside 200, though one is 900
    assert runtimes.best([]) == []


def test_the_table_names_the_fastest_and_sets_it_beside_litert_round_by_round():
    header, line = runtimes.rates(rows())
    assert header == ["model", "render", "n", "litert", "openvino", "fastest", "of litert"]
    assert line[:5] == ["fashion@6", "mean", "21", "250 (2x1)", "480 (1x2)"]
    assert line[5:] == ["openvino", "1.92 (1.00 to 2.00)"]


def test_what_a_runtime_was_not_asked_for_is_no_number():
    _, first, second = runtimes.rates([*rows(), loop("litert", 80.0, render="draw", n=7)])
    assert first[1:3] == ["mean", "21"]
    assert second[1:] == ["draw", "7", "80 (1x2)", "nan", "litert", "1.00"]
    _, line = runtimes.rates([loop("openvino", 5.0)])
    assert line[3:] == ["5 (1x2)", "openvino", "nan"]


def opened(runtime, way="1x2", **more):
    row = {"kind": "opened", "model": "fashion@6", "runtime": runtime, "round": 0, "way": way}
    costs = {"import_seconds": 0.25, "open_seconds": 0.5, "first_seconds": 0.125, "opened_mib": 33.4}
    return row | costs | {"loaded_mib": 40.0, "package_mib": 58.0, "image_means": [0.25, 0.5]} | more


def test_costs_are_of_one_computation_at_a_time():
    found = [opened("litert"), opened("litert", "2x1", loaded_mib=900.0)]
    found += [loop("litert", 1.0, render="draw", n=n, first_call_seconds=s) for n, s in ((1, 1.5), (7, 0.1))]
    header, line = runtimes.costs(found)
    assert (header[2], header[-1]) == ("import, s", "first draw, s")
    assert line == ["fashion@6", "litert", "0.25", "0.50", "0.12", "33", "40", "58", "1.50"]


def test_runtimes_that_decode_to_other_images_end_the_measurement():
    alike = [opened("litert"), opened("openvino", image_means=[0.2501, 0.5])]
    runtimes.require_same_images(alike)
    with pytest.raises(SystemExit, match="openvino and litert"):
        runtimes.require_same_images([*alike, opened("openvino", image_means=[0.26, 0.5])])


@pytest.mark.parametrize(
    ("runtime", "draws"), [("litert", "--draws 1 21"), ("openvino", "--draws 21"), ("naive", "--draws")]
)
def test_each_runtime_runs_by_its_own_python_with_the_draws_that_it_is_asked_for(runtime, draws, monkeypatch):
    asked = []

    def run(words, **_):
        asked.extend(words)
        return subprocess.CompletedProcess(
            words, 0, 'chatter\n{"loops": [{"n": 1}], "open_seconds": 2}\n', ""
        )

    monkeypatch.setattr(runtimes.subprocess, "run", run)
    arguments = argparse.Namespace(counts=[1, 21], seconds=0.5)
    found = runtimes.decoding(runtime, runtimes.PROJECT, Way(2, 1), arguments)
    assert asked[0] == str(runtimes.PYTHONS[runtime])
    assert " ".join(asked).endswith(draws)
    assert "--threads 1 --at-once 2 --seconds 0.5 --means 1 21" in " ".join(asked)
    at = {"round": 0, "runtime": runtime}
    assert runtimes.rows_of(at, found) == [
        at | {"kind": "opened", "open_seconds": 2},
        at | {"kind": "loop", "n": 1},
    ]


def test_a_runtime_that_fails_is_reported_with_its_last_words(monkeypatch):
    done = subprocess.CompletedProcess([], 1, "", "no such model")
    monkeypatch.setattr(runtimes.subprocess, "run", lambda *_, **__: done)
    with pytest.raises(RuntimeError, match="no such model"):
        runtimes.decoding("litert", runtimes.PROJECT, Way(1, 2), argparse.Namespace(counts=[1], seconds=1))
