import numpy as np
import pytest

from app.explore.planes import Plane, manifold, quantiles, widest_axes
from app.explore.points import points_in
from tests.app.explore.asking import ROW, context_of, faults, level
from tests.fakes import pixels_of


def plane_of(model, text="z:0,0", columns=3, rows=3, axes=(0, 1)):
    return Plane(points_in(text, "points", model), axes, columns, rows)


def drawn_plane(model, **changes):
    plane = plane_of(model, **changes)
    return pixels_of(manifold(context_of(model, ROW, path="/manifold"), plane)().content)


def test_two_axes_run_through_quantiles_of_a_gaussian_to_the_right_and_upwards(model):
    mean, std = ([getattr(axis, name) for axis in model.manifest.axes] for name in ("mean", "std"))
    x, y = ([mean[k] + std[k] * unit for unit in (-1.6448536, 0, 1.6448536)] for k in (0, 1))  # 5, 50, 95 %
    grid = context_of(model, ROW, path="/manifold")
    pixels = pixels_of(manifold(grid, plane_of(model))().content).reshape(1, -1)
    assert pixels.size == 9 * 64
    codes = plane_of(model).codes(model, np.zeros((1, 2), np.float32)).reshape(3, 3, 2)
    assert codes[0, :, 0] == pytest.approx(x, abs=1e-5)
    assert codes[:, 0, 1] == pytest.approx(y[::-1], abs=1e-5)  # the first row is the highest


def test_the_other_axes_are_held(model):
    held = np.array([[7.0, 5.0]], np.float32)
    codes = plane_of(model, axes=(0, 1), columns=2, rows=2).codes(model, held)
    assert not np.isin([7.0, 5.0], codes).any()  # both are walked here
    one = Plane(plane_of(model).points, (1, 1), 2, 1).codes(model, held)
    assert one[:, 0].tolist() == [7.0, 7.0]


def test_three_points_are_the_corners_of_a_plane(model):
    pixels = drawn_plane(model, text="z:0,0;z:4,0;z:0,-2", columns=3, rows=2)
    across = [level(0), level(2), level(4)]
    assert pixels[0, ::8].tolist()[:3] == across
    codes = plane_of(model, "z:0,0;z:4,0;z:0,-2", 3, 2).codes(
        model, np.array([[0, 0], [4, 0], [0, -2]], np.float32)
    )
    assert codes.tolist() == [[0, 0], [2, 0], [4, 0], [0, -2], [2, -2], [4, -2]]


def test_values_end_where_no_decoder_was_trained(model):
    values = quantiles(model, 0, np.array([1e-300, 0.5, 1 - 1e-16]))
    assert values[0] == -8
    assert values[2] == 8 or values[2] == pytest.approx(
        model.manifest.axes[0].mean + 8.2 * model.manifest.axes[0].std, rel=0.01
    )


def test_a_single_row_lies_in_the_middle(model):
    codes = plane_of(model, rows=1).codes(model, np.zeros((1, 2), np.float32))
    assert codes[:, 1] == pytest.approx([model.manifest.axes[1].mean] * 3, abs=1e-6)


def test_the_axes_of_the_highest_kl_are_shown_first(model):
    assert sorted(widest_axes(model)) == [0, 1]
    first, second = (model.manifest.axes[axis].kl for axis in widest_axes(model))
    assert first >= second


@pytest.mark.parametrize(("columns", "rows", "name"), [(0, 3, "columns"), (3, 0, "rows"), (65, 1, "columns")])
def test_a_plane_of_too_few_or_too_many_cells_is_refused(model, columns, rows, name):
    assert faults(drawn_plane, model, columns=columns, rows=rows).parameter == name
