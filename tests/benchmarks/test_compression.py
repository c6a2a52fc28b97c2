import numpy as np
import pytest

from benchmarks import compression

NOISE = np.random.default_rng(0).integers(0, 256, (40, 16, 16, 3), dtype=np.uint8)


@pytest.mark.parametrize("options", compression.FORMATS.values(), ids=compression.FORMATS)
def test_noise_costs_eight_bits_a_level_and_its_headers(options):
    one_by_one, at_once = compression.alone(NOISE, options), compression.together(NOISE, options)
    assert 8 < at_once < 8.2
    assert at_once < one_by_one < 9  # a header of some 70 bytes for every 768 levels


@pytest.mark.parametrize("options", compression.FORMATS.values(), ids=compression.FORMATS)
def test_a_picture_that_repeats_costs_little_in_one_file_alone(options):
    repeated = np.repeat(NOISE[:1], 40, axis=0)
    assert compression.together(repeated, options) < 0.5
    assert compression.alone(repeated, options) > 8


def test_more_pictures_than_a_file_may_hold_are_in_several():
    flat = np.zeros((1_100, 16, 16), np.uint8)
    assert 0 < compression.together(flat, compression.FORMATS["WebP, lossless"]) < 0.1
