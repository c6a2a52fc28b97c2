"""What is measured, and what is made of it; how fast a machine is, no test can say."""

import itertools
import json

import pytest

from app import bench
from app.bench import LOADS, PARTS, combinations
from app.errors import ModelError, ModelNotFound
from app.explore.grids import GridStyle
from app.explore.samples import Samples, sampler
from app.models import Models
from app.profiles import Rate
from app.store import scan
from tests.fakes import FakeRuntime, open_fake


@pytest.fixture
def model(fake_store):
    models = Models(scan(fake_store), open_fake, 1)
    return models.get(models.find("fake"))


@pytest.fixture
def two_cores(monkeypatch):
    monkeypatch.setattr(bench, "available_cores", lambda: 2)


def rate(worker_threads, threads, images_per_second):
    return Rate(
        worker_threads=worker_threads,
        inference_threads=threads,
        images_per_second={"64 x 21": images_per_second},
    )


@pytest.mark.parametrize("n", [1, 21, 33, 100])
@pytest.mark.parametrize("render", ["mean", "draw"])
def test_the_bare_loop_draws_the_picture_that_is_served(model, settings, n, render):
    served = sampler(model, settings, GridStyle(columns=7), Samples(n, render=render))(42)
    png, spent = bench.draw_picture(model, n, 42, render)
    assert png == served().content
    assert tuple(spent) == PARTS
    assert min(spent.values()) >= 0


def test_the_bare_loop_is_measured_at_least_once_and_its_shares_add_up(model):
    loop = bench.measure_loop(model, 40, seconds=0)
    assert loop.images_per_second > 0
    assert sum(loop.shares.values()) == pytest.approx(1)  # rounding apart


def test_the_engine_is_asked_by_every_client_at_least_once(fake_store, settings):
    runtime = FakeRuntime()
    models = Models(scan(fake_store), lambda folder, threads: runtime, 1)
    model = models.get(models.find("fake"))
    runtime.rows_seen.clear()
    assert bench.measure_engine(model, settings, 2, bench.Load(3, 40), seconds=0) > 0
    assert sum(runtime.rows_seen) >= 3 * 40


def test_an_operators_limits_do_not_stop_a_measurement(model, settings):
    narrow = settings.model_copy(update={"max_images": 1, "max_pixels": 64, "max_waiting_images": 1})
    assert bench.measure_engine(model, narrow, 1, bench.Load(2, 40), seconds=0) > 0


@pytest.mark.parametrize(
    ("cores", "expected"),
    [
        (1, [(1, 1)]),
        (2, [(1, 1), (1, 2), (2, 1)]),
        (4, [(1, 1), (1, 2), (1, 3), (1, 4), (2, 1), (2, 2), (3, 1), (4, 1)]),
    ],
)
def test_combinations_keep_no_more_than_the_cores_busy(cores, expected):
    assert combinations(cores) == expected


def test_combinations_of_a_large_machine_stay_within_the_settings_and_are_few():
    found = combinations(384)
    assert max(max(pair) for pair in found) == 256
    assert len(found) < 60


def test_where_threads_are_fixed_only_worker_threads_are_swept():
    assert combinations(4, [2]) == [(1, 2), (2, 2)]
    assert combinations(2, [8]) == [(1, 8)]  # more than the cores, but it is what there is


def test_every_combination_is_measured_under_every_load_in_turns_and_the_median_counts(model, settings):
    seen = []
    numbers = itertools.count(1)

    def measure(model, settings, worker_threads, load, seconds):
        seen.append((worker_threads, load))
        return float(next(numbers))

    swept = [(1, 1), (2, 1)]
    rates = bench.sweep({1: model}, settings, swept, 0, 3, measure)
    forwards = [(1, LOADS[0]), (1, LOADS[1]), (2, LOADS[0]), (2, LOADS[1])]
    backwards = forwards[2:] + forwards[:2]
    assert seen == forwards + backwards + forwards
    # (1, 1) is measured first, seventh and ninth under the first load; (2, 1) third, fifth and eleventh.
    assert [found.images_per_second["64 x 21"] for found in rates] == [7, 5]
    assert [found.images_per_second["4 x 400"] for found in rates] == [8, 6]
    # Of 1, 7, 9 the deviations are 6, 0, 2; of 2, 8, 10 likewise; of 3, 5, 11 they are 2, 0, 6.
    assert [found.scatter for found in rates] == [pytest.approx(2 / 7, abs=1e-3), pytest.approx(2 / 5)]


def test_each_combination_is_measured_on_the_model_with_its_threads(settings):
    seen = []

    def measure(model, settings, worker_threads, load, seconds):
        seen.append((model, worker_threads))
        return 1.0

    bench.sweep({1: "one", 2: "two"}, settings, [(1, 2), (2, 1)], 0, 1, measure)
    assert set(seen) == {("two", 1), ("one", 2)}


@pytest.mark.parametrize(
    ("rates", "chosen"),
    [
        ([(1, 1, 100), (1, 2, 150), (2, 1, 140)], (1, 2)),
        ([(1, 1, 100), (1, 2, 140), (2, 1, 150)], (2, 1)),
        ([(1, 1, 100), (1, 2, 102), (2, 1, 102.9)], (1, 1)),  # not worth a second thread
        ([(1, 1, 100), (2, 1, 110), (1, 2, 111), (2, 2, 112)], (1, 2)),
    ],
)
def test_the_fastest_is_chosen_unless_fewer_threads_are_about_as_fast(rates, chosen):
    found = bench.choose([rate(*numbers) for numbers in rates])
    assert (found.worker_threads, found.inference_threads) == chosen


def test_tuning_describes_the_machine_the_model_and_every_combination(settings, two_cores):
    lines = []
    profile = bench.tune(settings, "fake", 0, lines.append, open_fake, rounds=1)
    digest = scan(settings.model_store).find("fake").manifest.digest
    assert (profile.cores, profile.model, profile.runtime, profile.digest) == (2, "fake@1", "fake", digest)
    assert profile.processor
    measured = [(found.worker_threads, found.inference_threads) for found in profile.rates]
    assert measured == combinations(2)
    assert (profile.worker_threads, profile.inference_threads) in measured
    assert all(set(found.images_per_second) == {"64 x 21", "4 x 400"} for found in profile.rates)
    assert bench.BATCH_IS_FIXED in lines
    assert [line.endswith("<- chosen") for line in lines].count(True) == 1


def test_tuning_opens_the_model_once_for_each_number_of_threads(settings, two_cores):
    opened = []

    def open_runtime(folder, threads):
        opened.append(threads)
        return open_fake(folder, threads)

    bench.tune(settings, "fake", 0, lambda line: None, open_runtime, rounds=1)
    assert sorted(opened) == [1, 2]


class TensorFlowLike(FakeRuntime):
    name = "tensorflow"


def test_with_tensorflow_the_threads_in_force_are_kept_and_the_reason_is_given(settings, two_cores):
    lines = []
    profile = bench.tune(
        settings, "fake", 0, lines.append, lambda folder, threads: TensorFlowLike(), rounds=1
    )
    assert {found.inference_threads for found in profile.rates} == {1}
    assert bench.THREADS_ARE_FIXED in lines


def test_rounds_that_scatter_are_said_to(settings, two_cores, monkeypatch):
    steady = [rate(1, 1, 100.0)]
    scattered = [rate(1, 1, 100.0).model_copy(update={"scatter": 0.4})]
    for rates, expected in ((steady, False), (scattered, True)):
        monkeypatch.setattr(bench, "sweep", lambda *_, rates=rates, **__: rates)
        lines = []
        bench.tune(settings, "fake", 0, lines.append, open_fake)
        assert any("scatter by 40 %" in line for line in lines) is expected


def test_a_measurement_reports_the_settings_in_force_and_every_count(settings):
    lines = []
    report = bench.measure(settings, "fake", 0, (1, 33), lines.append, open_fake)
    assert [loop["n"] for loop in report["loop"]] == [1, 33]
    assert report["engine"]["worker_threads"] == settings.worker_threads
    assert set(report["engine"]["images_per_second"]) == {"64 x 21", "4 x 400"}
    assert "worker_threads=2, inference_threads=1" in lines[0]
    json.dumps(report)  # plain values only


def test_a_model_that_is_not_there_or_cannot_be_opened_is_an_error_of_ours(settings):
    def failing(folder, threads):
        raise KeyError("decode")

    with pytest.raises(ModelNotFound):
        bench.measure(settings, "another", 0, (1,), print, open_fake)
    with pytest.raises(ModelError, match="fake@1"):
        bench.tune(settings, "fake", 0, print, failing)


def test_tuning_tells_its_progress_after_every_round(settings):
    said = []
    bench.tune(settings, None, 0, said.append, open_fake, rounds=3)
    assert [line for line in said if line.startswith("round")] == [
        "round 1 of 3 measured, 0 s left",
        "round 2 of 3 measured, 0 s left",
        "round 3 of 3 measured, 0 s left",
    ]


def test_the_memory_of_a_model_that_cannot_be_opened_is_not_known(settings):
    def broken(folder, threads):
        raise ValueError

    assert bench.memory_of(settings, "fake", open_fake) >= 0
    assert bench.memory_of(settings, "fake", broken) is None
