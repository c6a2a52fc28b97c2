"""Positions of a batch: which are free, and which a row may have."""

from collections.abc import Sequence

from app.engine.work import BATCH_ROWS


class FreePositions:
    """The free positions of a batch, where a row may have those that are alike to its own."""

    def __init__(self, alike: tuple[int, ...]) -> None:
        self._alike = alike
        self._free: dict[int, list[int]] = {}
        for position in reversed(range(BATCH_ROWS)):
            self._free.setdefault(alike[position], []).append(position)

    def take(self, start: int, stop: int) -> Sequence[int]:
        """Return positions for the rows from `start` to `stop` - 1, or for as many as there are left."""
        positions: list[int] = []
        for row in range(start, stop):
            free = self._free[self._alike[row % BATCH_ROWS]]
            if not free:
                break
            positions.append(free.pop())
        return positions


class FreeRun:
    """The free positions of a batch whose positions are all alike: the last ones, in one run."""

    def __init__(self, size: int) -> None:
        self._free = range(size)

    def take(self, start: int, stop: int) -> Sequence[int]:
        """Return positions; see ``FreePositions``."""
        taken, self._free = self._free[: stop - start], self._free[stop - start :]
        return taken
