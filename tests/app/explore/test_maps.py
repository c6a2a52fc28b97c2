import json

import numpy as np
import pytest

from app.errors import MapUnavailable
from app.explore.maps import Layout, draw_map, resolve_columns
from app.manifest import Image
from app.pictures.grids import GridStyle
from app.settings import Settings
from tests.app.explore.asking import context_of, faults
from tests.fakes import MAP, pixels_of

SQUARE = Image(shape=(8, 8))


def drawn(model, show="images", columns=4, ink="light", **settings):
    context = context_of(model, GridStyle(columns, ink=ink), Settings(**settings), path="/map")
    return draw_map(context, show)()


def levels(answer, rows, columns):
    """Level of the lower half of each cell, which the second axis sets; by row and column."""
    return pixels_of(answer.content).reshape(rows, 8, columns, 8)[:, 6, :, 4].tolist()


def test_every_image_is_drawn_at_its_place_and_y_grows_upwards(of_a_map):
    answer = drawn(of_a_map)  # 4.1 wide and 4 high in cells of 1.025
    # From the top: y is 2, 1, -1, -2. Below at the left, and at the right, are two images in one cell.
    assert levels(answer, 4, 4) == [[0, 178, 0, 0], [0, 0, 0, 153], [0, 102, 0, 0], [76, 0, 0, 0]]
    assert dict(answer.facts) == {"grid": "4x4", "shown": "4 of 6"}


def test_of_the_images_in_a_cell_the_one_nearest_to_its_middle_is_shown():
    positions = np.array([[0, 0], [0.4, 0.5], [0.9, 0.9], [4, 1]], np.float32)
    layout = Layout.of(positions, 4, SQUARE)
    assert (layout.rows, layout.size) == (1, (1.0, 1.0))
    assert layout.images_in(positions).tolist() == [1, -1, -1, 3]


def test_a_pixel_to_the_right_is_as_far_as_one_upwards_whatever_shape_images_have():
    positions = np.array([[0, 0], [8, 4]], np.float32)
    assert Layout.of(positions, 8, SQUARE).rows == 4
    tall = Layout.of(positions, 8, Image(shape=(16, 8)))
    assert (tall.rows, tall.size) == (2, (1.0, 2.0))


def test_a_map_of_one_place_or_of_a_line_has_its_columns_all_the_same():
    one = np.full((3, 2), 0.5, np.float32)
    layout = Layout.of(one, 5, SQUARE)
    assert (layout.columns, layout.rows) == (5, 1)
    assert layout.images_in(one).tolist() == [-1, -1, 0, -1, -1]
    upright = np.array([[0, 0], [0, 100]], np.float32)
    layout = Layout.of(upright, 2, SQUARE)
    assert layout.rows == 8
    assert np.flatnonzero(layout.images_in(upright) >= 0).tolist() == [1, 15]


def test_classes_colour_the_ground_and_empty_cells_keep_theirs(of_a_map):
    answer = drawn(of_a_map, "classes", ink="dark")
    facts = dict(answer.facts)
    colours = dict(part.split("=#") for part in facts["classes"].split(", "))
    pixels = pixels_of(answer.content).reshape(4, 8, 4, 8, 3)[:, 6, :, 4]
    assert pixels[0, 0].tolist() == [255] * 3
    for (row, column), name, level in (((0, 1), "High", 178), ((3, 0), "Low", 76)):
        tint = np.frombuffer(bytes.fromhex(colours[name]), np.uint8)
        assert (
            pixels[row, column].tolist() == np.round((255 - level) * tint.astype(np.float32) / 255).tolist()
        )


def test_the_sprite_sheet_holds_all_images_in_their_order(of_a_map):
    answer = drawn(of_a_map, "sprites")
    assert levels(answer, 2, 4) == [[76, 76, 102, 153], [153, 178, 0, 0]]
    assert dict(answer.facts) == {"grid": "4x2", "shown": "6 of 6"}


def table(model, form, array="positions"):
    return draw_map(context_of(model, GridStyle(4, format=form), path="/map"), "images", array)()


def test_as_json_an_image_has_its_place_class_cell_and_code(of_a_map):
    found = json.loads(table(of_a_map, "json").content)
    assert (found["method"], found["sprite_columns"]) == ("z_mean", 4)
    assert [each["images"] for each in found["classes"]] == [3, 3]
    assert found["images"][5] == {"x": 0.0, "y": 2.0, "class": "High", "cell": [1, 1], "point": "z:0.0,2.0"}


def test_as_arrays_positions_come_first(of_a_map):
    import io

    assert np.array_equal(np.load(io.BytesIO(table(of_a_map, "npy").content)), MAP["positions"])
    for name in ("classes", "z_mean"):
        found = np.load(io.BytesIO(table(of_a_map, "npy", name).content))
        assert np.array_equal(found, MAP[name])
        assert found.dtype == MAP[name].dtype
    arrays = np.load(io.BytesIO(table(of_a_map, "npz").content))
    assert np.array_equal(arrays["z_mean"], MAP["z_mean"])
    assert arrays["images"].shape == (6, 8, 8)
    assert arrays["names"][arrays["classes"]].tolist() == ["Low"] * 3 + ["High"] * 3
    lines = table(of_a_map, "csv").content.decode().splitlines()
    assert lines[0] == "image,x,y,class,cell0,cell1,point"
    assert lines[6] == '5,0.0,2.0,High,1,1,"z:0.0,2.0"'


def test_columns_are_the_usual_ones_unless_some_are_asked_for(of_a_map):
    assert resolve_columns(of_a_map, None, "images") == 40
    assert resolve_columns(of_a_map, None, "sprites") == 4
    assert resolve_columns(of_a_map, 7, "sprites") == 7


def test_a_map_that_is_too_large_or_too_small_is_refused(of_a_map):
    assert faults(drawn, of_a_map, columns=10**18).code == "too_many_pixels"
    assert faults(drawn, of_a_map, max_pixels=1023).code == "too_many_pixels"  # 4 x 4 of 8 x 8 are 1,024
    assert faults(resolve_columns, of_a_map, 0, "images").parameter == "columns"


def test_a_model_without_a_map_says_how_one_is_had(model):
    with pytest.raises(MapUnavailable, match=r"fake@1 was published without a map.*vitrine-train convert"):
        drawn(model)
