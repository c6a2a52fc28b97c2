import time

import numpy as np
import pytest

from app.explore.paths import GRID, way
from app.priors import GaussianMixture, StandardNormal

NORMAL = StandardNormal(2)


def test_a_straight_line_goes_in_equal_steps():
    codes = way(np.array([[0, 0], [4, -2]], np.float32), "linear", 5, NORMAL)
    assert codes.tolist() == [[0, 0], [1, -0.5], [2, -1], [3, -1.5], [4, -2]]


def test_a_way_of_several_parts_takes_as_many_steps_in_each():
    codes = way(np.array([[0, 0], [2, 0], [2, 8]], np.float32), "linear", 5, NORMAL)
    assert codes.tolist() == [[0, 0], [1, 0], [2, 0], [2, 4], [2, 8]]


def test_an_arc_keeps_the_distance_from_zero():
    codes = way(np.array([[3, 0], [0, 3]], np.float32), "slerp", 4, NORMAL)
    angles = np.array([0, 30, 60, 90]) * np.pi / 180
    assert codes == pytest.approx(3 * np.stack([np.cos(angles), np.sin(angles)], axis=1), abs=1e-6)


@pytest.mark.parametrize("end", [[2, 0], [-3, 0], [0, 0]])
def test_between_one_direction_opposite_ones_or_zero_an_arc_is_the_straight_line(end):
    points = np.array([[3, 0], end], np.float32)
    assert way(points, "slerp", 5, NORMAL) == pytest.approx(way(points, "linear", 5, NORMAL))


@pytest.mark.parametrize("path", ["linear", "slerp", "density"])
def test_every_way_begins_and_ends_at_its_points(path):
    points = np.random.default_rng(0).normal(size=(3, 2)).astype(np.float32)
    codes = way(points, path, 9, THREE)
    assert np.array_equal(codes[[0, 4, 8]], points)


# Components at the corners of a right angle, close enough for a ridge of density to lead round it.
MEANS = np.array([[0.0, 0.0], [0.0, 1.5], [0.0, 3.0], [1.5, 3.0], [3.0, 3.0]])
THREE = GaussianMixture(np.full(5, 0.2), MEANS, np.array([0.5 * np.eye(2)] * 5), np.array([], int))


def density(codes):
    apart = ((codes[:, None] - MEANS[None]) ** 2).sum(axis=2)
    return np.exp(-apart / (2 * 0.5**2)).mean(axis=1)


def test_a_way_along_the_density_leads_round_where_no_codes_lie():
    points = np.array([[0, 0], [3, 3]], np.float32)
    straight, ridge = (way(points, path, 9, THREE) for path in ("linear", "density"))
    # Half way on the straight line, (1.5, 1.5), lies three deviations from the nearest components.
    assert density(straight).min() < 0.01
    assert density(ridge).min() > 0.05
    assert np.abs(ridge - [0, 3]).sum(axis=1).min() < 0.5  # it passes by the corner


def test_codes_along_the_density_are_rounded_so_that_processors_agree():
    codes = way(np.array([[0, 0], [3, 3]], np.float32), "density", 9, THREE)[1:-1]
    assert np.array_equal(codes / np.float32(GRID), np.round(codes / np.float32(GRID)))


def test_of_a_standard_normal_the_density_is_the_arc():
    points = np.array([[3, 0], [0, 3]], np.float32)
    assert np.array_equal(way(points, "density", 7, NORMAL), way(points, "slerp", 7, NORMAL))


def test_a_way_from_a_point_to_itself_stays_there():
    points = np.array([[1, 2], [1, 2]], np.float32)
    for path in ("linear", "slerp", "density"):
        assert np.abs(way(points, path, 4, THREE) - [1, 2]).max() <= GRID


def test_a_part_of_a_way_along_the_density_is_what_it_is_alone():
    points = np.array([[0, 0], [3, 3], [3, 3], [0, 1]], np.float32)
    together = way(points, "density", 25, THREE)
    for part in range(3):
        alone = way(points[part : part + 2], "density", 9, THREE)
        assert np.array_equal(together[8 * part : 8 * part + 9], alone)


def test_the_longest_way_along_the_density_is_found_in_a_moment():
    rng = np.random.default_rng(0)
    axes, count = 48, 100  # of the default model's prior
    means = rng.normal(size=(count, axes))
    many = GaussianMixture(
        np.full(count, 1 / count), means, np.array([0.3 * np.eye(axes)] * count), np.array([], int)
    )
    started = time.process_time()
    assert way(means[:10].astype(np.float32), "density", 64, many).shape == (64, axes)
    # Half a second on an idle machine; one part after the other took five.
    assert time.process_time() - started < 2.5
