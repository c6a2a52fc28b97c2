"""How long a run has still to go, by what its steps took once they were compiled."""

import time


class Pace:
    """Measures what a step takes, and what an epoch takes beside its steps: validation, pictures, files.

    What is done once is left out, or the first estimate would be many times too long: the first call of steps
    compiles them, and the first epoch's end compiles validation and loads what draws.
    """

    def __init__(self) -> None:
        self._steps, self._seconds = 0, 0.0  # of steps that were compiled before
        self._ends, self._beside = 0, 0.0  # of epochs, the first one left out
        self._compiles = True  # whether the next call of steps does
        self._before: float | None = None  # when the latest call of steps ended
        self._done = 0  # steps of the epoch under way
        self._first = True  # whether no epoch has ended yet

    def begin_epoch(self, *, compiles: bool) -> None:
        """Note that an epoch begins; of which, in a final phase, the steps are compiled anew."""
        now = time.monotonic()
        if self._before is not None:
            if not self._first:
                self._ends, self._beside = self._ends + 1, self._beside + now - self._before
            self._first = False
        if compiles:
            self._steps, self._seconds, self._compiles = 0, 0.0, True
        self._before, self._done = now, 0

    def take(self, done: int) -> None:
        """Note that so many steps of the epoch are done."""
        now = time.monotonic()
        if not self._compiles and self._before is not None:
            self._steps, self._seconds = self._steps + done - self._done, self._seconds + now - self._before
        self._before, self._done, self._compiles = now, done, False

    @property
    def seconds_a_step(self) -> float | None:
        """What a step takes; None while none was taken but those that compiled."""
        return self._seconds / self._steps if self._steps else None

    def left(self, steps: int, epochs: int) -> str:
        """Return how long so many steps and ends of epochs will take, or nothing if unknown."""
        if self.seconds_a_step is None:
            return ""
        beside = self._beside / self._ends if self._ends else 0.0
        minutes, seconds = divmod(round(steps * self.seconds_a_step + epochs * beside), 60)
        return f", {minutes} min {seconds:02} s left"
