import importlib.util

import numpy as np
from PIL import Image

from tests.conftest import PROJECT

SCRIPT = PROJECT / "front-end" / "screenshots.py"


def test_a_link_keeps_its_colour_among_many_greys():
    spec = importlib.util.spec_from_file_location("screenshots", SCRIPT)
    screenshots = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(screenshots)
    link = (0x0B, 0x57, 0xA4)
    greys = np.arange(200 * 256) % 256
    page = np.stack([greys] * 3, axis=-1).reshape(200, 256, 3).astype(np.uint8)
    page[:4, :8] = link
    page[100:150] = ground = (0xF4, 0xF6, 0xF8)  # of panels
    page[150:] = 255
    shown = np.asarray(screenshots.with_palette(Image.fromarray(page)).convert("RGB")).astype(int)
    assert np.abs(shown[:4, :8] - link).max() <= 8  # levels of 256
    assert np.abs(shown - page).max() <= 8
    assert (shown[100:150] == ground).all()
    assert (shown[150:] == 255).all()
