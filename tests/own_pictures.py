"""Folders of pictures as people have them, drawn by seed: coloured shapes, and faces of many sizes."""

import colorsys
import math
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

OVERSAMPLED = 4  # times as large as they are saved, so that edges are smooth
KINDS = ("circle", "square", "star", "triangle")

Colour = tuple[int, int, int]


def draw_shapes(folder: Path, count: int = 400, side: int = 64, seed: int = 0) -> None:
    """Draw `count` coloured shapes on coloured grounds, `side` x `side` PNG files, in a folder for each kind."""
    rng = np.random.default_rng(seed)
    for number in range(count):
        kind = KINDS[number % len(KINDS)]
        image, _ = draw_shape(kind, side, rng)
        path = folder / kind / f"{number:04}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        image.save(path)


def draw_shape(kind: str, side: int, rng: np.random.Generator) -> tuple[Image.Image, Colour]:
    """Return one shape of a kind on its ground, and the shape's colour."""
    hue = rng.uniform()
    colour = _colour(hue, rng.uniform(0.7, 1.0), rng.uniform(0.7, 1.0))
    ground = _colour(hue + rng.uniform(0.2, 0.8), rng.uniform(0.1, 0.9), rng.uniform(0.1, 1.0))
    size = OVERSAMPLED * side
    image = Image.new("RGB", (size, size), ground)
    radius = size * rng.uniform(0.17, 0.35)
    centre = size * rng.uniform(0.33, 0.67, 2)
    draw = ImageDraw.Draw(image)
    if kind == "circle":
        draw.ellipse([*(centre - radius), *(centre + radius)], fill=colour)
    else:
        draw.polygon(_corners(kind, centre, radius), fill=colour)
    return image.resize((side, side), Image.Resampling.LANCZOS), colour


def _corners(kind: str, centre: np.ndarray, radius: float) -> list[tuple[float, float]]:
    count = {"square": 4, "star": 10, "triangle": 3}[kind]
    turned = -math.pi / 4 if kind == "square" else -math.pi / 2
    radii = [radius * (0.45 if kind == "star" and corner % 2 else 1.0) for corner in range(count)]
    angles = [turned + 2 * math.pi * corner / count for corner in range(count)]
    return [
        (centre[0] + r * math.cos(angle), centre[1] + r * math.sin(angle))
        for r, angle in zip(radii, angles, strict=True)
    ]


def draw_faces(folder: Path, count: int = 300, seed: int = 0) -> None:
    """Draw `count` faces: PNG files of 80 to 200 pixels a side, of various ratios, in one folder."""
    rng = np.random.default_rng(seed)
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(count):
        draw_face(rng).save(folder / f"face-{number:04}.png")


def draw_face(rng: np.random.Generator) -> Image.Image:
    """Return one face: ground, hair, head, eyes and a mouth between sad and glad, all of varying colours."""
    width, height = (int(side) for side in rng.integers(80, 200, 1).repeat(2) * rng.uniform(1.0, 1.25, 2))
    size = OVERSAMPLED * np.array([width, height])
    unit = float(size.min())
    ground = _colour(rng.uniform(), rng.uniform(0.05, 0.3), rng.uniform(0.75, 1.0))
    skin = _colour(rng.uniform(0.04, 0.1), rng.uniform(0.25, 0.6), rng.uniform(0.45, 1.0))
    hair = _colour(rng.uniform(0.0, 0.14), rng.uniform(0.3, 0.9), rng.uniform(0.1, 0.8))
    image = Image.new("RGB", tuple(int(side) for side in size), ground)
    draw = ImageDraw.Draw(image)
    centre = size / 2 + unit * rng.uniform(-0.04, 0.04, 2)
    half = unit * np.array([rng.uniform(0.26, 0.34), rng.uniform(0.33, 0.4)])
    grown = half * rng.uniform(1.08, 1.25)
    draw.ellipse([*(centre - grown), *(centre + grown * (1, 0.6))], fill=hair)
    draw.ellipse([*(centre - half * (1, 0.85)), *(centre + half)], fill=skin)
    apart, eye = unit * rng.uniform(0.1, 0.15), unit * rng.uniform(0.03, 0.05)
    iris = _colour(rng.uniform(0.05, 0.65), rng.uniform(0.3, 0.8), rng.uniform(0.2, 0.6))
    for side in (-1, 1):
        at = centre + np.array([side * apart, -0.05 * unit])
        draw.ellipse([*(at - eye * np.array([1.3, 1.0])), *(at + eye * np.array([1.3, 1.0]))], fill="white")
        draw.ellipse([*(at - 0.7 * eye), *(at + 0.7 * eye)], fill=iris)
    curve, mouth = rng.uniform(-1, 1), unit * rng.uniform(0.1, 0.16)
    across = np.linspace(-1, 1, 33)
    lips = [
        (centre[0] + mouth * x, centre[1] + 0.17 * unit + 0.6 * curve * mouth * (0.5 - x * x)) for x in across
    ]
    draw.line(lips, fill=_colour(0.99, 0.75, rng.uniform(0.45, 0.8)), width=int(0.035 * unit), joint="curve")
    return image.resize((width, height), Image.Resampling.LANCZOS)


def _colour(hue: float, saturation: float, value: float) -> Colour:
    red, green, blue = (round(255 * part) for part in colorsys.hsv_to_rgb(hue % 1, saturation, value))
    return red, green, blue
