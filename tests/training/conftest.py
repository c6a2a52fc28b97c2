"""Trainings whose figures cost little."""

import pytest


@pytest.fixture(autouse=True, scope="module")
def figures_of_trainings(plain_figures: None) -> None:
    """Draw them plainly, whatever trains."""
