"""Emoji: pictures in colour, 32 x 32, of Google's font Noto Color Emoji (SIL Open Font License 1.1).

Which there are, and their groups, says Unicode's ``emoji-test.txt`` (UTS #51): every fully qualified emoji
without a skin tone, as one picture in five tones would be in training and test at once. What the font has no
glyph of its own for is left out. A glyph is a bitmap of 136 x 128; it is placed on white, with a margin, and
scaled down. The groups are the classes. Debian's packages ``fonts-noto-color-emoji`` and ``unicode-data``
have both files; training, validation and test are split as one's own images are (``splits``).
"""

import re
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont, features

from training.data.dataset import Dataset
from training.data.images import dataset_of
from training.data.splits import UNSPLIT, Gathered
from training.errors import DataError
from training.types import Pixels

FONT = "NotoColorEmoji.ttf"
FOLDER = Path("/usr/share/fonts/truetype/noto")
LIST = Path("/usr/share/unicode/emoji/emoji-test.txt")
SIDE = 32
BITMAP = 109  # the one size of the font's bitmaps
GLYPH = (136, 128)  # width and height of a bitmap
GROUND = 144  # side of the white square that it is placed on; 4.5 of its pixels are one of a picture
_LINE = re.compile(r"(?P<points>[0-9A-F ]+?) *; fully-qualified +# \S+ E[0-9.]+ (?P<name>.+)")
_SKIN_TONES = range(0x1F3FB, 0x1F400)
_REMEDY = "install Debian's fonts-noto-color-emoji and unicode-data, or name the font by --data"


def load_emoji(font: Path | None = None) -> Dataset:
    """Return the emoji of a font, (N, 32, 32, 3), split by the SHA-256 of their levels.

    Args:
        font: the file NotoColorEmoji.ttf, or a folder with it; None: where Debian has it.

    Raises:
        DataError: the font or Unicode's list is missing or unreadable, or Pillow cannot join code points.
    """
    path = FOLDER if font is None else font
    path = path / FONT if path.is_dir() or font is None else path
    return dataset_of(_gather(path, _listed()), "emoji", str(path))


def _listed() -> dict[str, tuple[str, str]]:
    """Return the group and the name of every emoji without a skin tone, by its text."""
    try:
        lines = LIST.read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise DataError(f"{LIST}: cannot be read ({error.strerror or error}); {_REMEDY}") from error
    found, group = {}, ""
    for line in lines:
        if line.startswith("# group: "):
            group = line.removeprefix("# group: ")
        elif match := _LINE.fullmatch(line):
            points = [int(point, 16) for point in match["points"].split()]
            if not any(point in _SKIN_TONES for point in points):
                found["".join(map(chr, points))] = group, match["name"]
    return found


def _gather(path: Path, listed: dict[str, tuple[str, str]]) -> Gathered:
    if not features.check("raqm"):
        raise DataError("emoji: Pillow was built without Raqm, which joins code points to one glyph")
    try:
        font = ImageFont.truetype(path, BITMAP, layout_engine=ImageFont.Layout.RAQM)
    except OSError as error:
        raise DataError(f"{path}: no font of {BITMAP} pixels can be read ({error}); {_REMEDY}") from error
    levels, classes, names, left_out = [], [], [], {}
    for text, (group, name) in listed.items():
        picture = _picture(text, font)
        if picture is None:
            left_out[name] = "the font has no glyph of its own for it"
            continue
        levels.append(picture)
        classes.append(group)
        names.append(name)
    if not levels:
        raise DataError(f"{path}: has no emoji of {LIST}; {_REMEDY}")
    return Gathered(
        pixels=np.stack(levels),
        splits=(UNSPLIT,) * len(levels),
        classes=tuple(classes),
        num_files=1,
        notes=(
            f"found: {len(levels)} emoji of {len(listed)} without a skin tone",
            f"size: {SIDE} x {SIDE}, colour",
        ),
        left_out=left_out,
        files=tuple(names),
    )


def _picture(text: str, font: ImageFont.FreeTypeFont) -> Pixels | None:
    """Return an emoji on white, (32, 32, 3) uint8; None if it is no glyph or several."""
    left, top, right, bottom = font.getbbox(text)
    if (right - left, bottom - top) != GLYPH:
        return None
    corner = (GROUND - GLYPH[0]) // 2 - left, (GROUND - GLYPH[1]) // 2 - top
    ground = Image.new("RGB", (GROUND, GROUND), "white")
    ImageDraw.Draw(ground).text(corner, text, font=font, embedded_color=True)
    picture = np.asarray(ground.resize((SIDE, SIDE), Image.Resampling.HAMMING))
    return None if (picture == 255).all() else picture
