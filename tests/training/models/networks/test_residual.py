import numpy as np
import pytest

pytestmark = pytest.mark.tensorflow

from training.configs.sections import Residual  # noqa: E402
from training.models.likelihoods.logistic import DiscretizedLogistic  # noqa: E402
from training.models.networks import residual  # noqa: E402


def section(channels, blocks=2):
    sizes = {"latent_dim": 3, "encoder_units": (8,), "decoder_units": (8,)}
    return Residual(kind="residual", channels=channels, residual_blocks=blocks, **sizes)


@pytest.mark.parametrize("shape", [(28, 28), (12, 20), (16, 16, 3)])
@pytest.mark.parametrize("channels", [(6,), (4, 6)])
def test_residual_convolutions_take_and_give_images_of_any_shape_that_halves(shape, channels):
    network = residual.Residual(section(channels), shape, DiscretizedLogistic(2))
    encoder, decoder = network.encoder(), network.decoder()
    z_mean, z_log_var = encoder(np.random.default_rng(0).random((2, *shape), np.float32))
    assert z_mean.shape == z_log_var.shape == (2, 3)
    assert decoder(z_mean).shape == (2, *shape, 6)


def test_the_code_of_an_image_does_not_depend_on_the_other_images_of_its_batch():
    encoder = residual.Residual(section((4, 6), blocks=1), (8, 8), DiscretizedLogistic(2)).encoder()
    images = np.random.default_rng(1).random((4, 8, 8), np.float32)
    alone = encoder(images[:1], training=True)[0]
    np.testing.assert_allclose(encoder(images, training=True)[0][:1], alone, atol=1e-6)
