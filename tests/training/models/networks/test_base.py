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
