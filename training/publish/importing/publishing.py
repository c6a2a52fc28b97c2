"""Publishes an encoder and a decoder from elsewhere: from two files and pictures to a version."""

import hashlib
import logging
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from training.data import ground, images, names
from training.data.shapes import Fit
from training.data.splits import Gathered
from training.errors import DataError, RunError
from training.metrics import kl
from training.models import latent_axes
from training.models.latent_axes import Axis
from training.publish import export, litert, maps, scores, selftest, traversals
from training.publish.card import CARD, TEMPLATES
from training.publish.importing import adapting, layouts, measuring, networks
from training.publish.importing.layouts import Layout
from training.publish.importing.measuring import Found
from training.publish.importing.networks import Network
from training.runs import LIBRARIES, library_version, machine, replacing
from training.trained import TrainedModel
from training.types import Images

logger = logging.getLogger(__name__)

MOST_PICTURES = 5_000
MAPPED = 1_000
SCORED = 500
FEWEST = 2
FEW = 50  # pictures, below which ranges and percentiles are rough
FEWEST_SCORED = 20


class Asked(NamedTuple):
    """What is imported, and how.

    Args:
        name: of the model in the store.
        encoder: a ``.keras`` file or a SavedModel's folder.
        decoder: likewise.
        pictures: a folder of pictures, or what else data sets are read from.
        likelihood: its name; None: chosen by the pictures.
        size: height and width of images that the networks have flat; None: that of the pictures, or a square.
        trust: run code that the files bring.
    """

    name: str
    encoder: Path
    decoder: Path
    pictures: Path
    likelihood: str | None = None
    size: tuple[int, int] | None = None
    trust: bool = False


class Imported(NamedTuple):
    """What came of it.

    Args:
        folder: of the version.
        told: what was found, in lines for people.
        findings: the same by name, ready for JSON.
    """

    folder: Path
    told: list[str]
    findings: dict[str, Any]


def publish(asked: Asked, store: Path) -> Imported:
    """Publish the networks as the next version of the name; measure what they are on the pictures.

    Raises:
        RunError: the files are no such networks, do not fit, or cannot run by LiteRT; nothing is left behind.
        DataError: there are no such pictures.
    """
    encoder, decoder = (networks.load(path, asked.trust) for path in (asked.encoder, asked.decoder))
    into, out_of = _layouts(encoder, decoder, asked)
    gathered = _pictures(asked.pictures, out_of).by_digest()
    levels = gathered.pixels[:MOST_PICTURES].astype(np.float32) / np.float32(255)
    found = measuring.measure(encoder, decoder, into, out_of, levels)
    shown = np.asarray(1 - levels, np.float32) if found.way.inverted else levels
    model, moved, why = adapting.adapted(asked.name, found, encoder, decoder, shown, asked.likelihood)
    adapting.require_finite(model, shown)
    weights = hashlib.sha256(f"{encoder.sha256} {decoder.sha256}".encode()).hexdigest()
    model.environment.update(ground=ground.measure(shown), weights_sha256=weights)
    findings = _findings(found, moved, model, why) | _files(asked, encoder, decoder)
    told = _told(found, findings, len(shown))
    for line in told:
        logger.info("%s", line)
    folder = _write(model, shown, gathered, findings, store)
    return Imported(folder, told, findings)


def _layouts(encoder: Network, decoder: Network, asked: Asked) -> tuple[Layout, Layout]:
    """Return where the encoder and the decoder have pixels.

    Raises:
        RunError: they do not say, or are for images of different shapes.
    """
    flat = asked.size or _flat_size(encoder, decoder, asked)
    try:
        into = layouts.layout_of(encoder.input_shape, flat)
        given = _given_shape(decoder, encoder)
        out_of = layouts.layout_of(given, flat)
    except RunError as error:
        raise RunError(f"{encoder.path}, {decoder.path}: {error}") from None
    if out_of is None:
        raise RunError(f"{decoder.path}: gives {given[0]} numbers, no square image; say --size HEIGHTxWIDTH")
    into = into or Layout("last", out_of.shape)
    if into.shape != out_of.shape:
        shapes = [" x ".join(map(str, each.shape)) for each in (into, out_of)]
        raise RunError(f"{encoder.path} takes images of {shapes[0]}, {decoder.path} gives {shapes[1]}")
    return into, out_of


def _given_shape(decoder: Network, encoder: Network) -> tuple[int, ...]:
    """Return the shape of what the decoder gives of one code."""
    shape = decoder.input_shape
    if any(size is None for size in shape):
        raise RunError(
            f"{decoder.path} does not say how many numbers a code has; {encoder.path} cannot tell it"
        )
    zeros = np.zeros((2, *(int(size) for size in shape if size is not None)), np.float32)
    return tuple(next(iter(decoder(zeros).values())).shape[1:])


def _flat_size(encoder: Network, decoder: Network, asked: Asked) -> tuple[int, int] | None:
    """Return height and width of images that are flat: of one size that the pictures have, or a square."""
    shapes = (encoder.input_shape, _given_shape(decoder, encoder))
    flat = next((int(shape[0]) for shape in shapes if len(shape) == 1 and shape[0]), None)
    if flat is None:
        return None
    pictures = images.gather(asked.pictures, Fit()).pixels
    height, width = pictures.shape[1:3]
    if flat in (height * width, 3 * height * width):
        return height, width
    return layouts.square_of(flat)


def _pictures(path: Path, layout: Layout) -> Gathered:
    """Return the pictures, fitted to the shape of the model's images."""
    height, width = layout.shape[:2]
    if not path.exists():
        raise DataError(
            f"{path}: does not exist; name a folder with a few of the model's pictures by --images"
        )
    try:
        gathered = images.gather(path, Fit((height, width), layout.channels))
    except DataError as error:
        raise DataError(f"{path}: {error}") from error
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror or error})") from error
    if len(gathered.pixels) < FEWEST:
        raise DataError(f"{path}: {len(gathered.pixels)} picture; {FEWEST} are needed, {FEW} are better")
    return gathered


def _findings(found: Found, moved: adapting.Moved | None, model: TrainedModel, why: str) -> dict[str, Any]:
    """Return what was found, ready for JSON."""
    way, spread = found.way, found.spread
    return {
        "image_shape": list(found.out_of.shape),
        "latent_dim": found.latent_dim,
        "encoder_input": {"order": found.into.describe(), "scale": way.taken},
        "decoder_output": {"order": found.out_of.describe(), "scale": way.given},
        "inverted": way.inverted,
        "red_and_blue_exchanged": way.swapped,
        "z_mean": found.mean.describe(),
        "spread": None if spread is None else {"output": spread[0].describe(), "is": spread[1]},
        "spread_told_by": found.told_by,
        "posterior_width": None if moved is None else moved.width,
        "ground": model.environment["ground"],
        "likelihood": model.likelihood.name,
        "likelihood_parameters": model.likelihood.parameters,
        "likelihood_chosen": why,
        "reconstruction_mse": found.error,
        "mean_image_mse": found.error_of_mean_image,
    }


def _files(asked: Asked, encoder: Network, decoder: Network) -> dict[str, Any]:
    """Return what the networks' files are, by names that say nothing of anybody's disk."""
    return {
        part: {"file": network.path.name, "sha256": network.sha256, "layers_not_run": list(network.unknown)}
        for part, network in (("encoder", encoder), ("decoder", decoder))
    } | {"trusted": asked.trust}


def _told(found: Found, findings: dict[str, Any], num_pictures: int) -> list[str]:
    """Return what was found, in lines for people."""
    shape = " x ".join(map(str, found.out_of.shape))
    way, spread = found.way, findings["spread"]
    width = (
        f"{spread['output']} is {spread['is']}, told by {findings['spread_told_by']}"
        if spread
        else f"no width: {findings['posterior_width']:.3g} on every axis, which has the best ELBO; codes are "
        "moved and scaled to variance one"
    )
    numbers = "".join(f", {key} {value:.4g}" for key, value in findings["likelihood_parameters"].items())
    told = [
        f"images: {shape}, ground {findings['ground']}; {found.latent_dim} latent axes",
        f"encoder: takes {way.taken}, {found.into.describe()}; z_mean is {found.mean.describe()}; {width}",
        f"decoder: gives {way.given}, {found.out_of.describe()}",
        *(["the networks know the pictures inverted, and so does the version"] if way.inverted else []),
        *(["the networks have red and blue exchanged"] if way.swapped else []),
        f"likelihood: {findings['likelihood']}{numbers}, {findings['likelihood_chosen']}; "
        "--likelihood names another",
        f"{num_pictures} pictures: reconstruction MSE {found.error:.4f}, "
        f"of their mean image {found.error_of_mean_image:.4f}",
    ]
    if found.error >= found.error_of_mean_image:
        told.append("they come back no better than by their mean image: are these the model's pictures?")
    if num_pictures < FEW:
        told.append(
            f"ranges and KL of the axes are rough, as they are of {num_pictures} pictures; bring {FEW}"
        )
    return told


def _write(
    model: TrainedModel, shown: Images, gathered: Gathered, findings: dict[str, Any], store: Path
) -> Path:
    """Write the version, check that both runtimes draw the same, and give it its number."""
    axes = latent_axes.as_trained(model.latent_dim)
    posterior = model.encode(shown)
    measured = kl.describe_axes(*posterior, model.seed)
    noise_shape = model.likelihood.noise_shape(model.image_shape)
    with export.publishing(store / model.name) as staging:
        export.write_encoder(model, staging / "encoder", axes)
        export.write_decoder(model, staging / "decoder", axes)
        litert.check_agreement(staging, model.latent_dim, noise_shape, shown[: export.MATCHED_IMAGES])
        export.write_examples(shown[: export.NUM_EXAMPLES], staging / "examples")
        inverted = ground.is_drawn_inverted(model.ground, model.image_shape)
        traversals.write(model.decode, measured, staging, inverted=inverted)
        more: dict[str, Any] = {"map": _map(shown, gathered, posterior.z_mean, staging)}
        if len(shown) >= FEWEST_SCORED:
            more["scores"] = scores.measure(model, shown[:SCORED])
        with replacing(staging / CARD) as file:
            file.write(_card(model, measured, findings, len(shown)).encode())
        _write_manifest(model, measured, findings, more, staging, len(shown))
        return export.rename_to_next_version(staging, store / model.name)


def _map(shown: Images, gathered: Gathered, z_mean: Any, folder: Path) -> dict[str, Any]:
    """Write the map of the pictures; return the manifest's ``map``."""
    classes = np.empty(0, np.int64)
    known: tuple[str, ...] = ()
    if gathered.classes is not None:
        texts = [names.class_name(each) for each in gathered.classes[:MAPPED]]
        known = tuple(sorted(set(texts)))
        classes = np.array([known.index(each) for each in texts], np.int64)
    mapped = maps.Mapped(shown[:MAPPED], classes, known)
    return maps.write(mapped, z_mean[:MAPPED], folder) | {"split": "imported"}


def _write_manifest(
    model: TrainedModel,
    axes: tuple[Axis, ...],
    findings: dict[str, Any],
    more: dict[str, Any],
    folder: Path,
    num_pictures: int,
) -> None:
    """Write ``manifest.json``: what was found in the place of what a training records."""
    libraries = {name: library_version(name) for name in LIBRARIES}
    manifest = {
        "format_version": export.FORMAT_VERSION,
        "name": model.name,
        "image": {"shape": list(model.image_shape), "value_range": [0.0, 1.0], "ground": model.ground},
        "latent_dim": model.latent_dim,
        "likelihood": export.write_likelihood(model.likelihood, model.image_shape, folder),
        "prior": model.known_prior.manifest_entry(),
        "samples_render": export.samples_render(model.likelihood),
        "walk": {
            "axis": max(range(len(axes)), key=lambda axis: axes[axis].kl),
            "low": None,
            "high": None,
            "steps": 7,
        },
        "axes": [axis.as_dict() for axis in axes],
        "metrics": {
            "reconstruction": {key: findings[key] for key in ("reconstruction_mse", "mean_image_mse")}
            | {"num_images": num_pictures, "protocol": "pictures given to the import; decoded from z_mean"}
        },
        "training": {
            "config": {"seed": model.seed},
            "imported": findings,
            "weights_sha256": model.weights_sha256,
            "libraries": libraries,
            "machine": machine(),
        },
        "selftest": selftest.write(folder, model.latent_dim, model.likelihood.noise_shape(model.image_shape)),
        "runtimes": {"litert": litert.FILES},
        "examples": sorted(f"examples/{path.name}" for path in (folder / "examples").iterdir()),
    } | more
    export.seal(manifest, folder)


def _card(model: TrainedModel, axes: tuple[Axis, ...], findings: dict[str, Any], num_pictures: int) -> str:
    """Return the card, in Markdown."""
    return TEMPLATES.get_template("imported.md.jinja").render(
        model=model, axes=axes, found=findings, num_pictures=num_pictures
    )
