import numpy as np
import pytest

from app.pictures import palette


def linear(levels):
    """Levels of sRGB as light, by its transfer curve."""
    value = levels / 255
    return np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4)


def luminance(colours):
    return linear(colours) @ [0.2126, 0.7152, 0.0722]


@pytest.mark.parametrize("count", [1, 2, 10, 40])
@pytest.mark.parametrize("on_white", [True, False])
def test_every_class_has_a_colour_of_its_own(count, on_white):
    colours = palette.colours(count, on_white=on_white)
    assert colours.shape == (count, 3)
    assert len(np.unique(colours, axis=0)) == count


def test_colours_leave_contrast_to_the_ink():
    # 4.5 is the contrast that WCAG 2 asks of text: (lighter + 0.05) / (darker + 0.05).
    assert ((luminance(palette.colours(10, on_white=True)) + 0.05) / 0.05 > 4.5).all()
    assert (1.05 / (luminance(palette.colours(10, on_white=False)) + 0.05) > 4.5).all()


def test_shades_run_from_the_ground_to_a_blue():
    values = np.linspace(0, 1, 5)
    for on_white, ground in ((True, 255), (False, 0)):
        shades = palette.shades(values, on_white=on_white)
        assert shades[0].tolist() == [ground] * 3
        assert (shades[-1].argmax(), shades[-1].argmin()) == (2, 0)
        assert (np.diff(luminance(shades)) * (-1 if on_white else 1) > 0).all()


def test_a_known_colour_of_oklch():
    # Ottosson's own example: sRGB red is L 0.62796, C 0.25768, h 29.234 degrees.
    found = palette._levels(np.array([0.627955]), np.array([0.257683]), np.array([29.2339]))
    assert np.abs(found[0].astype(int) - [255, 0, 0]).max() <= 1


def test_white_ground_takes_the_colour_and_black_ink_stays():
    images = np.array([[[255, 0, 128]]], np.uint8)
    tinted = palette.tinted(images, np.array([[200, 100, 50]], np.uint8), on_white=True)
    assert tinted.shape == (1, 1, 3, 3)
    assert tinted[0, 0].tolist() == [[200, 100, 50], [0, 0, 0], [100, 50, 25]]


def test_black_ground_takes_the_colour_and_white_ink_stays():
    images = np.array([[[0, 255]]], np.uint8)
    tinted = palette.tinted(images, np.array([[200, 100, 50]], np.uint8), on_white=False)
    assert tinted[0, 0].tolist() == [[200, 100, 50], [255, 255, 255]]


def test_colour_images_are_tinted_channel_by_channel():
    images = np.full((1, 1, 1, 3), (255, 128, 0), np.uint8)
    tinted = palette.tinted(images, np.array([[100, 200, 50]], np.uint8), on_white=True)
    assert tinted[0, 0, 0].tolist() == [100, 100, 0]


def test_a_colour_is_told_as_pages_write_it():
    assert palette.as_hex(np.array([255, 1, 16], np.uint8)) == "#ff0110"
