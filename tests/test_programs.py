"""What the service reads of programs is what TensorFlow reads, and exports pass."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

pytestmark = pytest.mark.tensorflow

import tensorflow as tf  # noqa: E402
from google.protobuf.message import DecodeError  # noqa: E402
from tensorflow.core.protobuf import saved_model_pb2  # noqa: E402

from app import programs  # noqa: E402
from app.programs.program import RefusedProgram  # noqa: E402
from app.programs.saved_model import read  # noqa: E402
from tests.conftest import SHIPPED_STORE  # noqa: E402
from tests.tiny import model_of  # noqa: E402
from training.configs import sections  # noqa: E402
from training.models import latent_axes, networks  # noqa: E402
from training.models.likelihoods.registry import REGISTRY, build  # noqa: E402
from training.publish import export  # noqa: E402

SHIPPED = sorted(SHIPPED_STORE.rglob("saved_model.pb"))
SMALL = min(SHIPPED, key=lambda path: path.stat().st_size).read_bytes()


def operations(content):
    """Names of all operations, as TensorFlow's own parser reads them."""
    found = set()
    for meta in saved_model_pb2.SavedModel.FromString(content).meta_graphs:
        found |= {node.op for node in meta.graph_def.node}
        for function in meta.graph_def.library.function:
            found |= {node.op for node in function.node_def}
    return found


def shapes(content):
    (meta,) = saved_model_pb2.SavedModel.FromString(content).meta_graphs
    return {
        name: [
            {key: tuple(size.size for size in info.tensor_shape.dim) for key, info in arrays.items()}
            for arrays in (signature.inputs, signature.outputs)
        ]
        for name, signature in meta.signature_def.items()
        if not name.startswith("__")
    }


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: "-".join(path.parts[-4:-1]))
def test_a_published_program_is_read_as_tensorflow_reads_it(path):
    content = path.read_bytes()
    found = read(content)
    assert found.operations == operations(content)
    assert {name: [each.inputs, each.outputs] for name, each in found.signatures.items()} == shapes(content)


@hypothesis_settings(max_examples=300)
@given(st.data())
def test_no_change_hides_an_operation_that_tensorflow_would_read(data):
    content = bytearray(SMALL)
    for _ in range(data.draw(st.integers(1, 2))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    try:
        theirs = operations(bytes(content))
    except DecodeError:
        return  # what TensorFlow cannot read it does not run
    try:
        ours = read(bytes(content)).operations
    except RefusedProgram:
        return
    assert ours >= theirs


def saved(tmp_path, function, **attributes):
    module = tf.Module()
    for name, value in attributes.items():
        setattr(module, name, value)
    decode = tf.function(function, input_signature=[tf.TensorSpec((None, 2), tf.float32, name="z")])
    tf.saved_model.save(module, str(tmp_path), signatures={"decode": decode})
    return (tmp_path / "saved_model.pb").read_bytes()


def reads_a_file(z):
    return {"image": z + tf.cast(tf.strings.length(tf.io.read_file("/etc/passwd")), tf.float32)}


def writes_a_file(z):
    with tf.control_dependencies([tf.io.write_file("/tmp/written", "x")]):  # noqa: S108
        return {"image": tf.identity(z)}


def saves_variables(z):
    with tf.control_dependencies(
        [tf.raw_ops.SaveV2(prefix="p", tensor_names=["z"], shape_and_slices=[""], tensors=[z])]
    ):
        return {"image": tf.identity(z)}


def runs_python(z):
    return {"image": tf.py_function(np.negative, [z], tf.float32)}


def draws(z):
    return {"image": z + tf.random.normal(tf.shape(z))}


def prints(z):
    tf.print(z)
    return {"image": z}


def loops(z):
    return {"image": tf.while_loop(lambda _: True, lambda x: [x], [z])[0]}


@pytest.mark.parametrize(
    ("function", "operation"),
    [
        (reads_a_file, "ReadFile"),
        (writes_a_file, "WriteFile"),
        (saves_variables, "SaveV2"),
        (runs_python, "EagerPyFunc"),
        (draws, "RandomStandardNormal"),
        (prints, "PrintV2|StringFormat"),
        (loops, "While|StatelessWhile"),
    ],
)
def test_what_a_graph_must_not_do_is_refused_by_name(tmp_path, function, operation):
    with pytest.raises(RefusedProgram, match=operation):
        read(saved(tmp_path, function))


def test_a_table_that_is_filled_when_the_graph_is_loaded_is_refused(tmp_path):
    words = tmp_path / "words.txt"
    words.write_text("one\ntwo\n")
    initializer = tf.lookup.TextFileInitializer(
        str(words),
        tf.string,
        tf.lookup.TextFileIndex.WHOLE_LINE,
        tf.int64,
        tf.lookup.TextFileIndex.LINE_NUMBER,
    )
    table = tf.lookup.StaticHashTable(initializer, -1)
    with pytest.raises(RefusedProgram, match=r"assets|not allowed|an asset"):
        read(saved(tmp_path / "model", lambda z: {"image": z}, table=table, initializer=initializer))


def test_a_graph_of_layers_and_variables_is_accepted(tmp_path):
    weights = tf.Variable(np.ones((2, 3), np.float32))
    content = saved(tmp_path, lambda z: {"image": tf.nn.relu(z @ weights)}, weights=weights)
    assert {"MatMul", "Relu", "ReadVariableOp", "SaveV2"} <= read(content).operations


WIDTHS = {"latent_dim": 2, "encoder_units": (8,), "decoder_units": (8,)}
NETWORKS = {
    "dense": sections.Dense(kind="dense", **WIDTHS),
    "conv": sections.Conv(kind="conv", channels=(4,), **WIDTHS),
    "residual": sections.Residual(kind="residual", channels=(4, 8), residual_blocks=1, **WIDTHS),
    "separable": sections.Separable(
        kind="separable", channels=(4, 8), decoder_channels=(8, 4), residual_blocks=1, **WIDTHS
    ),
    "spatial": sections.Spatial(
        kind="spatial", channels=(4, 8), residual_blocks=1, spatial_channels=1, **WIDTHS | {"latent_dim": 6}
    ),
    "palette": sections.Palette(kind="palette", channels=(4, 8), residual_blocks=1, colours=3, **WIDTHS),
}
PARAMETERS = {"variance": 0.05, "components": 2, "hidden_units": 5, "block": 2}
COMBINATIONS = [  # every network, and between them every operation of an observation model
    ("dense", "gaussian-shared"),
    ("dense", "colour-logistic"),
    ("dense", "autoregressive-logistic"),
    ("conv", "discretized-logistic"),
    ("residual", "continuous-bernoulli"),
    ("separable", "causal-logistic"),
    ("spatial", "bernoulli"),
    ("palette", "causal-colour-logistic"),
]


@pytest.mark.parametrize(("kind", "name"), COMBINATIONS)
def test_whatever_training_exports_has_allowed_operations_alone(kind, name, tmp_path):
    likelihood = build(name, **{key: PARAMETERS[key] for key in REGISTRY[name].parameters})
    shape, network = (8, 8) if name == "causal-logistic" else (8, 8, 3), NETWORKS[kind]

    class Untrained:
        pass

    vae, axes = Untrained(), latent_axes.as_trained(network.latent_dim)
    vae.encoder, vae.decoder = networks.build(network, shape, likelihood)
    vae.likelihood = likelihood
    model = dataclasses.replace(model_of(vae, shape), latent_dim=network.latent_dim)
    export.write_encoder(model, tmp_path / "encoder", axes)
    export.write_decoder(model, tmp_path / "decoder", axes)
    found = [
        programs.read(path.relative_to(tmp_path).as_posix(), path.read_bytes(), str(path))
        for path in sorted(tmp_path.rglob("*"))
        if path.suffix in (".pb", ".tflite") and path.name != "fingerprint.pb"
    ]
    assert [sorted(each.signatures)[0] for each in found] == ["decode", "decode", "encode", "encode"]
