"""Finished pictures of permanent addresses: kept within bounds, and computed once for all who ask meanwhile.

A permanent address gives the same bytes for good, so what was computed for it answers later requests as well.
A picture whose seed the service draws is not kept: a fresh seed for every request, so nobody asks for it
again. Nor is a picture of an upload, which has no address. Every worker process has a cache of its own.
"""

import asyncio
import functools
from collections import OrderedDict
from collections.abc import Callable

from app.explore.grids import Answer
from app.metrics import Metrics

Key = tuple[str, bytes]  # the digest of a version, and a permanent address of it
SubmittedPicture = asyncio.Future[Answer]

ENTRY_BYTES = 384  # that an entry takes beside its picture's content and its address
LARGEST_SHARE = 8  # a picture of more than one part in so many is not kept: it would drive out too many


class _Computation:
    """A picture that is being computed, and the futures of those who wait for it."""

    def __init__(self, submitted: SubmittedPicture) -> None:
        self.submitted = submitted
        self.waiting: set[SubmittedPicture] = set()


class PictureCache:
    """Keeps pictures, those asked for last, and computes each but once at a time. Used on one event loop.

    Args:
        max_bytes: that pictures may take, with their addresses and what keeps them; 0: none is kept.
        metrics: where it counts.

    Attributes:
        num_bytes: that they take.
    """

    def __init__(self, max_bytes: int, metrics: Metrics) -> None:
        self.num_bytes = 0
        self._max_bytes = max_bytes
        self._metrics = metrics
        self._pictures: OrderedDict[Key, Answer] = OrderedDict()  # the one asked for last at the end
        self._computing: dict[Key, _Computation] = {}

    def __len__(self) -> int:
        """Return the number of pictures."""
        return len(self._pictures)

    def find(self, key: Key) -> Answer | None:
        """Return a picture if it is kept."""
        picture = self._pictures.get(key)
        if picture is not None:
            self._pictures.move_to_end(key)
            self._metrics.count_cache_request("hit")
        return picture

    def submit(self, key: Key, compute: Callable[[], SubmittedPicture]) -> SubmittedPicture:
        """Return a future of a picture that is not kept; cancel it to wait no longer.

        The picture is computed once for all who wait for it. It is given up when all of them have cancelled.
        What it fails by is raised for each of them.

        Args:
            key: of the picture.
            compute: called if nobody waits for it: submits its work to the engine, or raises its refusal.
        """
        computation = self._computing.get(key)
        if computation is None:
            self._metrics.count_cache_request("miss")
            computation = _Computation(compute())
            self._computing[key] = computation
            computation.submitted.add_done_callback(functools.partial(self._hand_out, key, computation))
        else:
            self._metrics.count_cache_request("shared")
        # A future of its own: a task that is cancelled cancels the one that it awaits.
        future: SubmittedPicture = computation.submitted.get_loop().create_future()
        computation.waiting.add(future)
        future.add_done_callback(functools.partial(self._leave, key, computation))
        return future

    def _leave(self, key: Key, computation: _Computation, future: SubmittedPicture) -> None:
        """Count one out of those who wait; the last one gives the computation up."""
        computation.waiting.discard(future)
        if not computation.waiting and not computation.submitted.done():
            del self._computing[key]  # at once: who comes next does not join it
            computation.submitted.cancel()

    def _hand_out(self, key: Key, computation: _Computation, submitted: SubmittedPicture) -> None:
        """Give everybody who waits the picture, or an error."""
        if submitted.cancelled():  # and nobody waits
            return
        del self._computing[key]
        error = submitted.exception()
        for future in computation.waiting:
            if future.done():  # who waited has left in this very turn of the event loop
                continue
            if error is None:
                future.set_result(submitted.result())
            else:
                future.set_exception(_copied(error))
        if error is None:
            self._keep(key, submitted.result())

    def _keep(self, key: Key, picture: Answer) -> None:
        """Keep a picture unless it is too large; those that were asked for least recently make place."""
        size = _size(key, picture)
        if size > self._max_bytes // LARGEST_SHARE:
            return
        while self.num_bytes + size > self._max_bytes:
            self.num_bytes -= _size(*self._pictures.popitem(last=False))
        self._pictures[key] = picture
        self.num_bytes += size
        self._metrics.cache_bytes.set(self.num_bytes)
        self._metrics.cache_pictures.set(len(self._pictures))


def _size(key: Key, picture: Answer) -> int:
    """Return the bytes that an entry takes; digest and media type are objects that it shares."""
    return ENTRY_BYTES + len(key[1]) + len(picture.content) + sum(map(len, picture.notes))


def _copied(error: BaseException) -> BaseException:
    """Return an error of its own for one of many who wait: an exception collects the frames that it passes.

    Made past its constructor, which takes other arguments than the exception keeps.
    """
    copied: BaseException = type(error).__new__(type(error), *error.args)
    copied.__dict__.update(error.__dict__)
    copied.__cause__, copied.__suppress_context__ = error.__cause__, error.__suppress_context__
    return copied.with_traceback(error.__traceback__)
