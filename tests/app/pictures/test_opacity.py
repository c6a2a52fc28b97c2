import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from app.pictures import opacity
from app.pictures.opacity import levels_as_they_are, levels_on_white, opacity_of, repeats, scaled_by_opacity
from tests.picture_files import encoded

SIZE = (37, 23)
BYTES = np.random.default_rng(3).integers(0, 256, (SIZE[1], SIZE[0], 4), dtype=np.uint8)


def in_mode(mode):
    """A picture in one of Pillow's modes, with transparency where the mode can have some."""
    if mode == "I;16":
        image = Image.fromarray(BYTES[..., :2].copy().view("<u2")[..., 0])
        image.info["transparency"] = int(np.asarray(image)[3, 5])
        return image
    if mode == "P":
        image = Image.fromarray(BYTES[..., :3]).quantize(16)
        image.info["transparency"] = 3
        return image
    image = Image.fromarray(BYTES).convert(mode)
    if mode == "RGB":
        image.info["transparency"] = tuple(BYTES[2, 2, :3].tolist())
    return image


@pytest.mark.parametrize("to", ["L", "RGB"])
@pytest.mark.parametrize("mode", ["1", "L", "LA", "RGB", "RGBA", "P", "CMYK", "YCbCr", "I;16"])
def test_where_strips_end_does_not_show(mode, to, monkeypatch):
    image = in_mode(mode)

    def made():
        levels = [levels_on_white(image, to)]
        if mode != "I;16":  # of which Pillow makes no colours
            levels += [levels_as_they_are(image, to), opacity_of(image)]
        return [np.asarray(each) for each in levels]

    whole = made()
    monkeypatch.setattr(opacity, "STRIP_PIXELS", 100)  # two rows
    for one, strips in zip(whole, made(), strict=True):
        assert np.array_equal(one, strips)


def test_levels_on_white_are_the_mean_of_white_and_the_picture_by_opacity():
    levels, alpha = BYTES[..., 0], BYTES[..., 1]
    image = Image.merge("LA", (Image.fromarray(levels), Image.fromarray(alpha)))
    share = alpha / 255
    expected = levels * share + 255 * (1 - share)
    # Pillow composites in integers, which are within one level of the real numbers.
    assert np.abs(np.asarray(levels_on_white(image, "L")) - expected).max() <= 1
    assert np.array_equal(np.asarray(levels_as_they_are(image, "L")), levels)
    assert np.array_equal(np.asarray(opacity_of(image)), alpha)


@pytest.mark.parametrize(
    ("size", "to", "expected"),
    [
        ((8, 8), (4, 4), True),
        ((12, 6), (4, 2), True),
        ((8, 8), (2, 2), False),  # more of them are one pixel than are alike
        ((8, 12), (4, 4), False),  # more often down than across
        ((9, 9), (4, 4), False),
        ((4, 4), (4, 4), False),
        ((4, 4), (8, 8), False),
    ],
)
def test_pixels_repeat_only_as_often_across_as_down(size, to, expected):
    times = max(1, size[0] // 4)
    small = np.random.default_rng(1).permutation(256).astype(np.uint8)[: 8 * 8].reshape(8, 8)
    large = small.repeat(times, axis=0).repeat(times, axis=1)[: size[1], : size[0]]
    assert repeats(Image.fromarray(large), to) == expected


def test_transparent_pixels_have_no_part_in_what_is_scaled(monkeypatch):
    levels = np.full((40, 40), 100, np.uint8)
    levels[:, 20:] = 250
    seen = np.full((40, 40), 255, np.uint8)
    seen[:, 20:] = 0
    one, mask = Image.fromarray(levels), Image.fromarray(seen)
    monkeypatch.setattr(opacity, "STRIP_PIXELS", 200)
    grey = np.asarray(scaled_by_opacity(one, mask, (10, 10)))
    assert (grey[:, :5] == 100).all()
    colours = np.asarray(scaled_by_opacity(Image.merge("RGB", [one] * 3), mask, (10, 10)))
    assert np.array_equal(colours, np.stack([grey] * 3, axis=-1))


PEAK = """
import sys
from app.pictures.uploads import read_uploads
from app.settings import Settings
data = open(sys.argv[1], "rb").read()
open("/proc/self/clear_refs", "w").write("5")  # the peak is of now
status = lambda: dict(line.split(":", 1) for line in open("/proc/self/status"))
before = int(status()["VmRSS"].split()[0])
read_uploads([("file", data)], (32, 32, 3), "no", Settings(), on_white=False)
print((int(status()["VmHWM"].split()[0]) - before) // 1024)
"""


@pytest.mark.fault(20)
@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="only Linux tells of a peak")
def test_25_megapixels_with_transparency_are_read_in_less_than_600_megabytes(tmp_path):
    # Of all formats, WebP's decoder keeps the most copies.
    picture = tmp_path / "large.webp"
    picture.write_bytes(encoded(Image.new("RGBA", (5000, 5000), (9, 200, 90, 128)), "WEBP", method=0))
    peak = subprocess.run(
        [sys.executable, "-c", PEAK, picture], capture_output=True, text=True, timeout=120, check=True
    )
    assert 100 < int(peak.stdout) < 600
