import dataclasses

import numpy as np

from app.explore.scores import Score
from app.tabulating.columns import SCORES, Column, codes_of


def test_a_row_of_scores_has_every_number_that_the_service_tells_in_its_order():
    names = [column.name for column in SCORES]
    told = [field.name for field in dataclasses.fields(Score) if field.name != "surprise"]
    assert names == ["row", "name", "label", "sha256", *told, "notes", "error"]


def test_a_row_of_codes_has_draws_if_there_are_some():
    assert "draws" not in [column.name for column in codes_of(2, 0)]
    (draws,) = [column for column in codes_of(2, 3) if column.name == "draws"]
    assert draws.shape == (3, 2)


def test_what_is_not_known_is_nan_or_empty():
    assert np.isnan(Column("x", "float32", (2, 3)).missing).sum() == 6
    assert np.isnan(Column("x", "float64").missing)
    assert Column("x", "text").missing == ""
    assert Column("x", "int64").missing == 0
