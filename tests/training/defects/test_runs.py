"""Defects 23, 24, 25 and 28: randomness, checkpoints, files, and which epoch is the result."""

import subprocess
import sys

import numpy as np
import pytest

pytestmark = pytest.mark.tensorflow

import keras  # noqa: E402
import tensorflow as tf  # noqa: E402

from app import latent  # noqa: E402
from tests.conftest import PROJECT  # noqa: E402
from training import determinism, runs, trained  # noqa: E402
from training.configs.schema import Config  # noqa: E402
from training.fitting import checkpoints, fit, loop, stopping  # noqa: E402
from training.models import latent_axes, objectives  # noqa: E402
from training.models.vae import Sampling, VariationalAutoencoder  # noqa: E402
from training.publish import export  # noqa: E402

AVERAGED = {"objective": {"name": "elbo", "kl_warmup_epochs": 3}, "optimizer.ema_momentum": 0.9}


class SaveAfter(keras.callbacks.Callback):
    """Writes a checkpoint when a number of epochs is done."""

    def __init__(self, epochs, path, config, dataset):
        super().__init__()
        self.epochs, self.path, self.config, self.dataset = epochs, path, config, dataset

    def on_epoch_end(self, epoch, logs=None):
        if epoch + 1 == self.epochs:
            state = checkpoints.Progress(self.epochs, {})
            checkpoints.save_last(self.path, self.model, self.config, self.dataset, state)


def test_defect_23_two_epochs_and_two_more_are_four_to_the_bit(tiny_config, tiny_dataset, tmp_path):
    """A checkpoint holds the best weights beside the latest optimizer, no epoch and no random state."""
    config = tiny_config.replaced({**AVERAGED, "optimizer.epochs": 4})
    path = tmp_path / runs.LAST

    def compiled():
        determinism.make_deterministic(config.seed)
        return fit.compiled(config, tiny_dataset)

    whole = compiled()
    loop.train(whole, tiny_dataset, config, callbacks=[SaveAfter(2, path, config, tiny_dataset)])
    resumed = compiled()
    state = checkpoints.resume(path, resumed, config, tiny_dataset)
    loop.train(resumed, tiny_dataset, config, first_epoch=state.epoch)
    for part in ("variables", "optimizer"):
        one, other = (getattr(vae, part) for vae in (whole, resumed))
        pairs = zip(getattr(one, "variables", one), getattr(other, "variables", other), strict=True)
        assert all(np.array_equal(a, b) for a, b in pairs), part
    assert int(whole.optimizer.iterations) == 4 * 8
    assert any("average" in variable.path for variable in whole.optimizer.variables)


FRESH = """
import sys
import numpy as np, tensorflow as tf
from pathlib import Path
folder = Path(sys.argv[1])
encoder = tf.saved_model.load(str(folder / "encoder"))
images = np.load(folder / "images.npy")
found = encoder.signatures["encode"](images=tf.constant(images))
np.save(folder / "published.npy", found["z_mean"])
assert "training" not in sys.modules  # whoever loads it needs nothing of ours
sys.path.insert(0, sys.argv[3])
from training.trained import load_run
np.save(folder / "loaded.npy", load_run(Path(sys.argv[2]))[1].encoder(images)[0])
"""


def test_defect_24_a_fresh_process_gets_the_same_codes_from_what_was_saved(tiny_run, tiny_dataset, tmp_path):
    """Layers of one's own cannot be read back, or only by the class that trained them."""
    model = trained.TrainedModel.from_run(tiny_run)
    export.write_encoder(model, tmp_path / "encoder", latent_axes.as_trained(2))
    np.save(tmp_path / "images.npy", tiny_dataset.test)
    command = [sys.executable, "-c", FRESH, str(tmp_path), str(tiny_run), str(PROJECT)]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    expected = model.encode(tiny_dataset.test).z_mean
    np.testing.assert_array_equal(np.load(tmp_path / "loaded.npy"), expected)
    # Another graph may add in another order: a few float32 steps near one.
    np.testing.assert_allclose(np.load(tmp_path / "published.npy"), expected, atol=1e-5)


def test_defect_24_validation_has_every_part_that_training_has(tiny_config, tiny_dataset):
    """A step of one's own for training has none for validation beside it."""
    vae = VariationalAutoencoder(tiny_config, (6, 5))
    vae.compile(optimizer="nadam")
    validation = (tiny_dataset.validation,)
    history = vae.fit(tiny_dataset.train, validation_data=validation, batch_size=64, verbose=0).history
    parts = {"loss", "reconstruction", "kl"}
    assert set(history) == parts | {f"val_{part}" for part in parts}
    total = history["val_reconstruction"][0] + history["val_kl"][0] / 30
    assert history["val_loss"][0] == pytest.approx(total, rel=1e-5)


def test_defect_25_every_step_draws_anew_inside_a_graph_and_a_seed_repeats_them_all():
    """Noise of NumPy is frozen when the graph is traced; or every epoch begins the stream again."""

    def steps():
        keras.utils.set_random_seed(3)
        sampling = Sampling()

        @tf.function
        def several(count):
            zeros = tf.zeros((1, 4))
            drawn = tf.TensorArray(tf.float32, size=count)
            for step in tf.range(count):
                drawn = drawn.write(step, sampling(zeros, zeros)[0])
            return drawn.stack()

        return np.concatenate([several(tf.constant(count)) for count in (3, 3, 2)])

    first, second = steps(), steps()
    assert len(np.unique(first, axis=0)) == 8
    assert np.array_equal(first, second)


def test_defect_25_a_code_of_a_seed_is_the_same_whatever_was_asked_for_before():
    """A generator that requests share gives each of them whatever comes next."""
    alone = latent.standard_normal(5, 3, 1, 10)
    latent.standard_normal(6, 0, 100, 10)
    assert np.array_equal(latent.standard_normal(5, 0, 7, 10)[3:4], alone)
    assert not np.array_equal(latent.standard_normal(6, 3, 1, 10), alone)


def best_of(config: Config, losses):
    """The best epoch of so many with these losses on validation."""
    return stopping.best_epoch(config, {"val_loss": list(losses)})


def test_defect_28_the_best_epoch_is_one_at_the_full_weight_of_kl(tiny_config):
    """While KL weighs little, the loss looks better than it ever will again, and that epoch is kept."""
    warmed = tiny_config.replaced(
        {"objective": {"name": "elbo", "kl_warmup_epochs": 2}, "optimizer.epochs": 6}
    )
    losses = [1.0, 2.0, 9.0, 7.0, 8.0, 7.5]
    assert best_of(warmed, losses) == 4
    assert best_of(warmed, losses[:2]) is None
    unwarmed = warmed.replaced({"objective.kl_warmup_epochs": 0})
    assert best_of(unwarmed, losses) == 1


def test_defect_28_what_is_compared_is_the_bound_of_the_averaged_weights(tiny_config, tiny_dataset):
    """Epochs are compared by the training loss, with its beta, or by weights that are not the result."""
    config = tiny_config.replaced({"objective": {"name": "elbo", "beta": 0.25, "free_bits": 2.0}})
    vae = VariationalAutoencoder(config, (6, 5))
    vae.compile(optimizer=keras.optimizers.Adam(use_ema=True))
    vae.optimizer.build(vae.trainable_variables)
    averages = vae.optimizer._model_variables_moving_average
    for average, weight in zip(averages, vae.trainable_variables, strict=True):
        average.assign(0.5 * weight + 0.1)
    raw = [np.array(weight) for weight in vae.trainable_variables]

    def kl():
        per_axis = objectives.kl_per_axis(*vae.encoder(tiny_dataset.validation)).numpy()
        return per_axis.sum(axis=1).mean()

    with loop.averaged_weights(vae):
        expected = kl()
    assert abs(expected - kl()) > 0.01  # otherwise the test shows nothing
    found = loop.validate(vae, tiny_dataset.validation, 32)
    assert found["kl"] == pytest.approx(expected, rel=1e-5)
    assert found["loss"] == pytest.approx(found["reconstruction"] + found["kl"], rel=1e-6)  # beta 1
    for before, weight in zip(raw, vae.trainable_variables, strict=True):
        assert np.array_equal(before, weight)
