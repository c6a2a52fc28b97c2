import numpy as np
import pytest

pytestmark = pytest.mark.tensorflow

from tests.training.models.likelihoods.pixels import built  # noqa: E402
from training.configs import sections  # noqa: E402
from training.models import networks  # noqa: E402
from training.models.likelihoods.registry import REGISTRY  # noqa: E402
from training.models.networks import partial  # noqa: E402

SIZES = {"latent_dim": 9, "encoder_units": (8,), "decoder_units": (8,)}
NETWORKS = [
    sections.Dense(kind="dense", **SIZES),
    sections.Conv(kind="conv", channels=(4, 6), **SIZES),
    sections.Residual(kind="residual", channels=(4, 6), residual_blocks=1, **SIZES),
    sections.Spatial(kind="spatial", channels=(4, 6), residual_blocks=1, spatial_channels=2, **SIZES),
    sections.Palette(kind="palette", channels=(4, 6), residual_blocks=1, colours=3, **SIZES),
]


@pytest.mark.parametrize("network", NETWORKS, ids=lambda network: network.kind)
@pytest.mark.parametrize(
    ("name", "shape"),
    [
        (name, shape)
        for name in REGISTRY
        for shape in ((8, 8), (8, 4, 3))
        if len(shape) == 3 or "colour" not in name
    ],
)
def test_means_are_decoded_by_the_same_weights_as_all_parameters(name, network, shape):
    likelihood = built(name, components=2)
    _, decoder = networks.build(network, shape, likelihood)
    mean = partial.MeanDecoder(decoder, likelihood)
    z = np.random.default_rng(0).standard_normal((3, 9), np.float32)
    before = mean(z)
    np.testing.assert_allclose(before, likelihood.mean(decoder(z)), atol=1e-5)
    for weights in decoder.weights:
        weights.assign(2 * weights + 0.1)
    assert np.abs(mean(z) - before).max() > 0.01
    np.testing.assert_allclose(mean(z), likelihood.mean(decoder(z)), atol=1e-4)


def test_the_last_layer_gives_no_more_numbers_than_the_mean_depends_on():
    likelihood = built("autoregressive-logistic", components=2)
    _, decoder = networks.build(NETWORKS[2], (8, 8), likelihood)
    alone = partial.MeanDecoder(decoder, likelihood)._decoder
    assert (decoder.output_shape, alone.output_shape) == ((None, 8, 8, 11), (None, 8, 8, 5))
    assert [id(weights) for weights in alone.weights] == [id(weights) for weights in decoder.weights]
