import tracemalloc

import numpy as np
import pytest

from training.metrics import fidelity
from training.metrics.fidelity import Gaussian, frechet_distance, gaussian

pytestmark = pytest.mark.tensorflow


def covariance(rank, size, seed):
    factor = np.random.default_rng(seed).standard_normal((size, rank))
    return factor @ factor.T


def test_frechet_distance_from_the_standard_normal_is_the_closed_form():
    mean, matrix = np.random.default_rng(0).standard_normal(6), covariance(6, 6, 1)
    standard = Gaussian(np.zeros(6), np.eye(6))
    # |m|^2 + tr(I + S - 2 S^1/2), and tr S^1/2 is the sum of the roots of the eigenvalues.
    roots = np.sqrt(np.linalg.eigvalsh(matrix))
    expected = mean @ mean + np.sum((1 - roots) ** 2)
    assert frechet_distance(standard, Gaussian(mean, matrix)) == pytest.approx(expected, abs=1e-6)
    assert frechet_distance(Gaussian(mean, matrix), standard) == pytest.approx(expected, abs=1e-6)


def test_frechet_distance_of_diagonal_covariances_adds_the_axes_up_also_when_some_are_zero():
    a, b = Gaussian(np.zeros(3), np.diag([4.0, 0, 9])), Gaussian(np.ones(3), np.diag([1.0, 2, 0]))
    expected = 3 + (2 - 1) ** 2 + 2 + 9
    assert frechet_distance(a, b) == pytest.approx(expected, abs=1e-6)


def test_frechet_distance_of_a_singular_covariance_that_is_not_diagonal_is_symmetric_and_zero_with_itself():
    a = Gaussian(np.zeros(8), covariance(3, 8, 0))
    b = Gaussian(np.zeros(8), covariance(8, 8, 1))
    assert frechet_distance(a, b) == pytest.approx(frechet_distance(b, a), abs=1e-6)
    # The root of a rounding error of 1e-15 is 3e-8, five times over for the five directions without spread.
    assert frechet_distance(a, a) == pytest.approx(0, abs=1e-6)
    assert frechet_distance(b, Gaussian(b.mean + 2, b.covariance)) == pytest.approx(8 * 4, abs=1e-6)


def test_mean_and_covariance_are_those_of_the_rows_in_float64():
    features = np.float32([[0, 2], [2, 6], [4, 4]])
    found = gaussian(features)
    np.testing.assert_allclose(found.mean, [2, 4])
    np.testing.assert_allclose(found.covariance, [[4, 2], [2, 4]])
    assert found.covariance.dtype == np.float64
    with pytest.raises(ValueError, match=r"N at least 2. Received: shape \(1, 2\)"):
        gaussian(features[:1])


def test_kernel_distance_is_the_worked_example():
    # k(x, y) = (xy + 1)^3: within a (0, 1): k = 1; within b (1, 2): k = 27; across: 1, 1, 8, 27, mean 9.25.
    assert fidelity.kernel_distance(np.array([[0.0], [1]]), np.array([[1.0], [2]])) == pytest.approx(
        1 + 27 - 2 * 9.25
    )


def test_kernel_distance_is_unbiased_and_does_not_depend_on_the_chunks(monkeypatch):
    rng = np.random.default_rng(0)
    values = [fidelity.kernel_distance(*rng.standard_normal((2, 50, 4))) for _ in range(200)]
    # The mean of 200 draws within four of its own standard errors of zero, though each draw is of 50 images only.
    assert abs(np.mean(values)) < 4 * np.std(values) / np.sqrt(200)
    a, b = rng.standard_normal((2, 50, 4))
    whole = fidelity.kernel_distance(a, b + 1)
    assert whole > 10 * np.std(values)
    monkeypatch.setattr(fidelity, "ROWS", 7)
    assert fidelity.kernel_distance(a, b + 1) == pytest.approx(whole, rel=1e-12)


def test_precision_recall_density_and_coverage_of_a_worked_example_on_a_line():
    real, generated = np.array([[0.0], [1], [3], [10]]), np.array([[0.5], [2.5], [30]])
    # k = 1. Reach of the real ones: 1, 1, 2, 7; so [-1, 1], [0, 2], [1, 5], [3, 17]. Generated 0.5 lies in two of
    # them, 2.5 in one, 30 in none. Reach of the generated ones: 2, 2, 27.5; so [-1.5, 2.5], [0.5, 4.5], [2.5, 57.5]:
    # all real ones lie in one. A generated one is within reach of 0 (0.5), of 1 (0.5), of 3 (2.5), not of 10 (7.5).
    found = fidelity.precision_recall_density_coverage(real, generated, k=1)
    assert found.precision == pytest.approx(2 / 3)
    assert found.recall == 1
    assert found.density == pytest.approx((2 + 1 + 0) / 3)
    assert found.coverage == pytest.approx(3 / 4)


def test_equal_distributions_have_density_one_and_the_coverage_of_theory():
    a, b = np.random.default_rng(0).standard_normal((2, 3_000, 8))
    found = fidelity.precision_recall_density_coverage(a, b, k=5)
    # Naeem et al. 2020: exactly 1 and 1 - (N-1)...(N-k) / ((2N-1)...(2N-k)), about 1 - 2^-5, in expectation.
    assert found.density == pytest.approx(1, abs=0.05)
    assert found.coverage == pytest.approx(1 - 1 / 32, abs=0.01)


def test_dropped_modes_cost_recall_and_coverage_and_strange_images_cost_precision_and_density():
    rng = np.random.default_rng(0)
    real = rng.standard_normal((600, 2)) + 20 * rng.integers(0, 2, (600, 1))
    one_mode = rng.standard_normal((600, 2))
    found = fidelity.precision_recall_density_coverage(real, one_mode)
    assert found.precision > 0.9
    assert found.recall < 0.6
    assert found.coverage < 0.6
    elsewhere = fidelity.precision_recall_density_coverage(real, one_mode - 50)
    assert (elsewhere.precision, elsewhere.density, elsewhere.coverage) == (0, 0, 0)


def test_chunks_change_nothing_and_keep_the_memory_small(monkeypatch):
    a, b = np.random.default_rng(0).standard_normal((2, 3_000, 4))
    monkeypatch.setattr(fidelity, "ROWS", 3_000)
    whole = fidelity.precision_recall_density_coverage(a, b)
    monkeypatch.setattr(fidelity, "ROWS", 250)
    tracemalloc.start()
    try:
        chunked = fidelity.precision_recall_density_coverage(a, b)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert chunked == whole
    # A chunk of distances is 250 x 3,000 float64, 6 MB; partition copies it. The whole matrix would be 72 MB.
    # In proportion, chunks of 1,000 against 10,000 images stay below 0.3 GB.
    assert peak < 22e6


def test_more_neighbours_than_images_are_refused():
    with pytest.raises(ValueError, match=r"fewer than the images of either set\. Received: 3"):
        fidelity.precision_recall_density_coverage(np.zeros((3, 1)), np.zeros((9, 1)), k=3)


def test_class_spread_counts_the_classes_and_weighs_their_certainty():
    sure = np.repeat(np.eye(4), 5, axis=0)
    found = fidelity.class_spread(sure)
    assert found.shares == [0.25] * 4
    assert found.entropy == pytest.approx(np.log(4))
    assert found.confidence == 1
    assert found.score == pytest.approx(4)  # as many as there are classes

    missing = fidelity.class_spread(sure[:10])
    assert missing.shares == [0.5, 0.5, 0, 0]
    assert missing.entropy == pytest.approx(np.log(2))
    assert missing.score == pytest.approx(2)

    unsure = fidelity.class_spread(np.full((3, 4), 0.25))
    assert (unsure.confidence, unsure.score) == (0.25, pytest.approx(1))


def test_psnr_is_the_squared_error_in_decibels_and_finite_for_equal_images():
    images = np.zeros((3, 2, 2), np.float32)
    others = np.float32([0, 0.1, 1])[:, None, None] + images
    np.testing.assert_allclose(fidelity.psnr(images, others), [58.92, 20, 0], atol=0.01)


def test_ssim_is_one_for_equal_images_and_follows_the_formula_for_flat_ones():
    a, b = np.full((2, 28, 28), 0.2, np.float32), np.full((2, 28, 28), 0.6, np.float32)
    np.testing.assert_allclose(fidelity.ssim(a, a), 1, atol=1e-6)
    # Without variance only the means count: (2 x 0.2 x 0.6 + c) / (0.2^2 + 0.6^2 + c), c = 0.01^2.
    expected = (2 * 0.12 + 1e-4) / (0.04 + 0.36 + 1e-4)
    np.testing.assert_allclose(fidelity.ssim(a, b), expected, atol=1e-4)
    colours = np.repeat(a[..., None], 3, axis=-1)
    np.testing.assert_allclose(fidelity.ssim(colours, colours), 1, atol=1e-6)


@pytest.mark.parametrize(("shape", "window"), [((28, 28), 11), ((64, 48, 3), 11), ((6, 5), 5), ((8, 8), 7)])
def test_the_window_of_ssim_fits_the_image(shape, window):
    assert fidelity.ssim_window(shape) == window
    images = np.random.default_rng(0).random((1, *shape), np.float32)
    np.testing.assert_allclose(fidelity.ssim(images, images), 1, atol=1e-5)


def test_every_pair_of_images_keeps_its_place_across_chunks(monkeypatch):
    monkeypatch.setattr(fidelity, "ROWS", 2)
    images = np.random.default_rng(0).random((5, 12, 12), np.float32)
    values = fidelity.ssim(images, images[[0, 1, 3, 2, 4]])
    np.testing.assert_allclose(values[[0, 1, 4]], 1, atol=1e-5)
    assert (values[[2, 3]] < 0.9).all()
