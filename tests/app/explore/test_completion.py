import numpy as np
import pytest

from app import latent
from app.errors import ScoringUnavailable
from app.explore.completion import Incomplete, Wanted, complete
from app.explore.scores import Draws
from app.models import Model
from app.settings import Settings
from app.store import scan
from tests.app.explore.asking import LIMITS, faults
from tests.fakes import MIXTURE, FakeRuntime, write_version
from tests.linear import VARIANCE, LinearRuntime, images_of, linear_model

MANY = Settings(max_draws=100_000, max_images=2_000)
LOWER = np.arange(16) >= 8  # the lower half is missing
SEEN = ~LOWER.reshape(4, 4)


def completed(model, levels, seen=SEEN, k=256, **wanted):
    """The completions of images that share a mask."""
    masks = np.broadcast_to(seen, levels.shape[:3])
    wanted = Wanted(draws=Draws(k, wanted.pop("seed", 3)), **wanted)
    return complete(model, MANY, wanted, lambda: Incomplete(levels, masks), len(levels))().completions


def conditional(runtime, pixels, seen=~LOWER):
    """Exact mean (N, missing) and covariance of the missing pixels' means W z + b given those seen."""
    lower, upper = runtime.weights[~seen], runtime.weights[seen]
    precision = np.eye(2) + upper.T @ upper / VARIANCE
    z = np.linalg.solve(precision, upper.T @ (pixels[:, seen] - runtime.bias[seen]).T / VARIANCE).T
    return z @ lower.T + runtime.bias[~seen], lower @ np.linalg.inv(precision) @ lower.T


def test_the_mean_completion_is_the_exact_conditional_mean_within_its_standard_error(tmp_path):
    runtime = LinearRuntime()
    model, (levels, pixels) = linear_model(tmp_path, runtime), images_of(runtime, 6)
    exact, _ = conditional(runtime, pixels)
    for found, expected in zip(completed(model, levels, k=8_192), exact, strict=True):
        apart = np.abs(found.mean.ravel()[LOWER] - expected)
        error = found.standard_error.ravel()[LOWER]
        assert (apart < 4 * error + 1e-5).all()
        assert error.max() < 0.005  # of pixels whose conditional deviation is up to 0.13
        assert found.effective_sample_size > 1_000


def test_the_likelihood_of_the_seen_pixels_is_the_exact_marginal(tmp_path):
    runtime = LinearRuntime()
    model, (levels, pixels) = linear_model(tmp_path, runtime), images_of(runtime, 6)
    found = [each.log_p_seen for each in completed(model, levels, k=8_192)]
    # Effective sizes of more than 1,000 of 8,192 draws leave an error of 0.03 nats: four of these.
    np.testing.assert_allclose(found, runtime.log_p(pixels, ~LOWER), atol=0.12)


def test_under_a_mixture_the_mean_completion_weighs_what_its_components_say(tmp_path):
    runtime = LinearRuntime()
    mixture = MIXTURE | {"cholesky": np.array([[[0.6, 0.0], [0.2, 0.5]]] * 2, np.float32)}
    model = linear_model(tmp_path, runtime, mixture=mixture)
    levels, pixels = images_of(runtime, 4)
    weights, means, covariances = runtime.marginal(
        **{key: mixture[key] for key in ("weights", "means", "cholesky")}
    )
    log_joint, of_each = [], []
    for weight, mean, covariance in zip(weights, means, covariances, strict=True):
        inside = covariance[np.ix_(~LOWER, ~LOWER)]
        away = pixels[:, ~LOWER] - mean[~LOWER]
        solved = np.linalg.solve(inside, away.T).T
        log_joint.append(
            np.log(weight) - 0.5 * (away * solved).sum(axis=1) - 0.5 * np.linalg.slogdet(inside)[1]
        )
        of_each.append(mean[LOWER] + solved @ covariance[np.ix_(~LOWER, LOWER)])
    shares = np.exp(log_joint - np.logaddexp.reduce(log_joint))
    exact = np.einsum("kn,knp->np", shares, of_each)
    for found, expected in zip(completed(model, levels, k=16_384), exact, strict=True):
        apart = np.abs(found.mean.ravel()[LOWER] - expected)
        assert (apart < 4 * found.standard_error.ravel()[LOWER] + 1e-5).all()
        assert found.standard_error.max() < 0.01


def test_completions_vary_as_the_missing_pixels_do_given_the_seen_ones(tmp_path):
    runtime = LinearRuntime()
    model, (levels, pixels) = linear_model(tmp_path, runtime), images_of(runtime, 1)
    exact, covariance = conditional(runtime, pixels)
    images = completed(model, levels, k=8_192, n=1_000)[0].images.reshape(1_000, 16)[:, LOWER] / 255
    # 1,000 draws: four standard errors of a mean, and a level; of a deviation four times 2.2 % of it.
    deviation = np.sqrt(np.diag(covariance))
    assert (np.abs(images.mean(axis=0) - exact[0]) < 4 * deviation / np.sqrt(1_000) + 1 / 255).all()
    np.testing.assert_allclose(images.std(axis=0), deviation, rtol=0.1, atol=1 / 255)


def test_seen_pixels_stay_as_they_were_and_missing_ones_may_hold_anything(tmp_path):
    runtime = LinearRuntime()
    model, (levels, _) = linear_model(tmp_path, runtime), images_of(runtime, 2)
    other = np.where(SEEN, levels, 255 - levels)
    for one, same, image in zip(completed(model, levels), completed(model, other), levels, strict=True):
        np.testing.assert_array_equal(one.images, same.images)
        np.testing.assert_array_equal(one.mean, same.mean)
        assert (one.images[:, SEEN] == image[SEEN]).all()
        assert (one.standard_error[SEEN] == 0).all()
        assert (one.standard_error[~SEEN] > 0).all()


def test_completion_k_of_a_seed_does_not_depend_on_how_many_or_on_the_images_beside_it(tmp_path):
    runtime = LinearRuntime()
    model, (levels, _) = linear_model(tmp_path, runtime), images_of(runtime, 3)
    many = completed(model, levels, n=9)
    few = completed(model, levels[1:2], n=2)[0]
    np.testing.assert_array_equal(few.images, many[1].images[:2])
    assert not np.array_equal(completed(model, levels[1:2], n=2, seed=4)[0].images, few.images)


def test_where_nothing_is_seen_the_prior_is_drawn_from_and_where_all_is_nothing_changes(tmp_path):
    runtime = LinearRuntime()
    model, (levels, _) = linear_model(tmp_path, runtime), images_of(runtime, 1)
    nothing = completed(model, levels, np.zeros((4, 4), bool), k=8_192)[0]
    np.testing.assert_allclose(nothing.mean.ravel(), runtime.bias, atol=4 * nothing.standard_error.max())
    assert nothing.log_p_seen == pytest.approx(0, abs=0.1)
    everything = completed(model, levels, np.ones((4, 4), bool))[0]
    assert (everything.images == levels[0]).all()
    np.testing.assert_allclose(everything.mean, levels[0] / 255, atol=1e-6)


@pytest.mark.parametrize("k", [1, 2, 5])
def test_few_draws_complete_all_the_same(tmp_path, k):
    runtime = LinearRuntime()
    found = completed(linear_model(tmp_path, runtime), images_of(runtime, 1)[0], k=k, n=6)[0]
    assert found.images.shape == (6, 4, 4)
    assert 1 <= found.effective_sample_size <= k + 1e-9


def test_a_draw_has_the_pixels_noise_and_a_mean_has_not(tmp_path):
    runtime = LinearRuntime()
    model, (levels, _) = linear_model(tmp_path, runtime), images_of(runtime, 1)
    mean, draw = (
        completed(model, levels, render=render, n=5)[0].images.astype(int) for render in ("mean", "draw")
    )
    noise = latent.uniform_noise(3, 0, 5, (4, 4))
    # Both sides are cut into levels, so they may differ by one.
    apart = (draw - mean - 0.1 * (noise - 0.5) * 256)[:, ~SEEN]
    assert np.abs(apart).max() <= 1.01


def test_colours_share_one_mask(tmp_path):
    write_version(tmp_path, shape=(8, 8, 3))
    model = Model(scan(tmp_path).find("fake"), FakeRuntime((8, 8, 3)))
    levels = np.full((1, 8, 8, 3), 153, np.uint8)
    seen = np.arange(64).reshape(8, 8) % 2 == 0
    found = completed(model, levels, seen)[0]
    assert found.images.shape == (4, 8, 8, 3)
    assert (found.images[:, seen] == 153).all()
    # Half the pixels of either half say what z is: 0.6, to within a level or two.
    assert np.abs(found.mean - 0.6).max() < 0.02


@pytest.mark.parametrize(
    ("wanted", "parameter"),
    [
        (Wanted(n=0), "n"),
        (Wanted(n=201), "n"),
        (Wanted(draws=Draws(4_097)), "k"),
        (Wanted(draws=Draws(0)), "k"),
    ],
)
def test_what_is_wanted_beyond_a_limit_is_refused_by_name(model, wanted, parameter):
    arguments = {"model": model, "limits": LIMITS, "wanted": wanted, "read": None, "images": 2}
    assert faults(complete, **arguments).parameter == parameter


def test_a_version_of_before_scores_cannot_complete(tmp_path):
    runtime = FakeRuntime((4, 4))
    runtime.scores = False
    with pytest.raises(ScoringUnavailable, match="vitrine-train convert"):
        complete(linear_model(tmp_path, runtime), LIMITS, Wanted(), lambda: None, 1)
