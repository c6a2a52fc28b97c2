import dataclasses

import numpy as np
import pytest

pytestmark = pytest.mark.tensorflow

import keras  # noqa: E402

from training.vae import Sampling, VariationalAutoencoder  # noqa: E402


def test_draws_have_the_posteriors_mean_and_standard_deviation():
    keras.utils.set_random_seed(0)
    z_mean = np.full((20_000, 2), 3.0, np.float32)
    z_log_var = np.full((20_000, 2), 2 * np.log(0.5), np.float32)
    z = Sampling()(z_mean, z_log_var).numpy()
    # Standard errors 0.0025 and 0.0018 over 40,000 numbers; four of each.
    assert abs(z.mean() - 3) < 0.01
    assert abs(z.std() - 0.5) < 0.0072


def test_two_draws_differ_and_the_same_seed_repeats_them():
    def two_draws():
        keras.utils.set_random_seed(5)
        layer = Sampling()
        return [layer(np.zeros((3, 2), np.float32), np.zeros((3, 2), np.float32)).numpy() for _ in range(2)]

    first, second = two_draws()
    assert not np.array_equal(first, second)
    assert np.array_equal([first, second], two_draws())


@pytest.mark.parametrize("objective", ["textbook", "elbo"])
def test_the_reported_loss_is_the_sum_of_its_reported_parts(tiny_config, tiny_dataset, objective):
    vae = VariationalAutoencoder(dataclasses.replace(tiny_config, objective=objective), (6, 5))
    vae.compile(optimizer="nadam")
    # 128 images in batches of 50: the last batch is smaller, and must weigh less.
    history = vae.fit(tiny_dataset.train, batch_size=50, epochs=1, verbose=0).history
    weight = 1 / 30 if objective == "textbook" else 1
    total = history["reconstruction"][0] + weight * history["kl"][0]
    assert history["loss"][0] == pytest.approx(total, rel=1e-5)


def test_validation_reports_the_same_parts(tiny_config, tiny_dataset):
    vae = VariationalAutoencoder(tiny_config, (6, 5))
    vae.compile(optimizer="nadam")
    report = vae.evaluate(tiny_dataset.validation, verbose=0, return_dict=True)
    assert set(report) == {"loss", "reconstruction", "kl"}


def test_training_lowers_the_loss(tiny_config, tiny_dataset):
    keras.utils.set_random_seed(0)
    vae = VariationalAutoencoder(tiny_config, (6, 5))
    vae.compile(optimizer=keras.optimizers.Nadam(0.01))
    loss = vae.fit(tiny_dataset.train, batch_size=16, epochs=20, verbose=0).history["loss"]
    assert loss[-1] < 0.7 * loss[0]
