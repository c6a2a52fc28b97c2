import copy
import dataclasses
import json

import numpy as np
import pytest

from app.errors import MapUnavailable
from app.explore.planes import Plane, check_show, manifold, quantiles, shows, widest_axes
from app.explore.points import points_in
from app.pictures.grids import GridStyle
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


def shown_plane(model, show, text="z:0,0", columns=3, rows=2, axes=(0, 1), form="png"):
    plane = Plane(points_in(text, "points", model), axes, columns, rows)
    style = GridStyle(None, 1, "dark", format=form)
    return manifold(context_of(model, style, path="/manifold"), plane, show)()


def test_each_cell_has_the_colour_of_the_class_of_the_nearest_held_out_image(of_a_map):
    answer = shown_plane(of_a_map, "classes", form="json")
    found = json.loads(answer.content)
    codes = plane_of(of_a_map, columns=3, rows=2).codes(of_a_map, np.zeros((1, 2), np.float32))
    known = of_a_map.map.z_mean
    nearest = [of_a_map.map.class_of(int(np.linalg.norm(known - code, axis=1).argmin())) for code in codes]
    assert found["cell_classes"] == nearest
    assert set(nearest) == {"Low", "High"}
    assert [each["images"] for each in found["classes"]] == [nearest.count("Low"), nearest.count("High")]
    pixels = pixels_of(shown_plane(of_a_map, "classes").content)
    colours = {each["class"]: bytes.fromhex(each["colour"][1:]) for each in found["classes"]}
    plain = 255 - pixels_of(drawn_plane_bytes(of_a_map))
    for cell, name in enumerate(nearest):
        row, column = 8 * (cell // 3), 8 * (cell % 3)
        tint = np.frombuffer(colours[name], np.uint8).astype(np.float32)
        assert pixels[row, column].tolist() == np.round(plain[row, column] * tint / 255).tolist()


def drawn_plane_bytes(model):
    plane = plane_of(model, columns=3, rows=2)
    return manifold(context_of(model, GridStyle(None, 1, "light"), path="/manifold"), plane)().content


def test_density_counts_the_held_out_images_in_each_cell(of_a_map):
    # Middles of cells at -2.5, 0 and 2.5, so that each reaches 1.25 to every side.
    corners = "z:-2.5,2.5;z:2.5,2.5;z:-2.5,-2.5"
    found = json.loads(shown_plane(of_a_map, "density", corners, 3, 3, form="json").content)
    assert np.array(found["counts"]).reshape(3, 3).tolist() == [[0, 1, 0], [0, 1, 2], [1, 1, 0]]
    assert (found["most"], found["inside"], found["num_images"]) == (2, 6, 6)


@pytest.mark.parametrize("axes", [(0, 1), (1, 0)])
def test_density_of_two_axes_counts_what_lies_nearest_to_the_cells_in_probability(of_a_map, axes):
    found = json.loads(shown_plane(of_a_map, "density", columns=3, rows=3, axes=axes, form="json").content)
    # N(0, 1) on both axes: middles at 5, 50 and 95 %, cells to 27.5 % (z = -0.6) and 72.5 %; none beyond
    # 117.5 %, which no code reaches.
    expected = np.zeros((3, 3), int)
    for code in of_a_map.map.z_mean:
        column, row = (int(code[axis] > -0.598) + int(code[axis] > 0.598) for axis in axes)
        expected[2 - row, column] += 1
    assert np.array(found["counts"]).reshape(3, 3).tolist() == expected.tolist()


def test_what_lies_beyond_a_plane_is_not_counted_and_a_line_holds_nothing(of_a_map):
    found = json.loads(shown_plane(of_a_map, "density", "z:0,0;z:1,0;z:0,-1", 2, 2, form="json").content)
    # Cells reach from -0.5 to 1.5 to the right and from 0.5 to -1.5 down: of the six codes, (0, -1) alone.
    assert found["counts"] == [0, 0, 1, 0]
    line = json.loads(shown_plane(of_a_map, "density", "z:0,0;z:1,0;z:2,0", 2, 2, form="json").content)
    assert line["inside"] == 0


def test_a_single_row_counts_all_of_its_height(of_a_map):
    found = json.loads(
        shown_plane(of_a_map, "density", "z:-2.5,2.5;z:2.5,2.5;z:-2.5,-2.5", 3, 1, form="json").content
    )
    assert found["counts"] == [1, 3, 2]


def test_a_model_without_a_map_or_without_two_axes_shows_no_test_set(model, of_a_map):
    with pytest.raises(MapUnavailable):
        shown_plane(model, "density")
    manifest = of_a_map.manifest.model_copy(update={"latent_dim": 3})
    deep = copy.copy(of_a_map)
    deep.version = dataclasses.replace(of_a_map.version, manifest=manifest)
    refused = faults(check_show, deep, "classes")
    assert (refused.parameter, refused.received) == ("show", "classes, of one of 3")
    unnamed = copy.copy(of_a_map)
    unnamed.map = dataclasses.replace(of_a_map.map, names=())
    assert faults(check_show, unnamed, "classes").code == "no_classes"
    check_show(unnamed, "density")


def test_what_a_plane_can_show_is_told_by_the_manifest(model, of_a_map):
    assert shows(model.manifest) == ("images",)
    assert shows(of_a_map.manifest) == ("images", "classes", "density")
