import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app import latent

seeds = st.integers(0, latent.MAX_SEED)


@given(seed=seeds, count=st.integers(1, 40), dim=st.integers(1, 33))
def test_the_first_codes_of_many_are_the_codes_of_few(seed, count, dim):
    many = latent.standard_normal(seed, 0, 40, dim)
    assert np.array_equal(latent.standard_normal(seed, 0, count, dim), many[:count])


@given(seed=seeds, start=st.integers(0, 30), dim=st.integers(1, 33))
def test_a_stretch_computed_alone_is_that_stretch_of_the_sequence(seed, start, dim):
    whole = latent.standard_normal(seed, 0, 40, dim)
    assert np.array_equal(latent.standard_normal(seed, start, 10, dim), whole[start : start + 10])


@given(seed=seeds, start=st.integers(0, 30))
def test_a_stretch_of_noise_computed_alone_is_that_stretch_of_the_sequence(seed, start):
    whole = latent.uniform_noise(seed, 0, 40, (3, 5))
    assert np.array_equal(latent.uniform_noise(seed, start, 10, (3, 5)), whole[start : start + 10])


def test_codes_are_standard_normal():
    z = latent.standard_normal(7, 0, 100_000, 3).astype(np.float64)
    # Standard errors over 300,000 numbers: mean 0.0018, variance 0.0026, fourth moment 0.018; four of each.
    assert abs(z.mean()) < 0.0073
    assert abs(z.var() - 1) < 0.0104
    assert abs((z**4).mean() - 3) < 0.072
    assert np.abs(np.corrcoef(z.T) - np.eye(3)).max() < 4 / math.sqrt(100_000)


def test_codes_of_neighbouring_seeds_are_uncorrelated():
    a, b = (latent.standard_normal(seed, 0, 50_000, 2).ravel() for seed in (41, 42))
    assert abs(np.corrcoef(a, b)[0, 1]) < 4 / math.sqrt(100_000)


def test_noise_is_uniform_inside_the_open_interval():
    noise = latent.uniform_noise(3, 0, 1_000, (10, 10))
    assert noise.dtype == np.float32
    assert noise.min() > 0
    assert noise.max() < 1
    assert abs(noise.mean() - 0.5) < 4 * math.sqrt(1 / 12 / 100_000)


def test_noise_is_independent_of_the_codes_of_the_same_seed():
    z = latent.standard_normal(5, 0, 20_000, 4).ravel()
    noise = latent.uniform_noise(5, 0, 20_000, (4,)).ravel()
    assert abs(np.corrcoef(z, noise)[0, 1]) < 4 / math.sqrt(80_000)


def test_the_codes_of_a_seed_never_change():
    # Permanent addresses rest on these numbers: a change here is a break, not a fix.
    z = latent.standard_normal(42, 0, 2, 3)
    expected = np.array(EXPECTED_42, np.float32)
    np.testing.assert_allclose(z, expected, rtol=0, atol=1e-6)  # float32 near 1 has steps of 1e-7


EXPECTED_42 = [[0.424211, -1.4388258, -0.4652565], [0.4819308, 1.1937538, 1.3290558]]


@pytest.mark.parametrize("seed", [0, latent.MAX_SEED])
def test_the_ends_of_the_seed_range_give_finite_codes(seed):
    assert np.isfinite(latent.standard_normal(seed, 0, 400, 10)).all()


def test_a_walk_changes_one_axis_in_equal_steps_and_holds_the_others():
    base = np.array([5.0, 6.0, 7.0], np.float32)
    codes = latent.walk(base, axis=1, low=-0.8, high=0.8, steps=5)
    np.testing.assert_allclose(codes[:, 1], [-0.8, -0.4, 0.0, 0.4, 0.8], atol=1e-6)
    assert (codes[:, [0, 2]] == [5.0, 7.0]).all()
    assert codes.dtype == np.float32


@given(seed=seeds, start=st.integers(0, 30), dim=st.integers(1, 33))
def test_a_stretch_of_posterior_noise_computed_alone_is_that_stretch_of_the_sequence(seed, start, dim):
    whole = latent.posterior_noise(seed, 0, 40, dim)
    assert np.array_equal(latent.posterior_noise(seed, start, 10, dim), whole[start : start + 10])
    assert np.array_equal(
        latent.resampling(seed, start, 10), latent.resampling(seed, 0, 40)[start : start + 10]
    )


def test_posterior_noise_is_standard_normal_and_independent_of_the_codes_of_its_seed():
    noise = latent.posterior_noise(7, 0, 100_000, 3).astype(np.float64)
    # As for codes: four standard errors.
    assert abs(noise.mean()) < 0.0073
    assert abs(noise.var() - 1) < 0.0104
    codes = latent.standard_normal(7, 0, 100_000, 3)
    assert abs(np.corrcoef(noise.ravel(), codes.ravel())[0, 1]) < 4 / math.sqrt(300_000)


def test_resampling_is_uniform_and_independent_of_the_choices_of_its_seed():
    uniform = latent.resampling(7, 0, 100_000)
    assert 0 < uniform.min() < uniform.max() < 1
    assert abs(uniform.mean() - 0.5) < 4 * math.sqrt(1 / 12 / 100_000)
    assert abs(np.corrcoef(uniform, latent.choices(7, 0, 100_000))[0, 1]) < 4 / math.sqrt(100_000)
