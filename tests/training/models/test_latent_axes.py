import numpy as np
import pytest

pytestmark = pytest.mark.tensorflow

from training.models import latent_axes as axes_of  # noqa: E402
from training.models.latent_axes import Axes, Axis  # noqa: E402

RNG = np.random.default_rng(0)
WEIGHTS = np.array([[1.0, 0.5, -0.2], [-2.0, -0.5, 0.1], [0.3, 0.3, 0.3], [-1.0, 0.2, 0.1]], np.float32)
DESCRIBED = [
    Axis(
        kl=kl,
        mean=mean,
        std=1.0,
        active=True,
        quantiles={"0.025": mean - 2, "0.5": mean, "0.975": mean + 1},
    )
    for kl, mean in ((0.5, 0.1), (3.0, -0.2), (0.0, 0.0), (1.0, 0.3))
]


def decode(z):
    """Four axes, three pixels; axes 0 and 2 brighten the image, 1 and 3 darken it."""
    return np.asarray(z) @ WEIGHTS


def test_axes_are_sorted_by_kl_and_point_to_where_the_image_becomes_brighter():
    found = axes_of.canonical(decode, DESCRIBED)
    assert found == Axes(order=(1, 3, 0, 2), signs=(-1, -1, 1, 1))


def test_the_trained_code_comes_back_from_the_published_one():
    axes = axes_of.canonical(decode, DESCRIBED)
    z = RNG.normal(size=(5, 4)).astype(np.float32)
    published, log_var = axes.publish(z, 2 * z)
    np.testing.assert_array_equal(published[:, 0], -z[:, 1])
    np.testing.assert_array_equal(log_var[:, 0], 2 * z[:, 1])
    np.testing.assert_array_equal(axes.trained(published), z)


def test_published_axes_are_canonical_already():
    axes = axes_of.canonical(decode, DESCRIBED)
    again = axes_of.canonical(lambda z: decode(axes.trained(z)), axes.describe(DESCRIBED))
    assert again == axes_of.as_trained(4)


def test_a_turned_axis_has_its_quantiles_and_mean_turned():
    described = axes_of.canonical(decode, DESCRIBED).describe(DESCRIBED)
    assert [axis.kl for axis in described] == [3.0, 1.0, 0.5, 0.0]
    assert described[0].mean == pytest.approx(0.2)
    assert described[0].quantiles == pytest.approx({"0.025": -0.8, "0.5": 0.2, "0.975": 2.2})
    assert described[2] == DESCRIBED[0]


def test_axes_are_found_again_in_another_order_and_direction():
    before = RNG.normal(size=(500, 4)).astype(np.float32)
    order, signs = [2, 0, 3, 1], np.array([1, -1, 1, -1])
    now = before[:, order] * signs + 0.05 * RNG.normal(size=(500, 4)).astype(np.float32)
    pairs = axes_of.match(before, now)
    assert [pair.was for pair in pairs] == order
    # Noise of a twentieth: correlations of about 1 / sqrt(1 + 0.0025).
    np.testing.assert_allclose([pair.correlation for pair in pairs], signs * 0.9988, atol=0.002)


def test_a_model_with_more_axes_than_before_has_some_that_match_none():
    codes = RNG.normal(size=(100, 3)).astype(np.float32)
    pairs = axes_of.match(codes[:, :2], codes)
    assert [pair.was for pair in pairs] == [0, 1, None]
