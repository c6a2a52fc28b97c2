"""What a second classifier says of the same samples, and what a classifier learns from them alone."""

import dataclasses
import logging
from typing import Any, get_args

import numpy as np

from training import data
from training.evaluation import schema
from training.evaluation.quality import NUM_IMAGES, InJudge, compare, drawn_without_order
from training.metrics import classifier
from training.trained import Render, TrainedModel
from training.types import Array

logger = logging.getLogger(__name__)

SCORE_EPOCHS = 8  # of the classifiers of the accuracy score


def opinions(
    model: TrainedModel, dataset: data.Dataset, reference: TrainedModel | None = None
) -> dict[str, Any]:
    """Return what a ``Quality`` has beside the first classifier's numbers, by field."""
    return {
        "second": second_opinion(model, dataset, reference),
        "accuracy_score": accuracy_score(model, dataset),
    }


def second_opinion(
    model: TrainedModel, dataset: data.Dataset, reference: TrainedModel | None = None
) -> schema.SecondJudge | None:
    """Measure samples and reconstructions in the features of the second classifier.

    Args:
        model: with its prior. Its samples have the seed of those of the first judge, one set each.
        dataset: images, of which the same are taken as for the first classifier.
        reference: a model beside it, whose means are measured.

    Returns:
        The numbers, or None if no second classifier is shipped for the data set.

    Raises:
        RunError: the classifier's file is not the published one.
    """
    judge, labels = classifier.committed(dataset, classifier.SECOND), dataset.labels
    if judge is None or labels is None:
        return None
    logger.info("the second classifier: samples, reconstructions and training images, about 60 s")
    test, pretended = drawn_without_order(dataset, model.seed, NUM_IMAGES)
    number = len(test)
    space = InJudge(judge, judge.outputs(test))
    rng = np.random.default_rng(model.seed)

    def measured(images: Array) -> schema.Distribution:
        return schema.Distribution(**compare(space, classifier.eight_bit_levels(images)))

    more: dict[str, Any] = {}
    if reference is not None:
        more["reference"] = {"mean": measured(reference.sample(number, np.random.default_rng(model.seed)))}
    return schema.SecondJudge(
        classifier=schema.ClassifierReport(
            sha256=judge.sha256, test_accuracy=judge.accuracy(dataset.test, labels.test)
        ),
        real=measured(pretended),
        samples={render: measured(model.sample(number, rng, render)) for render in get_args(Render)},
        reconstruction=measured(model.reconstruct(test)),
        **more,
    )


def accuracy_score(
    model: TrainedModel, dataset: data.Dataset, epochs: int = SCORE_EPOCHS
) -> schema.AccuracyScore | None:
    """Return how well a classifier does on real test images that has seen nothing but draws of a model.

    Classification accuracy score (Ravuri & Vinyals 2019), beside the same classifier of the real training
    images: as many labelled draws, the same network, seed, epochs and order.

    Args:
        model: with its prior, whose classes label the draws.
        dataset: images with labels.
        epochs: of each of the two classifiers.

    Returns:
        Both accuracies, or None if the prior or the data set knows no classes, or the classifier of the real
        images names no test image rightly.
    """
    labels = dataset.labels
    labelled = model.known_prior.draw_labelled(len(dataset.train), np.random.default_rng(model.seed))
    if labels is None or labelled is None:
        return None
    logger.info("two classifiers, one of %d draws and one of real images, about 150 s", len(dataset.train))
    codes, classes = labelled
    number_of = {name: number for number, name in enumerate(labels.names)}
    # The prior's classes are those that training images have, and numbered among themselves.
    classes = np.array([number_of[name] for name in model.known_prior.classes])[classes]
    draws = classifier.eight_bit_levels(model.draw(codes, np.random.default_rng(model.seed + 1)))
    pretended = dataclasses.replace(
        dataset, train=draws, labels=dataclasses.replace(labels, train=classes.astype(labels.train.dtype))
    )
    of_draws, of_real = (
        classifier.train(each, epochs=epochs, verbose=0).accuracy(dataset.test, labels.test)
        for each in (pretended, dataset)
    )
    if not of_real:
        return None
    return schema.AccuracyScore(
        of_draws=of_draws, of_real=of_real, num_images=len(draws), epochs=epochs, score=of_draws / of_real
    )
