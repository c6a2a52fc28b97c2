"""What failed is tried again later and later."""

import time
from collections.abc import Callable, Hashable

MAX_SECONDS = 300.0


class Backoff:
    """When things that failed are due again; each failure in a row doubles the delay.

    Args:
        first_seconds: after the first failure.
        clock: seconds from some moment on.
    """

    def __init__(self, first_seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._first, self._clock = first_seconds, clock
        self._failed: dict[Hashable, tuple[float, float]] = {}  # when it is due, and by which delay

    def is_due(self, key: Hashable) -> bool:
        """Say whether something has not failed, or may be tried again."""
        return key not in self._failed or self._clock() >= self._failed[key][0]

    def failed(self, key: Hashable) -> float:
        """Take note of a failure, and return the seconds until it is due again."""
        before = self._failed[key][1] if key in self._failed else self._first / 2
        delay = min(2 * before, MAX_SECONDS)
        self._failed[key] = self._clock() + delay, delay
        return delay

    def succeeded(self, key: Hashable) -> None:
        """Forget the failures of something."""
        self._failed.pop(key, None)

    def clear(self) -> None:
        """Have everything be due."""
        self._failed = {key: (self._clock(), delay) for key, (_, delay) in self._failed.items()}

    @property
    def seconds(self) -> float | None:
        """Seconds until the first thing that failed is due again; None: nothing has failed."""
        if not self._failed:
            return None
        return max(0.0, min(due for due, _ in self._failed.values()) - self._clock())
