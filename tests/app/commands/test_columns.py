"""Rows of text under each other."""

import pytest

from app.commands.columns import aligned, size_in_words


def test_cells_stand_under_each_other_and_no_line_ends_in_spaces() -> None:
    assert aligned([("a", "22", "x"), ("bbb", "1", "")]) == ["a    22  x", "bbb  1"]


def test_no_rows_are_no_lines() -> None:
    assert aligned([]) == []


@pytest.mark.parametrize(("size", "words"), [(7, "7 B"), (1_500, "1.5 kB"), (8_765_432, "8.8 MB")])
def test_sizes_are_told_in_the_unit_that_people_read(size: int, words: str) -> None:
    assert size_in_words(size) == words
