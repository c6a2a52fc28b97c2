import keras
import numpy as np
import pytest

pytestmark = pytest.mark.tensorflow

from training.configs.sections import Conv  # noqa: E402
from training.errors import ConfigError  # noqa: E402
from training.models.likelihoods.gaussian import Gaussian, GaussianPerPixel  # noqa: E402
from training.models.likelihoods.logistic import DiscretizedLogistic  # noqa: E402
from training.models.networks import conv  # noqa: E402


def section(channels, latent_dim=3, units=(8,)):
    sizes = {"latent_dim": latent_dim, "encoder_units": units, "decoder_units": units}
    return Conv(kind="conv", channels=channels, **sizes)


@pytest.mark.parametrize("shape", [(28, 28), (12, 20), (16, 16, 3), (64, 64, 3)])
@pytest.mark.parametrize("channels", [(4,), (4, 6)])
def test_convolutions_take_and_give_images_of_any_shape_that_halves(shape, channels):
    network = conv.Conv(section(channels), shape, DiscretizedLogistic(2))
    encoder, decoder = network.encoder(), network.decoder()
    z_mean, z_log_var = encoder(np.random.default_rng(0).random((2, *shape), np.float32))
    assert z_mean.shape == z_log_var.shape == (2, 3)
    assert decoder(z_mean).shape == (2, *shape, 6)


def test_the_numbers_of_a_pixel_do_not_mix_with_those_of_another_colour():
    decoder = conv.Conv(section((4,), 2, ()), (4, 4, 3), GaussianPerPixel()).decoder()
    last = decoder.layers[-2]
    last.bias.assign(np.arange(6, dtype=np.float32))
    last.kernel.assign(np.zeros(last.kernel.shape, np.float32))
    assert decoder(np.zeros((1, 2), np.float32)).numpy()[0, 1, 2].tolist() == [[0, 1], [2, 3], [4, 5]]


@pytest.mark.parametrize("shape", [(2, 4), (2, 4, 3)])
def test_images_become_maps_between_minus_one_and_one(shape):
    images = np.linspace(0, 1, 4 * np.prod(shape), dtype=np.float32).reshape(4, *shape)
    inputs = keras.Input(shape)
    network = conv.Conv(section((4,)), shape, Gaussian(0.5))
    maps = keras.Model(inputs, network.centred(inputs))(images).numpy()
    np.testing.assert_allclose(maps, 2 * images.reshape(4, 2, 4, -1) - 1, atol=1e-6)


@pytest.mark.parametrize("shape", [(27, 28), (28, 26)])
def test_an_image_that_cannot_be_halved_so_often_is_refused(shape):
    network = conv.Conv(section((4, 4)), (28, 12), Gaussian(0.5))
    assert (network.height, network.width) == (7, 3)
    with pytest.raises(ConfigError, match=r"network\.channels: .* can be halved\. Received: 2"):
        conv.Conv(section((4, 4)), shape, Gaussian(0.5))


@pytest.mark.parametrize(("height", "width"), [(1, 1), (4, 7)])
def test_maps_are_doubled_as_by_keras_transposed_convolution(height, width):
    theirs = keras.layers.Conv2DTranspose(5, kernel_size=4, strides=2, padding="same", activation="silu")
    maps = np.random.default_rng(0).standard_normal((3, height, width, 2), np.float32)
    theirs(maps)
    ours = conv.Conv2DTranspose(5, activation="silu")
    ours(maps)
    ours.kernel.assign(theirs.kernel)
    bias = np.arange(5, dtype=np.float32)
    for layer in (ours, theirs):
        layer.bias.assign(bias)
    assert ours(maps).shape == (3, 2 * height, 2 * width, 5)
    # The same 16 C products a pixel, added in another order.
    np.testing.assert_allclose(ours(maps), theirs(maps), atol=1e-5)
