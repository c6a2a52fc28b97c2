import numpy as np
import pytest

from app.explore.points import parse
from vitrine_client import Point, centre, code, example, image, label, on_map, seed
from vitrine_client.points import text_of


@pytest.mark.parametrize(
    ("point", "text"),
    [
        (seed(42), "seed:42/0"),
        (seed("tulip", 3), "seed:tulip/3"),
        (label("Bag"), "label:Bag"),
        (label(8), "label:8"),
        (centre(), "centre"),
        (example(2), "example:2"),
        (image(0), "image:0"),
        (on_map(17), "map:17"),
        (code([0.1, -2, 1e-5]), "z:0.1,-2,1e-05"),
        (code(np.array([0.1, 0.25], np.float32)), "z:0.1,0.25"),
        (0.5 * seed(42, 3) + 0.5 * label("Bag"), "0.5*seed:42/3~0.5*label:Bag"),
        (seed(1) - seed(2), "seed:1/0~-1.0*seed:2/0"),
        ((seed(1) + centre()) * 3 / 2, "1.5*seed:1/0~1.5*centre"),
        (-centre(), "-1.0*centre"),
        (2 * (0.5 * centre()), "centre"),
        (1e-7 * centre(), "1e-07*centre"),
    ],
)
def test_a_point_is_written_as_the_service_reads_it(point, text):
    assert str(point) == text
    parsed = parse(text, "point")
    assert [weight for weight, _ in parsed.terms] == [weight for weight, _ in point.terms]


def test_a_code_keeps_every_digit_of_its_own_precision():
    values = np.random.default_rng(0).standard_normal(50)
    for kind in (np.float64, np.float32):
        ((_, place),) = parse(str(code(values.astype(kind))), "z").terms
        assert np.array_equal(np.array(place.code, kind), values.astype(kind))


class Tensor:
    """A number that is written as more than its digits, like those of other libraries."""

    def __float__(self):
        return 0.25

    def __str__(self):
        return "tensor(0.25)"


def test_numbers_of_other_libraries_are_written_by_their_value():
    assert str(code([Tensor(), True])) == "z:0.25,1.0"


@pytest.mark.parametrize(
    "make",
    [
        lambda: code([]),
        lambda: code([0.0, float("nan")]),
        lambda: float("inf") * centre(),
        lambda: label("a;b"),
        lambda: seed("a~b"),
    ],
)
def test_what_no_point_can_be_is_refused_where_it_is_written(make):
    with pytest.raises(ValueError, match=r"code|finite|between points"):
        make()


def test_points_are_equal_by_what_they_say():
    assert seed(1) + centre() == seed(1) + centre()
    assert len({seed(1), seed(1), seed(2)}) == 2
    assert seed(1) != "seed:1/0"
    assert repr(seed(1)) == "<Point seed:1/0>"
    for wrong in (lambda: seed(1) + "centre", lambda: seed(1) * "2", lambda: seed(1) * seed(2)):
        with pytest.raises(TypeError):
            wrong()
    assert isinstance(np.float32(0.5) * Point([(1.0, "centre")]), Point)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (3, "3"),
        (0.5, "0.5"),
        (True, "1"),
        ("tulip", "tulip"),
        (seed(1), "seed:1/0"),
        ([seed(1), "centre"], "seed:1/0;centre"),
        ((0.5, -1), "0.5,-1"),
        (np.array([0.5, -1.0]), "0.5,-1.0"),
        (np.float32(0.1), "0.1"),
    ],
)
def test_values_of_parameters_are_written_as_the_service_reads_them(value, text):
    assert text_of(value) == text
