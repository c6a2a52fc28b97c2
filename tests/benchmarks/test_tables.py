import math

import pytest

from benchmarks import tables


def rows(*rates):
    return [{"round": number, "rate": rate} for number, rate in enumerate(rates)]


def test_a_ratio_is_of_the_medians_with_the_least_and_the_most_of_a_round():
    # By round 2, 3 and 2.5; the medians are 250 and 100.
    assert tables.ratio(rows(100, 900, 250), rows(50, 300, 100), "rate") == "2.50 (2.00 to 3.00)"


def test_only_rounds_that_have_both_are_set_beside_each_other():
    assert tables.ratio(rows(200, 900), rows(100), "rate") == "5.50"
    others = [{"round": 7, "rate": 100}, {"round": 1, "rate": 300}, {"round": 0, "rate": 100}]
    assert tables.ratio(rows(200, 900), others, "rate") == "5.50 (2.00 to 3.00)"


@pytest.mark.parametrize("others", [(), (0, 0)])
def test_what_there_is_nothing_beside_is_no_number(others):
    assert tables.ratio(rows(1, 2), rows(*others), "rate") == "nan"
    assert math.isnan(tables.median([], "rate"))
    assert tables.markdown([["a", "b"], ["1", "nan"]]) == "| a | b |\n|---|---|\n| 1 | - |"


def test_a_median_is_over_the_rows_that_have_what_is_wanted():
    found = [{"n": 1, "rate": 1.0}, {"n": 1, "rate": 3.0}, {"n": 2, "rate": 9.0}, {"rate": 9.0}]
    assert tables.median(found, "rate", n=1) == 2.0


def test_columns_are_left_out_by_their_names():
    assert tables.without([["a", "b", "c"], ["1", "2", "3"]], "b") == [["a", "c"], ["1", "3"]]


def test_servers_take_turns_in_being_first():
    assert tables.turned("ab", 0) == ["a", "b"]
    assert tables.turned("ab", 1) == ["b", "a"]
