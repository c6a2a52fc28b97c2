import dataclasses

import numpy as np
import pytest

from training import data
from training.evaluation import second
from training.metrics import classifier

pytestmark = pytest.mark.tensorflow


@pytest.fixture(scope="module")
def labelled():
    """Bright squares left, right or in the middle: three classes, with noise."""
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 3, 400)
    images = rng.uniform(0, 0.2, (400, 8, 9))
    for image, label in zip(images, labels, strict=True):
        image[2:6, 3 * label : 3 * label + 3] += 0.7
    images = classifier.eight_bit_levels(images.astype(np.float32))
    names = data.Labels(("left", "middle", "right"), labels[:300], labels[300:340], labels[340:])
    return data.Dataset("squares", images[:300], images[300:340], images[340:], {}, "memory", names)


class Copies:
    """A model whose codes are the numbers of training images, and whose draws are these images."""

    seed = 3

    def __init__(self, dataset, labels=None):
        self.train = dataset.train
        self.labels = dataset.labels.train if labels is None else labels

    @property
    def known_prior(self):
        return self

    def draw_labelled(self, count, rng):
        chosen = rng.permutation(len(self.train))[:count]
        return chosen[:, None].astype(np.float32), self.labels[chosen]

    def draw(self, codes, rng):
        return self.train[codes[:, 0].astype(int)]

    def sample(self, number, rng, render="mean"):
        return self.train[rng.integers(0, len(self.train), number)]

    def reconstruct(self, images):
        return images


class Noise(Copies):
    def sample(self, number, rng, render="mean"):
        return rng.random((number, *self.train.shape[1:]), np.float32)


@pytest.fixture(scope="module")
def judge(labelled):
    return classifier.train(labelled, epochs=6, verbose=0, kind=classifier.SECOND)


def test_a_model_whose_draws_are_the_real_images_has_an_accuracy_score_of_one(labelled):
    found = second.accuracy_score(Copies(labelled), labelled, epochs=8)
    # Both classifiers see the same images in another order, and the classes are easily told apart.
    assert found.of_real > 0.9
    assert found.score == pytest.approx(1, abs=0.1)
    assert (found.num_images, found.epochs) == (300, 8)


def test_draws_whose_labels_say_nothing_teach_a_classifier_no_more_than_chance(labelled):
    shuffled = np.random.default_rng(1).permutation(labelled.labels.train)
    found = second.accuracy_score(Copies(labelled, shuffled), labelled, epochs=8)
    # A third by chance; of 60 test images six hundredths are a standard error.
    assert found.of_draws < 0.62
    assert found.score == pytest.approx(found.of_draws / found.of_real)


def test_without_classes_there_is_no_accuracy_score(labelled):
    unlabelled = dataclasses.replace(labelled, labels=None)
    assert second.accuracy_score(Copies(labelled), unlabelled) is None
    copies = Copies(labelled)
    copies.draw_labelled = lambda count, rng: None
    assert second.accuracy_score(copies, labelled) is None


def test_the_second_classifier_finds_copies_near_to_real_images_and_noise_far(labelled, judge, monkeypatch):
    monkeypatch.setattr(classifier, "committed", lambda dataset, kind: judge)
    found = second.second_opinion(Copies(labelled), labelled, Noise(labelled))
    assert found.classifier.sha256 == judge.sha256
    assert set(found.samples) == {"mean", "draw"}
    floor, noise = found.real.frechet_distance, found.reference["mean"].frechet_distance
    assert found.samples["draw"].frechet_distance < 5 * floor < noise
    assert found.reconstruction.frechet_distance == pytest.approx(0, abs=1e-6)
    assert found.samples["draw"].coverage > 0.6 > 0.2 > found.reference["mean"].coverage


def test_without_a_second_classifier_there_is_no_second_opinion(labelled):
    assert second.second_opinion(Copies(labelled), labelled) is None
