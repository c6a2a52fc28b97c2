"""What the service reads of uploads, decoded where the setting says."""

import functools
import math
import os
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from app import errors
from app.decoding import messages
from app.decoding.decoder import Allowance
from app.decoding.pool import Pool, Tally
from app.errors import DecoderUnavailable, Fault, InvalidParameter, UndecodableUpload
from app.pictures import marks, uploads
from app.pictures.containers import announced_pixels
from app.pictures.uploads import Invert, Polarity, Upload
from app.settings import Settings

Files = Sequence[tuple[str, bytes]]

LARGE_BYTES = 262_144
LARGE_PIXELS = 2_000_000
MOST_PIXELS = 50 * LARGE_PIXELS  # that count: anybody can announce more, and nothing of it is decoded
# What a WebP takes, whose decoder holds several copies: more than any other format.
_BYTES_A_PIXEL = 28
_BYTES_BESIDE = 67_108_864
# The refusals that a decoder may answer with, by name.
_REFUSALS: dict[str, type[InvalidParameter]] = {
    kind.__name__: kind
    for kind in (
        errors.InvalidParameter,
        errors.UploadError,
        errors.UnsupportedUpload,
        errors.UnsupportedPicture,
    )
}


def read_uploads(
    files: Files,
    shape: tuple[int, ...],
    invert: Invert,
    limits: Settings,
    polarity: Polarity = "dark",
    *,
    on_white: bool = True,
) -> list[Upload]:
    """Return files decoded and fitted to a model's image; see ``app.pictures.uploads.read_uploads``.

    Raises:
        UploadError: as that, or UndecodableUpload: the decoder failed at it.
        DecoderUnavailable: the decoder was ended, is stuck, or cannot be started.
    """
    if not apart(limits):
        return uploads.read_uploads(files, shape, invert, limits, polarity, on_white=on_white)
    given = {"invert": invert, "polarity": polarity, "on_white": on_white}
    answer, arrays = _read("uploads", files, shape, limits, given)
    notes = answer.words.get("notes")
    if not isinstance(notes, list) or len(notes) != len(files) or not all(map(_are_notes, notes)):
        raise _garbled()
    return [
        Upload(name, pixels, tuple(each))
        for (name, _), pixels, each in zip(files, arrays, notes, strict=True)
    ]


def _are_notes(said: object) -> bool:
    """Say whether a decoder's notes of a file can stand in a header of the answer."""
    return isinstance(said, list) and all(
        isinstance(note, str) and note.isprintable() and note.isascii() for note in said
    )


def read_seen(files: Files, shape: tuple[int, ...], limits: Settings) -> list[npt.NDArray[np.bool_]]:
    """Return which pixels of each file are opaque; see ``uploads.read_seen``, and ``read_uploads`` here."""
    if not apart(limits):
        return uploads.read_seen(files, shape, limits)
    return [each != 0 for each in _read("seen", files, shape[:2], limits)[1]]


def read_masks(files: Files, shape: tuple[int, ...], limits: Settings) -> list[npt.NDArray[np.bool_]]:
    """Return which pixels each mask lets be seen; see ``uploads.read_masks``, ``read_uploads`` here."""
    if not apart(limits):
        return uploads.read_masks(files, shape, limits)
    return [each != 0 for each in _read("masks", files, shape[:2], limits)[1]]


def read_frames(data: bytes, parameter: str, limits: Settings) -> marks.Frames:
    """Return a picture's frames as they are shown; see ``marks.frames_of``, and ``read_uploads`` here."""
    if not apart(limits):
        return marks.frames_of(data, parameter)
    answer = _ask({"task": "frames"}, [(parameter, data)], limits, 4 * marks.MAX_PIXELS)
    shape = answer.words.get("shape")
    if not isinstance(shape, list) or len(shape) != 4 or not all(type(side) is int for side in shape):
        raise _garbled()
    if min(shape) < 0 or shape[3] != 4 or shape[0] * shape[1] * shape[2] * 4 != len(answer.content):
        raise _garbled()
    return np.frombuffer(answer.content, np.uint8).reshape(shape)


def size_of(files: Files) -> int:
    """Return the bytes of files; where they announce many pixels, as many bytes as take so long to decode."""
    pixels = min(MOST_PIXELS, sum(announced_pixels(data) for _, data in files))
    return max(sum(len(data) for _, data in files), math.ceil(pixels / LARGE_PIXELS * LARGE_BYTES))


def pool_of(limits: Settings) -> Pool:
    """Return the decoders that an upload under these settings goes to."""
    memory = _BYTES_A_PIXEL * limits.max_upload_pixels + 4 * limits.max_upload_bytes + _BYTES_BESIDE
    return _pool(limits.decode_processes, Allowance(memory, limits.decode_seconds))


def count_by(limits: Settings, tally: Tally) -> None:
    """Have what decoders do counted; of services with the same settings, by the last one that says so."""
    pool_of(limits).tally = tally


def end(limits: Settings) -> None:
    """End the decoders that nobody needs just now; the next upload has others started."""
    pool_of(limits).end()


@functools.cache
def _pool(processes: int, allowance: Allowance) -> Pool:
    """The process's decoders, for all of its services that have the same settings."""
    return Pool(processes, allowance)


def apart(limits: Settings) -> bool:
    """Say whether uploads are decoded in processes of their own."""
    return limits.decode == "process" and os.name == "posix"


def _read(
    task: str, files: Files, shape: tuple[int, ...], limits: Settings, given: dict[str, Any] | None = None
) -> tuple[messages.Message, npt.NDArray[np.uint8]]:
    """Return an answer that has an array of the same shape for each file, and these arrays."""
    size = len(files) * int(np.prod(shape))
    bounds = limits.max_upload_pixels, limits.max_upload_side
    words = {"task": task, "shape": shape, "limits": bounds, "given": given}
    answer = _ask(words, files, limits, size)
    if len(answer.content) != size:
        raise _garbled()
    return answer, np.frombuffer(answer.content, np.uint8).reshape(len(files), *shape)


def _ask(words: dict[str, Any], files: Files, limits: Settings, most: int) -> messages.Message:
    answer = pool_of(limits).ask(words, files, size_of(files) > LARGE_BYTES, most)
    if answer.kind == messages.DONE:
        return answer
    if answer.kind == messages.REFUSED:
        raise _refusal(answer)
    if answer.kind == messages.NO_MEMORY:
        expected = "an image that is decoded in the memory that the limits let expect"
        remedy = "Save the picture as an 8-bit PNG or a baseline JPEG."
        name = files[0][0] if len(files) == 1 else "file"
        raise UndecodableUpload.of(name, expected, "one that takes more", remedy, "decoder_memory")
    raise RuntimeError(f"a decoder failed: {answer.words.get('trace')}")


def _refusal(answer: messages.Message) -> InvalidParameter | DecoderUnavailable:
    kind, faults = _REFUSALS.get(str(answer.words.get("error"))), answer.words.get("faults")
    if kind is None or not isinstance(faults, list):
        return _garbled()
    try:
        return kind(*(Fault(*map(str, fault)) for fault in faults))
    except TypeError:
        return _garbled()


def _garbled() -> DecoderUnavailable:
    return DecoderUnavailable("What decodes uploads gave an answer that is none.")
