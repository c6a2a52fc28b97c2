import math

import numpy as np
import pytest

from app.explore.quality import closeness


def test_equal_images_are_as_close_as_can_be():
    images = np.random.default_rng(0).integers(0, 256, (2, 28, 28), np.uint8)
    for found in closeness(images, images):
        assert (found.mse, found.psnr) == (0.0, math.inf)
        assert found.ssim == pytest.approx(1, abs=1e-12)


def test_the_mse_is_that_of_values_between_0_and_1_and_the_psnr_its_decibels():
    black, grey = np.zeros((1, 8, 8), np.uint8), np.full((1, 8, 8), 51, np.uint8)  # 0 and 0.2
    (found,) = closeness(black, grey)
    assert found.mse == pytest.approx(0.04)
    assert found.psnr == pytest.approx(13.9794, abs=1e-4)  # 10 log10 25


def test_the_ssim_of_flat_images_is_that_of_their_means():
    # Without variance it is (2 a b + C1) / (a^2 + b^2 + C1); here a = 0.2, b = 0.4, C1 = 0.0001.
    one, other = (np.full((1, 28, 28), value, np.uint8) for value in (51, 102))
    assert closeness(one, other)[0].ssim == pytest.approx((0.16 + 1e-4) / (0.2 + 1e-4), abs=1e-9)


def reference_ssim(first, second, side=7):
    """SSIM by its definition, window after window, in plain loops."""
    values = []
    for top in range(first.shape[0] - side + 1):
        for left in range(first.shape[1] - side + 1):
            a, b = (image[top : top + side, left : left + side].ravel() for image in (first, second))
            covariance = np.cov(a, b)  # with N - 1
            above = (2 * a.mean() * b.mean() + 1e-4) * (2 * covariance[0, 1] + 9e-4)
            below = (a.mean() ** 2 + b.mean() ** 2 + 1e-4) * (covariance[0, 0] + covariance[1, 1] + 9e-4)
            values.append(above / below)
    return np.mean(values)


def test_the_ssim_is_that_of_its_definition():
    generator = np.random.default_rng(1)
    first = generator.integers(0, 256, (3, 14, 11), np.uint8)
    second = np.clip(first + generator.normal(0, 30, first.shape), 0, 255).astype(np.uint8)
    for found, one, other in zip(closeness(first, second), first / 255, second / 255, strict=True):
        # Differences of running sums lose some of a double's 16 digits.
        assert found.ssim == pytest.approx(reference_ssim(one, other), abs=1e-10)


def test_each_image_is_compared_with_its_own_original():
    generator = np.random.default_rng(2)
    images = generator.integers(0, 256, (4, 8, 8, 3), np.uint8)
    others = images.copy()
    others[2] = 255 - others[2]
    found = closeness(images, others)
    assert [each.mse > 0 for each in found] == [False, False, True, False]
    assert found[2].ssim < 0


def test_images_smaller_than_a_window_are_compared_in_smaller_ones():
    first = np.random.default_rng(3).integers(0, 256, (1, 4, 9), np.uint8)
    second = np.roll(first, 1, axis=2)
    expected = reference_ssim(first[0] / 255, second[0] / 255, side=4)
    assert closeness(first, second)[0].ssim == pytest.approx(expected, abs=1e-10)
