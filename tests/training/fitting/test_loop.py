import numpy as np
import pytest

pytestmark = pytest.mark.tensorflow

import keras  # noqa: E402

from training.fitting import fit, loop  # noqa: E402
from training.models.vae import VariationalAutoencoder  # noqa: E402
from training.trained import load_run  # noqa: E402


def test_an_epoch_takes_every_image_once_but_for_those_that_fill_no_batch():
    order = loop.order_of(seed=1, epoch=0, num_images=103, batch_size=10)
    assert order.shape == (10, 10)
    assert order.dtype == np.int32
    assert len(set(order.ravel().tolist())) == 100
    assert order.min() >= 0
    assert order.max() < 103


def test_the_order_is_a_function_of_seed_and_epoch_and_differs_between_epochs():
    orders = [loop.order_of(seed, epoch, 100, 10) for seed, epoch in ((1, 0), (1, 1), (2, 0), (1, 0))]
    assert np.array_equal(orders[0], orders[3])
    assert not np.array_equal(orders[0], orders[1])
    assert not np.array_equal(orders[0], orders[2])


def test_fewer_images_than_a_batch_are_one_step():
    assert loop.steps_per_epoch(7, 32) == 1
    assert sorted(loop.order_of(0, 0, 7, 32)[0].tolist()) == list(range(7))


class Calls(keras.callbacks.Callback):
    def __init__(self):
        super().__init__()
        self.seen = []

    def on_train_begin(self, logs=None):
        self.seen.append("begin")

    def on_epoch_begin(self, epoch, logs=None):
        self.seen.append(f"epoch {epoch}")

    def on_train_batch_end(self, batch, logs):
        self.seen.append(batch)

    def on_test_begin(self, logs=None):
        self.seen.append("validation")

    def on_epoch_end(self, epoch, logs):
        self.seen.append(sorted(logs))

    def on_train_end(self, logs=None):
        self.seen.append("end")


def trained(tiny_config, tiny_dataset, calls):
    keras.utils.set_random_seed(0)
    vae = VariationalAutoencoder(tiny_config, (6, 5))
    vae.compile(optimizer=keras.optimizers.Nadam(0.01))
    loop.train(vae, tiny_dataset, tiny_config, callbacks=[calls])
    return vae


def test_callbacks_hear_of_every_epoch_and_of_its_last_step(tiny_config, tiny_dataset):
    calls = Calls()
    trained(tiny_config, tiny_dataset, calls)
    names = sorted(f"{prefix}{name}" for prefix in ("", "val_") for name in ("loss", "reconstruction", "kl"))
    told = [item for item in calls.seen if not isinstance(item, int)]
    assert told == ["begin", "epoch 0", "validation", names, "epoch 1", "validation", names, "end"]
    steps = [item for item in calls.seen if isinstance(item, int)]
    assert steps.count(7) == 2  # 128 images, 16 a step: the last is number 7
    assert calls.seen[2] == 0  # the first call is one step: it compiles


def test_how_many_steps_a_call_takes_changes_no_bit(tiny_config, tiny_dataset, monkeypatch):
    weights = []
    for seconds in (0.0, 100.0):
        monkeypatch.setattr(loop, "SECONDS_A_CALL", seconds)
        weights.append(trained(tiny_config, tiny_dataset, Calls()).get_weights())
    for one_by_one, together in zip(*weights, strict=True):
        assert np.array_equal(one_by_one, together)


def test_training_here_is_training_by_keras_on_the_same_batches(tiny_config, tiny_dataset):
    # One epoch: the posterior's noise is that of the step, and the batches are given.
    config = tiny_config.replaced({"objective": {"name": "elbo"}, "optimizer.epochs": 1})
    vaes = []
    for _ in range(2):
        keras.utils.set_random_seed(0)
        vae = VariationalAutoencoder(config, (6, 5))
        vae.compile(optimizer=keras.optimizers.Nadam(0.01))
        vaes.append(vae)
    loop.train(vaes[0], tiny_dataset, config)
    images = tiny_dataset.train[loop.order_of(3, 0, 128, 16).ravel()]
    vaes[1].fit(images, batch_size=16, epochs=1, shuffle=False, verbose=0)
    for ours, theirs in zip(vaes[0].get_weights(), vaes[1].get_weights(), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-6)


def test_the_weights_come_back_to_the_bit(tiny_config):
    vae = VariationalAutoencoder(tiny_config, (6, 5))
    vae.compile(optimizer=keras.optimizers.Adam(use_ema=True))
    vae.optimizer.build(vae.trainable_variables)
    averages = vae.optimizer._model_variables_moving_average
    for average, weight in zip(averages, vae.trainable_variables, strict=True):
        average.assign(weight + 0.1)
    before = [np.array(weight) for weight in vae.trainable_variables]
    with loop.averaged_weights(vae):
        for weight, value in zip(vae.trainable_variables, before, strict=True):
            np.testing.assert_allclose(weight, value + 0.1, rtol=1e-6, atol=1e-7)
    for weight, value in zip(vae.trainable_variables, before, strict=True):
        assert np.array_equal(weight, value)


def test_averaged_weights_stand_for_the_weights_in_validation_and_in_the_result(
    tiny_config, tiny_dataset, tmp_path
):
    averaged = tiny_config.replaced(
        {"optimizer.ema_momentum": 0.9, "objective": {"name": "elbo"}, "optimizer.epochs": 8}
    )
    found = fit.fit(averaged, tiny_dataset, tmp_path / "run", progress=False)
    plain = fit.fit(
        averaged.replaced({"optimizer.ema_momentum": 0.0}), tiny_dataset, tmp_path / "plain", progress=False
    )
    assert found["weights_sha256"] != plain["weights_sha256"]
    assert found["loss"] == plain["loss"]  # training itself is the same
    _, vae, _ = load_run(tmp_path / "run")
    vae.compile()
    measured = vae.evaluate(tiny_dataset.validation, verbose=0, return_dict=True)["loss"]
    # Another draw of q(z given x) for 32 images: the saved weights are those that validation measured.
    assert measured == pytest.approx(found["val_loss"], abs=0.5)


def test_an_epoch_of_several_passes_takes_every_image_as_often():
    order = loop.order_of(seed=1, epoch=2, num_images=100, batch_size=10, passes=3)
    assert order.shape == (loop.steps_per_epoch(100, 10, passes=3), 10) == (30, 10)
    assert np.bincount(order.ravel(), minlength=100).tolist() == [3] * 100
    alone = [loop.order_of(1, epoch, 100, 10) for epoch in (6, 7, 8)]  # the same passes as epochs of one
    np.testing.assert_array_equal(order, np.concatenate(alone))
