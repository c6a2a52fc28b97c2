"""Defects 1, 2, 8, 9 and 10: what the loss is and what its likelihood claims."""

import math

import numpy as np
import pytest
from click.testing import CliRunner

pytestmark = pytest.mark.tensorflow

import tensorflow as tf  # noqa: E402

from tests.conftest import PROJECT  # noqa: E402
from tests.training.models.likelihoods.pixels import built  # noqa: E402
from training.cli import cli  # noqa: E402
from training.configs.load import load  # noqa: E402
from training.errors import ConfigError  # noqa: E402
from training.fitting import fit  # noqa: E402
from training.models import objectives  # noqa: E402
from training.models.likelihoods.gaussian import Gaussian  # noqa: E402
from training.models.likelihoods.logistic import log_level_prob  # noqa: E402
from training.models.likelihoods.registry import MIN_VARIANCE, REGISTRY  # noqa: E402

LEVELS = np.arange(256, dtype=np.float32) / 255
# Every likelihood by its name, with the variance or the components that it may need; the Gaussian of fixed
# variance is the narrowest there is.
EVERY = [built(name, variance=MIN_VARIANCE) for name in REGISTRY]


def name_of(value):
    return str(getattr(value, "name", value))


def coloured(likelihood, images, parameters):
    """Grey images and their parameters; three times as colours, if the likelihood is of colours alone."""
    if likelihood.name not in ("colour-logistic", "causal-colour-logistic"):
        return images, parameters
    return tf.stack([images] * 3, axis=3), tf.stack([parameters] * 3, axis=3)


def f32(*values):
    return np.array(values, np.float32)


def test_defect_01_the_loss_is_the_negative_elbo_of_the_declared_gaussian_on_two_pixels():
    """A squared error of some scale or other is minimised, and belongs to a variance that nobody states."""
    images, mean = f32([[1.0, 0.0]])[None], f32([[0.5, 0.2]])[None]
    z_mean, z_log_var = f32([1.0, 0.0]), f32([0.0, 0.0])
    for variance in (0.5, 0.01):
        log_prob = Gaussian(variance).log_prob(images, mean[..., None])
        loss = objectives.negative_elbo(log_prob, z_mean[None], z_log_var[None]).loss
        # SSE = 0.5^2 + 0.2^2 = 0.29; KL = 1^2 / 2; two pixels, each with half of log(2 pi variance).
        by_hand = 0.29 / (2 * variance) + math.log(2 * math.pi * variance) + 0.5
        assert float(loss) == pytest.approx(by_hand, rel=1e-6)


def test_defect_01_an_image_of_twice_the_size_has_twice_the_loss():
    """An average over pixels beside a sum over axes lets the weight of KL depend on the size of the image."""
    rng = np.random.default_rng(0)
    image, mean, z_mean, z_log_var = rng.random((4, 1, 3, 2), np.float32)
    once, twice = (
        objectives.negative_elbo(
            Gaussian(0.1).log_prob(np.tile(image, times), np.tile(mean, times)[..., None]),
            np.tile(z_mean[:, 0], times),
            np.tile(z_log_var[:, 0], times),
        )
        for times in (1, 2)
    )
    np.testing.assert_allclose(twice, np.multiply(2, once), rtol=1e-6)


def test_defect_01_describe_says_which_deviation_and_which_beta_a_configuration_stands_for(tmp_path):
    """Nothing says which sigma and which beta an experiment amounts to."""
    dense = (PROJECT / "training/configs/fashion-dense.toml").read_text()
    wide = dense.replace('"textbook"', '"elbo"\nbeta = 0.25\nkl_warmup_epochs = 3')
    (tmp_path / "beta.toml").write_text(wide.replace("variance = 0.5", "variance = 0.04"))
    text = CliRunner().invoke(cli, ["describe", str(tmp_path / "beta.toml")]).output
    assert "standard deviation is 0.200" in text
    assert "beta, the weight of KL in training, is 0.25, reached after 3 epochs." in text


@pytest.mark.parametrize("dim", [1, 10, 784])
def test_defect_02_kl_of_a_unit_shift_is_half_a_nat_for_every_axis(dim):
    """KL is averaged over the latent axes, so that more axes cost no more."""
    found = objectives.negative_elbo(np.zeros((1, 1, 1)), np.ones((1, dim)), np.zeros((1, dim)))
    assert float(found.kl) == float(found.loss) == pytest.approx(dim / 2)


def test_defect_02_the_loss_depends_neither_on_the_batch_nor_on_the_number_of_images():
    """KL is weighted by batch / N, which changes beta with either."""
    rng = np.random.default_rng(1)
    log_prob, z_mean, z_log_var = rng.normal(size=(3, 12, 2)).astype(np.float32)

    def losses(size):
        return [
            objectives.negative_elbo(*(part[i : i + size] for part in (log_prob, z_mean, z_log_var))).loss
            for i in range(0, 12, size)
        ]

    # A mean over batches of equal size is the mean over all images; seven digits of float32.
    for size in (1, 4, 6, 12):
        assert np.mean(losses(size)) == pytest.approx(float(losses(12)[0]), rel=1e-6)


@pytest.mark.parametrize("spread", [1.0, 30.0])
@pytest.mark.parametrize("name", ["discretized-logistic", "autoregressive-logistic"])
def test_defect_08_a_likelihood_of_levels_sums_to_one_over_the_256_levels(name, spread):
    """Something like a probability is called one: its sum over all that a pixel can be is not 1."""
    likelihood = built(name)
    shape = (1_000, 1, 1, likelihood.num_parameters)
    parameters = np.random.default_rng(2).normal(scale=spread, size=shape).astype(np.float32)
    levels = np.broadcast_to(LEVELS[:, None], (256, 1_000)).reshape(-1, 1, 1)
    log_prob = likelihood.log_prob(levels, np.tile(parameters, (256, 1, 1, 1))).numpy().reshape(256, 1_000)
    # 256 terms of float32, whose rounding is 6e-8 of the whole.
    np.testing.assert_allclose(np.exp(log_prob.astype(np.float64)).sum(axis=0), 1, atol=1e-5)


def test_defect_08_the_narrowest_scale_has_finite_values_and_gradients_far_from_its_mean():
    """The difference of two distribution functions is zero far out, and its logarithm is not a number."""
    levels, means = tf.range(256, dtype=tf.float32), tf.constant(np.full(256, 9_000, "f4"))
    scales = tf.constant(np.full(256, math.exp(-7), "f4"))
    with tf.GradientTape() as tape:
        tape.watch([means, scales])
        log_prob = log_level_prob(levels, means, scales)
    assert np.isfinite(log_prob).all()
    assert np.isfinite(tape.gradient(log_prob, [means, scales])).all()
    # In float64: to the left of the mean, log F(b) - F(a) is (b - m) / s + log(1 - e^(-1/s)), to the last digit.
    reference = (levels.numpy()[:255].astype(np.float64) + 0.5 - 9_000) / np.float64(scales.numpy()[0])
    np.testing.assert_allclose(log_prob[:255], reference, rtol=1e-6)


def test_defect_08_the_cross_entropy_of_greys_is_refused_as_a_likelihood(tiny_config, tiny_dataset, tmp_path):
    """The Bernoulli's formula on greys is reported as log p(x), though it sums to as much as 128 over levels."""
    changes = {"objective": {"name": "elbo"}, "likelihood": {"name": "bernoulli"}}
    coins = tiny_config.replaced(changes)
    with pytest.raises(ConfigError, match="the images have greys"):
        fit.fit(coins, tiny_dataset, tmp_path / "run", progress=False)
    assert not (tmp_path / "run").exists()


# A Bernoulli is for black and white; the continuous one is nowhere near its bounds in between.
CONSTANT = [(likelihood, level) for likelihood in EVERY for level in (0, 255)]
CONSTANT += [(likelihood, 100) for likelihood in EVERY if "bernoulli" not in likelihood.name]


@pytest.mark.parametrize(("likelihood", "level"), CONSTANT, ids=name_of)
def test_defect_09_a_constant_image_costs_nothing_at_best_and_never_less(likelihood, level):
    """A density over 256 values grows without end around one of them; bits a pixel then fall below zero."""
    # What a decoder can be driven to: means on the level itself (those of two logistics start at 1/4 and 3/4),
    # scales as small and log-odds as large as one likes.
    x = level / 255
    values = [x, x - 0.25, x - 0.75, -1e4, -1e3, -300.0, 0.0, 300.0, 1e3, 1e4]
    shape = (20_000, 1, 1, likelihood.num_parameters)
    parameters = np.random.default_rng(3).choice(values, shape).astype(np.float32)
    images = np.full((20_000, 1, 1), x, np.float32)
    log_prob = likelihood.log_prob(*coloured(likelihood, images, parameters)).numpy()
    bits = -(log_prob.max() + likelihood.log_level_width) / math.log(2)
    # Float32 of logarithms near 5.5; at their narrowest the logistics leave 1.3 % to other levels, 0.02 bits.
    assert -1e-3 < bits < 0.03


def test_defect_09_a_gaussian_narrower_than_a_level_is_refused():
    """A fixed variance may be set as small as one likes."""
    narrow = {"likelihood": {"name": "gaussian", "variance": 1e-6}, "objective": {"name": "elbo"}}
    dense = load(PROJECT / "training/configs/fashion-dense.toml")
    with pytest.raises(ConfigError, match=r"likelihood\.variance: expected 2\.45e-06 or more"):
        dense.replaced(narrow)


@pytest.mark.parametrize("likelihood", EVERY, ids=name_of)
def test_defect_10_a_pixel_far_from_its_mean_still_has_a_gradient(likelihood):
    """Means are clipped to [0, 1] inside the loss: where they are, nothing is learned and nothing is seen."""
    # The first parameter is a mean or a log-odds; of mixtures the means come after the K = 2 logits.
    # A causal network has a base before them, to which its means are added, or which is all of its means.
    bases = {"causal-logistic": slice(3, 5), "causal-colour-logistic": slice(1)}
    means = bases.get(likelihood.name, slice(2, 4) if "logistic" in likelihood.name else slice(1))
    parameters = np.zeros((2, 1, 1, likelihood.num_parameters), np.float32)
    parameters[:, 0, 0, means] = [[-30.0], [30.0]]
    parameters = tf.constant(parameters)
    with tf.GradientTape() as tape:
        tape.watch(parameters)
        # White where the mean is far too dark, black where it is far too bright.
        log_prob = likelihood.log_prob(*coloured(likelihood, f32([[1.0]], [[0.0]]), parameters))
    gradient = tf.reduce_sum(tape.gradient(log_prob, parameters)[:, 0, 0, means], axis=-1)
    assert gradient[0] > 1e-3
    assert gradient[1] < -1e-3


def test_defect_10_a_posterior_that_runs_away_is_seen_and_not_clipped(tiny_config):
    """log-variances are held in a range by a hard tanh, behind which they may diverge."""
    from training.models.vae import VariationalAutoencoder

    vae = VariationalAutoencoder(tiny_config, (6, 5))
    vae.encoder.get_layer("z_log_var").bias.assign([30.0, -30.0])
    vae.encoder.get_layer("z_log_var").kernel.assign(np.zeros((8, 2), np.float32))
    z_mean, z_log_var = vae.encoder(np.zeros((1, 6, 5), np.float32))
    np.testing.assert_allclose(z_log_var, [[30.0, -30.0]])
    assert objectives.kl_per_axis(z_mean, z_log_var).numpy()[0, 0] > 1e12
