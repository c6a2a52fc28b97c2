"""Admission: how much may be under way, by what operations took lately."""

import functools
import math
from collections.abc import Hashable

from app.engine.shares import Shares, asking
from app.engine.work import BATCH_ROWS, T, Work
from app.errors import Overloaded
from app.metrics import Metrics
from app.protocol_errors import TooManyRequests

KEPT_FOR_FEW = 8  # one place in so many is kept for requests of few rows
CONTENDED = 0.5  # of the longest wait, or of the places: from there on a client may have its share alone


class Admission:
    """Counts the work under way and predicts when it will be done. Used on one event loop.

    A prediction is made of what is predicted, time: by each operation's own time for a batch, and never by a
    mean over images, which cost more the fewer come at once. Requests of few rows, up to a batch, have a turn
    of their own in the queue (``app.engine.batching``), and so they have in the prediction and in the places.

    Where much waits, a client that has more than its share is refused while others have work under way or
    were refused. A client that is alone may have everything.

    Args:
        max_images: that may be under way, all requests together; one request is always let in.
        max_seconds: that a request may have to wait until it is its turn.
        threads: that compute at the same time.
        metrics: where it counts.

    Attributes:
        images: under way.
    """

    def __init__(self, max_images: int, max_seconds: float, threads: int, metrics: Metrics) -> None:
        self.images = 0
        self._max_images = max_images
        self._max_seconds = max_seconds
        self._threads = threads
        self._metrics = metrics
        self._few_seconds = 0.0  # of the requests under way that have few rows
        self._many_seconds = 0.0  # and of the others
        self._shares = Shares(max_seconds * threads), Shares(max_images)

    def admit(self, work: Work[T], step_seconds: float = 0.0, client: Hashable = None) -> float:
        """Count a request in and return its predicted seconds, which ``release`` takes back.

        Args:
            work: what it asks for.
            step_seconds: that its own steps will wait for their thread.
            client: who asks; None: whoever ``asking`` says.

        Raises:
            Overloaded: it would make too many images wait, or wait for too long; or TooManyRequests: others
                wait, and `client` has its share. Says in how many seconds that will be over.
        """
        images, few = work.images, work.count <= BATCH_ROWS
        client = asking.get() if client is None else client
        if self.images and images:
            most = self._places(few)
            wait, taken = self.predicted_seconds(few) + step_seconds, self.images + images
            if wait > CONTENDED * self._max_seconds or taken > CONTENDED * most:
                self._check(work, client, wait, taken > most, step_seconds)
        seconds = work.predicted_seconds()
        self._count(work, images, seconds, client)
        return seconds

    def release(self, work: Work[T], seconds: float, client: Hashable = None) -> None:
        """Count a request out; `seconds`: what ``admit`` returned."""
        self._count(work, -work.images, -seconds, client)

    def _places(self, few: bool) -> int:
        """Return how many images there may be for a request to be let in, its own included."""
        return self._max_images - (0 if few else self._max_images // KEPT_FOR_FEW)

    def _check(self, work: Work[T], client: Hashable, wait: float, full: bool, step_seconds: float) -> None:
        """Refuse a request if its client has more than its share, or there is no place for anybody."""
        until = max(1, math.ceil(self.predicted_seconds() if full else wait))
        wanted = work.predicted_seconds(), work.images
        if any(held.exceeds(client, more) for held, more in zip(self._shares, wanted, strict=True)):
            self._metrics.count_refusal("share")
            raise TooManyRequests(until)
        if full or wait > self._max_seconds:
            refused = functools.partial(self._refused, "queue_full" if full else "predicted_wait")
            refused(client)
            few = work.count <= BATCH_ROWS
            # Of numbers alone: a refusal may be kept for longer than the model of its work.
            holds = functools.partial(self._holds, work.images, few, wanted[0], step_seconds)
            raise Overloaded(self.images, until, refused, holds)

    def _holds(self, images: int, few: bool, seconds: float, step_seconds: float, before: int) -> bool:
        """Say whether a request is refused that comes now, behind `before` others like it."""
        wait = self.predicted_seconds(few) + before * seconds / self._threads + step_seconds
        full = self.images + (before + 1) * images > self._places(few)
        return self.images + before > 0 and (full or wait > self._max_seconds)

    def _refused(self, reason: str, client: Hashable) -> None:
        """Count a refusal, of which the shares of those who are served depend for some seconds."""
        self._metrics.count_refusal(reason)
        for held in self._shares:
            held.refused(client)

    def predicted_seconds(self, few: bool = False) -> float:
        """Return the time until it is the turn of who comes now; with `few`, of a request of few rows.

        Batches of few and of many take turns: a request of few waits for those before it, and for no more
        batches of many than of these.
        """
        others = min(self._few_seconds, self._many_seconds) if few else self._many_seconds
        return (self._few_seconds + others) / self._threads

    def _count(self, work: Work[T], images: int, seconds: float, client: Hashable) -> None:
        self.images += images
        if client is not None:
            for held, more in zip(self._shares, (seconds, images), strict=True):
                held.add(client, more)
        self._metrics.queue_images.inc(images)
        if work.count <= BATCH_ROWS:
            self._few_seconds += seconds
        else:
            self._many_seconds += seconds
        if not self.images:  # what is left is rounding
            self._few_seconds = self._many_seconds = 0.0
