"""What the stages are made of; how long they take, no test can say."""

import json
import threading

import pytest

from app.bench import stages
from app.bench.serving import ServerFailed
from app.bench.stages import STAGES, Stages, differences, measure_stages
from app.settings import Settings
from tests.fakes import open_fake

MEDIANS = {
    "http": 0.010,
    "app": 0.007,
    "engine": 0.006,
    "codes": 0.0005,
    "decode": 0.004,
    "grid": 0.0002,
    "png": 0.0003,
}


def test_a_stage_is_what_one_way_takes_beyond_the_next():
    found = differences(MEDIANS)
    assert tuple(found) == STAGES
    assert found == pytest.approx(
        {"HTTP": 3, "request": 1, "threads": 1, "codes": 0.5, "compute": 4, "grid": 0.2, "png": 0.3}
    )


def test_the_stages_add_up_to_what_the_client_waits():
    found = Stages("mean", 21, 15, differences(MEDIANS))
    assert found.total == pytest.approx(10)
    assert found.compute_share == pytest.approx(0.4)


def test_what_threads_win_is_below_zero_and_compute_may_be_more_than_all():
    found = Stages("mean", 21, 15, differences(MEDIANS | {"http": 0.005, "app": 0.004, "engine": 0.003}))
    assert found.milliseconds["threads"] == pytest.approx(-2)
    assert found.total == pytest.approx(5)
    wide = Stages("mean", 21, 15, differences(MEDIANS | {"http": 0.002}))
    assert wide.compute_share == pytest.approx(2)


def test_the_table_has_a_column_for_each_stage_and_prints_numbers_below_zero_as_they_are():
    title, columns = stages.header()
    assert "ms" in title
    assert columns.split() == ["n", "of", *STAGES, "total", "share", "of", "compute"]
    line = stages.row(Stages("draw", 21, 17, differences(MEDIANS | {"engine": 0.004})))
    assert line.split() == (
        ["draw", "21", "17", "3.000", "3.000", "-1.000", "0.500", "4.000", "0.200", "0.300", "10.000", "40%"]
    )
    assert len(line) == len(columns)
    assert any("threads: the queue and the change of threads; below zero" in note for note in stages.NOTES)


def test_mean_and_draw_of_every_count_are_asked_for_without_a_seed_in_all_ways(settings, served, monkeypatch):
    targets = []
    get = stages.Client.get
    monkeypatch.setattr(
        stages.Client, "get", lambda client, target: targets.append(target) or get(client, target)
    )
    found = list(measure_stages(settings, "fake@1", (1, 33), 0, open_fake))
    assert [(each.render, each.n) for each in found] == [
        ("mean", 1),
        ("mean", 33),
        ("draw", 1),
        ("draw", 33),
    ]
    assert list(dict.fromkeys(targets)) == [
        "/samples?n=1&render=mean",
        "/samples?n=33&render=mean",
        "/samples?n=1&render=draw",
        "/samples?n=33&render=draw",
    ]
    for each in found:
        assert set(each.milliseconds) == set(STAGES)
        assert each.repetitions >= 1
        assert each.milliseconds["compute"] > 0
        assert sum(each.milliseconds.values()) == each.total > 0
        assert json.loads(json.dumps(each.as_json())).keys() == {
            "render",
            "n",
            "repetitions",
            "milliseconds",
            "total_milliseconds",
            "compute_share",
        }


def test_the_server_has_the_settings_in_force_but_for_limits_and_addresses(settings, served):
    narrow = settings.model_copy(update={"max_images": 1, "max_pixels": 64, "root_path": "/v", "workers": 2})
    list(measure_stages(narrow, "fake@1", (40,), 0, open_fake))
    (asked,) = served
    assert (asked.worker_threads, asked.model_store) == (narrow.worker_threads, narrow.model_store)
    assert (asked.default_model, asked.workers, asked.root_path) == ("fake@1", 1, "")
    Settings(**asked.model_dump())  # a process of its own would take them: each is in its range
    assert asked.max_images >= 1_000_000


def test_another_answer_than_a_picture_is_no_measurement(settings, served, monkeypatch):
    monkeypatch.setattr(stages, "PATH", "/nowhere")
    with pytest.raises(ServerFailed, match=r"/nowhere\?n=1.*404"):
        list(measure_stages(settings, "fake@1", (1,), 0, open_fake))


def test_the_server_ends_when_a_measurement_fails(settings, served):
    threads = threading.active_count()

    def broken(folder, threads):
        raise ValueError

    with pytest.raises(Exception, match="fake@1"):
        list(measure_stages(settings, "fake@1", (1,), 0, broken))
    assert len(served) == 1
    assert threading.active_count() == threads
