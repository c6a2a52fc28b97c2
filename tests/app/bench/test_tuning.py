"""What is swept, and what is made of it."""

import itertools

import pytest

from app import bench
from app.bench import tuning
from app.bench.engine import LOADS
from app.bench.tuning import combinations
from app.errors import ModelError, ModelNotFound
from app.profiles import Rate
from app.store import scan
from tests.fakes import FakeRuntime, open_fake


@pytest.fixture
def two_cores(monkeypatch):
    monkeypatch.setattr(tuning, "available_cores", lambda: 2)


def rate(worker_threads, threads, images_per_second):
    return Rate(
        worker_threads=worker_threads,
        inference_threads=threads,
        images_per_second={"64 x 21": images_per_second},
    )


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
    rates = tuning.sweep({1: model}, settings, swept, 0, 3, measure)
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

    tuning.sweep({1: "one", 2: "two"}, settings, [(1, 2), (2, 1)], 0, 1, measure)
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
    found = tuning.choose([rate(*numbers) for numbers in rates])
    assert (found.worker_threads, found.inference_threads) == chosen


def test_tuning_describes_the_machine_the_model_and_every_combination(settings, two_cores):
    lines = []
    profile = tuning.tune(settings, "fake", 0, lines.append, open_fake, rounds=1)
    digest = scan(settings.model_store).find("fake").manifest.digest
    assert (profile.cores, profile.model, profile.runtime, profile.digest) == (2, "fake@1", "fake", digest)
    assert profile.processor
    measured = [(found.worker_threads, found.inference_threads) for found in profile.rates]
    assert measured == combinations(2)
    assert (profile.worker_threads, profile.inference_threads) in measured
    assert all(set(found.images_per_second) == {"64 x 21", "4 x 400"} for found in profile.rates)
    assert tuning.ROWS_ARE_MEASURED in lines
    assert [line.endswith("<- chosen") for line in lines].count(True) == 1


def test_tuning_opens_the_model_once_for_each_number_of_threads(settings, two_cores):
    opened = []

    def open_runtime(folder, threads):
        opened.append(threads)
        return open_fake(folder, threads)

    tuning.tune(settings, "fake", 0, lambda line: None, open_runtime, rounds=1)
    assert sorted(opened) == [1, 2]


class TensorFlowLike(FakeRuntime):
    name = "tensorflow"


def test_with_tensorflow_the_threads_in_force_are_kept_and_the_reason_is_given(settings, two_cores):
    lines = []
    profile = tuning.tune(
        settings, "fake", 0, lines.append, lambda folder, threads: TensorFlowLike(), rounds=1
    )
    assert {found.inference_threads for found in profile.rates} == {1}
    assert tuning.THREADS_ARE_FIXED in lines


def test_rounds_that_scatter_are_said_to(settings, two_cores, monkeypatch):
    steady = [rate(1, 1, 100.0)]
    scattered = [rate(1, 1, 100.0).model_copy(update={"scatter": 0.4})]
    for rates, expected in ((steady, False), (scattered, True)):
        monkeypatch.setattr(tuning, "sweep", lambda *_, rates=rates, **__: rates)
        lines = []
        tuning.tune(settings, "fake", 0, lines.append, open_fake)
        assert any("scatter by 40 %" in line for line in lines) is expected


def test_a_model_that_is_not_there_or_cannot_be_opened_is_an_error_of_ours(settings):
    def failing(folder, threads):
        raise KeyError("decode")

    with pytest.raises(ModelNotFound):
        bench.measure(settings, "another", 0, (1,), print, open_fake)
    with pytest.raises(ModelError, match="fake@1"):
        tuning.tune(settings, "fake", 0, print, failing)


def test_tuning_tells_its_progress_after_every_round(settings):
    said = []
    tuning.tune(settings, None, 0, said.append, open_fake, rounds=3)
    told = [line for line in said if line.startswith("round")]
    assert [line.partition(",")[0] for line in told] == [f"round {turn} of 3 measured" for turn in (1, 2, 3)]
    assert told[-1].endswith(", 0 s left")
