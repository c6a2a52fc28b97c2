import numpy as np
import pytest

from training.metrics.two_sample import auroc, two_sample_auroc

pytestmark = pytest.mark.tensorflow


def test_auroc_is_the_share_of_pairs_in_the_right_order_ties_counting_half():
    low, high = [1, 2, 3], [2, 4]
    # Of six pairs: 2 exceeds 1, ties with 2, is below 3; 4 exceeds all three: 1 + 0.5 + 3.
    assert auroc(low, high) == pytest.approx(4.5 / 6)
    assert auroc(high, low) == pytest.approx(1.5 / 6)


def test_auroc_agrees_with_counting_every_pair():
    rng = np.random.default_rng(0)
    low, high = rng.integers(0, 9, 70), rng.integers(2, 11, 50)
    pairs = (high[:, None] > low).mean() + (high[:, None] == low).mean() / 2
    assert auroc(low, high) == pytest.approx(pairs, abs=1e-12)


@pytest.mark.parametrize(("low", "high"), [([], [1]), ([1], []), ([1, np.nan], [1]), ([1], [np.nan, 0])])
def test_auroc_of_nothing_or_of_no_number_is_refused(low, high):
    with pytest.raises(ValueError, match="one number or more each, none NaN"):
        auroc(low, high)


def test_an_infinite_score_is_higher_than_any_other():
    assert auroc([0.0, 1.0], [np.inf, 2.0]) == 1.0
    assert auroc([np.inf], [np.inf, -np.inf]) == 0.25  # a tie counts half


def stripes(number, seed, upright):
    rng = np.random.default_rng(seed)
    phase = rng.uniform(0, 6, (number, 1, 1))
    rows, columns = np.mgrid[:8, :8]
    wave = np.sin(1.5 * (columns if upright else rows) + phase) / 2 + 0.5
    return (wave + rng.normal(0, 0.05, wave.shape)).clip(0, 1).astype(np.float32)


def test_equal_distributions_cannot_be_told_apart():
    found = two_sample_auroc(stripes(800, 0, True), stripes(800, 1, True))
    # 400 against 400 held out: standard error 0.02; four of them.
    assert found == pytest.approx(0.5, abs=0.08)


def test_different_pictures_are_told_apart_and_the_number_repeats_to_the_digit():
    real, generated = stripes(400, 0, True), stripes(300, 1, False)
    found = two_sample_auroc(real, generated, seed=5, epochs=6)
    assert found > 0.9
    assert two_sample_auroc(real, generated, seed=5, epochs=6) == found


def test_pictures_in_colour_are_judged_by_their_colour():
    rng = np.random.default_rng(0)
    grey = np.repeat(rng.random((200, 8, 8, 1), np.float32), 3, axis=-1)
    red = grey * np.float32([1, 0.2, 0.2])
    assert two_sample_auroc(grey, red, epochs=8) > 0.9
