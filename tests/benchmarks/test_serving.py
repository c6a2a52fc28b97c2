import argparse
import subprocess

import pytest

from benchmarks import serving
from tests.conftest import SHIPPED_STORE

LOAD = {"p50_ms": 2.0, "p99_ms": 5.0, "max_ms": 9.0, "refused": 0, "broken": 0}


def rows():
    measured = [("naive", 100.0), ("naive", 300.0), ("naive", 200.0), ("vitrine", 500.0)]
    return [
        {"kind": "throughput", "server": name, "round": 0, "connections": 16, "rate": rate, **LOAD}
        for name, rate in measured
    ] + [{"kind": "bare", "runtime": "litert", "n": 21, "pictures_per_second": 1000.0}]


def test_the_table_has_medians_and_their_ratios():
    (table,) = serving.tables(rows())
    lines = [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines()[2:]]
    assert lines == [
        ["16", "naive", "200", "1.00", "-", "2.00", "5.00", "0"],
        ["16", "vitrine", "500", "2.50", "0.50", "2.00", "5.00", "0"],
    ]


def models_rows():
    measured = [("mean", 60.0), ("mean", 100.0), ("mean", 80.0), ("draw", 45.0)]
    served = [
        {
            "kind": "models",
            "model": "fashion@2",
            "render": render,
            "n": 21,
            "round": 0,
            "cores": 1.2,
            "rate": rate,
        }
        | LOAD
        for render, rate in measured
    ]
    served[0]["refused"], served[1]["broken"] = 2, 1
    of_loop = {"kind": "models-bare", "model": "fashion@2", "runtime": "litert", "n": 21}
    return served + [
        of_loop | {"render": render, "pictures_per_second": rate}
        for render, rate in [("mean", 90.0), ("mean", 100.0), ("mean", 500.0), ("draw", 50.0)]
    ]


def test_every_model_is_set_against_its_own_loop_of_the_same_render():
    (table,) = serving.tables(models_rows())
    lines = [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines()[2:]]
    assert lines == [
        ["fashion@2", "mean", "80.0", "1680", "100.0", "0.80", "1.20", "2.00", "5.00", "3"],
        ["fashion@2", "draw", "45.0", "945", "50.0", "0.90", "1.20", "2.00", "5.00", "0"],
    ]


def test_the_loops_of_the_models_are_no_limit_of_the_other_tables():
    (alone,) = serving.tables(rows())
    assert serving.tables(rows() + models_rows())[0] == alone


def test_every_model_of_the_store_is_served_and_looped_in_turns(monkeypatch):
    monkeypatch.setattr(serving, "served", lambda model, *_: [("served", model.partition("@")[0])])
    monkeypatch.setattr(serving, "looped", lambda model, *_: [("looped", model.partition("@")[0])])
    names = sorted(path.name for path in SHIPPED_STORE.iterdir() if path.is_dir())
    first, second = (serving.models(number, argparse.Namespace(rounds=2)) for number in (0, 1))
    assert first == [(way, name) for name in names for way in ("served", "looped")]
    assert second == first[::-1]


def test_the_loop_is_asked_for_what_the_service_is_and_its_last_line_is_read(monkeypatch):
    asked = []

    def run(words, **_):
        asked.extend(words)
        return subprocess.CompletedProcess(
            words, 0, 'a warning\n[{"model": "fashion@2", "render": "draw"}]\n'
        )

    monkeypatch.setattr(serving.subprocess, "run", run)
    found = serving.looped("fashion@2", 3, argparse.Namespace(seconds=4))
    assert found == [{"kind": "models-bare", "round": 3, "model": "fashion@2", "render": "draw"}]
    words = " ".join(asked)
    assert "--runtime litert --models fashion@2 --renders mean draw --counts 21 --seconds 4" in words


def test_servers_take_turns_in_being_first():
    assert serving.turned("ab", 0) == ["a", "b"]
    assert serving.turned("ab", 1) == ["b", "a"]


def test_peers_that_draw_another_picture_end_the_measurement():
    drawn = [("vitrine", "1"), ("naive", "2"), ("litserve", "2")]
    starts = [{"kind": "startup", "server": name, "pixels": found} for name, found in drawn]
    serving.require_same_pictures(starts)
    starts.append({"kind": "startup", "server": "bentoml", "pixels": "3"})
    with pytest.raises(SystemExit, match="bentoml"):
        serving.require_same_pictures(starts)


def test_the_plot_is_drawn_of_whatever_was_measured(tmp_path):
    serving.plot(rows(), tmp_path / "plot.png")
    assert (tmp_path / "plot.png").read_bytes().startswith(b"\x89PNG")
