import keras
import numpy as np
import pytest

pytestmark = pytest.mark.tensorflow

from training.configs.sections import Palette, Residual  # noqa: E402
from training.models.likelihoods.gaussian import GaussianShared  # noqa: E402
from training.models.likelihoods.logistic import DiscretizedLogistic  # noqa: E402
from training.models.networks import palette, residual  # noqa: E402

SIZES = {"latent_dim": 3, "encoder_units": (8,), "decoder_units": (8,), "residual_blocks": 1}


def section(channels, colours=4):
    return Palette(kind="palette", channels=channels, colours=colours, **SIZES)


@pytest.mark.parametrize("shape", [(28, 28), (12, 20), (16, 16, 3)])
@pytest.mark.parametrize("channels", [(6,), (4, 6)])
def test_a_palette_takes_and_gives_images_of_any_shape_that_halves(shape, channels):
    network = palette.Palette(section(channels), shape, DiscretizedLogistic(2))
    encoder, decoder = network.encoder(), network.decoder()
    z_mean, z_log_var = encoder(np.random.default_rng(0).random((2, *shape), np.float32))
    assert z_mean.shape == z_log_var.shape == (2, 3)
    assert decoder(z_mean).shape == (2, *shape, 6)


def test_every_pixel_lies_between_the_colours_of_the_palette():
    network = palette.Palette(section((4, 6)), (8, 8, 3), GaussianShared())
    decoder = network.decoder()
    z = np.random.default_rng(0).standard_normal((5, 3)).astype(np.float32)
    colours = decoder.get_layer("palette").output
    colours = keras.Model(decoder.input, colours)(z).numpy().reshape(5, 1, 4, 3)
    means = decoder(z).numpy()[..., 0].reshape(5, 64, 3)
    assert (means >= colours.min(axis=2) - 1e-6).all()  # of float32
    assert (means <= colours.max(axis=2) + 1e-6).all()


def test_more_of_a_code_reaches_the_pixels_than_by_the_kernels_of_other_kinds():
    """What the untrained decoder makes of different codes differs ten times as much as that of ``residual``."""
    keras.utils.set_random_seed(0)
    spreads = []
    z = np.random.default_rng(0).standard_normal((50, 3)).astype(np.float32)
    widths = {"channels": (8, 16, 32)} | SIZES
    for kind, network in (
        (palette.Palette, Palette(kind="palette", colours=4, **widths)),
        (residual.Residual, Residual(kind="residual", **widths)),
    ):
        decoder = kind(network, (16, 16, 3), GaussianShared()).decoder()
        spreads.append(float(decoder(z).numpy()[..., 0].std(axis=0).mean()))
    assert spreads[0] > 10 * spreads[1]
