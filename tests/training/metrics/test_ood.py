import numpy as np
import pytest

from training.metrics import ood

pytestmark = pytest.mark.tensorflow


@pytest.fixture(scope="module", params=[(28, 28), (30, 22, 3)], ids=["grey", "colour"])
def images(request):
    return np.random.default_rng(0).integers(0, 256, (40, *request.param)).astype(np.float32) / np.float32(
        255
    )


def test_every_set_has_the_shape_of_the_images_and_8_bit_levels(images):
    found = ood.outlier_sets(images, seed=1)
    assert list(found) == ["inverted", "uniform noise", "shuffled patches", "flat grey", "digits"]
    for others in found.values():
        assert others.shape == images.shape
        assert others.dtype == np.float32
        assert 0 <= others.min() < others.max() <= 1
        np.testing.assert_allclose(others * 255, np.rint(others * 255), atol=1e-4)


def test_the_seed_decides_every_set(images):
    one, same, other = (ood.outlier_sets(images, seed) for seed in (1, 1, 2))
    for name in one:
        np.testing.assert_array_equal(one[name], same[name])
        assert np.array_equal(one[name], other[name]) == (name == "inverted")


def test_inverted_and_flat_images_are_what_they_are_called(images):
    found = ood.outlier_sets(images, seed=1)
    np.testing.assert_allclose(found["inverted"] + images, 1, atol=1e-6)
    flat = found["flat grey"].reshape(len(images), -1)
    assert (flat == flat[:, :1]).all()
    assert len(np.unique(flat[:, 0])) > 20


def test_shuffled_patches_are_the_same_patches_elsewhere():
    image = (
        np.arange(16, dtype=np.float32).repeat(4).reshape(1, 8, 8)
    )  # pairs of rows differ from patch to patch
    shuffled = ood.shuffled_patches(image, np.random.default_rng(0))

    def patches(array):
        return [array[0, i : i + 2, j : j + 2].tolist() for i in range(0, 8, 2) for j in range(0, 8, 2)]

    assert patches(shuffled) != patches(image)
    assert sorted(patches(shuffled)) == sorted(patches(image))


def test_rows_and_columns_beyond_the_patches_stay_in_place():
    image = np.random.default_rng(0).random((1, 10, 9), np.float32)
    shuffled = ood.shuffled_patches(image, np.random.default_rng(0))
    np.testing.assert_array_equal(shuffled[:, 8:], image[:, 8:])
    np.testing.assert_array_equal(shuffled[:, :, 8:], image[:, :, 8:])
    assert not np.array_equal(shuffled, image)


def test_a_digit_is_light_ink_in_the_middle_of_a_dark_ground():
    one, eight = (ood._glyph(text, "DejaVu Sans", 0.8, 28, 28) for text in "18")
    for glyph in (one, eight):
        assert glyph.max() > 0.9
        assert glyph[[0, -1]].max() == glyph[:, [0, -1]].max() == 0
        rows, columns = np.mgrid[:28, :28] - 13.5
        assert abs((glyph * rows).sum() / glyph.sum()) < 2
        assert abs((glyph * columns).sum() / glyph.sum()) < 2
    assert eight.sum() > one.sum()
    # An 8 has ink left and right and holes in between: along its middle column, ink starts three times.
    middle = eight[:, 13:15].mean(axis=1) > 0.5
    assert (np.diff(middle.astype(int)) == 1).sum() == 3


def test_a_score_that_knows_what_is_unusual_finds_it_and_its_opposite_is_below_one_half():
    rng = np.random.default_rng(0)
    images = rng.uniform(0.3, 0.4, (200, 8, 8)).astype(np.float32)

    def brightness(some):
        return some.mean(axis=(1, 2))

    found = ood.outlier_table(brightness, images, seed=0)["auroc"]
    assert found["inverted"] == 1  # 0.65 against 0.35
    assert found["uniform noise"] == 1
    assert found["shuffled patches"] == pytest.approx(0.5, abs=0.01)  # the same pixels, elsewhere
    # A grey of 0 to 255 exceeds 0.35 in 65 of 100 cases; 200 draws: standard error 0.034; four.
    assert found["flat grey"] == pytest.approx(0.65, abs=0.14)
    opposite = ood.outlier_table(lambda some: -brightness(some), images, seed=0)["auroc"]
    assert opposite["inverted"] == 0


def test_complexity_is_the_length_of_an_adaptive_code_of_predicted_levels():
    image = np.random.default_rng(0).integers(0, 256, (9, 7))
    counts, nats = np.full(256, 0.5), 0.0
    for row in range(9):
        for column in range(7):
            left = image[row, column - 1] if column else 0
            above = image[row - 1, column] if row else 0
            corner = image[row - 1, column - 1] if row and column else 0
            difference = (image[row, column] - sorted([left, above, left + above - corner])[1]) % 256
            nats -= np.log(counts[difference] / counts.sum())
            counts[difference] += 1
    found = ood.complexity(image[None].astype(np.float32) / np.float32(255))
    assert found == pytest.approx([nats], rel=1e-12)


def test_flat_images_are_plain_and_noise_costs_all_its_bits():
    rng = np.random.default_rng(0)
    images = np.stack([np.zeros((28, 28)), np.full((28, 28), 0.2), rng.integers(0, 256, (28, 28)) / 255])
    flat, grey, noise = ood.complexity(images.astype(np.float32))
    assert max(flat, grey) < noise / 10
    assert noise / (784 * 8 * np.log(2)) == pytest.approx(1, rel=0.05)


def test_what_a_flat_image_saves_by_its_plainness_is_taken_from_its_score():
    rng = np.random.default_rng(0)
    images = ood._levels(rng.integers(60, 190, (100, 28, 28)))

    def cost(some):  # a model that knows levels next to each other and nothing else, as a compressor does
        return np.abs(np.diff(some, axis=1)).sum(axis=(1, 2))

    found = ood.outlier_table(cost, images, seed=0)
    assert set(found) == {"auroc", "auroc_less_complexity"}
    assert found["auroc"]["flat grey"] == 0  # the most probable of all
    assert found["auroc_less_complexity"]["flat grey"] > 0.9
