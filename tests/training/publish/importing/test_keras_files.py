"""Opening ``.keras`` files of somebody else's, without running their code."""

import json
import zipfile

import numpy as np
import pytest

from tests.strangers import keras_io_example
from training.errors import RunError

pytestmark = pytest.mark.tensorflow


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """``encoder.keras`` of the classic example, untrained."""
    folder = tmp_path_factory.mktemp("keras")
    encoder, _ = keras_io_example(epochs=0)
    encoder.save(folder / "encoder.keras")
    rows = np.random.default_rng(0).uniform(size=(3, 28, 28, 1)).astype(np.float32)
    np.savez(folder / "rows.npz", rows=rows, z_mean=encoder(rows)[0], z_log_var=encoder(rows)[1])
    return folder


def test_what_needs_no_foreign_code_is_computed_and_the_rest_is_not_a_number(folder):
    from training.publish.importing.keras_files import load

    model, unknown = load(folder / "encoder.keras")
    assert unknown == ("Sampling",)
    with np.load(folder / "rows.npz") as known:
        z_mean, z_log_var, z = (np.asarray(each) for each in model(known["rows"]))
        np.testing.assert_array_equal(z_mean, known["z_mean"])
        np.testing.assert_array_equal(z_log_var, known["z_log_var"])
    assert np.isnan(z).all()


def test_code_in_the_file_is_not_run_unless_it_is_trusted(tmp_path):
    import keras

    from training.publish.importing.keras_files import load

    x = keras.Input(shape=(4,))
    keras.Model(x, [keras.layers.Dense(2)(x), keras.layers.Lambda(lambda rows: rows * 2)(x)]).save(
        tmp_path / "a.keras"
    )
    model, unknown = load(tmp_path / "a.keras")
    assert unknown == ("Lambda",)
    plain, doubled = (np.asarray(each) for each in model(np.ones((1, 4), np.float32)))
    assert np.isfinite(plain).all()
    assert np.isnan(doubled).all()
    model, unknown = load(tmp_path / "a.keras", trust=True)
    assert unknown == ()
    assert np.asarray(model(np.ones((1, 4), np.float32))[1]).tolist() == [[2, 2, 2, 2]]


def test_a_lambda_in_a_sequential_model_is_not_run_either(tmp_path):
    import keras

    from training.publish.importing.keras_files import load

    layers = [keras.Input(shape=(4,)), keras.layers.Lambda(lambda rows: rows * 2), keras.layers.Dense(2)]
    keras.Sequential(layers).save(tmp_path / "a.keras")
    model, unknown = load(tmp_path / "a.keras")
    assert unknown == ("Lambda",)
    assert np.isnan(np.asarray(model(np.ones((1, 4), np.float32)))).all()


def test_a_model_of_somebodys_own_class_is_refused_with_the_way_out(tmp_path):
    import keras

    from training.publish.importing.keras_files import load

    class Encoder(keras.Model):
        def __init__(self, **options):
            super().__init__(**options)
            self.dense = keras.layers.Dense(2)

        def call(self, rows):
            return self.dense(rows)

    model = Encoder()
    model(np.zeros((1, 4), np.float32))
    model.save(tmp_path / "encoder.keras")
    with pytest.raises(
        RunError, match=r"class Encoder is somebody's own.*model.export\('encoder'\) writes a SavedModel"
    ):
        load(tmp_path / "encoder.keras")


@pytest.mark.parametrize("content", [b"", b"PK", b"{}"])
def test_what_is_no_keras_file_is_one_line(tmp_path, content):
    from training.publish.importing.keras_files import load

    (tmp_path / "a.keras").write_bytes(content)
    with pytest.raises(RunError, match=r"not a \.keras file") as refused:
        load(tmp_path / "a.keras")
    assert "\n" not in str(refused.value)


def test_a_file_without_its_weights_is_refused(folder, tmp_path):
    from training.publish.importing.keras_files import load

    with (
        zipfile.ZipFile(folder / "encoder.keras") as whole,
        zipfile.ZipFile(tmp_path / "a.keras", "w") as part,
    ):
        config = json.loads(whole.read("config.json"))
        part.writestr("config.json", json.dumps(config))
        part.writestr("metadata.json", whole.read("metadata.json"))
    with pytest.raises(RunError, match="cannot be loaded"):
        load(tmp_path / "a.keras")
