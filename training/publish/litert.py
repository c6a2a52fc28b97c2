"""A version's SavedModels as flatbuffers for LiteRT, TensorFlow's own small runtime.

What a service needs is converted: encode, decode, log_prob, and draw, or where the service draws by itself
the parameters for it. A flatbuffer takes any number of rows; it uses LiteRT's built-in operations alone, so
that no TensorFlow is needed to run it.
"""

import contextlib
import functools
import io
import os
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow as tf
from ai_edge_litert.interpreter import Interpreter

from training.errors import RunError
from training.trained import call_signature
from training.types import Array

FILES = {
    "encoder": "encoder/assets.extra/encoder.tflite",
    "decoder": "decoder/assets.extra/decoder.tflite",
}
# Of a likelihood given the pixels before, one changed choice changes much of its image: the share of changed
# pixels is that of a few images in a thousand, and of fewer codes no estimate.
CHECKED_CODES = 8_192
BATCH = 256  # rows computed at a time to be compared
MAX_LEVELS = 1  # by which two runtimes may differ: a rounding error may lie across the edge of a level
# A draw may choose, by its noise, between values far apart: black or white, or a component. It chooses
# otherwise only if the noise falls between the two runtimes' thresholds, which are some 1e-7 apart. A wrong
# operation moves per cents of the pixels.
MAX_CHANGED_CHOICES = 1e-4
# Of an image's log-probability, for each pixel and each nat of it: rounding is relative to size. The
# published models differ by less than a tenth of that, a wrong operation by whole nats.
MAX_NATS_PER_PIXEL = 1e-5
# Of a parameter of p(x given z), for its size and one; rounding makes less than a tenth of it.
MAX_PARAMETER = 1e-4

Call = Any  # of a signature: arrays by name -> arrays by name


def signatures(written: Iterable[str]) -> list[str]:
    """Return which of a SavedModel's signatures a flatbuffer has: no draws, if it has their parameters."""
    names = list(written)
    return [name for name in names if name != "draw" or "parameters" not in names]


def convert(saved_model: Path, names: list[str]) -> bytes:
    """Return the flatbuffer of a SavedModel with these of its signatures, which take any number of rows.

    A RunError if an operation has no built-in counterpart in LiteRT.
    """
    part = saved_model.name
    converter = tf.lite.TFLiteConverter.from_saved_model(str(saved_model), signature_keys=names)
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS]
    try:
        with contextlib.redirect_stderr(io.StringIO()):  # the converter's chatter
            flatbuffer: bytes = converter.convert()
    except Exception as error:  # the converter's own kind of error is not public
        reason = str(error).strip().splitlines()[-1]
        raise RunError(f"{part}: cannot be converted for LiteRT ({reason})") from error
    return flatbuffer


def check_agreement(
    version: Path, latent_dim: int, noise_shape: tuple[int, ...], images: Array, codes: Array | None = None
) -> None:
    """Compare the pictures that the two runtimes draw of a version: of random codes, and of `images` rebuilt.

    `codes`, (N, D), are drawn beside the random ones. A RunError if they differ by more than a level; for
    draws, in more than one pixel of ten thousand; if the parameters that a service draws with differ; or if
    images are more probable to one than to the other.
    """
    rng = np.random.default_rng(0)
    z = rng.standard_normal((CHECKED_CODES, latent_dim), np.float32)
    z = z if codes is None else np.concatenate([z, codes])
    noise = rng.uniform(1e-6, 1 - 1e-6, (len(z), *noise_shape)).astype(np.float32)

    def pictures(calls: dict[str, Call]) -> dict[str, Array]:
        found = {
            "decode": calls["decode"](z=z)["image"],
            "a reconstruction": calls["decode"](z=calls["encode"](images=images)["z_mean"])["image"],
        }
        if "draw" in litert_calls:
            found["draw"] = calls["draw"](z=z, noise=noise)["image"]
        return found

    def log_prob(calls: dict[str, Call]) -> Array:
        z_mean = calls["encode"](images=images)["z_mean"]
        # No further out than the service goes; see model_store/README.md.
        return np.asarray(calls["log_prob"](z=np.clip(z_mean, -8, 8), images=images)["log_prob_per_pixel"])

    calls = saved_model_calls(version)
    with without_announcements(version):
        litert_calls = flatbuffer_calls(version)
    if "parameters" in litert_calls:
        _check_parameters(calls, litert_calls, z)
    ours, our_log_prob = pictures(calls), log_prob(calls)
    with without_announcements(version):
        theirs, their_log_prob = pictures(litert_calls), log_prob(litert_calls)
    for what, picture in ours.items():
        difference = _levels_apart(np.asarray(picture), theirs[what])
        changed = float(np.mean(difference > MAX_LEVELS))
        if changed > (MAX_CHANGED_CHOICES if what == "draw" else 0):
            share = f"more than a grey level in {changed:.2%} of the pixels"
            how_far = share if what == "draw" else f"{difference.max()} grey levels"
            raise RunError(f"TensorFlow and LiteRT differ in {what} by {how_far}; nothing was published")
    apart = _nats_apart(our_log_prob, their_log_prob)
    if not apart <= MAX_NATS_PER_PIXEL:
        how_far = f"{apart:.2g} nats a pixel"
        raise RunError(f"TensorFlow and LiteRT differ in log_prob by {how_far}; nothing was published")


@contextlib.contextmanager
def without_announcements(folder: Path) -> Iterator[None]:
    """Keep from standard error what LiteRT, whose log knows no setting, only announces: lines with INFO."""
    with tempfile.TemporaryFile(dir=folder) as written:
        try:
            error = os.dup(2)
        except OSError:  # standard error is closed
            yield
            return
        os.dup2(written.fileno(), 2)
        try:
            yield
        finally:
            os.dup2(error, 2)
            os.close(error)
            written.seek(0)
            with contextlib.suppress(OSError):
                os.write(2, b"".join(line for line in written if not line.startswith(b"INFO: ")))


def _check_parameters(ours: dict[str, Call], theirs: dict[str, Call], z: Array) -> None:
    """Compare the parameters that a service draws with; see ``check_agreement``."""
    for start in range(0, len(z), BATCH):  # as many numbers as images have are not to be held at once
        codes = z[start : start + BATCH]
        one, other = (np.asarray(calls["parameters"](z=codes)["parameters"]) for calls in (ours, theirs))
        apart = float((np.abs(one - other) / (1 + np.abs(one))).max())
        if not apart <= MAX_PARAMETER:
            raise RunError(
                f"TensorFlow and LiteRT differ in parameters by {apart:.2g}; nothing was published"
            )


def _nats_apart(first: Array, second: Array) -> float:
    """Return by how much the log-probability of an image differs at most, for each pixel of mean size."""
    sums = [each.reshape(len(each), -1).sum(axis=1, dtype=np.float64) for each in (first, second)]
    sizes = 1 + np.abs(first.reshape(len(first), -1).astype(np.float64))
    return float((np.abs(sums[0] - sums[1]) / sizes.sum(axis=1)).max())


def _levels_apart(first: Array, second: Array) -> npt.NDArray[np.int64]:
    if not (np.isfinite(first).all() and np.isfinite(second).all()):
        raise RunError("a picture is not finite; nothing was published")
    # The service's levels: [0, 1] cut into 256 equal bins.
    levels = [np.minimum(np.clip(images, 0, 1) * 256, 255).astype(np.int64) for images in (first, second)]
    return np.asarray(np.abs(levels[0] - levels[1]))


def saved_model_calls(version: Path) -> dict[str, Call]:
    """Return the signatures of a version's SavedModels, by name."""
    loaded = {part: tf.saved_model.load(str(version / part)) for part in FILES}
    return {
        name: functools.partial(call_signature, loaded[part], name)
        for part in FILES
        for name in loaded[part].signatures
    }


def flatbuffer_calls(version: Path) -> dict[str, Call]:
    """Return the signatures of a version's flatbuffers, by name."""
    opened = {part: Interpreter(model_content=(version / path).read_bytes()) for part, path in FILES.items()}
    return {
        name: functools.partial(_in_batches, interpreter.get_signature_runner(name))
        for interpreter in opened.values()
        for name in interpreter.get_signature_list()
    }


def _in_batches(runner: Any, **arrays: Array) -> dict[str, Array]:
    """Return what a signature computes, BATCH rows at a time."""
    count = len(next(iter(arrays.values())))
    batches = [
        runner(**{key: array[start : start + BATCH] for key, array in arrays.items()})
        for start in range(0, count, BATCH)
    ]
    return {key: np.concatenate([batch[key] for batch in batches]) for key in batches[0]}
