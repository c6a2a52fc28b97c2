"""The use cases: what a sample grid, a reconstruction and an interpolation *are*.

Functions of a model and plain values. Each checks at once every number that a client may choose, against the
model and the limits, and returns the work that remains: a refusal costs nothing and waits for nobody. The
work itself is a generator (``app.work``): what it yields is computed, 32 rows at a time.
"""

from __future__ import annotations  # those of inner functions would be evaluated anew in every request

import dataclasses
import functools
import math
from collections.abc import Callable
from typing import Literal

import numpy as np
import numpy.typing as npt

from app import latent
from app.engine.work import Array, Rows, Steps, Work
from app.errors import InvalidParameter
from app.models import Model
from app.pictures import grids, uploads
from app.pictures.grids import Ink
from app.pictures.uploads import Invert
from app.settings import Settings, variable

Render = Literal["mean", "draw"]

MAX_TEMPERATURE = 4.0
MAX_CODE = 8.0  # further out a decoder has never been trained; N(0, 1) goes there once in 10^15 draws


@dataclasses.dataclass(frozen=True)
class Picture:
    """One answer."""

    png: bytes
    columns: int
    rows: int
    notes: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True)
class Look:
    """How a grid is drawn."""

    columns: int | None = None  # None: everything in one row
    zoom: int = 1
    ink: Ink = "dark"


# Pixels that are drawn and deflated on the event loop: a quarter of a millisecond.
LIGHT_PIXELS = 65_536


def samples(
    model: Model,
    limits: Settings,
    look: Look,
    *,
    n: int,
    seed: int,
    temperature: float,
    render: Render,
    label: str | None = None,
) -> Work[Picture]:
    """Draw `n` images by ancestral sampling: z ~ p(z), then p(x given z).

    Args:
        model: what generates.
        limits: what a request may ask for.
        look: how the grid is drawn.
        n: number of images.
        seed: where the codes come from; image k depends on (model version, seed, k) and nothing else.
        temperature: 0 to 4: scale of the codes around the prior's centre, or around the centre of the
            component that each is drawn from; 1 samples the prior.
        render: ``mean`` shows E[x given z], ``draw`` a draw from p(x given z).
        label: a class, by its name or number, whose part of the prior alone is drawn from; None: all of it.

    Raises:
        InvalidParameter: a value is out of range, or the model knows no such class.
    """
    check_seed(seed)
    return sampler(model, limits, look, n=n, temperature=temperature, render=render, label=label)(seed)


def sampler(
    model: Model,
    limits: Settings,
    look: Look,
    *,
    n: int,
    temperature: float,
    render: Render,
    label: str | None = None,
) -> Callable[[int], Work[Picture]]:
    """Return what makes the work of a seed, which must be in range; see ``samples``.

    What does not depend on the seed is checked here, once for many pictures.

    Raises:
        InvalidParameter: as ``samples``, but for the seed.
    """
    check_count("n", n, 1, limits.max_images, "max_images")
    check_range("temperature", temperature, 0.0, MAX_TEMPERATURE)
    number = None if label is None else find_label(model, label)
    columns = check_look(look, n, model, limits)
    heavy = _is_heavy(n, model, look)
    noise_shape = model.manifest.likelihood.noise_shape
    draw_codes = model.prior.draw

    def codes(seed: int, start: int, count: int) -> tuple[Array, ...]:
        return (draw_codes(seed, start, count, temperature, number),)

    def codes_and_noise(seed: int, start: int, count: int) -> tuple[Array, ...]:
        return *codes(seed, start, count), latent.uniform_noise(seed, start, count, noise_shape)

    operation, make = (model.drawing, codes_and_noise) if render == "draw" else (model.decoding, codes)

    def steps(seed: int) -> Steps[Picture]:
        images = yield Rows(operation, n, functools.partial(make, seed))
        return _picture(images, columns, look)

    return lambda seed: Work(functools.partial(steps, seed), n, heavy)


@dataclasses.dataclass(frozen=True)
class Walk:
    """A way along one latent axis with every default filled in from the model's manifest."""

    axis: int
    low: float
    high: float
    steps: int


def resolve_walk(
    model: Model,
    limits: Settings,
    *,
    axis: int | None,
    low: float | None,
    high: float | None,
    steps: int | None,
) -> Walk:
    """Fill in what a request left out, and check the walk.

    Args:
        model: what decodes.
        limits: what a request may ask for.
        axis: 0 to latent_dim - 1; None: the model's own choice, as for every value below.
        low: where the walk begins.
        high: where it ends; equal to low, a constant strip.
        steps: number of images.

    Raises:
        InvalidParameter: no such axis, an end beyond +-8, low above high, or too many steps.
    """
    manifest = model.manifest
    axis = manifest.walk.axis if axis is None else axis
    if not 0 <= axis < manifest.latent_dim:
        expected = f"axes 0..{manifest.latent_dim - 1}"
        raise InvalidParameter.of("axis", expected, axis, "Name one latent axis.", "out_of_range")
    default_low, default_high = manifest.walk_range(axis)
    low = default_low if low is None else low
    high = default_high if high is None else high
    for name, value in (("low", low), ("high", high)):
        check_range(name, value, -MAX_CODE, MAX_CODE)
    if low > high:
        raise InvalidParameter.of("low", f"at most high ({high})", low, "Swap low and high.", "out_of_order")
    steps = manifest.walk.steps if steps is None else steps
    check_count("steps", steps, 2, limits.max_steps, "max_steps")
    return Walk(axis, low, high, steps)


def interpolate(
    model: Model, limits: Settings, look: Look, walk: Walk, *, seed: int | None, z: tuple[float, ...] | None
) -> Work[Picture]:
    """Walk along one latent axis from low to high in equal steps, every other axis held.

    Args:
        model: what decodes.
        limits: what a request may ask for.
        look: how the row is drawn.
        walk: as ``resolve_walk`` gives it.
        seed: holds the other axes at the first code of this seed, the one that ``samples`` draws first.
        z: holds the other axes at this code. Neither seed nor z: at the prior's centre.

    Raises:
        InvalidParameter: a value is out of range, or seed and z are both given.
    """
    columns = check_look(look, walk.steps, model, limits)
    latent_dim = model.manifest.latent_dim
    if seed is not None and z is not None:
        raise InvalidParameter.of(
            "z", "seed or z, not both", "both", "Leave one of them out.", "contradictory"
        )
    if seed is not None:
        check_seed(seed)
        base = model.prior.draw(seed, 0, 1)[0]
    elif z is not None:
        base = check_code(z, latent_dim)
    else:
        base = model.prior.centre

    def steps() -> Steps[Picture]:
        codes = latent.walk(base, walk.axis, walk.low, walk.high, walk.steps)
        images = yield Rows.of(model.decoding, codes)
        return _picture(images, columns, look)

    return Work(steps, walk.steps, _is_heavy(walk.steps, model, look))


def reconstruct(
    model: Model, limits: Settings, look: Look, files: list[tuple[str, bytes]], invert: Invert
) -> Work[Picture]:
    """Encode images and decode their posterior means: originals above, reconstructions below.

    Args:
        model: what encodes and decodes.
        limits: what an upload may be.
        look: how the grid is drawn; more images than columns give further pairs of rows.
        files: what errors call each file, and its bytes.
        invert: whether files are turned from dark on light to light on dark.

    Raises:
        InvalidParameter: the answer would be too large. The work itself raises UploadError if a file cannot
            be used: even a header can take time to read.
    """
    columns = check_look(look, len(files), model, limits, rows_each=2)
    shape = model.manifest.image.shape

    def steps() -> Steps[Picture]:
        read = uploads.read_uploads(files, shape, invert, limits)
        notes = tuple(f"{found.name}: {note}" for found in read for note in found.notes)
        originals = np.stack([found.pixels for found in read])
        return (yield from _reconstructions(model, originals, columns, look, notes))

    return Work(steps, 2 * len(files), heavy=True, heavy_start=True)


def reconstruct_examples(model: Model, limits: Settings, look: Look) -> Work[Picture]:
    """Reconstruct the images that the model's version ships: held-out data it was never trained on.

    Raises:
        InvalidParameter: the answer would be too large, or the version ships none.
    """
    version = model.version
    examples = version.manifest.examples
    if not examples:
        raise InvalidParameter.of(
            "model",
            "a model that ships examples",
            version.reference,
            "Send an image of your own by POST.",
            "no_examples",
        )
    columns = check_look(look, len(examples), model, limits, rows_each=2)

    def steps() -> Steps[Picture]:
        images = [grids.decode_png(str(version.folder / path)) for path in examples]
        return (yield from _reconstructions(model, np.stack(images), columns, look, ()))

    return Work(steps, 2 * len(examples), heavy=True, heavy_start=True)


def _reconstructions(
    model: Model, originals: npt.NDArray[np.uint8], columns: int, look: Look, notes: tuple[str, ...]
) -> Steps[Picture]:
    z_mean = yield Rows.of(model.encoding, originals.astype(np.float32) / np.float32(255))
    decoded = yield Rows.of(model.decoding, z_mean)
    rows = []
    for start in range(0, len(originals), columns):
        for images in (originals, decoded):
            row = np.zeros((columns, *originals.shape[1:]), np.uint8)
            part = images[start : start + columns]
            row[: len(part)] = part
            rows.append(row)
    return _picture(np.concatenate(rows), columns, look, notes)


def _is_heavy(count: int, model: Model, look: Look) -> bool:
    image = model.manifest.image
    return count * image.height * image.width * look.zoom**2 > LIGHT_PIXELS


def _picture(images: npt.NDArray[np.uint8], columns: int, look: Look, notes: tuple[str, ...] = ()) -> Picture:
    png = grids.encode_png(grids.grid(images, columns, look.zoom, look.ink))
    return Picture(png, columns, math.ceil(len(images) / columns), notes)


def find_label(model: Model, label: str) -> int:
    """Return the number of a class that the model's prior can be asked for.

    Args:
        model: whose classes they are.
        label: the class' name, in either case, or its number.

    Raises:
        InvalidParameter: the model has no classes, or none called so.
    """
    names = model.manifest.prior.classes
    known = [name.casefold() for name in names]
    if label.casefold() in known:
        return known.index(label.casefold())
    if label.isdecimal() and int(label) < len(names):
        return int(label)
    if not names:
        remedy = "Leave label out, or name another model."
        raise InvalidParameter.of(
            "label", "a model with classes", model.version.reference, remedy, "no_classes"
        )
    expected = f"one of {', '.join(names)}, or 0..{len(names) - 1}"
    raise InvalidParameter.of("label", expected, label, "Name one class.", "unknown_class")


def check_look(look: Look, count: int, model: Model, limits: Settings, rows_each: int = 1) -> int:
    """Return the columns of a grid of `count` images, or refuse one that is malformed or too large.

    Args:
        look: what was asked for.
        count: number of images.
        model: whose images they are.
        limits: the most pixels one answer may have.
        rows_each: rows that every row of images takes: two where reconstructions stand below.
    """
    if look.columns is not None and look.columns < 1:
        raise InvalidParameter.of("columns", "1 or more", look.columns, "Use 1 or more.", "out_of_range")
    check_count("zoom", look.zoom, 1, limits.max_zoom, "max_zoom")
    image = model.manifest.image
    columns = min(look.columns or count, count)
    cells = rows_each * math.ceil(count / columns) * columns
    pixels = cells * image.height * image.width * look.zoom**2
    if pixels > limits.max_pixels:
        raise InvalidParameter.of(
            "zoom",
            f"at most {limits.max_pixels} pixels in all ({variable('max_pixels')})",
            f"{pixels} pixels",
            "Ask for fewer images or a smaller zoom.",
            "too_many_pixels",
        )
    return columns


def check_count(name: str, value: int, least: int, most: int, setting: str) -> None:
    """Refuse a count outside `least` to `most`, naming the setting that holds the limit."""
    if not least <= value <= most:
        expected = f"{least}..{most} (the limit is {variable(setting)})"
        raise InvalidParameter.of(name, expected, value, f"Use {least} to {most}.", "out_of_range")


def check_range(name: str, value: float, least: float, most: float) -> None:
    """Refuse a number outside `least` to `most`."""
    if not least <= value <= most:  # also refuses what is not a number
        expected = f"{least:g}..{most:g}"
        raise InvalidParameter.of(name, expected, value, f"Use {least:g} to {most:g}.", "out_of_range")


def check_seed(seed: int) -> None:
    """Refuse a seed that does not fit in 63 bits."""
    if not 0 <= seed <= latent.MAX_SEED:
        raise InvalidParameter.of("seed", "0..2^63-1", seed, "Use a number in this range.", "out_of_range")


def check_code(z: tuple[float, ...], latent_dim: int) -> npt.NDArray[np.float32]:
    """Return z as (D,) float32, or refuse it.

    Raises:
        InvalidParameter: the wrong number of values, or one beyond +-8.
    """
    if len(z) != latent_dim:
        raise InvalidParameter.of(
            "z",
            f"{latent_dim} numbers, one a latent axis",
            f"{len(z)} numbers",
            f"Give {latent_dim} numbers with commas between them.",
            "wrong_length",
        )
    for index, value in enumerate(z):
        check_range(f"z[{index}]", value, -MAX_CODE, MAX_CODE)
    return np.array(z, np.float32)
