import numpy as np
import pytest

pytestmark = pytest.mark.tensorflow

import tensorflow as tf  # noqa: E402

from training.data import Dataset, Labels  # noqa: E402
from training.priors import StandardNormal  # noqa: E402
from training.priors.choose import choose  # noqa: E402


class TwoClusters:
    """An encoder whose means are the images' two pixels and whose posteriors are narrow."""

    STD = 0.3

    def __call__(self, images, training):
        assert training is False
        return tf.constant(images), tf.fill(images.shape, 2 * np.log(self.STD).astype(np.float32))


def two_clusters(labelled):
    rng = np.random.default_rng(6)
    labels = rng.integers(0, 2, 900)
    images = (np.where(labels == 0, -2, 2)[:, None] + 0.2 * rng.normal(size=(900, 2))).astype(np.float32)
    splits = {"train": slice(0, 600), "validation": slice(600, 800), "test": slice(800, 900)}
    named = Labels(("left", "right"), **{name: labels[part] for name, part in splits.items()})
    parts = (images[part] for part in splits.values())
    return Dataset("clusters", *parts, {}, "memory", named if labelled else None)


def chosen(labelled, numbers, seed):
    return choose(TwoClusters(), two_clusters(labelled), numbers, seed, StandardNormal(2))


@pytest.mark.parametrize("labelled", [True, False])
def test_the_prior_with_the_best_bound_on_validation_images_is_chosen(labelled, caplog):
    caplog.set_level("INFO")
    choice = chosen(labelled, (2, 4), seed=7)
    nats = [candidate.validation_nats for candidate in choice.candidates]
    assert [candidate.components for candidate in choice.candidates] == [1, 2, 4]
    assert choice.prior.name == "gaussian_mixture"
    assert nats[1] > nats[0] + 1
    assert len(choice.prior.weights) == choice.candidates[int(np.argmax(nats))].components
    assert choice.prior.classes == (("left", "right") if labelled else ())
    assert len(caplog.messages) == 2
    assert caplog.messages[0].startswith("prior of 2 Gaussians: +")


def test_numbers_that_come_to_the_same_for_every_class_are_tried_once():
    choice = chosen(True, (1, 2, 3, 4, 5), seed=7)
    assert [candidate.components for candidate in choice.candidates] == [1, 2, 4]


def test_mixtures_are_fitted_to_draws_and_not_to_means():
    choice = chosen(True, (2,), seed=8)
    variances = np.diagonal(
        choice.prior.cholesky @ choice.prior.cholesky.transpose(0, 2, 1), axis1=1, axis2=2
    )
    # 0.3^2 of the posterior + 0.2^2 of the means; the means alone would give 0.04.
    np.testing.assert_allclose(variances, 0.13, rtol=0.1)


def test_the_choice_repeats_with_its_seed():
    first, second = (chosen(True, (4,), seed=9).prior for _ in range(2))
    assert np.array_equal(first.means, second.means)
    assert np.array_equal(first.cholesky, second.cholesky)
