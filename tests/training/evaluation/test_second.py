import dataclasses

import numpy as np
import pytest

from training.evaluation import second
from training.metrics import classifier

pytestmark = pytest.mark.tensorflow


class Copies:
    """A model whose codes are the numbers of training images, and whose draws are these images."""

    seed = 3

    def __init__(self, dataset, labels=None):
        self.train = dataset.train
        self.labels = dataset.labels.train if labels is None else labels
        self.classes = () if dataset.labels is None else dataset.labels.names

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


@pytest.fixture(autouse=True, scope="module")
def each_classifier_is_trained_once():
    """Keep what was trained: the same images, labels and epochs give the same classifier, bit for bit."""
    plain, kept = classifier.train, {}

    def train(dataset, seed=None, **options):
        labels = dataset.labels
        content = dataset.train.tobytes(), labels.train.tobytes(), labels.names, seed, *options.items()
        if content not in kept:
            kept[content] = plain(dataset, seed, **options)
        return kept[content]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(classifier, "train", train)
        yield


@pytest.fixture(scope="module")
def judge(three_classes):
    return classifier.train(three_classes, epochs=6, verbose=0, kind=classifier.SECOND)


def test_a_model_whose_draws_are_the_real_images_has_an_accuracy_score_of_one(three_classes):
    found = second.accuracy_score(Copies(three_classes), three_classes, epochs=8)
    # Both classifiers see the same images in another order, and the classes are easily told apart.
    assert found.of_real > 0.9
    assert found.score == pytest.approx(1, abs=0.1)
    assert (found.num_images, found.epochs) == (300, 8)


def test_the_priors_classes_are_known_by_their_names(three_classes):
    """They are those that training images have, so that their numbers may be others."""
    labels = three_classes.labels
    names = ("held out only", *labels.names)
    moved = dataclasses.replace(
        labels,
        names=names,
        **{split: getattr(labels, split) + 1 for split in ("train", "validation", "test")},
    )
    copies = Copies(three_classes)
    found = second.accuracy_score(copies, dataclasses.replace(three_classes, labels=moved), epochs=8)
    assert found.score == pytest.approx(1, abs=0.1)


def test_where_no_test_image_is_named_rightly_there_is_no_accuracy_score(three_classes):
    labels = three_classes.labels
    unseen = dataclasses.replace(
        labels, names=(*labels.names, "unseen"), test=np.full_like(labels.test, len(labels.names))
    )
    unseen = dataclasses.replace(three_classes, labels=unseen)
    assert second.accuracy_score(Copies(three_classes), unseen, epochs=1) is None


def test_draws_that_all_bear_one_label_teach_no_more_than_that_label(three_classes):
    everywhere = np.ones_like(three_classes.labels.train)
    found = second.accuracy_score(Copies(three_classes, everywhere), three_classes, epochs=8)
    # What is learnt of labels that say nothing is one answer to every image, which is right by chance: as often as
    # the test images have that class. Shuffled labels teach one answer as well, but which one hangs on the shuffle.
    assert found.of_draws == np.mean(three_classes.labels.test == 1)
    assert found.score == pytest.approx(found.of_draws / found.of_real)


def test_draws_that_bear_the_next_class_label_teach_to_be_wrong(three_classes):
    exchanged = (three_classes.labels.train + 1) % 3
    found = second.accuracy_score(Copies(three_classes, exchanged), three_classes, epochs=8)
    # As many images wrong as the rightly labelled ones teach to have right: more than nine of ten.
    assert found.of_draws < 0.1


def test_without_classes_there_is_no_accuracy_score(three_classes):
    unlabelled = dataclasses.replace(three_classes, labels=None)
    assert second.accuracy_score(Copies(three_classes), unlabelled) is None
    copies = Copies(three_classes)
    copies.draw_labelled = lambda count, rng: None
    assert second.accuracy_score(copies, three_classes) is None


def test_the_second_classifier_finds_copies_near_to_real_images_and_noise_far(
    three_classes, judge, monkeypatch
):
    monkeypatch.setattr(classifier, "committed", lambda dataset, kind: judge)
    found = second.second_opinion(Copies(three_classes), three_classes, Noise(three_classes))
    assert found.classifier.sha256 == judge.sha256
    assert set(found.samples) == {"mean", "draw"}
    floor, noise = found.real.frechet_distance, found.reference["mean"].frechet_distance
    assert found.samples["draw"].frechet_distance < 5 * floor < noise
    assert found.reconstruction.frechet_distance == pytest.approx(0, abs=1e-6)
    assert found.samples["draw"].coverage > 0.6 > 0.2 > found.reference["mean"].coverage


def test_without_a_second_classifier_there_is_no_second_opinion(three_classes):
    assert second.second_opinion(Copies(three_classes), three_classes) is None
