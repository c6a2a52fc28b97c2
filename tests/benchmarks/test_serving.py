import argparse
import contextlib
import subprocess

import pytest

from benchmarks import serving
from benchmarks.load import Load, Traffic
from tests.conftest import SHIPPED_STORE


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


def test_peers_that_draw_another_picture_end_the_measurement():
    drawn = [("vitrine", "1"), ("naive", "2"), ("litserve", "2")]
    starts = [{"kind": "startup", "server": name, "pixels": found} for name, found in drawn]
    serving.require_same_pictures(starts)
    starts.append({"kind": "startup", "server": "bentoml", "pixels": "3"})
    with pytest.raises(SystemExit, match="bentoml"):
        serving.require_same_pictures(starts)


class Loaded:
    """Stands for a server, and for wrk; keeps what was asked of it."""

    def __init__(self, monkeypatch):
        self.asked = []
        self.port, self.first_picture_seconds = 1, 0.5
        monkeypatch.setattr(serving.processes, "running", lambda program: contextlib.nullcontext(self))
        monkeypatch.setattr(serving, "warm", lambda *_: None)
        monkeypatch.setattr(serving, "pixels", lambda _: "same")
        monkeypatch.setattr(serving, "wrk", self.wrk)

    def wrk(self, server, connections, seconds, n, render=None):
        self.asked.append((n, connections, render))
        return Load(100.0, 1.0, 2.0, 3.0, 0, 0)

    def pss_mib(self):
        return 100.0

    def processes(self):
        return [1]

    def processor_seconds(self):
        return 1.0


def asked_for(monkeypatch, name, number, **arguments):
    loaded = Loaded(monkeypatch)
    given = {
        "model": "fashion",
        "peers_model": None,
        "seconds": 1,
        "rounds": 2,
        "only": ["throughput"],
    } | arguments
    rows = serving.beside(name, number, argparse.Namespace(**given))
    return loaded.asked, [row for row in rows if row["kind"] == "throughput"]


LOADS = [Traffic(1, 1), Traffic(21, 16)]


def test_every_load_is_given_to_vitrine_in_each_render_the_first_in_turns(monkeypatch):
    asked, rows = asked_for(monkeypatch, "vitrine", 0, loads=LOADS, render=["mean", "draw"])
    assert asked == [(1, 1, "mean"), (1, 1, "draw"), (21, 16, "mean"), (21, 16, "draw")]
    assert [(row["n"], row["connections"], row["render"]) for row in rows] == asked
    asked, _ = asked_for(monkeypatch, "vitrine", 1, loads=LOADS, render=["mean", "draw"])
    assert asked == [(1, 1, "draw"), (1, 1, "mean"), (21, 16, "draw"), (21, 16, "mean")]


def test_a_peer_is_asked_for_means_without_a_word(monkeypatch):
    asked, rows = asked_for(monkeypatch, "naive", 0, loads=LOADS, render=["mean", "draw"])
    assert asked == [(1, 1, None), (21, 16, None)]
    assert {row["render"] for row in rows} == {"mean"}


def test_means_and_draws_of_a_model_follow_each_other_under_each_load(monkeypatch):
    loaded = Loaded(monkeypatch)
    rows = serving.served("fashion@6", 1, argparse.Namespace(seconds=1))
    assert loaded.asked == [(21, 1, "draw"), (21, 1, "mean"), (21, 16, "draw"), (21, 16, "mean")]
    assert [(row["n"], row["connections"], row["render"]) for row in rows] == loaded.asked


def test_the_loop_has_every_size_that_a_server_is_loaded_with(monkeypatch):
    asked = []
    monkeypatch.setattr(serving, "loop", lambda *words: asked.append(words) or [])
    given = {"counts": [400, 1], "loads": LOADS, "render": ["draw"], "rounds": 1, "seconds": 2}
    for only in (["alone", "bare"], ["throughput", "bare"]):
        serving.bare(argparse.Namespace(model="fashion", only=only, **given))
    sizes = ([1, 21, 400], [1, 21])
    assert asked == [
        (name, "fashion", ["draw", "mean"], counts, 2) for counts in sizes for name in serving.RUNTIMES
    ]


def test_the_peers_may_draw_with_another_model_than_vitrine(tmp_path):
    given = argparse.Namespace(model="fashion", peers_model=None)
    assert serving.model_of("naive", given) == "fashion"
    given.peers_model = "fashion-dense"
    assert serving.model_of("naive", given) == "fashion-dense"
    given.peers_model = str(tmp_path)
    assert serving.model_of("naive", given) == str(tmp_path.resolve())
    assert serving.model_of("vitrine", given) == "fashion"
