import keras
import numpy as np
import pytest

pytestmark = pytest.mark.tensorflow

import tensorflow as tf  # noqa: E402

from training.configs.sections import Augmentation  # noqa: E402
from training.fitting.workers import Workers  # noqa: E402
from training.models.augmentation import augmented  # noqa: E402
from training.models.parts import Part  # noqa: E402
from training.models.vae import Sampling, VariationalAutoencoder  # noqa: E402

PARTS = [Part(0, 5, 16), Part(5, 5, 16), Part(10, 6, 16)]


def part_of(index, count, whole):
    workers = object.__new__(Workers)
    workers.index, workers.count = index, count
    return workers.part(whole)


@pytest.mark.parametrize(("whole", "count"), [(16, 3), (128, 2), (7, 7), (65, 64)])
def test_the_parts_of_a_batch_hold_each_image_once_and_differ_by_one_at_most(whole, count):
    parts = [part_of(index, count, whole) for index in range(count)]
    assert [image for part in parts for image in range(whole)[part.images]] == list(range(whole))
    assert max(part.size for part in parts) - min(part.size for part in parts) <= 1


@pytest.mark.parametrize("k", [1, 3])
@pytest.mark.parametrize("step", [None, 7], ids=["by a state", "of a step"])
def test_an_image_in_a_part_has_the_draws_that_it_has_in_the_whole_batch(k, step):
    mean = np.random.default_rng(0).normal(size=(16, 4)).astype(np.float32)

    def drawn(part):
        keras.utils.set_random_seed(5)
        of = slice(None) if part is None else part.images
        number = None if step is None else tf.constant(step)
        return Sampling()(mean[of], np.zeros_like(mean[of]), k=k, step=number, part=part).numpy()

    whole = drawn(None)
    assert np.array_equal(np.concatenate([drawn(part) for part in PARTS], axis=-2), whole)
    assert len(np.unique(whole - mean)) == whole.size


def test_an_image_in_a_part_is_changed_by_chance_as_it_is_in_the_whole_batch():
    images = np.random.default_rng(0).uniform(size=(16, 6, 5, 3)).astype(np.float32)
    section = Augmentation(shift=0.2, zoom=0.1, mirror=True, tint=0.2)
    whole = augmented(tf.constant(images), section, tf.constant([3, 9])).numpy()
    for part in PARTS:
        mine = augmented(tf.constant(images[part.images]), section, tf.constant([3, 9]), part).numpy()
        np.testing.assert_allclose(mine, whole[part.images], rtol=1e-5, atol=1e-6)


class Summing:
    """Stands for the workers of a batch, which are asked one after the other."""

    def __init__(self, part):
        self.mine, self.seen = part, []

    def part(self, whole):
        return self.mine

    def total(self, vector):
        self.seen.append(vector)
        return vector


@pytest.mark.parametrize(
    "objective",
    [
        {"name": "elbo", "mean_weight": 2.0},
        {"name": "dreg", "k": 3},
        {"name": "iwae", "k": 3},
        {"name": "textbook"},
    ],
    ids=lambda section: section["name"],
)
def test_the_gradients_of_all_parts_add_up_to_that_of_the_whole_batch(tiny_config, tiny_dataset, objective):
    config = tiny_config.replaced({"objective": objective})
    keras.utils.set_random_seed(0)
    vae = VariationalAutoencoder(config, (6, 5))
    vae.compile(optimizer=keras.optimizers.Nadam(0.01))
    vae.optimizer.build(vae.trainable_variables)
    images = tiny_dataset.train[:16]
    sums = []
    for parts in ([Part(0, 16, 16)], PARTS):
        total = 0.0
        for part in parts:
            summing = Summing(part)
            mine = vae._differentiated(
                tf.constant(images[part.images]), vae.objective.name, vae.objective.k, part
            )
            vae._of_all(*mine, part, summing)
            total = total + summing.seen[0].numpy()
        sums.append(total)
    np.testing.assert_allclose(sums[1], sums[0], rtol=1e-5, atol=1e-6)
    assert np.abs(sums[0]).max() > 0.01
