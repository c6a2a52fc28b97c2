import numpy as np
import pytest

pytestmark = pytest.mark.tensorflow

from training.configs.sections import Separable  # noqa: E402
from training.errors import ConfigError  # noqa: E402
from training.models.likelihoods.causal import CausalLogistic  # noqa: E402
from training.models.likelihoods.logistic import DiscretizedLogistic  # noqa: E402
from training.models.networks import separable  # noqa: E402


def section(channels, decoder_channels):
    return Separable(
        kind="separable",
        latent_dim=3,
        encoder_units=(8,),
        decoder_units=(8,),
        channels=channels,
        decoder_channels=decoder_channels,
        residual_blocks=1,
    )


@pytest.mark.parametrize("shape", [(28, 28), (12, 20), (16, 16, 3)])
@pytest.mark.parametrize("channels", [(6,), (4, 6)])
def test_separable_convolutions_take_and_give_images_of_any_shape_that_halves(shape, channels):
    network = separable.Separable(section(channels, channels[::-1]), shape, DiscretizedLogistic(2))
    encoder, decoder = network.encoder(), network.decoder()
    z_mean, z_log_var = encoder(np.random.default_rng(0).random((2, *shape), np.float32))
    assert z_mean.shape == z_log_var.shape == (2, 3)
    assert decoder(z_mean).shape == (2, *shape, 6)


def test_the_decoder_keeps_the_weights_of_a_likelihood_that_has_some():
    likelihood = CausalLogistic(components=2, hidden_units=4)
    decoder = separable.Separable(section((4, 6), (4, 6)), (8, 8), likelihood).decoder()
    paths = [weight.path for weight in decoder.trainable_weights]
    assert paths[-2:] == ["causal/into", "causal/out"]


def test_as_many_widths_are_needed_for_the_decoder_as_for_the_encoder():
    with pytest.raises(ConfigError, match=r"network.decoder_channels: expected 2, .* Received: 1"):
        separable.Separable(section((4, 6), (4,)), (8, 8), DiscretizedLogistic(2))
