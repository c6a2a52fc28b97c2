import math

import numpy as np
import pytest

pytestmark = pytest.mark.tensorflow

from app import complexity, importance  # noqa: E402
from training.metrics import bounds, ood  # noqa: E402
from training.publish import scores  # noqa: E402
from training.trained import Posterior  # noqa: E402


def test_quantiles_are_of_both_scores_of_the_held_out_images(tiny_model, tiny_dataset):
    images = tiny_dataset.validation
    found = scores.measure(tiny_model, images)
    assert (found["k"], found["num_images"], found["complexity"]) == (128, 32, "med-kt")
    nats = -bounds.bound_of(bounds.log_weights(tiny_model, images, 128, tiny_model.seed), 128)
    assert len(found["nats"]) == len(found["corrected"]) == 201
    ends = [nats.min(), np.median(nats), nats.max()]
    np.testing.assert_allclose(np.array(found["nats"])[[0, 100, 200]], ends, atol=1e-4)
    # A density of [0, 1] is one of levels 1/255 wide: 30 pixels cost 30 log 255 more.
    corrected = nats + 30 * math.log(255) - ood.complexity(images)
    ends = [corrected.min(), np.median(corrected), corrected.max()]
    np.testing.assert_allclose(np.array(found["corrected"])[[0, 100, 200]], ends, atol=1e-4)


def test_an_encoder_that_gives_any_number_is_confined_as_a_service_does_it(tiny_model, monkeypatch):
    given = np.float32([[[1e20, -9.0]], [[41.0, -40.0]]])
    monkeypatch.setattr(type(tiny_model), "encode", lambda self, images: Posterior(*self.encoder(images)))
    wild = scores.dataclasses.replace(tiny_model, encoder=lambda images, training=False: tuple(given))
    z_mean, z_log_var = (np.asarray(part)[0] for part in scores.confined(wild).encode(None))
    served = importance.Posterior.of(given[:, 0])
    np.testing.assert_allclose(z_mean, served.mean, rtol=1e-6)
    np.testing.assert_allclose(z_log_var, served.log_var, rtol=1e-6)


@pytest.mark.parametrize("shape", [(28, 28), (12, 9, 3)])
def test_training_and_service_mean_the_same_complexity(shape):
    rng = np.random.default_rng(0)
    levels = np.stack(
        [np.zeros(shape), np.sort(rng.integers(0, 256, shape), axis=0), rng.integers(0, 256, shape)]
    ).astype(np.uint8)
    assert ood.COMPLEXITY == complexity.CODE
    found = ood.complexity(levels.astype(np.float32) / np.float32(255))
    np.testing.assert_allclose(found, [complexity.complexity(image) for image in levels], rtol=1e-12)
