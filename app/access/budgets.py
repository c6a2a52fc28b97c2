"""How many images an API key may have computed in a minute."""

import math
import time
from collections.abc import Callable

from app.access.refusals import BudgetSpent

MINUTE = 60.0


class Budget:
    """Images that may be computed: one minute's number at once, and as many again in every minute.

    What is taken comes back evenly (a token bucket), so a client that waits finds some again before the
    minute is over.

    Args:
        per_minute: images.
        clock: seconds that never go back.
    """

    def __init__(self, per_minute: int, clock: Callable[[], float] = time.monotonic) -> None:
        self.per_minute = per_minute
        self._clock = clock
        self._left = float(per_minute)
        self._at = clock()

    def take(self, images: int) -> None:
        """Take `images` from what is left.

        Raises:
            BudgetSpent: there are not as many; nothing is taken.
        """
        left = self._refilled()
        if images > left:
            seconds = math.ceil((min(images, self.per_minute) - left) * MINUTE / self.per_minute)
            raise BudgetSpent(images, self.headers(), max(1, seconds))
        self._left = left - images

    def give_back(self, images: int) -> None:
        """Give back what was taken for images that were never computed."""
        self._left = min(self._refilled() + images, float(self.per_minute))

    def headers(self) -> dict[str, str]:
        """Return what is left, as headers: images, and seconds until all of the minute's are there again."""
        left = self._refilled()
        return {
            "RateLimit-Limit": str(self.per_minute),
            "RateLimit-Remaining": str(int(left)),
            "RateLimit-Reset": str(math.ceil((self.per_minute - left) * MINUTE / self.per_minute)),
        }

    def _refilled(self) -> float:
        now = self._clock()
        self._left = min(float(self.per_minute), self._left + (now - self._at) * self.per_minute / MINUTE)
        self._at = now
        return self._left
