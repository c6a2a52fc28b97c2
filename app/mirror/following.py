"""A thread that keeps the folder of a store elsewhere up to date, away from what serves."""

import logging
import threading
from collections.abc import Callable

from app.mirror.mirror import Mirror

log = logging.getLogger("vitrine")


class Follower:
    """Looks at a store elsewhere at once, then from time to time, and when it is woken.

    Args:
        mirror: what brings it here; from now on this thread's alone.
        poll_seconds: from one look to the next; 0: it is woken, or tries again what failed.
        changed: called in the thread after something here has changed.
    """

    def __init__(self, mirror: Mirror, poll_seconds: float, changed: Callable[[], object]) -> None:
        self._mirror, self._poll_seconds, self._changed = mirror, poll_seconds, changed
        self._woken = threading.Event()
        self._stopped = False
        self._again = False
        self._told = mirror.warning  # the start has said it
        self._thread = threading.Thread(target=self._follow, name="mirror", daemon=True)
        self._thread.start()

    @property
    def warning(self) -> str:
        """What an operator should see to, in one line; empty if nothing."""
        return self._told

    @property
    def rejected(self) -> dict[str, str]:
        """Versions that could not be brought here, as ``name/version``, and why."""
        return dict(self._mirror.rejected)

    def wake(self) -> None:
        """Look now, and try again what failed."""
        self._again = True
        self._woken.set()

    def stop(self) -> None:
        """Look no more. What is under way is left alone: a store that is lost may hang."""
        self._stopped = True
        self._woken.set()

    def _follow(self) -> None:
        while not self._stopped:
            self._woken.clear()
            if self._again:
                self._again = False
                self._mirror.backoff.clear()
            try:
                self._mirror.update(self._take_note)
            except Exception as error:  # nobody would start this thread again
                log.error("the store was not followed: %s: %s", type(error).__name__, error)
            self._tell()
            self._woken.wait(self._seconds())

    def _take_note(self) -> None:
        self._tell()
        if not self._stopped:
            self._changed()

    def _tell(self) -> None:
        warning = self._mirror.warning
        if warning and warning != self._told:
            log.warning("%s", warning)
        self._told = warning

    def _seconds(self) -> float | None:
        """Return how long to wait for the next look; None: until somebody wakes this."""
        failed = self._mirror.backoff.seconds
        polls = [self._poll_seconds] if self._poll_seconds else []
        return min([*polls, *([] if failed is None else [max(failed, 0.1)])], default=None)
