"""Trainings whose figures cost little."""

from collections.abc import Iterator
from typing import Any

import pytest


@pytest.fixture(autouse=True, scope="module")
def plain_figures() -> Iterator[None]:
    """Draw figures coarsely and without a layout: they take a seventh of a small training's time."""
    from matplotlib.figure import Figure

    from training import figures

    class Plain(Figure):
        def __init__(self, **options: Any) -> None:
            super().__init__(**options | {"layout": "none"})

        def savefig(self, *arguments: Any, **options: Any) -> None:
            super().savefig(*arguments, **options | {"dpi": 20})

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(figures, "Figure", Plain)
        yield
