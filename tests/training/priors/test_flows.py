import dataclasses

import numpy as np
import pytest

pytestmark = pytest.mark.tensorflow

import tensorflow as tf  # noqa: E402

import app.priors  # noqa: E402
from training import priors  # noqa: E402
from training.priors import GaussianMixture, flows  # noqa: E402


def mixture(latent_dim=2):
    """Two components, one of them tilted, of a class each."""
    tilted = np.eye(latent_dim)
    tilted[-1, 0] = -0.6
    return GaussianMixture(
        weights=np.array([0.3, 0.7]),
        means=np.stack([np.full(latent_dim, -1.0), np.full(latent_dim, 0.8)]),
        cholesky=np.stack([0.5 * np.eye(latent_dim), 0.7 * tilted]),
        classes=("low", "high"),
        component_class=np.array([0, 1]),
    )


def bent(latent_dim=2, layers=4, units=6, scale=0.4, seed=0):
    """A flow of random weights, confined as they must be."""
    rng = np.random.default_rng(seed)
    mask = flows._masks(layers, latent_dim, rng)
    hidden, hidden_bias, moved, moved_bias = (
        (scale * rng.normal(size=shape)).astype(np.float32)
        for shape in (
            (layers, units, latent_dim),
            (layers, units),
            (layers, 2, latent_dim, units),
            (layers, 2, latent_dim),
        )
    )
    hidden *= mask[:, None, :]
    moved *= ~mask[:, None, :, None]
    moved_bias *= ~mask[:, None, :]
    return flows.CouplingFlow(mixture(latent_dim), mask, hidden, hidden_bias, moved, moved_bias)


@dataclasses.dataclass(frozen=True)
class Given:
    """A base that "draws" the codes that it was given."""

    codes: np.ndarray

    def draw(self, *_, **__):
        return self.codes


def pushed(flow, u):
    return dataclasses.replace(flow, base=Given(u)).draw(len(u), np.random.default_rng(0))


def test_the_density_of_a_flow_integrates_to_one():
    axis = np.linspace(-14, 14, 1401, dtype=np.float32)
    grid = np.stack(np.meshgrid(axis, axis, indexing="ij"), axis=-1).reshape(-1, 2)
    total = np.exp(bent().log_prob(tf.constant(grid)).numpy().astype(np.float64)).sum() * 0.02**2
    assert total == pytest.approx(1, abs=1e-3)  # squares of 0.02 where the narrowest slope is some 0.2 wide


def test_the_log_density_is_the_mixtures_less_the_log_volume_that_a_code_was_stretched_by():
    flow = bent(latent_dim=5, layers=3)
    u = np.random.default_rng(1).normal(size=(20, 5)).astype(np.float32)
    step = 1e-2
    columns = [(pushed(flow, u + shift) - pushed(flow, u - shift)) / (2 * step) for shift in step * np.eye(5)]
    _, log_volume = np.linalg.slogdet(np.stack(columns, axis=-1).astype(np.float64))
    expected = mixture(5).log_prob(tf.constant(u)).numpy() - log_volume
    found = flow.log_prob(tf.constant(pushed(flow, u))).numpy()
    # Differences over 0.02 of float32 numbers near one err by some 1e-5, but for codes at a unit's edge.
    assert np.median(np.abs(found - expected)) < 1e-3
    np.testing.assert_allclose(found, expected, atol=0.05)


def test_codes_may_have_any_axes_before_the_last():
    z = tf.random.stateless_normal((3, 4, 2), (0, 1))
    whole = bent().log_prob(z)
    assert whole.shape == (3, 4)
    np.testing.assert_allclose(whole[1], bent().log_prob(z[1]), rtol=1e-5)


def test_draws_are_where_the_density_says():
    flow = bent()
    z = flow.draw(100_000, np.random.default_rng(2))
    # E[1 / p(z)] over draws inside a box is the box' area, whatever p.
    inside = (np.abs(z) < 1).all(axis=1)
    area = np.mean(inside / np.exp(flow.log_prob(tf.constant(z)).numpy().astype(np.float64)))
    assert area == pytest.approx(4, rel=0.05)


def test_reordered_axes_describe_the_same_density():
    order, signs = [2, 0, 1], [1, -1, -1]
    flow = bent(latent_dim=3)
    turned = flow.reordered(order, signs)
    z = flow.draw(200, np.random.default_rng(3))
    found = turned.log_prob(tf.constant((z[:, order] * signs).astype(np.float32)))
    np.testing.assert_allclose(found, flow.log_prob(tf.constant(z)), rtol=1e-3, atol=1e-3)  # float32
    again = turned.mask[:, np.argsort(order)]
    assert np.array_equal(again, flow.mask)


def test_a_flow_is_read_back_as_it_was_written(tmp_path):
    flow = bent()
    flow.save(tmp_path / "prior.npz")
    read = priors.load_fitted(tmp_path / "prior.npz")
    assert read.classes == ("low", "high")
    for name, array in flow.arrays().items():
        np.testing.assert_allclose(read.arrays()[name], array, rtol=1e-6) if name != "classes" else None
    z = tf.random.stateless_normal((30, 2), (0, 2))
    np.testing.assert_allclose(read.log_prob(z), flow.log_prob(z), rtol=1e-5, atol=1e-5)


def test_every_axis_is_moved_by_one_layer_of_two_and_left_alone_by_the_other():
    mask = flows._masks(6, 5, np.random.default_rng(0))
    assert (mask[::2] ^ mask[1::2]).all()
    assert mask[::2].sum(axis=1).tolist() == [2, 2, 2]


def banana(count, rng):
    """Codes on a parabola, and their exact log-densities."""
    first = rng.normal(size=count)
    second = first**2 + 0.3 * rng.normal(size=count)
    squares = first**2 + ((second - first**2) / 0.3) ** 2
    return np.stack([first, second], axis=1).astype(np.float32), -0.5 * squares - np.log(2 * np.pi * 0.3)


def fitted(seed=4, steps=800):
    rng = np.random.default_rng(seed)
    codes, _ = banana(5_000, rng)
    held_out, _ = banana(5_000, rng)
    base = priors.fit_gaussian_mixture(codes, 1, rng)
    lines = []
    flow = flows.fit(
        base,
        codes,
        np.zeros_like(codes),
        held_out,
        layers=4,
        units=24,
        seed=seed,
        steps=steps,
        report=lines.append,
    )
    return base, flow, lines


def test_a_fit_bends_one_gaussian_into_a_parabola():
    base, flow, lines = fitted()
    fresh, truth = banana(20_000, np.random.default_rng(5))
    before, after = (float(np.mean(each.log_prob(tf.constant(fresh)))) for each in (base, flow))
    assert truth.mean() - before > 1  # one Gaussian is more than a nat short of the truth
    assert truth.mean() - after < 0.1
    assert after < truth.mean() + 0.03  # three standard errors of the difference: nothing is better than it
    assert len(lines) == flows.CHECKS
    confined = (
        np.abs(flow.moved * flow.mask[:, None, :, None]).max(),
        np.abs(flow.hidden * ~flow.mask[:, None, :]).max(),
    )
    assert confined == (0, 0)


def test_a_fit_repeats_with_its_seed():
    first, second = (fitted(steps=40)[1] for _ in range(2))
    assert all(np.array_equal(a, second.arrays()[name]) for name, a in first.arrays().items())


def test_a_flow_that_is_no_better_on_held_out_codes_is_the_mixture_that_it_began_as():
    rng = np.random.default_rng(6)
    few = rng.normal(size=(8, 2)).astype(np.float32)
    base = GaussianMixture(np.ones(1), np.zeros((1, 2)), np.eye(2)[None])
    held_out = rng.normal(size=(5_000, 2)).astype(np.float32)
    flow = flows.fit(base, few, 0.01 * np.ones_like(few), held_out, layers=2, units=64, seed=0, steps=400)
    z = tf.constant(held_out)
    assert float(tf.reduce_mean(flow.log_prob(z) - base.log_prob(z))) > -1e-3


def test_the_service_bends_codes_as_training_does():
    flow = bent(latent_dim=5)
    u = np.random.default_rng(7).normal(size=(40, 5)).astype(np.float32)
    layers, latent_dim = flow.mask.shape
    served = app.priors.NormalizingFlow(
        Given(u),
        flow.hidden,
        flow.hidden_bias,
        flow.moved.reshape(layers, 2 * latent_dim, -1),
        flow.moved_bias.reshape(layers, 2 * latent_dim),
    )
    np.testing.assert_allclose(served.draw(0, 0, 40), pushed(flow, u), rtol=1e-5, atol=1e-5)
