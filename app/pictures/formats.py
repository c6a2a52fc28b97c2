"""What was drawn -> a file, by format: one row of ``FORMATS`` each.

Pictures show a grid. Animations show an image a frame. The other formats carry the images apart from each
other, and the codes that they were decoded from: levels as the data has them, whatever the ink.
"""

import base64
import csv
import io
import json
import zipfile
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from PIL import Image

from app.pictures import grids
from app.pictures.encode import encode_apng, encode_png
from app.pictures.grids import GridStyle, Pixels
from app.pictures.provenance import Provenance, Recipe

STRIP_PIXELS = 1_048_576
WEBP_EFFORT = 2  # of 6: higher ones take several times as long for 1 % less
EARLIEST = (1980, 1, 1, 0, 0, 0)  # that a ZIP file knows: the same pictures give the same file

Codes = npt.NDArray[np.float32]


class Drawing(NamedTuple):
    """Images, and how they are shown.

    Args:
        images: (N, H, W) grey or (N, H, W, 3) colour levels, in the data's polarity.
        columns: images in a row.
        style: how they are drawn.
        recipe: how they are drawn again.
        provenance: the recipe as files hold it, if that is there already.
        codes: (N, D), what each image was decoded from; None: they were not, or not one each.
        data: what JSON says beside.
    """

    images: Pixels
    columns: int
    style: GridStyle
    recipe: Recipe
    provenance: Provenance | None = None
    codes: Codes | None = None
    data: Mapping[str, Any] | None = None

    @property
    def grid(self) -> Pixels:
        """The levels of the whole grid."""
        style = self.style
        return grids.grid(self.images, self.columns, style.zoom, style.ink, style.blank)

    @property
    def texts(self) -> Provenance:
        """What a file says of how it was made."""
        return self.provenance or self.recipe.provenance

    def frames(self) -> list[Pixels]:
        """Return the levels of the single images, in the order in which an animation shows them."""
        style = self.style
        shown = [grids.grid(image[None], 1, style.zoom, style.ink) for image in self.images]
        return shown + shown[-2:0:-1] if style.loop == "bounce" else shown

    def single(self, number: int) -> bytes:
        """Return a PNG of one image."""
        style, recipe = self.style, self.recipe._replace(image=number)
        return encode_png(
            grids.grid(self.images[number : number + 1], 1, style.zoom, style.ink), recipe.provenance
        )


def _png(drawing: Drawing) -> bytes:
    return encode_png(drawing.grid, drawing.texts)


def _apng(drawing: Drawing) -> bytes:
    style = drawing.style
    return encode_apng(drawing.frames(), style.fps, int(style.loop == "once"), drawing.texts)


def _webp(drawing: Drawing) -> bytes:
    levels = drawing.grid
    picture = Image.new("RGB", (levels.shape[1], levels.shape[0]))
    # WebP holds colours. Pillow lets nobody else run while it converts levels to them: a strip at a time.
    rows = max(1, STRIP_PIXELS // levels.shape[1])
    for start in range(0, len(levels), rows):
        picture.paste(Image.fromarray(levels[start : start + rows]).convert("RGB"), (0, start))
    return _written([picture], "WEBP", lossless=True, method=WEBP_EFFORT, xmp=drawing.texts.xmp)


_XMP_EXTENSION = b"!\xff\x0bXMP DataXMP"  # its block begins so, and ends in a row of falling bytes
_XMP_TRAILER = b"\x01" + bytes(range(255, -1, -1)) + b"\x00"


def _gif(drawing: Drawing) -> bytes:
    """Return an animated GIF; colours are brought to a palette of 256 for each frame."""
    style, texts = drawing.style, drawing.texts
    options: dict[str, Any] = {} if style.loop == "once" else {"loop": 0}
    # Hundredths of a second are what the format knows.
    duration = max(20, round(100 / style.fps) * 10)
    content = saved(
        drawing.frames(), "GIF", duration=duration, comment=texts.comment, optimize=False, **options
    )
    palette = 3 << (content[10] & 7) + 1 if content[10] & 0x80 else 0
    start = 13 + palette
    return b"".join((content[:start], _XMP_EXTENSION, texts.xmp, _XMP_TRAILER, content[start:]))


def saved(frames: list[Pixels], kind: str, **options: Any) -> bytes:
    """Return what Pillow makes of frames; several in the formats that know them."""
    return _written([Image.fromarray(frame) for frame in frames], kind, **options)


def _written(pictures: list[Image.Image], kind: str, **options: Any) -> bytes:
    first, *others = pictures
    if others:
        options |= {"save_all": True, "append_images": others}
    buffer = io.BytesIO()
    first.save(buffer, format=kind, **options)
    return buffer.getvalue()


def _npy(drawing: Drawing) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, drawing.images)
    return buffer.getvalue()


def _npz(drawing: Drawing) -> bytes:
    arrays: dict[str, npt.NDArray[Any]] = {"images": drawing.images}
    if drawing.codes is not None:
        arrays["codes"] = drawing.codes
    arrays["recipe"] = np.array(drawing.recipe.as_json())
    members = {}
    for name, array in arrays.items():
        buffer = io.BytesIO()
        np.save(buffer, array)
        members[f"{name}.npy"] = buffer.getvalue()
    return zipped(members)


def _zip(drawing: Drawing) -> bytes:
    members = {f"{number:04}.png": drawing.single(number) for number in range(len(drawing.images))}
    if drawing.codes is not None:
        members["codes.csv"] = _csv(drawing)
    members["recipe.json"] = drawing.recipe.as_json().encode()
    return zipped(members)


def zipped(members: dict[str, bytes]) -> bytes:
    """Return a ZIP file of members, stored as they are: pictures are deflated already."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in members.items():
            archive.writestr(zipfile.ZipInfo(name, EARLIEST), content)
    return buffer.getvalue()


def _json(drawing: Drawing) -> bytes:
    images = []
    for number in range(len(drawing.images)):
        encoded = base64.b64encode(drawing.single(number)).decode()
        image: dict[str, Any] = {"image": number, "picture": f"data:image/png;base64,{encoded}"}
        if drawing.codes is not None:
            image["point"] = point_of(drawing.codes[number])
        images.append(image)
    answer = json.loads(drawing.recipe.as_json())
    answer |= {"columns": drawing.columns, **(drawing.data or {}), "images": images}
    return json.dumps(answer).encode()


def _csv(drawing: Drawing) -> bytes:
    """Return a line for each image: its number, then its code."""
    codes = drawing.codes if drawing.codes is not None else np.empty((len(drawing.images), 0), np.float32)
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(["image", *(f"z{axis}" for axis in range(codes.shape[1]))])
    for number, code in enumerate(codes):
        table.writerow([number, *map(str, code)])
    return text.getvalue().encode()


def point_of(code: Codes) -> str:
    """Return the name of a code, (D,), as a point: with as many digits as tell it from its neighbours."""
    return "z:" + ",".join(map(str, code + np.float32(0)))  # -0.0 becomes 0.0


class Format(NamedTuple):
    """A format of answers that show images.

    Args:
        media_type: of an answer in it.
        encode: what was drawn -> a file. The same drawing gives the same bytes.
        cost: of a pixel, in those of a PNG.
        has_codes: whether it carries codes.
        animated: whether it shows the images one after the other.
        apart: whether it carries the images apart from each other, in no grid.
        max_side: pixels along a side of the grid that it can hold; None: as many as there are.
    """

    media_type: str
    encode: Callable[[Drawing], bytes]
    cost: int = 1
    has_codes: bool = False
    animated: bool = False
    apart: bool = False
    max_side: int | None = None


# By the name that the query and the path's suffix have for it; the first is the default.
FORMATS = {
    "png": Format("image/png", _png),
    "webp": Format("image/webp", _webp, cost=20, max_side=16_383),
    "gif": Format("image/gif", _gif, cost=10, animated=True, apart=True),
    "apng": Format("image/apng", _apng, cost=2, animated=True, apart=True),
    "npy": Format("application/octet-stream", _npy, apart=True),
    "npz": Format("application/zip", _npz, has_codes=True, apart=True),
    "json": Format("application/json", _json, cost=4, has_codes=True, apart=True),
    "zip": Format("application/zip", _zip, cost=4, has_codes=True, apart=True),
    "csv": Format("text/csv; charset=utf-8", _csv, has_codes=True, apart=True),
}
