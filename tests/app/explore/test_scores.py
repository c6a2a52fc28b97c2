import asyncio
import math

import numpy as np
import pytest

from app import complexity
from app.engine.engine import Engine
from app.errors import ScoringUnavailable
from app.explore.scores import Draws, score, score_examples
from app.metrics import Metrics
from app.settings import Settings
from tests.app.explore.asking import LIMITS, faults
from tests.fakes import MIXTURE, FakeRuntime, png_bytes
from tests.linear import LOG_LEVEL_WIDTH, LinearRuntime, images_of, linear_model

# As wide as the two components of the fake model's prior are narrow.
WIDE = MIXTURE | {"cholesky": np.array([[[0.6, 0.0], [0.2, 0.5]]] * 2, np.float32)}


def scored(model, levels, limits=LIMITS, **draws):
    files = [(f"file[{i}]", png_bytes(image)) for i, image in enumerate(levels)]
    return score(model, limits, files, "no", Draws(**draws))()


@pytest.mark.parametrize("k", [1, 2, 128])
def test_with_an_exact_posterior_the_bound_is_the_exact_likelihood_for_any_k(tmp_path, k):
    runtime = LinearRuntime()
    levels, pixels = images_of(runtime, 5)
    found = scored(linear_model(tmp_path, runtime), levels, k=k).scores
    exact = runtime.log_p(pixels)
    # All weights are equal but for rounding: sums of 16 float32 of some nats.
    np.testing.assert_allclose([each.log_p_x for each in found], exact, atol=1e-4)
    for each in found:
        assert each.effective_sample_size == pytest.approx(k, rel=1e-6)
        assert each.standard_error is None if k == 1 else each.standard_error < 1e-4


def test_with_a_posterior_that_is_too_wide_the_bound_reaches_the_likelihood_with_enough_draws(tmp_path):
    runtime = LinearRuntime(width=1.5)
    levels, pixels = images_of(runtime, 1)
    limits = Settings(max_draws=2_000_000)
    many = scored(linear_model(tmp_path, runtime), levels, limits, k=2_000_000).scores[0]
    exact = runtime.log_p(pixels)[0]
    # Weights vary by a third of their mean, so that of the mean of two million is known to 0.0003.
    assert many.standard_error < 3.5e-4
    assert many.log_p_x == pytest.approx(exact, abs=1e-3)


def test_the_standard_error_is_the_spread_over_seeds(tmp_path):
    runtime = LinearRuntime(width=3.0)
    model, (levels, _) = linear_model(tmp_path, runtime), images_of(runtime, 1)
    found = [scored(model, levels, k=64, seed=seed).scores[0] for seed in range(200)]
    spread = np.std([each.log_p_x for each in found], ddof=1)
    # A standard deviation of 200 numbers has a relative error of 5 %; the jackknife's own is some 20 % a seed.
    assert np.mean([each.standard_error for each in found]) == pytest.approx(spread, rel=0.2)


def test_the_elbo_is_its_two_terms_and_lies_below_the_bound(tmp_path):
    runtime = LinearRuntime(width=2.0)
    model, (levels, pixels) = linear_model(tmp_path, runtime), images_of(runtime, 3)
    for each, exact in zip(scored(model, levels, k=2_048).scores, runtime.log_p(pixels), strict=True):
        assert each.elbo == each.reconstruction - each.kl
        assert each.elbo < each.log_p_x
        # KL(q || p(z given x)) of variances that are twice too wide: (2 - 1 - log 2) / 2 an axis.
        gap = 1 - math.log(2)
        # E_q[log p(x given z)] varies by at most 1.5 nats a draw: four standard errors of 2,048.
        assert each.elbo == pytest.approx(exact - gap, abs=0.14)


def test_under_a_mixture_the_bound_is_the_exact_likelihood_and_kl_its_mean_over_the_draws(tmp_path):
    runtime = LinearRuntime(width=1.5)
    model = linear_model(tmp_path, runtime, mixture=WIDE)
    levels, pixels = images_of(runtime, 4)
    prior = {name: WIDE[name] for name in ("weights", "means", "cholesky")}
    found = scored(model, levels, Settings(max_draws=40_000), k=10_000).scores
    for each, exact in zip(found, runtime.log_p(pixels, **prior), strict=True):
        assert abs(each.log_p_x - exact) < 4 * each.standard_error
        assert each.standard_error < 0.1
        assert each.elbo == pytest.approx(each.reconstruction - each.kl)


def test_bits_count_a_pixel_as_one_of_256_levels(tmp_path):
    runtime = LinearRuntime()
    levels, pixels = images_of(runtime, 1)
    found = scored(linear_model(tmp_path, runtime), levels).scores[0]
    nats = -(runtime.log_p(pixels)[0] + 16 * LOG_LEVEL_WIDTH)
    assert found.bits_per_dim == pytest.approx(nats / 16 / math.log(2), abs=1e-5)
    assert found.corrected == pytest.approx(nats - complexity.complexity(levels[0]), abs=1e-3)


def test_the_map_of_surprise_is_the_posterior_mean_of_each_pixels_cost(tmp_path):
    runtime = LinearRuntime(width=1.5)
    model, (levels, pixels) = linear_model(tmp_path, runtime), images_of(runtime, 1)
    found = scored(model, levels, k=8_192).scores[0]
    z_mean, log_var = (part[0].astype(np.float64) for part in LinearRuntime().encode(pixels.reshape(1, 4, 4)))
    # E[(x - w z - b)^2] of a pixel is its squared distance from the mean, and the variance that z leaves.
    squares = (pixels[0] - runtime.weights @ z_mean - runtime.bias) ** 2 + runtime.weights**2 @ np.exp(
        log_var
    )
    exact = 0.5 * (squares / 0.02 + np.log(2 * np.pi * 0.02))
    np.testing.assert_allclose(found.surprise.ravel(), exact, atol=0.05)  # 8,192 draws that vary by some nats


def test_a_score_depends_on_its_image_k_and_seed_alone(tmp_path):
    runtime = LinearRuntime(width=2.0)
    model, (levels, _) = linear_model(tmp_path, runtime), images_of(runtime, 3)
    together = scored(model, levels, seed=7).scores
    alone = scored(model, levels[2:], seed=7).scores[0]
    assert together[2].as_dict() == alone.as_dict()
    np.testing.assert_array_equal(together[2].surprise, alone.surprise)
    assert scored(model, levels[2:], seed=8).scores[0].log_p_x != alone.log_p_x


def test_the_engine_scores_many_at_once_as_each_is_scored_alone(tmp_path):
    runtime = LinearRuntime(width=2.0)
    model, (levels, _) = linear_model(tmp_path, runtime), images_of(runtime, 6)
    files = [[("file", png_bytes(image)) for image in levels[:count]] for count in (1, 3, 6)]

    def works():
        return [score(model, LIMITS, each, "no", Draws(k=100)) for each in files]

    async def together():
        engine = Engine(2, 8_192, 30, Metrics())
        try:
            return await asyncio.gather(*(engine.run(work) for work in works()))
        finally:
            engine.close()

    for found, alone in zip(asyncio.run(together()), [work() for work in works()], strict=True):
        assert [each.as_dict() for each in found.scores] == [each.as_dict() for each in alone.scores]


def test_the_corrected_score_comes_first(tmp_path):
    runtime = LinearRuntime()
    found = scored(linear_model(tmp_path, runtime), images_of(runtime, 1)[0]).scores[0].as_dict()
    assert next(iter(found)) == "corrected"
    assert "surprise" not in found


def test_percentiles_are_shares_of_held_out_images_with_a_smaller_score(tmp_path):
    runtime = LinearRuntime()
    levels, pixels = images_of(runtime, 1)
    nats = -runtime.log_p(pixels)[0]
    of_levels = nats - 16 * LOG_LEVEL_WIDTH - complexity.complexity(levels[0])
    scores = {
        "k": 128,
        "num_images": 3,
        "complexity": complexity.CODE,
        "nats": [nats - 3, nats - 1, nats + 1, nats + 2],
        "corrected": [of_levels + 1, of_levels + 2],
    }
    found = scored(linear_model(tmp_path / "known", runtime, scores=scores), levels).scores[0]
    assert found.percentile == pytest.approx(50, abs=0.01)
    assert found.corrected_percentile == 0
    other = linear_model(tmp_path / "other", runtime, scores=scores | {"complexity": "another code"})
    assert scored(other, levels).scores[0].corrected_percentile is None
    unknown = scored(linear_model(tmp_path / "unknown", runtime), levels).scores[0]
    assert (unknown.percentile, unknown.corrected_percentile) == (None, None)


def test_of_a_version_that_does_not_tell_the_width_of_a_level_the_bound_alone_is_told(tmp_path):
    likelihood = {"name": "gaussian", "noise_shape": [4, 4]}
    found = scored(
        linear_model(tmp_path, LinearRuntime(), likelihood=likelihood), [np.zeros((4, 4), np.uint8)]
    )
    assert found.scores[0].corrected is None
    assert found.scores[0].bits_per_dim is None
    assert math.isfinite(found.scores[0].log_p_x)


class Runaway(LinearRuntime):
    """An encoder that gives for bright images what has been seen of a real one, and worse."""

    def encode(self, images):
        z_mean, log_var = super().encode(images)
        bright = images.mean(axis=(1, 2)) > 0.9
        z_mean[bright], log_var[bright] = 1e20, 1e30
        return z_mean, log_var


def test_scores_stay_finite_whatever_the_encoder_gives_and_say_so(tmp_path):
    levels = np.stack([np.full((4, 4), 128, np.uint8), np.full((4, 4), 255, np.uint8)])
    usual, unusual = scored(linear_model(tmp_path, Runaway()), levels).scores
    assert (usual.posterior_confined, unusual.posterior_confined) == (False, True)
    assert np.isfinite([value for value in unusual.as_dict().values() if value is not None]).all()
    assert np.isfinite(unusual.surprise).all()
    assert unusual.log_p_x < usual.log_p_x


def test_the_examples_of_a_version_are_scored(tmp_path):
    runtime = LinearRuntime()
    model = linear_model(tmp_path, runtime)
    found = score_examples(model, LIMITS, Draws())()
    np.testing.assert_array_equal(found.images, model.examples)
    exact = runtime.log_p(model.examples.reshape(2, 16) / 255)
    np.testing.assert_allclose([each.log_p_x for each in found.scores], exact, rtol=1e-6, atol=1e-4)
    none = linear_model(tmp_path / "none", runtime, examples=[])
    assert faults(score_examples, model=none, limits=LIMITS, draws=Draws()).code == "no_examples"


@pytest.mark.parametrize(
    ("draws", "parameter", "word"),
    [
        (Draws(k=0), "k", "1..4096 (the limit is VITRINE_MAX_DRAWS: 8192 for all 2 images)"),
        (Draws(k=4_097), "k", "VITRINE_MAX_DRAWS"),
        (Draws(seed=-1), "seed", "2^63"),
    ],
)
def test_draws_beyond_a_limit_are_refused_by_name(model, draws, parameter, word):
    files = [("one", b""), ("two", b"")]
    fault = faults(score, model=model, limits=LIMITS, files=files, invert="no", draws=draws)
    assert fault.parameter == parameter
    assert word in fault.expected


def test_a_version_of_before_scores_is_refused_at_once_with_the_remedy(tmp_path):
    runtime = FakeRuntime((4, 4))
    runtime.scores = False
    with pytest.raises(ScoringUnavailable, match="vitrine-train convert"):
        score(linear_model(tmp_path, runtime), LIMITS, [("file", b"")], "no", Draws())
