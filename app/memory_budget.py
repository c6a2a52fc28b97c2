"""Which opened models give way, so that all of them stay within a bound: those asked for least recently."""

import time
from collections.abc import Collection, Mapping


class MemoryBudget:
    """What models may take, and when each was asked for.

    Args:
        max_bytes: that all opened models of a process may take together.
    """

    def __init__(self, max_bytes: int) -> None:
        self.max_bytes = max_bytes
        self._used: dict[str, float] = {}  # by reference, when it was asked for last; by the monotonic clock

    def touch(self, reference: str) -> None:
        """Note that a model is asked for now."""
        self._used[reference] = time.monotonic()

    def fits(self, taken: Mapping[str, int], needed: int) -> bool:
        """Say whether a model of `needed` bytes fits beside those that are open."""
        return sum(taken.values()) + needed <= self.max_bytes

    def to_unload(self, taken: Mapping[str, int], kept: Collection[str]) -> list[str]:
        """Return which models give way; as many as can, if those that are kept take too much alone.

        Args:
            taken: by reference, the bytes of each opened model.
            kept: references that stay.
        """
        excess = sum(taken.values()) - self.max_bytes
        found = []
        for reference in sorted(taken.keys() - set(kept), key=lambda each: self._used.get(each, 0.0)):
            if excess <= 0:
                break
            found.append(reference)
            excess -= taken[reference]
            self._used.pop(reference, None)
        return found
