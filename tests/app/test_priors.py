import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app import latent, priors
from app.errors import ModelError
from app.store import scan
from tests.fakes import MIXTURE, write_version


def opened(store, mixture=None):
    write_version(store, mixture=mixture)
    return priors.open_prior(scan(store).find("fake"))


@pytest.fixture(scope="module")
def mixture(tmp_path_factory):
    return opened(tmp_path_factory.mktemp("store"), MIXTURE)


def test_a_version_without_a_prior_of_its_own_draws_from_n_0_i(tmp_path):
    prior = opened(tmp_path)
    np.testing.assert_array_equal(prior.draw(3, 2, 5), latent.standard_normal(3, 2, 5, 2))
    np.testing.assert_array_equal(prior.draw(3, 0, 5, 0.5), prior.draw(3, 0, 5) * np.float32(0.5))


@given(seed=st.integers(0, latent.MAX_SEED), start=st.integers(0, 30), count=st.integers(1, 10))
def test_a_stretch_of_codes_drawn_alone_is_that_stretch_of_the_sequence(mixture, seed, start, count):
    whole = mixture.draw(seed, 0, 40)
    assert np.array_equal(mixture.draw(seed, start, count), whole[start : start + count])


def test_codes_have_the_mixtures_weights_means_and_covariances(mixture):
    z = mixture.draw(1, 0, 40_000).astype(np.float64)
    high = z[:, 0] > 0  # the components are 40 standard deviations apart
    assert high.mean() == pytest.approx(0.75, abs=4 * np.sqrt(0.75 * 0.25 / 40_000))
    for part, mean in ((z[~high], -2.0), (z[high], 2.0)):
        # Standard deviations of at most 0.112 over 10,000 codes: four standard errors are 0.0045.
        np.testing.assert_allclose(part.mean(axis=0), mean, atol=0.0045)
        np.testing.assert_allclose(np.cov(part.T), [[0.01, 0.005], [0.005, 0.0125]], atol=8e-4)


@pytest.mark.parametrize(("label", "sign"), [(0, -1), (1, 1)])
def test_a_class_is_drawn_from_its_own_components_alone(mixture, label, sign):
    assert (mixture.draw(5, 0, 500, label=label) * sign > 1).all()


def test_temperature_zero_gives_the_centres_of_the_components(mixture):
    z = mixture.draw(2, 0, 50, temperature=0.0)
    assert {tuple(code) for code in z.tolist()} == {(-2.0, -2.0), (2.0, 2.0)}


def test_the_centre_is_zero_or_the_mean_of_the_heaviest_component(tmp_path, mixture):
    assert opened(tmp_path).centre.tolist() == [0.0, 0.0]
    assert mixture.centre.tolist() == [2.0, 2.0]
    assert mixture.centre.dtype == np.float32


@pytest.mark.parametrize(
    "damage",
    [
        {"weights": np.array([0.25, 0.25])},
        {"weights": np.array([-0.25, 1.25])},
        {"weights": np.zeros(0)},
        {"means": np.zeros((2, 3), np.float32)},
        {"means": np.full((2, 2), np.nan, np.float32)},
        {"cholesky": np.zeros((2, 2), np.float32)},
        {"component_class": np.array([0, 2])},
        {"component_class": np.array([0])},
        {"component_class": np.array([0, 1], dtype=object)},
    ],
    ids=lambda damage: next(iter(damage)),
)
def test_a_file_that_is_no_such_mixture_is_refused_by_name(tmp_path, damage):
    with pytest.raises(ModelError) as caught:
        opened(tmp_path, MIXTURE | damage)
    assert "fake@1: prior.npz" in caught.value.detail


def test_a_file_without_an_array_is_refused(tmp_path):
    with pytest.raises(ModelError):
        opened(tmp_path, {name: MIXTURE[name] for name in ("weights", "means")})


def test_the_density_of_n_0_i_is_the_formula(tmp_path):
    z = np.float32([[0.0, 0.0], [3.0, -4.0]])
    found = opened(tmp_path).log_prob(z)
    assert found.dtype == np.float64
    # log N(z; 0, I) = -|z|^2 / 2 - D log(2 pi) / 2, here with |z|^2 = 0 and 25.
    np.testing.assert_allclose(found, np.array([0, -12.5]) - np.log(2 * np.pi), rtol=1e-14)


def test_the_density_of_a_mixture_is_the_sum_of_its_components(mixture):
    z = np.random.default_rng(0).uniform(-3, 3, (50, 2))
    expected = []
    for weight, mean, factor in zip(mixture.weights, mixture.means, mixture.cholesky, strict=True):
        covariance = factor @ factor.T
        away = z - mean
        distance = np.einsum("ni,ij,nj->n", away, np.linalg.inv(covariance), away)
        expected.append(
            np.log(weight) - 0.5 * distance - np.log(2 * np.pi) - 0.5 * np.log(np.linalg.det(covariance))
        )
    np.testing.assert_allclose(mixture.log_prob(z), np.logaddexp(*expected), rtol=1e-9)


def test_the_density_of_a_mixture_stays_finite_far_from_every_component(mixture):
    far = mixture.log_prob(np.float32([[8.0, 8.0], [1e4, 1e4]]))
    assert np.isfinite(far).all()
    assert far[1] < far[0] < -1_000  # 6 of an axis' deviations of 0.1 are 60 of them


def test_the_density_integrates_to_one(mixture):
    steps = np.linspace(-3, 3, 601)
    z = np.stack(np.meshgrid(steps, steps), axis=-1).reshape(-1, 2)
    assert np.exp(mixture.log_prob(z)).sum() * 0.01**2 == pytest.approx(1, abs=1e-6)
