"""Admission: how much may be under way, by what images took lately."""

import math

from app.errors import Overloaded
from app.metrics import Metrics

SMOOTHING = 0.1  # weight of the newest measurement


class Admission:
    """Counts the images under way and predicts when they will be done. Used on one event loop.

    Args:
        max_images: that may be under way, all requests together; one request is always let in.
        max_seconds: that a request may have to wait until it is its turn, by the measured rate.
        threads: that compute at the same time.
        metrics: where it counts.

    Attributes:
        images: under way.
        seconds_per_image: smoothed; 0: nothing has been computed yet.
    """

    def __init__(self, max_images: int, max_seconds: float, threads: int, metrics: Metrics) -> None:
        self.images = 0
        self.seconds_per_image = 0.0
        self._max_images = max_images
        self._max_seconds = max_seconds
        self._threads = threads
        self._metrics = metrics
        self._heavy_waiting = 0
        self._heavy_seconds = 0.0  # smoothed time of one heavy step

    def admit(self, images: int) -> None:
        """Count a request in.

        Raises:
            Overloaded: it would make too many images wait, or wait for too long. Says in how many seconds
                the queue will be empty.
        """
        wait, full = self.predicted_seconds(), self.images + images > self._max_images
        if self.images and (full or wait > self._max_seconds):
            self._metrics.count_refusal("queue_full" if full else "predicted_wait")
            raise Overloaded(self.images, max(1, math.ceil(wait)))
        self.images += images
        self._metrics.queue_images.inc(images)

    def release(self, images: int) -> None:
        """Count a request out."""
        self.images -= images
        self._metrics.queue_images.dec(images)

    def predicted_seconds(self) -> float:
        """Return the time until everything under way will be done."""
        seconds = self.images * self.seconds_per_image + self._heavy_waiting * self._heavy_seconds
        return seconds / self._threads

    def computed(self, seconds: float, images: int) -> None:
        """Learn what a batch took."""
        self.seconds_per_image = smoothed(self.seconds_per_image, seconds / images)

    def heavy_begun(self) -> None:
        """Count a heavy step in."""
        self._heavy_waiting += 1

    def heavy_ended(self, seconds: float) -> None:
        """Count a heavy step out, and learn what it took."""
        self._heavy_waiting -= 1
        self._heavy_seconds = smoothed(self._heavy_seconds, seconds)


def smoothed(before: float, newest: float) -> float:
    """Return a moving average; `before` is 0 at its beginning."""
    return newest if not before else before + SMOOTHING * (newest - before)
