import numpy as np
import pytest

pytestmark = pytest.mark.tensorflow

from tests.training.models.likelihoods.pixels import built  # noqa: E402
from training.configs import sections  # noqa: E402
from training.models import networks  # noqa: E402
from training.models.networks import partial  # noqa: E402

SIZES = {"latent_dim": 9, "encoder_units": (8,), "decoder_units": (8,)}
NETWORKS = [
    sections.Dense(kind="dense", **SIZES),
    sections.Conv(kind="conv", channels=(4, 6), **SIZES),
    sections.Residual(kind="residual", channels=(4, 6), residual_blocks=1, **SIZES),
    sections.Spatial(kind="spatial", channels=(4, 6), residual_blocks=1, spatial_channels=2, **SIZES),
]


@pytest.mark.parametrize("shape", [(8, 8), (8, 4, 3)])
@pytest.mark.parametrize("network", NETWORKS, ids=lambda network: network.kind)
@pytest.mark.parametrize("name", ["autoregressive-logistic", "gaussian-per-pixel"])
def test_the_parameters_that_the_mean_reads_are_computed_alone_by_the_same_weights(name, network, shape):
    likelihood = built(name, components=2)
    _, decoder = networks.build(network, shape, likelihood)
    alone = partial.of_mean(decoder, likelihood)
    z = np.random.default_rng(0).standard_normal((3, 9), np.float32)
    expected = decoder(z)[..., : likelihood.mean_parameters]
    assert likelihood.mean_parameters < likelihood.num_parameters
    np.testing.assert_allclose(alone(z), expected, atol=1e-5)
    decoder.weights[-1].assign_add(1 + np.arange(decoder.weights[-1].shape[0], dtype=np.float32))
    assert np.abs(alone(z) - expected).max() > 0.9
    np.testing.assert_allclose(alone(z), decoder(z)[..., : likelihood.mean_parameters], atol=1e-4)


@pytest.mark.parametrize("name", ["gaussian-shared", "discretized-logistic"])
def test_a_mean_that_reads_all_that_a_pixel_has_for_itself_needs_no_other_decoder(name):
    likelihood = built(name)
    _, decoder = networks.build(NETWORKS[0], (8, 8), likelihood)
    assert partial.of_mean(decoder, likelihood) is decoder
