"""Requests of every kind, drawn at random: what two versions of the service must answer alike.

Every picture is one that is determined by its request, so no request for samples lacks a seed.
"""

import io
import json
from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple
from urllib.parse import urlencode

import numpy as np
from PIL import Image

from app.latent import MAX_SEED
from app.settings import PROJECT
from benchmarks import addresses

BOUNDARY = "b0undary"
EXTENSIONS = {"PNG": "png", "JPEG": "jpeg", "WEBP": "webp", "GIF": "gif", "BMP": "bmp"}
MODES = {
    "PNG": ("1", "L", "LA", "P", "RGB", "RGBA", "I;16"),
    "JPEG": ("L", "RGB", "CMYK"),
    "WEBP": ("RGB", "RGBA"),
    "GIF": ("L", "P", "RGB"),
    "BMP": ("1", "L", "P", "RGB"),
}
ORIENTATION = 0x0112  # the EXIF tag


class Question(NamedTuple):
    """One request.

    Args:
        method: of HTTP.
        target: path and query.
        headers: beside those that every client sends.
        body: what is sent.
    """

    method: str
    target: str
    headers: Mapping[str, str] = {}
    body: bytes = b""

    def __str__(self) -> str:
        """Return what finds the request again."""
        carries = f" with {len(self.body)} bytes" if self.body else ""
        return " ".join([self.method, self.target, *map(": ".join, self.headers.items())]) + carries


class Version(NamedTuple):
    """What requests must know of a published version.

    Args:
        reference: NAME@VERSION.
        latent_dim: number of latent axes.
        classes: those that its prior can be asked for.
    """

    reference: str
    latent_dim: int
    classes: tuple[str, ...]


def published() -> list[Version]:
    """Return every version in the store."""
    found = []
    for path in sorted(PROJECT.glob("model_store/*/[1-9]*/manifest.json")):
        manifest = json.loads(path.read_text())
        reference = f"{manifest['name']}@{path.parent.name}"
        found.append(Version(reference, manifest["latent_dim"], addresses.classes(reference)))
    return found


def pictures(count: int, version: Version, generator: np.random.Generator) -> list[Question]:
    """Draw requests for pictures of one version; one in eight uploads is damaged on its way.

    Args:
        count: how many: half of them samples, a fifth walks, a fortieth the version's own examples, and
            uploads.
        version: what draws.
        generator: what decides.
    """
    kinds = generator.choice(4, count, p=(0.5, 0.2, 0.025, 0.275))
    drawn = addresses.targets(count, {version.reference: version.classes}, generator, others=0)
    makers: list[Callable[[str], Question]] = [
        lambda target: samples(target, generator),
        lambda _: walk(version, generator),
        lambda _: Question("GET", query("/reconstruct", version, look(generator, columns=True))),
        lambda _: upload(version, generator),
    ]
    return [makers[kind](target) for kind, target in zip(kinds, drawn, strict=True)]


def query(path: str, version: Version, values: Mapping[str, object]) -> str:
    """Return an address of one version, without the values that are None."""
    given = {name: value for name, value in values.items() if value is not None}
    return f"{path}?{urlencode({'model': version.reference} | given)}"


def look(generator: np.random.Generator, *, columns: bool) -> dict[str, object]:
    """Draw how a picture is drawn; most requests leave most of it out."""
    wanted = {
        "columns": int(generator.integers(1, 13)) if columns else None,
        "zoom": int(generator.integers(1, 4)),
        "ink": str(generator.choice(("dark", "light"))),
        "format": "png",
    }
    return {name: value for name, value in wanted.items() if generator.random() < 0.4}


def samples(target: str, generator: np.random.Generator) -> Question:
    """Return a request for the samples at `target`, with a temperature and a look; some by HEAD."""
    wanted = look(generator, columns=True)
    if generator.random() < 0.5:
        wanted["temperature"] = round(float(generator.uniform(0, 4)), int(generator.integers(5)))
    if generator.random() < 0.05:
        target = target.replace("/samples", "/samples.png")
    if generator.random() < 0.1:  # the newest version, by the model's name alone
        target = target[: target.index("@")] + target[target.index("&") :]
    method = "HEAD" if generator.random() < 0.02 else "GET"
    return Question(method, f"{target}&{urlencode(wanted)}" if wanted else target)


def walk(version: Version, generator: np.random.Generator) -> Question:
    """Return a request for a walk along a latent axis, with its other axes held in one of three ways."""
    low, high = np.sort(generator.uniform(-8, 8, 2)).round(3).tolist()
    wanted: dict[str, object] = {
        "axis": int(generator.integers(version.latent_dim)),
        "low": low,
        "high": high,
        "steps": int(generator.integers(2, 33)),
    }
    # Without its low or high, the other end may lie on the wrong side: that refusal is compared as well.
    wanted = {name: value for name, value in wanted.items() if generator.random() < 0.7}
    held = generator.integers(3)
    if held == 1:
        wanted["seed"] = int(generator.integers(MAX_SEED, endpoint=True))
    elif held == 2:
        code = generator.standard_normal(version.latent_dim).clip(-8, 8).round(int(generator.integers(7)))
        wanted["z"] = ",".join(map(str, code.tolist()))
    return Question("GET", query("/interpolate", version, wanted | look(generator, columns=False)))


def upload(version: Version, generator: np.random.Generator) -> Question:
    """Return a request to reconstruct one image, as the body itself, or up to five as a form."""
    wanted = look(generator, columns=True)
    if generator.random() < 0.8:
        wanted["invert"] = str(generator.choice(("yes", "no", "auto")))
    target = query("/reconstruct", version, wanted)
    files = [image_file(generator) for _ in range(generator.integers(1, 6))]
    if generator.random() < 0.125:
        files[0] = (files[0][0], damaged(files[0][1], generator))
    if len(files) == 1 or generator.random() < 0.3:
        extension, content = files[0]
        return Question("POST", target, {"Content-Type": f"image/{extension}"}, content)
    kind = f"multipart/form-data; boundary={BOUNDARY}"
    return Question("POST", target, {"Content-Type": kind}, form(("file", *file) for file in files))


def form(parts: Iterator[tuple[str, str, bytes]]) -> bytes:
    """Return a multipart body of the files in `parts`: field, extension and content of each."""
    pieces = []
    for number, (field, extension, content) in enumerate(parts):
        disposition = f'form-data; name="{field}"; filename="{number}.{extension}"'
        head = f"--{BOUNDARY}\r\nContent-Disposition: {disposition}\r\n\r\n"
        pieces += [head.encode(), content, b"\r\n"]
    return b"".join([*pieces, f"--{BOUNDARY}--\r\n".encode()])


def image_file(generator: np.random.Generator) -> tuple[str, bytes]:
    """Return the extension and the bytes of an image of any mode and size; a sixth are 28 x 28."""
    kind = str(generator.choice(list(MODES)))
    mode = str(generator.choice(MODES[kind]))
    size = (28, 28) if generator.random() < 1 / 6 else tuple(generator.integers(8, 160, 2).tolist())
    # A few random levels made large: smooth, as photographs are, and light or dark at the border by chance.
    levels = generator.integers(0, 256, (4, 4, 4), dtype=np.uint8)
    image = Image.fromarray(levels, "RGBA").resize(size, Image.Resampling.BICUBIC)
    options: dict[str, object] = {}
    if mode == "I;16":
        image = Image.fromarray(np.asarray(image.convert("L")).astype(np.uint16) * 257)
    elif mode != "RGBA":
        image = image.convert("RGB").convert(mode) if mode != "LA" else image.convert("LA")
    if kind == "WEBP":
        options = {"method": 0}
    if kind == "JPEG":
        options = {"quality": int(generator.integers(30, 96)), "progressive": bool(generator.integers(2))}
    if kind in ("JPEG", "PNG", "WEBP") and generator.random() < 0.3:
        exif = Image.Exif()
        exif[ORIENTATION] = int(generator.integers(1, 9))
        options["exif"] = exif
    if kind == "GIF" and generator.random() < 0.3:
        options = {"save_all": True, "append_images": [image.transpose(Image.Transpose.ROTATE_180)]}
    written = io.BytesIO()
    image.save(written, kind, **options)
    return EXTENSIONS[kind], written.getvalue()


def damaged(content: bytes, generator: np.random.Generator) -> bytes:
    """Return a file cut off, or with one byte changed."""
    place = int(generator.integers(len(content)))
    if generator.random() < 0.5:
        return content[:place]
    return content[:place] + bytes([content[place] ^ int(generator.integers(1, 256))]) + content[place + 1 :]


# What a parameter is given in turn: some values are right for some parameters, which is compared as well.
VALUES = (
    *("", "0", "-1", "-0", "1.5", "1e3", "1e999", "nan", "-inf", "1,5", "1,5,", " 7", "+7", "007", "0x10"),
    *("401", "9223372036854775807", "9223372036854775808", "99999999999999999999", "\u0663", "\x00", "\xff"),
    *("MEAN", "png", "Png", "image/png", "fashion", "fashion@99", "nobody@1", "a b", "a;b", "x" * 101),
    *("x" * 600, "0," * 4200),
)
PARAMETERS = {
    "/samples": ("n", "seed", "temperature", "label", "render", "columns", "zoom", "ink", "format", "model"),
    "/interpolate": ("axis", "low", "high", "steps", "seed", "z", "zoom", "ink", "format", "model"),
    "/reconstruct": ("columns", "zoom", "ink", "format", "model"),
}
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
LOST = (
    *("/samples/", "/Samples", "//samples", "/samples/7", "/samples.png/7", "/problems/nothing"),
    *("/%2e%2e/etc/passwd", "/sampl%65s?n=0", "/static/nothing", "/static/../main.py"),
)
TYPES = (
    *("", "text/plain", "application/json", "application/x-www-form-urlencoded", "image", "IMAGE/PNG"),
    *("multipart/form-data", "multipart/form-data; boundary=", "multipart/form-data; boundary=other"),
)


def refusals(version: Version) -> list[Question]:
    """Return requests that are wrong in one way each, with those whose value happens to be right."""
    found = []
    for path, names in PARAMETERS.items():
        sound = {"model": version.reference} | ({"seed": "7"} if path == "/samples" else {})
        for name in names:
            wrong = [sound | {name: value} for value in VALUES]
            wrong += [sound | {name.upper(): "1"}, sound | {f"{name}s": "1"}]
            found += [Question("GET", f"{path}?{urlencode(values)}") for values in wrong]
            found.append(Question("GET", f"{path}?{urlencode(sound)}&{name}=1&{name}=1"))
        many = {f"unknown{number}": "\n" for number in range(12)}
        contradictory = sound | {
            "low": "2",
            "high": "1",
            "seed": "7",
            "z": ",".join("0" * version.latent_dim),
        }
        found += [Question("GET", f"{path}?{urlencode(values)}") for values in (many, contradictory)]
        odd = ("%", "&&", "n", "=1", "n=%zz", "a&a")
        found += [Question("GET", f"{path}?{urlencode(sound)}&{rest}") for rest in odd]
        found += [Question("GET", f"{path}.{suffix}?seed=7") for suffix in ("jpg", "PNG", "png.png", "")]
        methods = (
            METHODS if path != "/samples" else METHODS[2:]
        )  # of samples without a seed, no two are alike
        found += [Question(method, path) for method in methods]
    found += [Question("GET", target) for target in LOST]
    found += [Question(method, path) for path in ("/livez", "/nothing") for method in METHODS]
    return [*found, *wrong_uploads(version)]


def wrong_uploads(version: Version) -> list[Question]:
    """Return uploads of which each is wrong in one way."""
    target = query("/reconstruct", version, {})
    image = image_file(np.random.default_rng(1))[1]
    kind = f"multipart/form-data; boundary={BOUNDARY}"
    sound = form(iter([("file", "png", image)]))
    bodies = (
        *(b"", image, sound[:-4], sound + b"more", sound.replace(b'name="file"', b'name="picture"')),
        *(sound.replace(b'; filename="0.png"', b""), form(iter([("file", "png", b"")]))),
        *(form(iter([("file", "png", image)] * 33)), form(iter([("file", "png", b"no image")] * 2))),
    )
    found = [Question("POST", target, {"Content-Type": kind}, body) for body in bodies]
    found += [Question("POST", target, {"Content-Type": given} if given else {}, image) for given in TYPES]
    found += [Question("POST", target, {"Content-Type": "image/png"}, body) for body in (b"", b"no image")]
    for name, value in (("invert", "maybe"), ("invert", "YES"), ("seed", "7"), ("columns", "0")):
        values = {name: value}
        found.append(
            Question("POST", query("/reconstruct", version, values), {"Content-Type": "image/png"}, image)
        )
    encoded = {"Content-Type": "image/png", "Content-Encoding": "gzip"}
    announced = {
        "Content-Type": "image/png",
        "Content-Length": "99999999",
    }  # refused before any of it is sent
    return [*found, Question("POST", target, encoded, image), Question("POST", target, announced)]
