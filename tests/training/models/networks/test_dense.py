import numpy as np
import pytest

pytestmark = pytest.mark.tensorflow

from training.configs.sections import Dense  # noqa: E402
from training.models.likelihoods.gaussian import Gaussian  # noqa: E402
from training.models.networks import dense  # noqa: E402


def section(latent_dim=3, units=(4,)):
    return Dense(kind="dense", latent_dim=latent_dim, encoder_units=units, decoder_units=units[::-1])


def test_the_textbooks_encoder_and_decoder_have_the_textbooks_weights():
    network = dense.Dense(section(10, (150, 100)), (28, 28), Gaussian(0.5))
    encoder, decoder = network.encoder(), network.decoder()
    assert encoder.count_params() == 784 * 150 + 150 + 150 * 100 + 100 + 2 * (100 * 10 + 10)
    assert decoder.count_params() == 10 * 100 + 100 + 100 * 150 + 150 + 150 * 784 + 784


def test_an_encoder_gives_a_mean_and_a_log_variance_for_every_image():
    encoder = dense.Dense(section(), (6, 5), Gaussian(0.5)).encoder()
    z_mean, z_log_var = encoder(np.zeros((7, 6, 5), np.float32))
    assert z_mean.shape == z_log_var.shape == (7, 3)


def test_a_decoder_is_linear_in_its_last_layer_and_not_confined_to_the_unit_interval():
    decoder = dense.Dense(section(), (6, 5), Gaussian(0.5)).decoder()
    images = decoder(100 * np.random.default_rng(0).normal(size=(20, 3)).astype(np.float32)).numpy()
    assert images.shape == (20, 6, 5, 1)
    assert images.min() < 0
    assert images.max() > 1


def test_height_and_width_are_not_exchanged():
    decoder = dense.Dense(section(1, ()), (2, 3), Gaussian(0.5)).decoder()
    decoder.layers[1].set_weights([np.arange(6, dtype=np.float32)[None], np.zeros(6, np.float32)])
    assert decoder(np.ones((1, 1), np.float32)).numpy()[..., 0].tolist() == [[[0, 1, 2], [3, 4, 5]]]
