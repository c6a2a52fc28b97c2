from types import MappingProxyType

import numpy as np
import pytest

from app import latent
from app.errors import ScoringUnavailable
from app.explore.completion import Incomplete, Wanted, complete
from app.explore.scores import Draws
from app.models import Model
from app.native.causal import CausalDraw
from app.runtimes import opener
from app.settings import Settings
from app.store import scan
from tests.app.explore.asking import LIMITS, faults
from tests.conftest import FASHION_VERSION
from tests.fakes import MIXTURE, FakeRuntime, write_version
from tests.linear import VARIANCE, LinearRuntime, images_of, linear_model, normal_of

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
    noise = VARIANCE**0.5 * normal_of(latent.uniform_noise(3, 0, 5, (4, 4)))
    # Both sides are cut into levels, so they may differ by one; and at black and white.
    inside = ~SEEN & (draw > 0) & (draw < 255)
    assert np.abs((draw - mean - noise * 255)[inside]).max() <= 1.01
    assert inside.sum() > 30


def test_draws_vary_as_the_missing_pixels_do_given_the_seen_ones(tmp_path):
    """The missing pixels given the seen ones are N(E[W z + b], cov(W z) + VARIANCE I), cut at black and white."""
    runtime = LinearRuntime()
    model, (levels, pixels) = linear_model(tmp_path, runtime), images_of(runtime, 1)
    exact, covariance = conditional(runtime, pixels)
    deviation = np.sqrt(np.diag(covariance) + VARIANCE)
    probability = (np.arange(2_000) + 0.5) / 2_000
    cut = np.clip(exact[0] + deviation * normal_of(probability)[:, None], 0, 1)
    images = completed(model, levels, k=8_192, n=1_000, render="draw")[0].images
    drawn = images.reshape(1_000, 16)[:, LOWER] / 255
    # Four standard errors of the mean of 1,000 draws; a standard deviation is known to 2.2 % of itself.
    assert (np.abs(drawn.mean(axis=0) - cut.mean(axis=0)) < 4 * deviation / np.sqrt(1_000)).all()
    np.testing.assert_allclose(drawn.std(axis=0), cut.std(axis=0), rtol=0.09)


class Chain:
    """Images of 2 x 2 pixels of ``causal-logistic``, whose code says by its sign alone whether they are bright.

    One logistic a pixel, moved by the pixels to the left, above, and above left.
    """

    name = "chain"
    rows = None
    scores = True
    widens = False
    SPREAD = 10.0  # of a logistic, in levels
    MOVED = (0.8, 0.5, -0.3)
    WEIGHTS = MappingProxyType({"into": np.zeros((10, 1), "f4"), "out": np.zeros((1, 3), "f4")})

    def encode(self, images):
        z_mean = np.zeros((len(images), 2), "f4")
        z_mean[:, 0] = np.where(images.mean(axis=(1, 2)) > 0.5, 1, -1)
        return z_mean, np.zeros_like(z_mean)

    def decode(self, z):
        return np.repeat(np.where(z[:, 0] > 0, 0.6, 0.4), 4).reshape(-1, 2, 2).astype("f4")

    def with_parameters(self, z, use):
        found = np.zeros((len(z), 2, 2, 10), "f4")
        found[..., 0] = self.decode(z)
        found[..., 3] = np.log(np.expm1((self.SPREAD - 0.1) / 20)) - np.log(np.expm1(1))
        found[..., 4:7] = np.arctanh(self.MOVED)
        return use(found)

    def draw(self, z, noise):
        return self.with_parameters(z, lambda found: CausalDraw(**self.WEIGHTS)(found, noise))

    def log_prob(self, z, images):
        base = self.decode(z).astype("f8") * 255
        levels = np.rint(images * 255).astype("f8")
        left, above, corner = (np.zeros_like(base) for _ in range(3))
        away = levels - base
        left[:, :, 1], above[:, 1], corner[:, 1, 1] = away[:, :, 0], away[:, 0], away[:, 0, 0]
        mean = base + sum(m * d for m, d in zip(self.MOVED, (left, above, corner), strict=True))
        upper = np.where(levels == 255, np.inf, levels + 0.5 - mean) / self.SPREAD
        lower = np.where(levels == 0, -np.inf, levels - 0.5 - mean) / self.SPREAD
        return np.log((np.tanh(upper / 2) - np.tanh(lower / 2)) / 2).astype("f4")

    def rest(self, ready=False):
        pass

    def exact(self, levels, seen):
        """The exact log p(x seen), all values of two missing pixels, (N, 2), and their p(missing given seen)."""
        values = np.stack(np.meshgrid(np.arange(256), np.arange(256), indexing="ij"), axis=-1).reshape(-1, 2)
        images = np.repeat(levels[None].astype("f4"), len(values), axis=0)
        images[:, ~seen] = values
        log_joint = [
            self.log_prob(np.full((len(values), 2), sign, "f4"), images / np.float32(255)).sum((1, 2), "f8")
            for sign in (-1, 1)  # each with probability 1/2
        ]
        both = np.logaddexp(*log_joint) + np.log(0.5)
        total = np.logaddexp.reduce(both)
        return total, values, np.exp(both - total)


def chain_model(store, likelihood):
    """The model of a Chain: pixels are drawn around the seen ones, or by a graph that cannot."""
    folder = store / "fake" / "1"
    folder.mkdir(parents=True)
    np.savez(folder / "likelihood.npz", **Chain.WEIGHTS)
    path = {"path": "likelihood.npz"} if likelihood == "causal-logistic" else {}
    about = {"name": likelihood, "noise_shape": [2, 2, 2], "log_level_width": 0.0} | path
    write_version(store, shape=(2, 2), likelihood=about)
    return Model(scan(store).find("fake"), Chain())


MISSING = {
    "the first and the last": [[False, True], [True, False]],
    "the upper ones": [[False, False], [True, True]],
    "the left ones": [[False, True], [False, True]],
    "the lower ones": [[True, True], [False, False]],
}


@pytest.mark.parametrize("likelihood", ["causal-logistic", "autoregressive-logistic"])
@pytest.mark.parametrize("missing", MISSING)
def test_pixels_that_lean_on_each_other_are_drawn_as_enumeration_says(tmp_path, likelihood, missing):
    seen = np.array(MISSING[missing])
    levels = np.array([[150, 131], [118, 139]], np.uint8)
    log_p, values, probability = Chain().exact(levels, seen)
    mean = probability @ values
    deviation = np.sqrt(probability @ (values - mean) ** 2)
    together = probability @ (values - mean).prod(axis=1) / deviation.prod()
    model = chain_model(tmp_path, likelihood)
    found = completed(model, levels[None], seen, k=16_384, n=2_000, render="draw")[0]
    # 2,000 chosen of draws of an effective size above 500: as good as 400 drawn without weights.
    assert found.effective_sample_size > 500
    drawn = found.images[:, ~seen].astype(float)
    assert (np.abs(drawn.mean(axis=0) - mean) < 4 * deviation / np.sqrt(400)).all()
    # A deviation's error is sqrt((kurtosis - 1) / 4 N) of it, the kurtosis of a logistic 4.2.
    np.testing.assert_allclose(drawn.std(axis=0), deviation, rtol=4 * np.sqrt(3.2 / 4 / 400))
    assert np.corrcoef(drawn.T)[0, 1] == pytest.approx(together, abs=4 * 1.5 / np.sqrt(400))
    assert found.log_p_seen == pytest.approx(log_p, abs=4 / np.sqrt(500))
    assert (found.images[:, seen] == levels[seen]).all()


def test_the_mean_weight_is_unbiased_even_of_few_draws(tmp_path):
    model, seen = chain_model(tmp_path, "causal-logistic"), np.array(MISSING["the upper ones"])
    levels = np.array([[150, 131], [118, 139]], np.uint8)
    log_p, _, _ = Chain().exact(levels, seen)
    shares = [
        np.exp(completed(model, levels[None], seen, k=8, seed=seed)[0].log_p_seen - log_p)
        for seed in range(300)
    ]
    assert np.mean(shares) == pytest.approx(1, abs=4 * np.std(shares) / np.sqrt(300))
    assert np.std(shares) / np.sqrt(300) < 0.06
    assert np.mean(np.log(shares)) < 0  # and its logarithm is too small on average


def test_a_draw_that_is_chosen_again_is_the_same_image(tmp_path):
    model, seen = chain_model(tmp_path, "causal-logistic"), np.array(MISSING["the lower ones"])
    images = completed(model, np.full((1, 2, 2), 120, np.uint8), seen, k=3, n=9, render="draw")[0].images
    assert len(np.unique(images.reshape(9, 4), axis=0)) <= 3
    few = completed(model, np.full((1, 2, 2), 120, np.uint8), seen, k=3, n=2, render="draw")[0].images
    np.testing.assert_array_equal(few, images[:2])


@pytest.mark.parametrize("render", ["mean", "draw"])
def test_completions_are_shown_as_samples_are_unless_asked_otherwise(tmp_path, render):
    runtime = LinearRuntime()
    model = linear_model(tmp_path, runtime, samples_render=render)
    levels, _ = images_of(runtime, 1)
    usual = completed(model, levels)[0].images
    np.testing.assert_array_equal(usual, completed(model, levels, render=render)[0].images)


def test_completions_are_chosen_by_weight_among_all_draws(tmp_path):
    """Where one draw has nearly all the weight, all completions are it."""
    runtime = LinearRuntime()
    model, (levels, _) = linear_model(tmp_path, runtime), images_of(runtime, 1)
    for found in (completed(model, levels, k=k, n=50)[0] for k in (1, 4, 16)):
        distinct = len(np.unique(found.images.reshape(50, -1), axis=0))
        assert distinct <= 1 + 50 * (1 - 1 / found.effective_sample_size)


def test_steps_onto_drawn_pixels_are_no_larger_at_the_seam_than_in_draws_of_the_whole_image():
    """Of the shipped default model: absolute differences between the last seen row and the first drawn one.

    All are of the examples' own codes, and of 64 draws each. Under one code the step between the same two rows
    of whole draws says what is usual. Seen pixels pasted over whole draws are further off.
    """
    pytest.importorskip("ai_edge_litert")
    model = Model(scan(FASHION_VERSION.parents[1]).find("fashion"), opener("litert")(FASHION_VERSION, 1))
    levels = np.repeat(model.examples, 64, axis=0).astype("f4")
    z = np.repeat(model.encode(model.examples.astype("f4") / 255), 64, axis=0)
    noise = latent.uniform_noise(0, 0, len(z), model.manifest.likelihood.noise_shape)
    for turn in (lambda images: images, lambda images: images.transpose(0, 2, 1)):
        seen = turn(np.broadcast_to(np.arange(28)[:, None] < 14, levels.shape))
        whole = model.drawing.whole(z, noise)
        around = model.drawing_around.whole(z, noise, np.where(seen, levels, np.nan).astype("f4")) * 255
        assert (np.rint(around)[seen] == levels[seen]).all()
        pasted = np.where(seen, levels, whole)
        steps = [
            np.abs(turn(images)[:, 14].astype("f4") - turn(images)[:, 13]).mean()
            for images in (around, pasted, whole)
        ]
        assert steps[0] < 1.05 * steps[2] < steps[1]


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
