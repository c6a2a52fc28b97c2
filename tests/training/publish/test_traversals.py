import numpy as np
import pytest

pytestmark = pytest.mark.tensorflow

from training.models.latent_axes import Axis  # noqa: E402
from training.publish import traversals  # noqa: E402

QUANTILES = {"0.025": -2.2, "0.5": -0.2, "0.975": 0.8}
AXES = [Axis(kl=1.0, mean=mean, std=1.0, active=True, quantiles=QUANTILES) for mean in (0.1, -0.2, 0.0, 0.3)]


def test_the_picture_of_all_axes_walks_each_from_its_low_to_its_high_quantile():
    def flat(z):
        return np.broadcast_to(np.asarray(z)[:, 1, None, None], (len(z), 2, 3))

    picture = traversals.strips(flat, AXES)
    assert picture.shape == (4 * 2, 7 * 3)
    np.testing.assert_allclose(picture[2, ::3], np.linspace(-2.2, 0.8, 7), rtol=1e-5)
    np.testing.assert_allclose(picture[0], -0.2, rtol=1e-5)  # axis 1 is held at its mean in every other row


def test_the_plane_steps_through_equal_shares_of_the_prior_rightwards_and_upwards():
    def flat(z):
        return np.asarray(z)[:, :, None].repeat(2, axis=2)  # a pixel row a code: z0 z0 / z1 z1

    picture = traversals.plane(flat)
    assert picture.shape == (20 * 2, 20 * 2)
    sideways, upwards = picture[0::2, 0::2], picture[1::2, 0::2]
    assert np.all(np.diff(sideways, axis=1) > 0)
    assert np.all(np.diff(upwards, axis=0) < 0)
    # The middles of twenty equal parts: 2.5 % and 97.5 % at the ends.
    np.testing.assert_allclose(sideways[0, [0, -1]], [-1.95996, 1.95996], atol=1e-5)
