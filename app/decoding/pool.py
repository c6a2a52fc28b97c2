"""Hands each upload to a free decoder, and starts decoders when they are needed and where others ended."""

import contextlib
import logging
import signal
import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any, Protocol

from app.decoding.decoder import Allowance, Decoder, EndedError
from app.decoding.messages import Message
from app.errors import DecoderUnavailable, UndecodableUpload

log = logging.getLogger("vitrine")

# Signals by which the system, and not a picture, ends a process.
_OF_THE_SYSTEM = {signal.SIGKILL, signal.SIGTERM}
_OF_TIME = {signal.SIGPROF, signal.SIGXCPU}


class Tally(Protocol):
    """Who counts what decoders do; called from any thread."""

    def set_uploads_in_progress(self, uploads: int, num_bytes: int) -> None:
        """Take the uploads that are being decoded or wait for it, and their size."""

    def count_decoder_failure(self, reason: str) -> None:
        """Count an upload at which a decoder ended: crash, time, killed or stuck."""


class Pool:
    """Decoders. Any thread may ask; it waits until one is free.

    Args:
        processes: decoders at the same time; all but one, or the only one, may have large uploads, which take
            a hundred times as long as small ones.
        allowance: what each may take.

    Attributes:
        failures: uploads at which a decoder ended, by the reason.
        uploads: that are being decoded or wait for it.
        upload_bytes: their size.
        tally: is told of all three, if there is one.
    """

    def __init__(self, processes: int, allowance: Allowance) -> None:
        self.failures: Counter[str] = Counter()
        self.uploads = self.upload_bytes = 0
        self.tally: Tally | None = None
        self._processes = processes
        self._allowance = allowance
        self._changed = threading.Condition()
        self._idle: list[Decoder] = []
        self._busy = self._busy_large = 0

    def ask(
        self, words: dict[str, Any], files: Sequence[tuple[str, bytes]], large: bool, most: int
    ) -> Message:
        """Return what a decoder says to an upload.

        Args:
            words: what is asked.
            files: what errors call each, and its bytes.
            large: whether decoding it may take long, or much memory.
            most: bytes that an answer has at most.

        Raises:
            UndecodableUpload: a decoder ended at it, and may do so again.
            DecoderUnavailable: a decoder was ended by the system, is stuck, or cannot be started.
        """
        words = words | {"files": [(name, len(data)) for name, data in files]}
        contents = [data for _, data in files]
        size = sum(map(len, contents))
        with self._counted(size), self._turn(large):
            # Each one that was idle may be ending, and so have taken nothing; one that is new is not.
            for others_left in (*[True] * self._processes, False):
                decoder = self._take()
                try:
                    answer = decoder.ask(words, contents, most)
                except EndedError as error:
                    if not error.took and others_left:
                        continue
                    raise self._failure(error, files, size) from error
                with self._changed:
                    self._idle.append(decoder)
                return answer
        raise AssertionError  # the last decoder answers or fails

    def end(self) -> None:
        """End those that nobody needs just now; whoever asks later has others started."""
        with self._changed:
            idle, self._idle = self._idle, []
        for decoder in idle:
            decoder.end()

    @property
    def numbers(self) -> list[int]:
        """Numbers of the processes that wait for uploads."""
        with self._changed:
            return [each.number for each in self._idle if not each.has_ended]

    @contextlib.contextmanager
    def _counted(self, size: int) -> Iterator[None]:
        self._count(1, size)
        try:
            yield
        finally:
            self._count(-1, -size)

    def _count(self, uploads: int, num_bytes: int) -> None:
        with self._changed:
            self.uploads += uploads
            self.upload_bytes += num_bytes
            if self.tally is not None:  # under the lock, so that the last word is the latest
                self.tally.set_uploads_in_progress(self.uploads, self.upload_bytes)

    def _count_failure(self, reason: str) -> None:
        with self._changed:
            self.failures[reason] += 1
        if self.tally is not None:
            self.tally.count_decoder_failure(reason)

    @contextlib.contextmanager
    def _turn(self, large: bool) -> Iterator[None]:
        """Wait until there may be one more that is busy."""
        most_large = max(1, self._processes - 1)
        with self._changed:
            self._changed.wait_for(
                lambda: self._busy < self._processes and (not large or self._busy_large < most_large)
            )
            self._busy += 1
            self._busy_large += large
        try:
            yield
        finally:
            with self._changed:
                self._busy -= 1
                self._busy_large -= large
                self._changed.notify_all()

    def _take(self) -> Decoder:
        """Return a decoder that lives: the one that was used last, so that others can end."""
        while True:
            with self._changed:
                decoder = self._idle.pop() if self._idle else None
            if decoder is None:
                return Decoder(self._allowance)
            if not decoder.has_ended:
                return decoder
            decoder.end()

    def _failure(
        self, error: EndedError, files: Sequence[tuple[str, bytes]], size: int
    ) -> UndecodableUpload | DecoderUnavailable:
        """Return what is said of an upload at which a decoder ended; the log has a line."""
        name = files[0][0] if len(files) == 1 else "file"
        log.warning("a decoder ended at an upload of %d bytes: %s; another takes its place", size, error)
        signaled = -(error.status or 0)
        if error.status is None or signaled in _OF_THE_SYSTEM:
            self._count_failure("stuck" if error.status is None else "killed")
            return DecoderUnavailable(f"What decodes uploads was ended: {error}.")
        if signaled in _OF_TIME:
            self._count_failure("time")
            expected = f"an image that is decoded in {self._allowance.seconds:g} s (VITRINE_DECODE_SECONDS)"
            remedy = "Make the picture smaller, or save it as a baseline JPEG."
            return UndecodableUpload.of(
                name, expected, f"{size} bytes that take longer", remedy, "decoder_time"
            )
        self._count_failure("crash")
        expected, received = "an image that the decoder survives", f"{size} bytes that ended it ({error})"
        remedy = "Open the picture in another program and save it again, as an 8-bit PNG."
        return UndecodableUpload.of(name, expected, received, remedy, "decoder_crashed")
