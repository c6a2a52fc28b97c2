import math
from statistics import NormalDist

import numpy as np
import pytest

pytestmark = pytest.mark.tensorflow

from tests.tiny import model_of  # noqa: E402
from training.metrics import kl  # noqa: E402
from training.priors import GaussianMixture, StandardNormal  # noqa: E402


def normal_codes(count, variance):
    """Posterior means that are spread as N(0, variance) is: its quantiles."""
    middle = (np.arange(count) + 0.5) / count
    return np.array([NormalDist(0, math.sqrt(variance)).inv_cdf(p) for p in middle])[:, None]


def test_of_posteriors_whose_average_is_the_prior_all_kl_is_information():
    z_mean = normal_codes(3_000, 0.75)
    found = kl.decompose(z_mean, np.full_like(z_mean, np.log(0.25)), StandardNormal(1), seed=0)
    # N(m, 1/4) with m ~ N(0, 3/4): z ~ N(0, 1), I = log(1 / 0.25) / 2. Standard error 0.02; four of them.
    assert found.information == pytest.approx(0.5 * math.log(4), abs=0.08)
    terms = found.priors["standard_normal"]
    assert terms.marginal_kl == pytest.approx(0, abs=1e-3)  # the quantiles cut the tails off
    assert terms.kl == pytest.approx(found.information + terms.marginal_kl)
    assert terms.kl_closed_form == pytest.approx(0.5 * math.log(4), abs=2e-3)


def test_of_posteriors_that_ignore_the_image_all_kl_is_the_priors_fault():
    z_mean, z_log_var = np.tile([[1.0, 0.0]], (50, 1)), np.zeros((50, 2))
    found = kl.decompose(z_mean, z_log_var, StandardNormal(2), seed=0)
    assert found.information == pytest.approx(0, abs=1e-9)
    terms = found.priors["standard_normal"]
    # KL(N(1, 1) || N(0, 1)) is 1/2; log q - log p is z_1 - 1/2, of variance 1, over 2,000 draws.
    assert terms.marginal_kl == pytest.approx(0.5, abs=4 * 0.0224)
    assert terms.standard_error == pytest.approx(0.0224, rel=0.1)
    assert terms.kl_closed_form == pytest.approx(0.5)


def test_codes_far_apart_tell_which_image_it_was_and_no_more_than_that():
    z_mean = np.array([[-50.0], [0.0], [50.0], [100.0]])
    found = kl.decompose(z_mean, np.full((4, 1), -2.0), StandardNormal(1), seed=0)
    assert found.information == pytest.approx(math.log(4), abs=1e-9)
    assert found.most_information == pytest.approx(math.log(4))


def test_the_mixture_that_is_the_aggregate_leaves_no_gap_and_stands_beside_the_standard_normal():
    z_mean, z_log_var = np.array([[-2.0, 1.0], [2.0, 0.5]]), np.log([[0.3, 0.5], [0.6, 0.2]])
    cholesky = np.exp(z_log_var / 2)[:, :, None] * np.eye(2)
    found = kl.decompose(z_mean, z_log_var, GaussianMixture(np.full(2, 0.5), z_mean, cholesky), seed=0)
    assert found.priors["gaussian_mixture"].marginal_kl == pytest.approx(0, abs=1e-5)  # float32
    assert found.priors["standard_normal"].marginal_kl > 0.5


def test_the_mixture_is_summed_in_parts_and_keeps_narrow_posteriors(monkeypatch):
    rng = np.random.default_rng(0)
    z_mean, z_log_var = rng.normal(size=(70, 3)), np.full((70, 3), -14.0)
    z = z_mean[:20] + np.exp(-7.0) * rng.normal(size=(20, 3))
    direct = -0.5 * np.sum((z - z_mean[:20]) ** 2 * np.exp(14.0) - 14.0 + np.log(2 * np.pi), axis=1) - np.log(
        70
    )
    monkeypatch.setattr(kl, "POSTERIORS", 30)  # the last part is smaller
    # The other posteriors are hundreds of deviations away. Float64 keeps 1e6 exp(0) to 1e-10.
    np.testing.assert_allclose(kl.log_aggregate_posterior(z, z_mean, z_log_var), direct, atol=1e-6)


def test_the_aggregate_posterior_is_described_axis_by_axis(tiny_model, tiny_dataset):
    axes = kl.describe_axes(*tiny_model.encode(tiny_dataset.train), seed=0)
    z_mean, z_log_var = (part.astype(np.float64) for part in tiny_model.encode(tiny_dataset.train))
    for number, axis in enumerate(axes):
        mean, log_var = z_mean[:, number], z_log_var[:, number]
        assert axis.kl == pytest.approx(0.5 * np.mean(np.exp(log_var) + mean**2 - 1 - log_var), rel=1e-4)
        spread = np.sqrt(mean.var() + np.exp(log_var).mean())
        # One draw an image, 128 images: standard error of the mean 0.09 spreads; four of them.
        assert abs(axis.mean - mean.mean()) < 0.36 * spread
        values = list(axis.quantiles.values())
        assert values == sorted(values)
        assert axis.quantiles["0.025"] < axis.mean < axis.quantiles["0.975"]


def test_quantiles_of_codes_that_strayed_end_where_a_walk_must(tiny_config, tiny_dataset):
    from training.models.vae import VariationalAutoencoder

    vae = VariationalAutoencoder(tiny_config, (6, 5))
    z_mean = vae.encoder.get_layer("z_mean")
    z_mean.kernel.assign(np.zeros((8, 2), np.float32))
    z_mean.bias.assign([20.0, -20.0])
    first, second = kl.describe_axes(*model_of(vae).encode(tiny_dataset.train), seed=0)
    assert set(first.quantiles.values()) == {8.0}
    assert set(second.quantiles.values()) == {-8.0}
    assert first.mean == pytest.approx(20, abs=0.5)  # 128 draws of deviation 1 or so


def test_an_axis_that_ignores_the_image_is_not_active(tiny_config, tiny_dataset):
    from training.models.vae import VariationalAutoencoder

    vae = VariationalAutoencoder(tiny_config, (6, 5))
    vae.encoder.get_layer("z_mean").kernel.assign(np.zeros((8, 2), np.float32))
    described = kl.describe_axes(*model_of(vae).encode(tiny_dataset.train), seed=0)
    assert [axis.active for axis in described] == [False, False]
