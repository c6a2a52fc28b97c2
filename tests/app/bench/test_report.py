import json

import pytest

from app.bench import report
from app.bench.report import measure
from app.bench.runtimes import RuntimeRate
from app.bench.stages import NOTES, STAGES
from tests.fakes import open_fake


@pytest.fixture
def measured(settings, served):
    """The lines and the values of a report of the fake model."""
    lines = []
    return lines, measure(settings, "fake", 0, (1, 33), lines.append, open_fake)


def test_a_measurement_reports_the_settings_in_force_and_every_count(measured, settings):
    lines, found = measured
    assert [loop["n"] for loop in found["loop"]] == [1, 33]
    assert found["engine"]["worker_threads"] == settings.worker_threads
    assert set(found["engine"]["images_per_second"]) == {"64 x 21", "4 x 400"}
    assert "worker_threads=2, inference_threads=1" in lines[0]


def test_its_values_are_plain_and_complete(measured):
    _, found = measured
    assert set(json.loads(json.dumps(found))) == {
        "model",
        "digest",
        "runtime",
        "cores",
        "processor",
        "reason",
        "runtimes",
        "unavailable",
        "sizes",
        "loop",
        "stages",
        "engine",
    }
    assert set(found["sizes"]) == {"decode", "draw"}
    assert [(each["render"], each["n"]) for each in found["stages"]] == [
        ("mean", 1),
        ("mean", 33),
        ("draw", 1),
        ("draw", 33),
    ]
    assert all(set(each["milliseconds"]) == set(STAGES) for each in found["stages"])


def test_its_lines_come_in_order_the_runtime_first(measured):
    lines, _ = measured
    beginnings = (
        "fake@1 by fake",
        "served by fake, as ",
        "runtimes not compared: fake@1 has no flatbuffers for LiteRT",
        "rows to a computation",
        "the bare loop",
        "where the time of a request goes",
        NOTES[0],
        "the engine, images/s",
    )
    places = [next(i for i, line in enumerate(lines) if line.startswith(each)) for each in beginnings]
    assert places == sorted(places)
    assert [line.split()[:2] for line in lines if line.endswith("%") and line[:4] in ("mean", "draw")] == [
        ["mean", "1"],
        ["mean", "33"],
        ["draw", "1"],
        ["draw", "33"],
    ]


def test_where_nothing_is_missing_both_runtimes_are_compared_before_the_model_is_opened(
    settings, served, monkeypatch
):
    opened = []

    def open_noting(folder, threads):
        opened.append(folder)
        return open_fake(folder, threads)

    def compare(settings, reference, seconds):
        assert (reference, opened) == ("fake@1", [])
        return [RuntimeRate("litert", dict.fromkeys((1, 7, 21, 100), 2.5), 48_000_000)]

    monkeypatch.setattr(report.runtimes, "unavailable", lambda folder: {})
    monkeypatch.setattr(report.runtimes, "compare", compare)
    lines = []
    found = measure(settings, None, 0, (1,), lines.append, open_noting)
    assert found["runtimes"][0]["milliseconds"] == {1: 2.5, 7: 2.5, 21: 2.5, 100: 2.5}
    assert any(line.split()[:2] == ["litert", "2.50"] for line in lines)
    assert not any("not compared" in line for line in lines)
