import keras
import numpy as np
import pytest

pytestmark = pytest.mark.tensorflow

from training.configs.sections import Dense  # noqa: E402
from training.errors import ConfigError  # noqa: E402
from training.models.likelihoods.gaussian import GaussianShared  # noqa: E402
from training.models.networks import base, dense  # noqa: E402


def test_a_shared_parameter_is_one_learned_number_for_every_pixel_and_image():
    network = Dense(kind="dense", latent_dim=2, encoder_units=(), decoder_units=(4,))
    decoder = dense.Dense(network, (3, 2), GaussianShared()).decoder()
    shared = next(weight for weight in decoder.trainable_weights if "shared" in weight.path)
    shared.assign([0.7])
    parameters = decoder(np.random.default_rng(0).normal(size=(5, 2)).astype(np.float32)).numpy()
    assert parameters.shape == (5, 3, 2, 2)
    np.testing.assert_allclose(parameters[..., 1], 0.7)
    assert parameters[..., 0].std() > 0


@pytest.mark.parametrize("shape", [(3, 2), (3, 2, 3)])
def test_images_become_maps_between_minus_one_and_one(shape):
    images = np.linspace(0, 1, 4 * np.prod(shape), dtype=np.float32).reshape(4, *shape)
    inputs = keras.Input(shape)
    maps = keras.Model(inputs, base.centred(inputs))(images).numpy()
    np.testing.assert_allclose(maps, 2 * images.reshape(4, 3, 2, -1) - 1, atol=1e-6)


@pytest.mark.parametrize("shape", [(27, 28), (28, 26)])
def test_an_image_that_cannot_be_halved_so_often_is_refused(shape):
    assert base.halved((28, 12), 2) == (7, 3)
    with pytest.raises(ConfigError, match=r"network\.channels: .* can be halved\. Received: 2"):
        base.halved(shape, 2)
