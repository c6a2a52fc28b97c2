"""What every peer draws: codes, the SavedModel's signature, a grid seven images wide, ``PIL.Image.save``.

They differ in the framework between this and the network, and in nothing else. There are no limits and no
checks; a seed makes their pictures comparable with each other, not with Vitrine's.
"""

import io
import json
import os
from pathlib import Path

import numpy as np
import numpy.typing as npt
import tensorflow as tf
from PIL import Image

MODEL = Path(__file__).resolve().parents[2] / "model_store" / os.environ.get("PEER_MODEL", "fashion-dense")
VERSION = max(MODEL.iterdir(), key=lambda version: int(version.name))
AXES: int = json.loads((VERSION / "manifest.json").read_text())["latent_dim"]
BATCHING = os.environ.get("PEER_BATCHING", "1") == "1"  # whether several requests may be decoded together
MAX_BATCH = 16  # requests


class Decoder:
    """The shipped decoder, as a user of TensorFlow runs it."""

    def __init__(self) -> None:
        self._loaded = tf.saved_model.load(str(VERSION / "decoder"))
        self._decode = self._loaded.signatures["decode"]

    def __call__(self, z: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """Return the images, (N, 28, 28) in [0, 1], of codes, (N, AXES)."""
        images: npt.NDArray[np.float32] = self._decode(z=tf.constant(z))["image"].numpy()
        return images

    def many(self, codes: list[npt.NDArray[np.float32]]) -> list[npt.NDArray[np.float32]]:
        """Decode the codes of several requests at once."""
        ends = np.cumsum([len(z) for z in codes])
        return np.split(self(np.concatenate(codes)), ends[:-1])


class Encoder:
    """The shipped encoder, as a user of TensorFlow runs it."""

    def __init__(self) -> None:
        self._loaded = tf.saved_model.load(str(VERSION / "encoder"))
        self._encode = self._loaded.signatures["encode"]

    def __call__(self, images: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """Return z_mean, (N, AXES), of images, (N, 28, 28) in [0, 1]."""
        z_mean: npt.NDArray[np.float32] = self._encode(images=tf.constant(images))["z_mean"].numpy()
        return z_mean


def draw(n: int, seed: int | None) -> npt.NDArray[np.float32]:
    """Return `n` codes z ~ N(0, I), (n, AXES), whatever the prior is: they cost the decoder the same."""
    return np.random.default_rng(seed).standard_normal((n, AXES), np.float32)


def png(images: npt.NDArray[np.float32], columns: int = 7) -> bytes:
    """Return a PNG of the images, dark on white, so many in a row."""
    levels = 255 - (np.clip(images, 0, 1) * 255).astype(np.uint8)
    rows = -(-len(levels) // columns)
    cells = np.full((rows * columns, 28, 28), 255, np.uint8)
    cells[: len(levels)] = levels
    grid = cells.reshape(rows, columns, 28, 28).swapaxes(1, 2).reshape(rows * 28, columns * 28)
    buffer = io.BytesIO()
    Image.fromarray(grid).save(buffer, format="PNG")
    return buffer.getvalue()
