"""Upload decoding and form reading under broken inputs; ``tests/broken_uploads.py`` has the long form."""

import itertools

import pytest

from app.errors import InvalidParameter
from app.http.uploads import parse_form
from app.pictures import uploads
from tests.broken_uploads import FORM, LIMITS, TARGETS, forms, mutated, peak_bytes, pictures, timed

TRIED = {"pictures": 1200, "masks": 700, "heads": 1500, "forms": 2000, "headers": 1500, "codes": 800}


@pytest.mark.parametrize("target", TARGETS)
def test_whatever_is_sent_is_read_or_refused_and_takes_no_time(target):
    attempt, corpus = TARGETS[target]
    before = peak_bytes()
    for data in itertools.islice(mutated(20, corpus()), TRIED[target]):
        timed(attempt, data)
    assert peak_bytes() - before < 256_000_000


def test_the_pictures_that_inputs_are_made_of_are_mostly_read():
    read = 0
    for data in pictures():
        try:
            uploads.read_uploads([("file", data)], (28, 28), "auto", LIMITS)
            read += 1
        except InvalidParameter:
            pass
    assert read >= len(pictures()) - 3


def test_the_forms_are_read_or_refused_as_they_should_be():
    outcomes = []
    for data in forms():
        try:
            outcomes.append(len(parse_form(data, FORM, 4)))
        except InvalidParameter:
            outcomes.append(0)
    assert outcomes[0] == 1
    assert outcomes[-1] == 0  # cut off


def test_inputs_follow_from_their_seed():
    def first(seed):
        return list(itertools.islice(mutated(seed, forms()), 20))

    assert first(1) == first(1) != first(2)
