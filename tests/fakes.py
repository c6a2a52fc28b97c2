"""A model small enough to compute by hand, and a store that holds it."""

import hashlib
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

SHAPE = (8, 8)
LATENT_DIM = 2


class FakeRuntime:
    """z[0] sets the level of the upper half of the image, z[1] that of the lower half, a tenth a unit.

    ``encode`` inverts ``decode``, so a picture of two flat halves is reconstructed exactly.
    """

    name = "fake"
    rows = 32
    scores = True
    widens = False

    def __init__(self, shape: tuple[int, ...] = SHAPE) -> None:
        self.shape = shape
        self.rows_seen: list[int] = []
        self.rested = 0

    def encode(self, images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        self.rows_seen.append(len(images))
        half = self.shape[0] // 2
        upper = images[:, :half].reshape(len(images), -1).mean(axis=1)
        lower = images[:, half:].reshape(len(images), -1).mean(axis=1)
        z_mean = (np.stack([upper, lower], axis=1) - 0.5) * 10
        return z_mean.astype(np.float32), np.zeros_like(z_mean, dtype=np.float32)

    def decode(self, z: np.ndarray) -> np.ndarray:
        self.rows_seen.append(len(z))
        half = self.shape[0] // 2
        images = np.empty((len(z), *self.shape), np.float32)
        levels = 0.5 + z / 10
        images[:, :half] = levels[:, 0].reshape(-1, *[1] * len(self.shape))
        images[:, half:] = levels[:, 1].reshape(-1, *[1] * len(self.shape))
        return images

    def rest(self, ready: bool = False) -> None:
        self.rested += 1

    def draw(self, z: np.ndarray, noise: np.ndarray) -> np.ndarray:
        return self.decode(z) + 0.1 * (noise - 0.5)

    def log_prob(self, z: np.ndarray, images: np.ndarray) -> np.ndarray:
        """Of a Gaussian of variance 0.01 around what ``decode`` gives, as the manifest says."""
        return (-50 * (images - self.decode(z)) ** 2 - 0.5 * np.log(2 * np.pi * 0.01)).astype(np.float32)


def open_fake(folder: Path, threads: int) -> FakeRuntime:
    manifest = json.loads((folder / "manifest.json").read_text())
    return FakeRuntime(tuple(manifest["image"]["shape"]))


def png_bytes(pixels: np.ndarray, **options: Any) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, format="PNG", **options)
    return buffer.getvalue()


def pixels_of(png: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(png)))


# Two narrow components, one below and one above zero on both axes: a picture says which one it was drawn from.
MIXTURE = {
    "weights": np.array([0.25, 0.75]),
    "means": np.array([[-2.0, -2.0], [2.0, 2.0]], np.float32),
    "cholesky": np.array([[[0.1, 0.0], [0.05, 0.1]]] * 2, np.float32),
    "component_class": np.array([0, 1]),
}
CLASSES = ("Low", "High")

# Six images at their codes: three of the first class below, three of the second above, two of these near.
MAP = {
    "positions": np.array([[-2, -2], [-1, -2], [0, -1], [2, 1], [2.1, 1], [0, 2]], np.float32),
    "z_mean": np.array([[-2, -2], [-1, -2], [0, -1], [2, 1], [2.1, 1], [0, 2]], np.float32),
    "classes": np.array([0, 0, 0, 1, 1, 1], np.int32),
}

CARD = """# fake

A model small enough to compute by hand. It has two axes.

## How good it is

| k | L_k |
|---|---|
| 1 | -2.5 |

The axes are [one picture](axes.png); the weights are [not shown](decoder/weights), <b>nor</b> obeyed.

![all of the axes](axes.png)
"""


def write_version(
    store: Path,
    name: str = "fake",
    number: int = 1,
    shape: tuple[int, ...] = SHAPE,
    mixture: dict[str, Any] | None = None,
    card: str | None = None,
    mapped: dict[str, Any] | None = None,
    **changes: Any,
) -> Path:
    """Write a version that the store accepts; `changes` overwrite the manifest's keys.

    `mixture`, like ``MIXTURE``, becomes its prior, with the classes ``CLASSES``. `card` becomes its card; then
    it has a picture of its axes too. `mapped`, like ``MAP``, becomes its map, with the classes ``CLASSES``.
    """
    folder = store / name / str(number)
    (folder / "encoder").mkdir(parents=True)
    (folder / "decoder").mkdir()
    (folder / "examples").mkdir()
    (folder / "encoder" / "weights").write_bytes(b"encoder")
    (folder / "decoder" / "weights").write_bytes(b"decoder")
    for index, level in enumerate((51, 204)):  # 0.2 and 0.8
        (folder / "examples" / f"{index}.png").write_bytes(png_bytes(np.full(shape, level, np.uint8)))
    if card is not None:
        (folder / "card.md").write_text(card)
        (folder / "axes.png").write_bytes(png_bytes(np.full((16, 24), 100, np.uint8)))
    if mapped is not None:
        changes = {"map": write_map(folder, shape, mapped)} | changes
    prior: dict[str, Any] = {"name": "standard_normal"}
    if mixture is not None:
        np.savez(folder / "prior.npz", **mixture)
        prior = {"name": "gaussian_mixture", "path": "prior.npz", "classes": CLASSES}
    axis = {"kl": 1.0, "mean": 0.0, "std": 1.0, "quantiles": {"0.025": -1.5, "0.975": 2.5}}
    manifest = {
        "format_version": 1,
        "name": name,
        "image": {"shape": list(shape), "value_range": [0.0, 1.0]},
        "latent_dim": LATENT_DIM,
        "likelihood": {"name": "gaussian", "parameters": {"variance": 0.01}, "noise_shape": list(shape)},
        "prior": prior,
        "walk": {"axis": 1, "low": None, "high": None, "steps": 3},
        "axes": [axis] * LATENT_DIM,
        "examples": ["examples/0.png", "examples/1.png"],
        "files": list_files(folder),
    } | changes
    seal(folder, manifest)
    return folder


def write_map(folder: Path, shape: tuple[int, ...], mapped: dict[str, Any]) -> dict[str, Any]:
    """Write the files of a map, whose images are what the fake model decodes; return the manifest's key."""
    np.savez(folder / "map.npz", **mapped)
    images = np.round(FakeRuntime(shape).decode(mapped["z_mean"]) * 255).astype(np.uint8)
    columns = 4
    rows = -(-len(images) // columns)
    cells = np.zeros((rows * columns, *shape), np.uint8)
    cells[: len(images)] = images
    sheet = np.concatenate(
        [np.concatenate(list(row), axis=1) for row in cells.reshape(rows, columns, *shape)]
    )
    (folder / "map.png").write_bytes(png_bytes(sheet))
    names = CLASSES if len(mapped["classes"]) else ()
    about = {"path": "map.npz", "sprites": "map.png", "num_images": len(images), "columns": columns}
    return about | {"classes": names, "method": "z_mean", "split": "test"}


def list_files(folder: Path) -> list[dict[str, Any]]:
    return [
        {
            "path": path.relative_to(folder).as_posix(),
            "size": path.stat().st_size,
            "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
        }
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != "manifest.json"
    ]


def seal(folder: Path, manifest: dict[str, Any]) -> None:
    """Write the manifest with the digest that model_store/README.md defines."""
    content = {key: value for key, value in manifest.items() if key != "digest"}
    text = json.dumps(content, sort_keys=True, separators=(",", ":"))
    manifest["digest"] = hashlib.sha256(text.encode()).hexdigest()
    (folder / "manifest.json").write_text(json.dumps(manifest, indent=2) + "\n")


def digest_of(folder: Path) -> str:
    digest: str = json.loads((folder / "manifest.json").read_text())["digest"]
    return digest


def record(folder: Path) -> str:
    """Have the store of a version remember it, as its publisher does; return the version's digest."""
    line = {"model": folder.parent.name, "version": int(folder.name), "digest": digest_of(folder)}
    with (folder.parents[1] / "published.jsonl").open("a") as file:
        file.write(json.dumps(line) + "\n")
    return digest_of(folder)
