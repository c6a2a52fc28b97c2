import math

import numpy as np
import pytest

from app import complexity


def adaptive_length(differences):
    """Nats of an adaptive code that adds half a count to each of 256 differences, one after the other."""
    counts, nats = np.full(256, 0.5), 0.0
    for value in differences:
        nats -= math.log(counts[value] / counts.sum())
        counts[value] += 1
    return nats


def test_the_closed_form_is_the_length_of_the_adaptive_code():
    image = np.random.default_rng(0).integers(0, 256, (9, 7)).astype(np.uint8)
    differences = complexity._differences(image).ravel()
    assert complexity.complexity(image) == pytest.approx(adaptive_length(differences), rel=1e-12)


def test_a_level_is_predicted_from_the_three_before_it():
    # By the median of left, above and left + above - corner; beyond the border all are zero.
    image = np.uint8([[10, 20], [30, 50]])
    assert complexity._differences(image).tolist() == [[10, 10], [20, 20]]  # 50 - median(30, 20, 40)
    edge = np.uint8([[0, 200], [0, 200]])
    assert complexity._differences(edge).tolist() == [[0, 200], [0, 0]]
    fall = np.uint8([[5, 3]])
    assert complexity._differences(fall).tolist() == [[5, 254]]  # -2 modulo 256


def test_colours_are_predicted_from_their_own_kind():
    grey = np.random.default_rng(1).integers(0, 256, (6, 5)).astype(np.uint8)
    colour = np.stack([grey, grey, grey], axis=-1)
    differences = complexity._differences(colour)
    for channel in range(3):
        np.testing.assert_array_equal(differences[..., channel], complexity._differences(grey))


def test_flat_images_and_slopes_are_plain_and_noise_costs_all_its_bits():
    rng = np.random.default_rng(0)
    flat = complexity.complexity(np.full((28, 28), 77, np.uint8))
    ramp = complexity.complexity(np.add.outer(np.arange(28), np.arange(28)).astype(np.uint8) * 4)
    noise = complexity.complexity(rng.integers(0, 256, (28, 28)).astype(np.uint8))
    uniform = 784 * 8 * math.log(2)
    assert max(flat, ramp) < uniform / 5
    assert noise == pytest.approx(uniform, rel=0.05)  # what 256 frequencies cost that 784 levels tell
    assert noise > uniform
