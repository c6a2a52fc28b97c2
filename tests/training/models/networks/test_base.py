import re
from collections import Counter

import keras
import numpy as np
import pytest

pytestmark = pytest.mark.tensorflow

from tests.conftest import PROJECT  # noqa: E402
from training.configs.load import load  # noqa: E402
from training.configs.sections import Dense  # noqa: E402
from training.models.likelihoods.gaussian import GaussianShared  # noqa: E402
from training.models.likelihoods.registry import build  # noqa: E402
from training.models.networks import architecture_of, dense  # noqa: E402


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


CONFIGS = sorted((PROJECT / "training" / "configs").glob("*.toml"))
SHAPES = {"fashion-mnist": (28, 28), "emoji": (32, 32, 3), "images": (64, 64, 3)}
BLOCKS = re.compile(r"(\d) residual blocks? (\([^)]*\))")
FUNCTIONS = {"relu": "ReLU", "silu": "SiLU", "softplus": "softplus", "softmax": "softmax"}


@pytest.fixture(scope="module", params=CONFIGS, ids=lambda path: path.stem)
def architecture(request):
    config = load(request.param)
    likelihood = build(config.likelihood.name, **config.likelihood.parameters)
    return architecture_of(config.network, SHAPES[config.data.name], likelihood)


def test_the_words_of_a_shipped_network_name_every_layer_that_is_built(architecture):
    for model, words in (
        (architecture.encoder(), architecture.encoder_in_words()),
        (architecture.decoder(), architecture.decoder_in_words()),
    ):
        words = BLOCKS.sub(lambda found: int(found[1]) * found[2], words)
        words = words.replace("1 x 1 each", "1 x 1, 1 x 1")
        built = convolutions(model)
        assert Counter(re.findall(r"(?<=[ (])([134]) x \1(?=[,;)])", words)) == built, words
        assert Counter(re.findall("ReLU|SiLU|softplus|softmax", words)) == activations(model, words), words
        shapes = [tuple(each.output.shape[1:]) for each in model.operations if hasattr(each.output, "shape")]
        for channels, height, width in re.findall(r"(\d+) channels? at (\d+) x (\d+)", words):
            assert (int(height), int(width), int(channels)) in shapes, words
        assert words.count("pixel shuffle") == count(model, "DepthToSpace"), words
        assert words.count("pixel unshuffle") == count(model, "SpaceToDepth"), words
        assert words.count("stride 2") == sum(2 in getattr(each, "strides", ()) for each in model.layers), (
            words
        )


def test_the_words_of_a_shipped_network_name_the_widths_of_its_dense_layers(architecture):
    for model, words in (
        (architecture.encoder(), architecture.encoder_in_words()),
        (architecture.decoder(), architecture.decoder_in_words()),
    ):
        hidden = [
            each.units
            for each in model.layers
            if isinstance(each, keras.layers.Dense) and each.activation.__name__ != "linear"
        ]
        steps = re.findall(r"((?:\d+ -> )*\d+) \(dense, [RS]", words)
        named = [width for step in steps for width in numbers(step)]
        named = Counter(named) - Counter(
            [architecture.network.latent_dim] * (model.name == "decoder") * len(steps)
        )
        assert named == Counter(hidden), words
    numbers_of_a_pixel = architecture.outputs
    assert re.search(
        rf" x {numbers_of_a_pixel}( \(.*linear\))?, what p\(x given z\) takes for a pixel", words
    )


def numbers(step):
    """The widths of a step of dense layers."""
    return [int(word) for word in re.findall(r"\d+", step)]


def convolutions(model):
    """How many convolutions a model has, by the length of their kernels."""
    return Counter(str(each.kernel_size[0]) for each in model.layers if hasattr(each, "kernel_size"))


def activations(model, words):
    """How often a model applies each function; a step of several dense layers names theirs once."""
    named = [each.activation.__name__ for each in model.layers if hasattr(each, "activation")]
    named += ["softmax"] * count(model, "Softmax")
    found = Counter(FUNCTIONS[name] for name in named if name != "linear")
    for step, function in re.findall(r"((?:\d+ -> )*\d+) \(dense, (\w+)\)", words):
        first = step.startswith(words.split(" -> ")[0].split("; ")[-1] + " -> ")
        found[function] -= len(numbers(step)) - 1 - first
    return found


def count(model, kind):
    """How many operations of a model have this class."""
    return sum(type(each).__name__ == kind for each in model.operations)
