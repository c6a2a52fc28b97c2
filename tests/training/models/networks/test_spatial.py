import numpy as np
import pytest

pytestmark = pytest.mark.tensorflow

from training.configs.sections import Spatial  # noqa: E402
from training.errors import ConfigError  # noqa: E402
from training.models.likelihoods.gaussian import Gaussian  # noqa: E402
from training.models.likelihoods.logistic import DiscretizedLogistic  # noqa: E402
from training.models.networks import spatial  # noqa: E402


def section(latent_dim, channels=(4, 6)):
    sizes = {"latent_dim": latent_dim, "encoder_units": (8,), "decoder_units": (8,), "residual_blocks": 1}
    return Spatial(kind="spatial", channels=channels, spatial_channels=2, **sizes)


@pytest.mark.parametrize("shape", [(8, 8), (8, 12, 3)])
def test_two_levels_of_axes_take_and_give_images(shape):
    network = section((shape[0] // 4) * (shape[1] // 4) * 2 + 3)
    built = spatial.Spatial(network, shape, DiscretizedLogistic(2))
    z_mean, z_log_var = built.encoder()(np.random.default_rng(0).random((2, *shape), np.float32))
    assert z_mean.shape == z_log_var.shape == (2, network.latent_dim)
    assert built.decoder()(z_mean).shape == (2, *shape, 6)


def test_a_spatial_axis_reaches_its_own_neighbourhood_and_a_global_one_the_whole_image():
    decoder = spatial.Spatial(section(2 + 16 * 2), (16, 16), Gaussian(0.5)).decoder()
    z = np.zeros((3, 34), np.float32)
    z[1, 2] = 1.0  # the upper left of the 4 x 4 map
    z[2, 0] = 1.0
    images = decoder(z).numpy()[..., 0]
    # 3 x 3 convolutions at the smallest size (two) and at half size (one): a corner reaches 2 cells and a pixel.
    changed = np.abs(images[1] - images[0]) > 1e-7
    assert changed[:4, :4].any()
    assert not changed[:, 15].any()
    assert not changed[15].any()
    assert (np.abs(images[2] - images[0]) > 1e-7).mean() > 0.9


def test_axes_that_leave_none_for_the_global_level_are_refused():
    with pytest.raises(ConfigError, match="latent_dim: expected more than 8"):
        spatial.Spatial(section(8, (4, 4)), (8, 8), Gaussian(0.5))
