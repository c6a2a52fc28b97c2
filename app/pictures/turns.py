"""How many pixels are decoded at the same time, in one process."""

import contextlib
import threading
from collections.abc import Iterator

FREE_PIXELS = 1_000_000  # an upload of no more than these need not wait: it takes some megabytes


class PixelTurns:
    """Lets uploads be decoded at the same time whose pixels together are no more than one upload may have.

    A pixel takes up to eight bytes while it is decoded. Small uploads never wait. Any thread may ask.
    """

    def __init__(self) -> None:
        self.pixels = 0
        self._changed = threading.Condition()

    @contextlib.contextmanager
    def turn(self, pixels: int, most: int) -> Iterator[None]:
        """Wait until there is memory for an upload, and count it.

        Args:
            pixels: of all its images.
            most: that may be decoded at the same time; one upload that is alone always may.
        """
        if pixels <= FREE_PIXELS:
            yield
            return
        with self._changed:
            self._changed.wait_for(lambda: not self.pixels or self.pixels + pixels <= most)
            self.pixels += pixels
        try:
            yield
        finally:
            with self._changed:
                self.pixels -= pixels
                self._changed.notify_all()


TURNS = PixelTurns()  # of this process, as its memory is
