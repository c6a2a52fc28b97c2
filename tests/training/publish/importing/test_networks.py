"""An encoder or a decoder from elsewhere as a function of arrays."""

import numpy as np
import pytest

from tests.strangers import keras_io_example
from training.errors import RunError

pytestmark = pytest.mark.tensorflow


@pytest.fixture(scope="module")
def encoder():
    return keras_io_example(epochs=0)[0]


def rows_of(count=5):
    return np.random.default_rng(0).uniform(size=(count, 28, 28, 1)).astype(np.float32)


def test_a_saved_model_draws_codes_when_it_is_asked_and_none_when_only_the_rest_is(encoder, tmp_path):
    from training.publish.importing import networks

    encoder.export(str(tmp_path / "encoder"), verbose=False)
    network = networks.load(tmp_path / "encoder")
    assert network.input_shape == (28, 28, 1)
    assert len(network.outputs) == 3
    first, second = network(rows_of()), network(rows_of())
    same = [np.array_equal(first[name], second[name]) for name in network.outputs]
    assert same == [True, True, False]
    mean = network.only(network.outputs[:1])
    np.testing.assert_allclose(np.asarray(mean(rows_of())[0]), first[network.outputs[0]], atol=1e-6)
    np.testing.assert_array_equal(np.asarray(mean(rows_of())[0]), np.asarray(mean(rows_of())[0]))


def test_both_forms_of_a_model_compute_the_same(encoder, tmp_path):
    from training.publish.importing import networks

    encoder.save(tmp_path / "encoder.keras")
    encoder.export(str(tmp_path / "encoder"), verbose=False)
    one, other = (networks.load(tmp_path / name) for name in ("encoder.keras", "encoder"))
    assert one.outputs[:2] == ("z_mean", "z_log_var")
    assert one.unknown == ("Sampling",)
    ours, theirs = one(rows_of(300)), other(rows_of(300))  # more than a batch
    for name, number in zip(one.outputs[:2], other.outputs[:2], strict=True):
        np.testing.assert_allclose(ours[name], theirs[number], atol=1e-5)
    assert len(one.sha256) == 64
    assert one.sha256 != other.sha256


def test_an_array_of_another_shape_is_refused_in_one_line(encoder, tmp_path):
    from training.publish.importing import networks

    encoder.save(tmp_path / "encoder.keras")
    with pytest.raises(RunError, match=r"cannot compute an array of \(2, 27, 28, 1\)") as refused:
        networks.load(tmp_path / "encoder.keras")(np.zeros((2, 27, 28, 1), np.float32))
    assert "\n" not in str(refused.value)


def test_a_saved_model_that_reads_files_is_refused_before_it_runs_unless_it_is_trusted(tmp_path):
    import tensorflow as tf

    from training.publish.importing import networks

    class Reads(tf.Module):
        @tf.function(input_signature=[tf.TensorSpec((None, 2), tf.float32)])
        def serve(self, x):
            return x + tf.cast(tf.strings.length(tf.io.read_file("/etc/hostname")), tf.float32)

    module = Reads()
    tf.saved_model.save(module, str(tmp_path / "encoder"), signatures=module.serve)
    with pytest.raises(RunError, match=r"reach beyond the model \(ReadFile\); --trust runs them"):
        networks.load(tmp_path / "encoder")
    assert networks.load(tmp_path / "encoder", trust=True).input_shape == (2,)


def test_a_model_of_two_inputs_or_a_fixed_number_of_rows_is_refused(tmp_path):
    import keras
    import tensorflow as tf

    from training.publish.importing import networks

    x, y = keras.Input(shape=(2,)), keras.Input(shape=(2,))
    keras.Model([x, y], keras.layers.Add()([x, y])).save(tmp_path / "two.keras")
    with pytest.raises(RunError, match="takes 2 inputs; one was expected"):
        networks.load(tmp_path / "two.keras")
    module = tf.Module()
    fixed = tf.function(lambda x: x, input_signature=[tf.TensorSpec((1, 2), tf.float32)])
    module.serve = fixed
    tf.saved_model.save(module, str(tmp_path / "fixed"), signatures=fixed)
    with pytest.raises(RunError, match=r"takes 1 rows at a time; write it for any number"):
        networks.load(tmp_path / "fixed")


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("encoder.onnx", "ONNX files are not read; make SavedModels of them"),
        ("missing.keras", "no such file"),
        ("encoder.h5", r"neither a \.keras file nor a SavedModel's folder; write one by encoder\.save"),
        ("empty", "neither a .keras file nor a SavedModel's folder"),
    ],
)
def test_other_files_are_refused_with_the_way_out(tmp_path, name, said):
    from training.publish.importing import networks

    if name == "empty":
        (tmp_path / name).mkdir()
    elif not name.startswith("missing"):
        (tmp_path / name).write_bytes(b"content")
    with pytest.raises(RunError, match=said):
        networks.load(tmp_path / name)
