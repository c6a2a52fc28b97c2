import numpy as np
import pytest

pytestmark = pytest.mark.tensorflow

from training.configs.sections import Dense  # noqa: E402
from training.models.likelihoods.gaussian import GaussianShared  # noqa: E402
from training.models.networks import dense  # noqa: E402


def test_a_shared_parameter_is_one_learned_number_for_every_pixel_and_image():
    network = Dense(kind="dense", latent_dim=2, encoder_units=(), decoder_units=(4,))
    decoder = dense.Dense(network, (3, 2), GaussianShared()).decoder()
    shared = next(weight for weight in decoder.trainable_weights if "shared" in weight.path)
    shared.assign([0.7])
    parameters = decoder(np.random.default_rng(0).normal(size=(5, 2)).astype(np.float32)).numpy()
    assert parameters.shape == (5, 3, 2, 2)
    np.testing.assert_allclose(parameters[..., 1], 0.7)
    assert parameters[..., 0].std() > 0


def test_codes_begin_with_the_noise_that_the_configuration_says():
    for start in (0.0, -3.0):
        network = Dense(kind="dense", latent_dim=2, encoder_units=(), decoder_units=(), start_log_var=start)
        encoder = dense.Dense(network, (3, 2), GaussianShared()).encoder()
        z_mean, z_log_var = encoder(np.zeros((4, 3, 2), np.float32))  # of nothing there is the bias alone
        np.testing.assert_array_equal(z_log_var, np.full((4, 2), start, np.float32))
        np.testing.assert_array_equal(z_mean, np.zeros((4, 2), np.float32))
