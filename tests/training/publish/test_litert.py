import functools
import os
import shutil

import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter

pytestmark = pytest.mark.tensorflow

from app import runtimes  # noqa: E402
from app.runtimes.litert import LiteRTRuntime  # noqa: E402
from tests.tiny import model_of  # noqa: E402
from tests.training.models.likelihoods.pixels import built  # noqa: E402
from training.configs.sections import Conv, Dense  # noqa: E402
from training.errors import RunError  # noqa: E402
from training.models import latent_axes, networks  # noqa: E402
from training.models.likelihoods.gaussian import Gaussian  # noqa: E402
from training.models.likelihoods.registry import REGISTRY  # noqa: E402
from training.publish import export, litert  # noqa: E402

SHAPE = (4, 4, 3)


def shape_of(likelihood):
    """In colour, where the likelihood knows colours."""
    return SHAPE[:2] if likelihood.name == "causal-logistic" else SHAPE


class Untrained:
    """Random networks around a likelihood; three times as steep as they start, so that pictures vary."""

    def __init__(self, likelihood, convolutions):
        import keras

        keras.utils.set_random_seed(1)
        sizes = {"latent_dim": 2, "encoder_units": (8,), "decoder_units": (8,)}
        network = Conv(kind="conv", channels=(4,), **sizes) if convolutions else Dense(kind="dense", **sizes)
        self.likelihood = likelihood
        self.encoder, self.decoder = networks.build(network, shape_of(likelihood), likelihood)
        for weight in self.decoder.weights:
            weight.assign(3 * weight)


@pytest.fixture
def images():
    return np.random.default_rng(2).random((40, *SHAPE), np.float32)


def write(folder, likelihood, convolutions=False):
    model = model_of(Untrained(likelihood, convolutions), shape_of(likelihood))
    export.write_encoder(model, folder / "encoder", latent_axes.as_trained(2))
    export.write_decoder(model, folder / "decoder", latent_axes.as_trained(2))


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """A function that returns a likelihood and the folder that it is written to; each is converted once."""

    @functools.cache
    def likelihood_and_folder(name, convolutions):
        likelihood, folder = built(name, components=3), tmp_path_factory.mktemp(name)
        write(folder, likelihood, convolutions)
        return likelihood, folder

    return likelihood_and_folder


@pytest.mark.parametrize("name", REGISTRY)
def test_every_observation_model_is_converted_and_draws_what_tensorflow_draws(name, images, written):
    likelihood, folder = written(name, name == "discretized-logistic")
    shape = shape_of(likelihood)
    images = images.reshape(len(images), *SHAPE)[..., 0] if len(shape) == 2 else images
    litert.check_agreement(folder, 2, likelihood.noise_shape(shape), images)


@pytest.mark.parametrize(
    "name",
    [
        "autoregressive-logistic",
        "causal-logistic",
        "causal-colour-logistic",
        "gaussian-shared",
        "discretized-logistic",
    ],
)
@pytest.mark.parametrize("convolutions", [False, True])
def test_a_flatbuffer_takes_any_number_of_rows_and_gives_each_row_the_same_bytes(name, convolutions, written):
    likelihood, folder = written(name, convolutions)
    runtime = LiteRTRuntime(folder, 1)
    assert runtime.rows is None
    rng = np.random.default_rng(0)
    z = rng.standard_normal((32, 2), np.float32)
    noise = rng.uniform(0.01, 0.99, (32, *likelihood.noise_shape(shape_of(likelihood)))).astype(np.float32)
    images = rng.random((32, *shape_of(likelihood)), np.float32)
    if likelihood.service_weights is None:
        drawn = runtime.draw
    else:  # by the service itself, of these

        def drawn(z, noise):
            return runtime.with_parameters(z, np.copy)

    together = runtime.decode(z), drawn(z, noise), runtime.log_prob(z, images)
    for rows in (1, 3, 11):
        assert np.array_equal(runtime.decode(z[-rows:]), together[0][-rows:])
        assert np.array_equal(drawn(z[-rows:], noise[-rows:]), together[1][-rows:])
        assert np.array_equal(runtime.log_prob(z[-rows:], images[-rows:]), together[2][-rows:])


def test_no_shape_is_computed_in_a_flatbuffer_so_that_its_kernels_are_the_fast_ones(written):
    _, folder = written("autoregressive-logistic", True)
    for path in litert.FILES.values():
        operations = {each["op_name"] for each in Interpreter(str(folder / path))._get_ops_details()}
        assert "CONV_2D" in operations
        assert not operations & {"SHAPE", "PACK", "TRANSPOSE_CONV"}


@pytest.fixture(scope="module")
def gaussian(tmp_path_factory):
    """A function that returns a written Gaussian's folder; each is converted once, as that takes seconds."""

    @functools.cache
    def folder_of(variance, convolutions=False):
        folder = tmp_path_factory.mktemp("gaussian")
        write(folder, Gaussian(variance), convolutions)
        return folder

    return folder_of


@pytest.mark.parametrize("part", ["encoder", "decoder"])
def test_a_flatbuffer_of_other_weights_is_found_out(part, images, gaussian, tmp_path):
    one = shutil.copytree(gaussian(0.05), tmp_path / "one")
    steeper = gaussian(0.05, convolutions=True)
    (one / litert.FILES[part]).write_bytes((steeper / litert.FILES[part]).read_bytes())
    with pytest.raises(RunError, match=r"decode by|reconstruction by"):
        litert.check_agreement(one, 2, SHAPE, images)


def test_draws_of_another_width_are_found_out(images, gaussian, tmp_path):
    one, decoder = shutil.copytree(gaussian(0.05), tmp_path / "one"), litert.FILES["decoder"]
    (one / decoder).write_bytes((gaussian(0.06) / decoder).read_bytes())
    with pytest.raises(RunError, match="differ in draw by more than a grey level"):
        litert.check_agreement(one, 2, SHAPE, images)


def test_codes_are_drawn_that_are_asked_for(images, gaussian):
    far = np.full((1, 2), np.nan, np.float32)  # as of a class whose component is broken
    litert.check_agreement(gaussian(0.05), 2, SHAPE, images, np.zeros((1, 2), np.float32))
    with pytest.raises(RunError, match="not finite"):
        litert.check_agreement(gaussian(0.05), 2, SHAPE, images, far)


def test_a_log_probability_of_another_width_is_found_out(images, gaussian, tmp_path, monkeypatch):
    one, decoder = shutil.copytree(gaussian(0.05), tmp_path / "one"), litert.FILES["decoder"]
    (one / decoder).write_bytes((gaussian(0.05001) / decoder).read_bytes())
    # A draw from the one is within a level of a draw from the other.
    with pytest.raises(RunError, match=r"differ in log_prob by .* nats a pixel; nothing was published"):
        litert.check_agreement(one, 2, SHAPE, images)


def test_images_whose_probability_is_no_number_publish_nothing():
    log_prob = np.zeros((2, 3), np.float32)
    assert litert._nats_apart(log_prob, log_prob) == 0
    log_prob[1, 1] = np.nan
    assert not litert._nats_apart(log_prob, log_prob) <= litert.MAX_NATS_PER_PIXEL


def test_an_operation_that_litert_lacks_is_refused(tmp_path):
    import tensorflow as tf

    class Decoder(tf.Module):
        @tf.function(input_signature=[tf.TensorSpec((32, 2), tf.float32, name="z")])
        def decode(self, z):
            return {"image": tf.math.ndtri(z)}

    decoder = Decoder()
    path = tmp_path / "decoder"
    tf.saved_model.save(decoder, str(path), signatures={"decode": decoder.decode})
    with pytest.raises(RunError, match="decoder: cannot be converted for LiteRT"):
        litert.convert(path, ["decode"])


def test_a_flatbuffer_has_the_parameters_of_draws_in_place_of_draws():
    assert litert.signatures(["decode", "log_prob", "draw"]) == ["decode", "log_prob", "draw"]
    names = ["decode", "log_prob", "draw", "parameters"]
    assert litert.signatures(names) == ["decode", "log_prob", "parameters"]


def test_parameters_that_differ_are_found_out():
    z = np.zeros((300, 2), np.float32)

    def calls(apart):
        return {"parameters": lambda z: {"parameters": np.full((len(z), 3, 3, 5), 2 + apart, np.float32)}}

    litert._check_parameters(calls(0), calls(1e-4), z)
    with pytest.raises(RunError, match=r"differ in parameters by 0\.00033; nothing was published"):
        litert._check_parameters(calls(0), calls(1e-3), z)
    with pytest.raises(RunError, match="differ in parameters by nan"):
        litert._check_parameters(calls(0), calls(np.nan), z)


def test_runtimes_that_disagree_publish_nothing(tiny_run, tiny_model, tiny_dataset, tmp_path, monkeypatch):
    from training.evaluation.evaluate import evaluate

    report = evaluate(tiny_model, tiny_dataset, tiny_run)

    def turned_over(first, second):
        return np.full(first.shape, 2)

    monkeypatch.setattr(litert, "_levels_apart", turned_over)
    with pytest.raises(RunError, match="differ in decode by 2 grey levels; nothing was published"):
        export.export(tiny_model, report, tiny_dataset.validation, tmp_path)
    assert list((tmp_path / "tiny").iterdir()) == []


def test_writer_and_reader_mean_the_same_files():
    assert litert.FILES == {"encoder": runtimes.LITERT_ENCODER, "decoder": runtimes.LITERT_DECODER}


def test_what_litert_announces_is_kept_from_standard_error_and_nothing_else(tmp_path, capfd):
    with litert.without_announcements(tmp_path):
        os.write(2, b"INFO: Created a delegate.\nERROR: no such operation\n")
    os.write(2, b"INFO: after it\n")
    assert capfd.readouterr().err == "ERROR: no such operation\nINFO: after it\n"
    assert list(tmp_path.iterdir()) == []
