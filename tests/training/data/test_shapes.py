import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from training.data import shapes
from training.errors import DataError


@pytest.mark.parametrize(
    ("sizes", "halvings", "expected"),
    [
        ([(28, 28)] * 3, 0, (28, 28)),
        ([(28, 28)] * 3, 2, (28, 28)),
        ([(28, 28)] * 3, 3, (24, 24)),
        ([(128, 96)] * 3, 3, (128, 96)),  # one size is kept, up to 128 along a side
        (
            [(3000, 4000)] * 3,
            3,
            (48, 64),
        ),  # photographs from one camera: their ratio, 64 along the longer side
        ([(40, 60)] * 9 + [(400, 600)], 0, (40, 60)),  # one ratio: the size that nine of ten have
        ([(40, 60), (60, 40)] * 5, 0, (40, 40)),  # upright and lying: a square
        ([(200, 300), (300, 200)] * 5, 3, (64, 64)),
        ([(50, 50)] * 3 + [(20, 20)], 0, (50, 50)),  # a quarter may be scaled up
        ([(50, 50)] * 2 + [(20, 20)] * 2, 0, (20, 20)),  # half may not
        ([(30, 40), (60, 80)] * 3, 0, (30, 40)),
    ],
)
def test_the_size_is_chosen_by_the_rule(sizes, halvings, expected):
    assert shapes.choose_size(sizes, halvings) == expected


@given(
    st.lists(st.tuples(st.integers(8, 500), st.integers(8, 500)), min_size=1, max_size=40), st.integers(0, 3)
)
def test_three_quarters_are_never_scaled_up_and_the_network_can_halve_what_is_chosen(sizes, halvings):
    try:
        height, width = shapes.choose_size(sizes, halvings)
    except DataError:  # long and narrow ones whose crop is less than 8 pixels
        assert min(min(size) for size in sizes) < 64
        return
    assert height % 2**halvings == width % 2**halvings == 0
    large_enough = [h >= height and w >= width for h, w in sizes]
    assert np.mean(large_enough) >= 0.75


def test_images_that_the_network_cannot_halve_are_refused_with_the_remedy():
    with pytest.raises(DataError, match=r"7 x 9 cannot be halved 3 times.*data\.size"):
        shapes.choose_size([(7, 9)] * 3, 3)


def test_the_limit_on_memory_counts_four_bytes_a_pixel_and_colour():
    most = 4 * 2**30 // (4 * 64 * 64 * 3)
    shapes.check_memory(most, (64, 64, 3))
    with pytest.raises(DataError, match=r"87382 images of 64 x 64 x 3 need 4\.0 GiB.*data\.size"):
        shapes.check_memory(most + 1, (64, 64, 3))


def test_a_longest_side_that_is_asked_for_takes_the_place_of_both_limits():
    assert shapes.choose_size([(100, 100)] * 4) == (100, 100)
    assert shapes.choose_size([(100, 100)] * 4, longest=64) == (64, 64)
    assert shapes.choose_size([(300, 150), (320, 160)], halvings=3, longest=96) == (96, 48)
    assert shapes.choose_size([(300, 150), (320, 160)], halvings=3) == (64, 32)
