import gc
import json
import threading
import time
import weakref
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from app.engine.work import BATCH_ROWS, Operation
from app.errors import (
    ModelError,
    ScoringUnavailable,
)
from app.model import Model
from app.store import scan
from tests.fakes import FakeRuntime, list_files, png_bytes, seal, write_version


@pytest.fixture
def version(tmp_path):
    write_version(tmp_path)
    return scan(tmp_path).find("fake")


@pytest.mark.parametrize("count", [1, BATCH_ROWS - 1, BATCH_ROWS, BATCH_ROWS + 1, 3 * BATCH_ROWS])
def test_every_computation_has_the_same_number_of_rows(version, count):
    runtime = FakeRuntime()
    z = np.random.default_rng(0).normal(size=(count, 2)).astype(np.float32)
    images = Operation("decode", Model(version, runtime).decode).whole(z)
    assert set(runtime.rows_seen) == {BATCH_ROWS}
    np.testing.assert_array_equal(images, FakeRuntime().decode(z))


def test_encode_returns_the_posterior_mean_of_every_image(version):
    images = np.full((BATCH_ROWS + 3, 8, 8), 0.7, np.float32)
    np.testing.assert_allclose(Model(version, FakeRuntime()).encoding.whole(images), 2.0, atol=1e-5)


def test_both_moments_of_the_posterior_are_given_for_every_image(version):
    class Slanted(FakeRuntime):
        def encode(self, images):
            z_mean, _ = super().encode(images)
            return z_mean, -z_mean

    images = np.linspace(0, 1, 40, dtype=np.float32)[:, None, None].repeat(8, axis=1).repeat(8, axis=2)
    moments = Model(version, Slanted()).encoding.unrounded.whole(images)
    assert (moments.shape, moments.dtype) == ((40, 2, 2), np.float32)
    np.testing.assert_array_equal(moments[:, 0], FakeRuntime().encode(images)[0])
    np.testing.assert_array_equal(moments[:, 1], -moments[:, 0])


@pytest.mark.fault(11)
@pytest.mark.parametrize("wrong", [np.nan, np.inf])
def test_a_variance_that_is_not_finite_is_found_out_while_warming_up(version, wrong):
    class Infinite(FakeRuntime):
        def encode(self, images):
            z_mean, z_log_var = super().encode(images)
            return z_mean, z_log_var + np.float32(wrong)

    with pytest.raises(ModelError, match="encode gave"):
        Model(version, Infinite()).warm_up()


def test_posterior_gives_both_of_its_parameters_and_scoring_the_density_of_every_pixel(version):
    model, runtime = Model(version, FakeRuntime()), FakeRuntime()
    images = np.random.default_rng(0).random((BATCH_ROWS + 3, 8, 8)).astype(np.float32)
    posterior = model.posterior.whole(images)
    assert posterior.shape == (BATCH_ROWS + 3, 2, 2)
    np.testing.assert_array_equal(posterior[:, 0], runtime.encode(images)[0])
    np.testing.assert_array_equal(posterior[:, 1], runtime.encode(images)[1])
    z = posterior[:, 0]
    np.testing.assert_array_equal(model.scoring.whole(z, images), runtime.log_prob(z, images))
    np.testing.assert_array_equal(model.means.whole(z), runtime.decode(z))


def test_what_scores_need_is_measured_when_it_is_first_needed_and_once(version):
    runtime = FakeRuntime()
    model = Model(version, runtime)
    model.warm_up()
    assert not model.scoring.uniform  # nobody knows yet
    before = len(runtime.rows_seen)
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: model.prepare_scoring(), range(8)))
    once = len(runtime.rows_seen) - before
    assert all(each.uniform for each in (model.posterior, model.means, model.scoring))
    # One call to begin with, four rows at every position, three mixtures.
    assert once == 8


class Leaning(FakeRuntime):
    """What it makes of a row depends on the row before it."""

    def log_prob(self, z, images):
        return super().log_prob(z, np.roll(images, 1, axis=0))


def test_a_model_whose_scores_depend_on_their_neighbours_is_found_out(version):
    with pytest.raises(ModelError, match="what score makes of a row depends on the others"):
        Model(version, Leaning()).prepare_scoring()


class WithoutScores(FakeRuntime):
    """A version of before LiteRT's files had log_prob."""

    scores = False


def test_a_version_of_before_scores_is_served_and_refuses_to_score_with_a_remedy(version):
    model = Model(version, WithoutScores())
    model.warm_up()
    for refused in (model.require_scoring, model.prepare_scoring):
        with pytest.raises(ScoringUnavailable, match=r"fake@1 .* vitrine-train convert") as caught:
            refused()
        assert caught.value.status == 404


def test_scores_that_are_no_numbers_are_found_out(version):
    class NotFinite(FakeRuntime):
        def log_prob(self, z, images):
            return np.full(images.shape, -np.inf, np.float32)

    with pytest.raises(ModelError, match="not finite"):
        Model(version, NotFinite()).prepare_scoring()


class Broken(FakeRuntime):
    def __init__(self, images):
        super().__init__()
        self.images = images

    def decode(self, z):
        return np.resize(self.images, (len(z), *self.images.shape))


def test_examples_that_are_not_the_models_images_are_found_out_while_warming_up(tmp_path):
    folder = write_version(tmp_path, shape=(8, 8))
    (folder / "examples" / "0.png").write_bytes(png_bytes(np.zeros((9, 8), np.uint8)))
    rewritten = json.loads((folder / "manifest.json").read_text()) | {"files": list_files(folder)}
    seal(folder, rewritten)
    with pytest.raises(ModelError, match=r"examples/0\.png"):
        Model(scan(tmp_path).find("fake"), FakeRuntime()).warm_up()


@pytest.mark.parametrize(
    "images", [np.full((8, 8), np.nan, np.float32), np.full((8, 8), np.inf, np.float32), np.zeros((9, 8))]
)
def test_a_model_that_breaks_its_promise_is_found_out_while_warming_up(version, images):
    with pytest.raises(ModelError, match="fake@1"):
        Model(version, Broken(images)).warm_up()


class Wide(FakeRuntime):
    """Sleeps as long as one thread would take, and decodes alone in no time."""

    rows, widens = None, True

    def __init__(self, wrong=0.0):
        super().__init__()
        self.wrong, self.threads, self.rested_wide = np.float32(wrong), set(), 0

    def decode(self, z):
        time.sleep(0.0002 * len(z))
        return super().decode(z)

    def decode_wide(self, z, threads):
        self.threads.add(threads)
        return FakeRuntime.decode(self, z) + self.wrong

    def rest_wide(self):
        self.rested_wide += 1


def test_a_decoder_that_is_alone_uses_idle_threads_and_takes_their_memory_from_then_on(version):
    runtime = Wide()
    model = Model(version, runtime, threads=1, wide_threads=3)
    model.warm_up()
    model.widen()
    assert runtime.threads == {3}
    assert runtime.rested_wide == 0  # the first picture that is alone need not make its interpreter again
    z = np.random.default_rng(0).standard_normal((8, 2), np.float32)
    alone = model.decoding.alone(8)
    assert alone is not model.decoding
    assert alone(z).tobytes() == model.decoding(z).tobytes()
    assert not alone.own_thread


def test_draws_that_are_alone_are_made_in_parts_by_idle_threads(version):
    called = set()

    class Drawing(Wide):
        def draw(self, z, noise):
            called.add((threading.current_thread().name, len(z)))
            time.sleep(0.02)  # else one thread is done with both parts before the other begins
            return super().draw(z, noise)

    model = Model(version, Drawing(), threads=1, wide_threads=2)
    model.warm_up()
    model.widen()
    alone = model.drawing.alone(8)
    assert alone is not model.drawing
    rng = np.random.default_rng(0)
    z, noise = (
        rng.standard_normal((8, 2), np.float32),
        rng.random((8, *model.manifest.likelihood.noise_shape), np.float32),
    )
    called.clear()
    assert alone(z, noise).tobytes() == model.drawing(z, noise).tobytes()
    own = threading.current_thread().name
    assert {(name == own, rows) for name, rows in called} == {(True, 4), (False, 4), (True, 8)}


def test_a_wide_decoder_of_other_bytes_is_not_used_and_its_memory_given_back(version):
    runtime = Wide(wrong=1e-6)
    model = Model(version, runtime, threads=1, wide_threads=3)
    model.warm_up()
    model.widen()
    assert model.decoding.alone(32) is model.decoding
    assert runtime.rested_wide == 1


@pytest.mark.parametrize("widens", [True, False])
def test_without_idle_threads_or_a_runtime_that_takes_them_nothing_is_wide(version, widens):
    runtime = Wide()
    runtime.widens = widens
    model = Model(version, runtime, threads=2, wide_threads=2 if widens else 3)
    model.warm_up()
    model.widen()
    assert runtime.threads == set()
    assert model.decoding.wide is None


def test_a_model_that_nobody_holds_is_freed_at_once_without_a_search_for_cycles(version):
    model = Model(version, FakeRuntime())
    model.warm_up()
    model.prepare_scoring()
    assert model.posterior.whole(np.zeros((2, 8, 8), np.float32)).shape == (2, 2, 2)
    alive = [weakref.ref(each) for each in (model, model._runtime, model.decoding, model.scoring)]
    gc.disable()
    try:
        del model
        assert [each() for each in alive] == [None] * 4
    finally:
        gc.enable()


def test_a_check_of_a_model_that_serves_finds_what_is_not_finite_and_tells_who_asked_to_know(version):
    model, told = Model(version, FakeRuntime()), []
    model.warm_up()
    model.when_failed(told.append)
    sizes = model.decoding.busy_seconds
    model.check()
    assert model.decoding.busy_seconds is sizes  # nothing was learnt
    assert told == []
    model._runtime.encode = lambda images: (np.full((len(images), 2), np.nan, np.float32),) * 2
    with pytest.raises(ModelError, match=r"fake@1: encode gave \(32, 2\), expected \(32, 2\), all finite"):
        model.check()
    assert told == ["encode gave (32, 2), expected (32, 2), all finite"]
