import keras
import numpy as np
import pytest

pytestmark = pytest.mark.tensorflow

from tests.tiny import model_of  # noqa: E402
from training.metrics.bounds import bound_of, log_weights  # noqa: E402
from training.models.vae import VariationalAutoencoder  # noqa: E402
from training.priors import learned  # noqa: E402


def vamp_config(tiny_config):
    return tiny_config.replaced({"objective": {"name": "elbo"}, "prior.vamp_components": 3})


def test_a_vamp_prior_is_the_mixture_of_its_pseudo_images_posteriors(tiny_config):
    config = vamp_config(tiny_config)
    vae = VariationalAutoencoder(config, (6, 5))
    outputs = vae(np.random.default_rng(0).random((20, 6, 5), np.float32))
    mixture = learned(vae)
    assert mixture.weights.tolist() == [1 / 3] * 3
    np.testing.assert_allclose(outputs["log_prior"], mixture.log_prob(outputs["z"]), rtol=1e-4, atol=1e-4)


def test_training_moves_the_pseudo_images_and_validation_reports_the_bound_of_that_prior(
    tiny_config, tiny_dataset
):
    keras.utils.set_random_seed(0)
    config = vamp_config(tiny_config)
    vae = VariationalAutoencoder(config, (6, 5))
    vae.compile(optimizer=keras.optimizers.Nadam(0.01))
    before = np.asarray(vae.vamp.logits)
    vae.fit(tiny_dataset.train, batch_size=16, epochs=10, verbose=0)
    assert np.abs(np.asarray(vae.vamp.logits) - before).max() > 0.01
    images = np.tile(tiny_dataset.validation, (50, 1, 1))
    loss = vae.evaluate(images, verbose=0, return_dict=True)["loss"]
    elbo = bound_of(log_weights(model_of(vae).with_prior(learned(vae)), images, 50), 1).mean()
    # 1,600 draws with a spread of about a nat: a standard error of 0.03.
    assert loss == pytest.approx(-elbo, abs=0.12)
