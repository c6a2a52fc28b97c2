"""Draws of causal logistics: compiled code and NumPy give the same bytes, and TensorFlow's graph the same pixels."""

import hashlib

import numpy as np
import pytest

from app.native import causal
from app.native.causal import LINEAR, NEIGHBOURS, CausalDraw
from app.native.library import library
from tests.conftest import skip

# (components, hidden units, side of squares, logits to which nothing is added, images, height, width): the sizes
# that the code knows beforehand, others that fill the elements or do not, one pixel, and images wider than high and
# higher than wide.
SIZES = [
    (3, 39, 2, 1, 3, 28, 28),
    (3, 39, 2, 1, 1, 8, 18),
    (3, 39, 2, 0, 1, 8, 18),
    (3, 40, 1, 0, 3, 28, 28),
    (3, 40, 1, 1, 1, 9, 17),
    (2, 13, 1, 0, 2, 17, 9),
    (2, 11, 2, 1, 2, 18, 10),
    (5, 16, 3, 1, 2, 6, 6),
    (8, 128, 2, 0, 1, 4, 6),
    (8, 128, 1, 1, 1, 4, 6),
    (1, 1, 4, 1, 1, 4, 4),
    (1, 1, 1, 0, 2, 1, 1),
]


def random_draw(components, hidden, block, given, count, height, width, seed=0, **options):
    """What draws, with weights that matter, and the parameters and noise of some images."""
    rng = np.random.default_rng(seed)
    into = rng.normal(size=(len(NEIGHBOURS), hidden), scale=0.02).astype("f4")
    out = rng.normal(size=(hidden, 3 * components), scale=0.2).astype("f4")
    within = rng.normal(size=(block**2, LINEAR + hidden), scale=0.2).astype("f4") if block > 1 else None
    draw = CausalDraw(into, out[:, given:], within, **options)
    parameters = rng.normal(size=(count, height, width, draw.num_parameters)).astype("f4")
    parameters[..., 0] = rng.uniform(size=(count, height, width))
    noise = rng.uniform(1e-6, 1 - 1e-6, size=(count, height, width, 2)).astype("f4")
    return draw, parameters, noise


def test_this_machine_has_compiled_code():
    if library() is None:
        skip("there is no compiled code: make native")


@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize("around", [False, True])
def test_compiled_code_draws_all_of_these(size, around, monkeypatch):
    """Beside NumPy's draws those of NumPy would be the same."""
    draw, parameters, noise = random_draw(*size)
    monkeypatch.setattr(CausalDraw, "_draw", lambda *_: pytest.fail("drawn by NumPy"))
    assert draw(parameters, noise, half_known(*size[4:]) if around else None).shape == noise.shape[:3]


@pytest.mark.parametrize("size", SIZES, ids=str)
def test_compiled_code_and_numpy_give_the_same_bytes(size):
    compiled, parameters, noise = random_draw(*size)
    images = compiled(parameters, noise)
    numpy = random_draw(*size, compiled=False)[0](parameters, noise)
    assert images.dtype == np.float32
    assert images.tobytes() == numpy.tobytes()
    levels = images * 255
    np.testing.assert_allclose(levels, np.rint(levels), atol=1e-4)  # levels over 255
    if size[-1] > 1:
        assert 0.02 < np.mean((images > 0) & (images < 1)) < 0.98


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e30, -1e30])
@pytest.mark.parametrize("place", [0, 1, 4, 7, 10, 15])
@pytest.mark.parametrize("sizes", [(3, 40, 1, 0, 2, 5, 6), (3, 39, 2, 1, 2, 6, 8)], ids=str)
def test_they_agree_about_parameters_that_no_network_gives(sizes, place, value):
    compiled, parameters, noise = random_draw(*sizes)
    parameters[0, 1, 2, place] = value
    images = compiled(parameters, noise)
    numpy = random_draw(*sizes, compiled=False)[0]
    np.testing.assert_array_equal(images, numpy(parameters, noise))
    assert np.isfinite(images[1]).all()  # the other image knows nothing of it


def half_known(count, height, width):
    """Levels of about half the pixels, NaN at the others."""
    rng = np.random.default_rng(7)
    levels = rng.integers(0, 256, (count, height, width)).astype("f4")
    levels[rng.uniform(size=levels.shape) < 0.5] = np.nan
    return levels


@pytest.mark.parametrize("size", SIZES, ids=str)
def test_compiled_code_and_numpy_give_the_same_bytes_around_known_pixels(size):
    compiled, parameters, noise = random_draw(*size)
    known = half_known(*size[4:])
    images = compiled(parameters, noise, known)
    assert images.tobytes() == random_draw(*size, compiled=False)[0](parameters, noise, known).tobytes()
    seen = np.isfinite(known)
    assert images[seen].tobytes() == (known[seen] / np.float32(255)).tobytes()
    if size[-1] > 1:
        assert images[~seen].tobytes() != compiled(parameters, noise)[~seen].tobytes()


@pytest.mark.parametrize("compiled", [True, False])
def test_pixels_that_are_known_to_be_what_is_drawn_change_nothing(compiled):
    draw, parameters, noise = random_draw(3, 39, 2, 1, 3, 10, 12, compiled=compiled)
    images = draw(parameters, noise)
    nothing = np.full(images.shape, np.nan, "f4")
    assert draw(parameters, noise, nothing).tobytes() == images.tobytes()
    known = np.where(np.isnan(half_known(3, 10, 12)), np.float32(np.nan), np.rint(images * 255))
    assert draw(parameters, noise, known).tobytes() == images.tobytes()


def test_a_known_pixel_moves_those_after_it_alone():
    """Its neighbours' places say which lean on it, and theirs which lean on these."""
    draw, parameters, noise = random_draw(3, 39, 2, 1, 1, 10, 10)
    known = np.full((1, 10, 10), np.nan, "f4")
    known[0, 4, 4] = 255 if draw(parameters, noise)[0, 4, 4] < 0.5 else 0
    rows, columns = np.nonzero((draw(parameters, noise, known) != draw(parameters, noise))[0])
    assert len(rows) > 3
    assert (rows + columns).min() == 8
    assert ((rows + columns) == 8).sum() == 1


def test_known_levels_of_another_shape_are_refused():
    draw, parameters, noise = random_draw(3, 39, 2, 1, 1, 4, 4)
    with pytest.raises(ValueError, match=r"known levels of shape \(B, H, W\). Received: \(1, 4, 3\)"):
        draw(parameters, noise, np.zeros((1, 4, 3), "f4"))


def drawn_twice(known_level, count=20_000):
    """Levels of two pixels, the second of which leans on the first alone: the first is known or drawn.

    One logistic: the second one's mean is its base moved by tanh(1) times the first one's deviation.
    """
    draw = CausalDraw(np.zeros((10, 1), "f4"), np.zeros((1, 3), "f4"))
    parameters = np.zeros((count, 1, 2, draw.num_parameters), "f4")
    parameters[..., 0] = 0.5
    parameters[..., 3] = np.log(np.expm1(0.145)) - np.log(np.expm1(1))  # 0.1 + 20 x 0.145: 3 levels
    parameters[..., 4] = 1  # the pixel to the left
    noise = np.random.default_rng(3).uniform(1e-6, 1 - 1e-6, (count, 1, 2, 2)).astype("f4")
    known = np.full((count, 1, 2), np.nan, "f4")
    known[:, 0, 0] = known_level
    return draw(parameters, noise, known)[:, 0] * 255


def test_a_drawn_pixel_has_the_mean_that_its_known_neighbour_gives_it():
    # Levels are integers, so that the second one's mean is off by at most 0.01 for this scale.
    for level in (100, 160):
        levels = drawn_twice(level)
        assert (np.rint(levels[:, 0]) == level).all()
        error = 4 * 3 * np.pi / np.sqrt(3) / np.sqrt(len(levels))
        assert levels[:, 1].mean() == pytest.approx(127.5 + np.tanh(1) * (level - 127.5), abs=error + 0.01)


def test_draws_have_the_bytes_that_they_always_had():
    """Whatever is served under a version's permanent addresses hangs on them."""
    for size, expected in (((3, 40, 1, 0), "71ec03d01e17d16b"), ((3, 39, 2, 1), "d1c2998e2501199b")):
        draw, parameters, noise = random_draw(*size, 2, 28, 28, compiled=False)
        assert hashlib.sha256(draw(parameters, noise).tobytes()).hexdigest()[:16] == expected


def test_an_image_is_the_same_alone_and_among_others():
    draw, parameters, noise = random_draw(3, 39, 2, 1, 5, 28, 28)
    together = draw(parameters, noise)
    for number in range(5):
        alone = draw(parameters[number : number + 1], noise[number : number + 1])
        assert alone.tobytes() == together[number : number + 1].tobytes()


def test_sizes_that_the_compiled_code_does_not_know_are_drawn_by_numpy():
    draw, parameters, noise = random_draw(9, 3, 1, 0, 1, 3, 3)
    assert draw(parameters, noise).shape == (1, 3, 3)
    wide, parameters, noise = random_draw(1, 1, 1, 0, 1, 1, 129)
    assert wide(parameters, noise).shape == (1, 1, 129)


def test_pixels_of_a_square_share_what_single_pixels_have_for_themselves():
    """Squares of one pixel that are told what the squares of 2 x 2 are made of."""
    squares, parameters, noise = random_draw(3, 39, 2, 1, 3, 10, 8)
    single = CausalDraw(squares._into[:, :39], squares._out[:, :39].T)  # of 8 columns both
    full = np.zeros((3, 10, 8, single.num_parameters), "f4")
    full[..., :10] = parameters[..., :10]
    for row, column in np.ndindex(10, 8):
        top, left = row // 2 * 2, column // 2 * 2
        four = parameters[:, top : top + 2, left : left + 2, 10:].reshape(3, 44)
        full[:, row, column, 10:] = four + squares._within[row % 2 * 2 + column % 2, :44]
    assert squares(parameters, noise).tobytes() == single(full, noise).tobytes()


def test_no_images_are_no_error():
    draw, parameters, noise = random_draw(3, 39, 2, 1, 1, 28, 28)
    assert draw(parameters[:0], noise[:0]).shape == (0, 28, 28)


@pytest.mark.parametrize(
    ("into", "out"),
    [((9, 4), (4, 6)), ((10, 4), (5, 6)), ((10, 4), (4, 7)), ((10, 4), (4, 0)), ((10, 0), (0, 6))],
)
def test_weights_that_do_not_fit_each_other_are_refused(into, out):
    with pytest.raises(ValueError, match=r"expected arrays \(10, H\) and \(H, 3 K\) or \(H, 3 K - 1\)"):
        CausalDraw(np.zeros(into, "f4"), np.zeros(out, "f4"))


@pytest.mark.parametrize("shape", [(3, 44), (4, 43), (0, 44), (1, 44)])
def test_what_places_add_is_for_squares_and_all_that_they_share(shape):
    weights = np.zeros((10, 39), "f4"), np.zeros((39, 9), "f4")
    with pytest.raises(ValueError, match=r"expected within \(b\^2, 44\), b at least 2"):
        CausalDraw(*weights, np.zeros(shape, "f4"))


def test_sides_that_squares_do_not_cover_are_refused():
    draw, parameters, noise = random_draw(3, 39, 2, 1, 1, 4, 4)
    with pytest.raises(ValueError, match=r"sides that 2 divides\. Received: 3, 4"):
        draw(parameters[:, 1:], noise[:, 1:])


def test_parameters_or_noise_of_another_shape_are_refused():
    draw, parameters, noise = random_draw(3, 39, 2, 1, 1, 4, 4)
    with pytest.raises(ValueError, match="expected 21 parameters"):
        draw(parameters[..., 1:], noise)
    with pytest.raises(ValueError, match="noise of shape"):
        draw(parameters, noise[..., 0])


def test_exponentials_and_logarithms_are_right_to_a_few_units_of_the_last_place():
    x = np.linspace(-87, 88, 100_001, dtype="f4")
    # Near the ends float32 has x itself to 4e-6, but x is exact here.
    np.testing.assert_allclose(causal.exponential(x), np.exp(x.astype("f8")), rtol=3e-7)
    y = np.exp(np.linspace(-80, 88, 100_001)).astype("f4")
    np.testing.assert_allclose(causal.logarithm(y), np.log(y.astype("f8")), rtol=2e-7, atol=1e-7)
    assert causal.exponential(np.float32([1000, -1000])).tolist() == causal.exponential(x[[-1, 0]]).tolist()


def test_a_component_is_chosen_as_often_as_its_weight_says_and_has_its_mean_and_scale():
    """Without weights every pixel is a mixture of two logistics, 0.25 at level 77 and 0.75 at level 179."""
    count = 4_000
    draw = CausalDraw(np.zeros((10, 1), "f4"), np.zeros((1, 6), "f4"))
    parameters = np.zeros((count, 2, 2, draw.num_parameters), "f4")
    parameters[..., 0] = 0.5
    parameters[..., 1] = np.log(0.25 / 0.75)
    parameters[..., 3:5] = (0.3 - 0.5 + 0.25, 0.7 - 0.5 - 0.25)  # about centres of -1/4 and 1/4
    parameters[..., 5:7] = np.log(np.expm1(0.145)) - np.log(np.expm1(1))  # 0.1 + 20 x 0.145: 3 levels
    noise = np.random.default_rng(0).uniform(1e-6, 1 - 1e-6, (count, 2, 2, 2)).astype("f4")
    levels = draw(parameters, noise) * 255
    low = levels < 128
    drawn = 4 * count
    assert low.mean() == pytest.approx(0.25, abs=4 * np.sqrt(0.25 * 0.75 / drawn))
    for part, level in ((levels[low], 0.3 * 255), (levels[~low], 0.7 * 255)):
        deviation = 3 * np.pi / np.sqrt(3)
        assert part.mean() == pytest.approx(level, abs=4 * deviation / np.sqrt(len(part)))
        # The kurtosis of a logistic is 4.2: a sample's deviation is within 3.2 / (4 N) of its own, squared.
        assert part.std() == pytest.approx(deviation, rel=4 * np.sqrt(3.2 / 4 / len(part)) + 0.002)


@pytest.mark.tensorflow
@pytest.mark.parametrize("block", [1, 2])
def test_tensorflows_graph_draws_the_same_pixels_of_the_same_parameters(block):
    from training.models.likelihoods.causal import CausalLogistic

    likelihood = CausalLogistic(components=3, hidden_units=39, block=block)
    rng = np.random.default_rng(1)
    for weights in likelihood.network.weights:
        weights.assign(rng.normal(size=weights.shape, scale=0.2))
    decoded = rng.normal(size=(64, 28, 28, likelihood.num_parameters), scale=0.5).astype("f4")
    decoded[..., 0] = rng.uniform(size=decoded.shape[:-1])
    noise = rng.uniform(1e-6, 1 - 1e-6, (64, *likelihood.noise_shape((28, 28)))).astype("f4")
    draw = CausalDraw(**likelihood.service_weights)
    apart = np.abs(draw(decoded, noise) - likelihood.draw(decoded, noise).numpy()) * 255
    # A sum that is rounded otherwise may fall on the other side of a level's edge, and then moves pixels after it.
    assert np.mean(apart > 0.5) < 2e-3
    assert np.mean(apart > 1.5) < 2e-4


@pytest.mark.tensorflow
def test_its_neighbours_and_numbers_are_those_of_training():
    from training.models.likelihoods import base, logistic
    from training.models.likelihoods import causal as trained

    assert NEIGHBOURS == trained.CausalLogistic.NEIGHBOURS
    assert LINEAR == trained.CausalLogistic.LINEAR
    assert (causal.ABOVE, causal.BELOW) == (
        trained.BELOW,
        trained.ABOVE,
    )  # rows above lie below, counted upwards
    assert causal.LARGEST == trained.LARGEST
    assert np.float32(base.START) == causal.START
    assert np.float32(logistic.MIN_SCALE) == causal.MIN_SCALE
    assert causal.START_SCALE == logistic.START_SCALE
