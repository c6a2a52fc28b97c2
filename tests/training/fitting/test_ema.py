import keras
import numpy as np
import pytest

pytestmark = pytest.mark.tensorflow

from training import trained  # noqa: E402
from training.fitting import ema, fit  # noqa: E402
from training.models.vae import VariationalAutoencoder  # noqa: E402


def test_the_weights_come_back_to_the_bit(tiny_config):
    vae = VariationalAutoencoder(tiny_config, (6, 5))
    vae.compile(optimizer=keras.optimizers.Adam(use_ema=True))
    vae.optimizer.build(vae.trainable_variables)
    averages = vae.optimizer._model_variables_moving_average
    for average, weight in zip(averages, vae.trainable_variables, strict=True):
        average.assign(weight + 0.1)
    before = [np.array(weight) for weight in vae.trainable_variables]
    with ema.averaged_weights(vae):
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
    _, vae, _ = trained.load_run(tmp_path / "run")
    vae.compile()
    measured = vae.evaluate(tiny_dataset.validation, verbose=0, return_dict=True)["loss"]
    # Another draw of q(z given x) for 32 images: the saved weights are those that validation measured.
    assert measured == pytest.approx(found["val_loss"], abs=0.5)
