import numpy as np
import pytest

pytestmark = pytest.mark.tensorflow

import tensorflow as tf  # noqa: E402

from training.configs.sections import Augmentation  # noqa: E402
from training.models.augmentation import augmented  # noqa: E402

SEED = tf.constant([1, 2])


def blobs(number=64, height=12, width=10):
    """One white pixel on black near the middle of each image, blurred: (N, H, W, 3)."""
    rows, columns = np.mgrid[:height, :width]
    blob = np.exp(-((rows - 5.5) ** 2 + (columns - 4.5) ** 2) / 4)
    return np.repeat(np.tile(blob[..., None], (number, 1, 1, 1)), 3, axis=3).astype(np.float32)


def centres(images):
    """The centre of mass of each image, (N, 2)."""
    light = np.asarray(images)[..., 0]
    total = light.sum(axis=(1, 2))
    rows, columns = np.arange(light.shape[1])[:, None], np.arange(light.shape[2])
    return np.stack([(light * rows).sum((1, 2)) / total, (light * columns).sum((1, 2)) / total], axis=1)


def test_nothing_changes_unless_it_is_asked_for():
    images = tf.constant(blobs())
    assert augmented(images, Augmentation(), SEED) is images


def test_a_change_is_a_function_of_its_seed():
    section = Augmentation(shift=0.2, zoom=0.1, mirror=True, tint=0.2)
    first, again, other = (
        augmented(tf.constant(blobs()), section, tf.constant([1, step])).numpy() for step in (5, 5, 6)
    )
    np.testing.assert_array_equal(first, again)
    assert np.abs(first - other).max() > 0.1
    assert first.shape == (64, 12, 10, 3)
    assert first.min() >= 0
    assert first.max() <= 1


def test_a_shift_moves_by_the_share_of_a_side_at_most_in_every_direction():
    moved = centres(augmented(tf.constant(blobs()), Augmentation(shift=0.2), SEED)) - [5.5, 4.5]
    # A blob two pixels wide loses a little over the edge, so its centre moves a tenth of a pixel less.
    assert np.abs(moved).max(axis=0) == pytest.approx([0.2 * 12, 0.2 * 10], rel=0.2)
    assert (moved.min(axis=0) < -1).all()
    assert (moved.max(axis=0) > 1).all()


def test_a_zoom_makes_things_larger_and_smaller_around_the_centre():
    light = augmented(tf.constant(blobs()), Augmentation(zoom=0.3), SEED).numpy()
    area = light[..., 0].sum(axis=(1, 2)) / blobs(1)[..., 0].sum()
    # The side changes by a factor up to e^0.3 = 1.35 either way, the area by its square, 1.82.
    assert area.min() == pytest.approx(1 / 1.82, rel=0.1)
    assert area.max() == pytest.approx(1.82, rel=0.1)
    np.testing.assert_allclose(centres(light), [[5.5, 4.5]] * 64, atol=0.05)


def test_a_mirror_image_is_one_in_two_and_exact():
    images = np.random.default_rng(0).random((200, 6, 4), np.float32)
    found = augmented(tf.constant(images), Augmentation(mirror=True), SEED).numpy()
    mirrored = np.array(
        [np.allclose(*pair, atol=1e-6) for pair in zip(found, images[..., ::-1], strict=True)]
    )
    same = np.array([np.allclose(*pair, atol=1e-6) for pair in zip(found, images, strict=True)])
    assert (mirrored ^ same).all()
    assert 70 <= mirrored.sum() <= 130  # 100 of 200 coins, within four standard deviations


def test_a_tint_changes_colours_alone():
    images = np.full((50, 4, 4, 3), 0.5, np.float32)
    found = augmented(tf.constant(images), Augmentation(tint=0.2), SEED).numpy()
    assert np.ptp(found, axis=(1, 2)).max() < 1e-6  # flat images stay flat
    offsets = found[:, 0, 0] - 0.5
    assert np.abs(offsets).max() == pytest.approx(0.1, rel=0.1)  # half of the tint
    assert np.ptp(offsets, axis=1).max() > 0.05  # each channel by its own


def test_what_moves_in_repeats_the_outermost_pixels():
    ramp = np.tile(np.linspace(0.2, 0.8, 10, dtype=np.float32), (64, 12, 1))
    found = augmented(tf.constant(ramp), Augmentation(shift=0.5), SEED).numpy()
    assert found.min() >= 0.2 - 1e-6
    assert found.max() <= 0.8 + 1e-6
