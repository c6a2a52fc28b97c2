"""/map over HTTP."""

import io

import numpy as np
import pytest

from app.pictures.marks import read_mark
from tests.app.http.test_pictures import assert_problem
from tests.fakes import MAP, pixels_of, png_bytes


def test_a_map_has_a_permanent_address_that_names_its_columns(client_of_a_map):
    answer = client_of_a_map.get("/map?columns=4")
    location = answer.headers["content-location"]
    assert location.endswith("&columns=4&ink=dark&show=images&zoom=1")
    assert (answer.headers["x-grid"], answer.headers["x-shown"]) == ("4x4", "4 of 6")
    assert client_of_a_map.get(location).content == answer.content
    assert client_of_a_map.get(location).headers["cache-control"].endswith("immutable")
    assert "columns=40" in client_of_a_map.get("/map").headers["content-location"]
    assert "columns=4&" in client_of_a_map.get("/map?show=sprites").headers["content-location"]


def test_real_images_are_not_said_to_be_generated_but_their_map_can_be_drawn_again(client_of_a_map):
    for address in ("/map?columns=4", "/map.webp?columns=4", "/map?columns=4&show=classes"):
        picture = client_of_a_map.get(address).content
        mark = read_mark(picture)
        assert mark.source_type is None
        assert mark.recipe["path"] == "/map"
        assert b"DigitalSourceType" not in picture
        assert b"Generated" not in picture
        found = client_of_a_map.post("/inspect?verify=1", files={"file": picture}).json()
        assert found["generated"] is None
        assert found["verification"]["verdict"] == "agrees"


def test_a_table_stands_behind_the_path(client_of_a_map):
    found = client_of_a_map.get("/map.json").json()
    assert [image["x"] for image in found["images"]] == pytest.approx(MAP["positions"][:, 0].tolist())
    arrays = np.load(io.BytesIO(client_of_a_map.get("/map.npz").content))
    sheet = pixels_of(client_of_a_map.get("/map?show=sprites&ink=light").content)
    for image, cell in zip(arrays["images"], (each["cell"] for each in found["images"]), strict=True):
        column, row = cell
        assert np.array_equal(image, sheet[8 * row : 8 * row + 8, 8 * column : 8 * column + 8])


def test_a_point_of_the_map_can_be_asked_for(client_of_a_map):
    image = client_of_a_map.get("/map.json").json()["images"][5]
    answer = client_of_a_map.get(f"/decode?points={image['point']}&ink=light")
    assert pixels_of(answer.content)[[0, 7], 0].tolist() == [128, 179]  # 0.5 and 0.7 in 256 bins


@pytest.mark.parametrize(
    ("address", "status", "parameter"),
    [
        ("/map?columns=0", 422, "columns"),
        ("/map.json?columns=0", 422, "columns"),
        ("/map?columns=999999999999999999", 422, "columns"),
        ("/map?show=density", 422, "show"),
        ("/map?steps=3", 422, "steps"),
        ("/map.gif", 406, "format"),
    ],
)
def test_a_bad_parameter_is_refused_by_name(client_of_a_map, address, status, parameter):
    assert_problem(client_of_a_map.get(address), status, parameter, "")


def test_a_model_without_a_map_is_answered_with_a_remedy(client):
    answer = client.get("/map")
    assert answer.status_code == 404
    assert answer.json()["type"] == "/problems/map-unavailable"
    assert "vitrine-train convert" in answer.json()["detail"]


def test_the_nearest_images_of_the_map_are_named_beside_the_examples(client_of_a_map, client):
    picture = png_bytes(np.full((8, 8), 178, np.uint8))  # 0.698: the code is 1.98 on both axes
    (image,) = client_of_a_map.post("/encode", files={"file": picture}).json()["images"]
    assert [each["example"] for each in image["nearest"]] == [1, 0]
    named = [(each["map"], each["class"]) for each in image["nearest_on_map"]]
    assert named == [(3, "High"), (4, "High"), (5, "High")]
    away = np.linalg.norm(np.array(image["z_mean"]) - MAP["z_mean"][3])
    assert image["nearest_on_map"][0]["distance"] == pytest.approx(away, abs=1e-6)
    assert "nearest_on_map" not in client.post("/encode", files={"file": picture}).json()["images"][0]


def test_what_a_very_model_can_show_is_among_its_options(client_of_a_map, client):
    address = "/models/fake/versions/1.json"
    found = client_of_a_map.get(address).json()["options"]
    assert found["GET /map"]["show"]["enum"] == ["images", "classes", "sprites"]
    assert found["GET /manifold"]["show"]["enum"] == ["images", "classes", "density"]
    without = client.get(address).json()["options"]
    assert "GET /map" not in without
    assert without["GET /manifold"]["show"]["enum"] == ["images"]


def test_a_plane_that_shows_images_has_the_address_that_it_had(client_of_a_map):
    plain, named = (client_of_a_map.get(f"/manifold?columns=3&rows=2{more}") for more in ("", "&show=images"))
    assert "show" not in plain.headers["content-location"]
    assert plain.headers["etag"] == named.headers["etag"]
    shown = client_of_a_map.get("/manifold?columns=3&rows=2&show=density")
    assert "&show=density" in shown.headers["content-location"]
    assert shown.headers["x-density"].startswith("0..")
    assert pixels_of(shown.content).shape == (16, 24, 3)
    assert read_mark(shown.content).source_type.endswith("/trainedAlgorithmicMedia")


def test_an_array_has_a_permanent_address_of_its_own_and_no_other_format_holds_one(client_of_a_map):
    answer = client_of_a_map.get("/map.npy?array=classes")
    assert np.load(io.BytesIO(answer.content)).tolist() == MAP["classes"].tolist()
    location = answer.headers["content-location"]
    assert "array=classes&" in location
    assert client_of_a_map.get(location).content == answer.content
    assert "array" not in client_of_a_map.get("/map.npy").headers["content-location"]
    assert_problem(
        client_of_a_map.get("/map.json?array=classes"), 422, "array", "contradictory", "format=npy"
    )
