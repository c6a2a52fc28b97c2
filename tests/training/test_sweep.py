"""The command; what it does with its runs is in tests/training/test_trials.py."""

import click
import pytest

from training.sweep import Seeds


def test_seeds_are_one_number_or_both_ends():
    assert list(Seeds().convert("1..3", None, None)) == [1, 2, 3]
    assert list(Seeds().convert("7", None, None)) == [7]
    assert list(Seeds().convert("0..0", None, None)) == [0]


@pytest.mark.parametrize("text", ["", "..", "..3", "1..x", "3..1", "-1..2", "1...3"])
def test_anything_else_is_a_usage_error(text):
    with pytest.raises(click.BadParameter, match="expected two whole numbers in order"):
        Seeds().convert(text, None, None)
