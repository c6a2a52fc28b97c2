"""/axes and /manifold over HTTP."""

import numpy as np
import pytest

from tests.app.http.test_pictures import assert_problem
from tests.fakes import pixels_of


def test_all_axes_are_shown_around_the_first_example(client):
    answer = client.get("/axes?ink=light")
    assert "at=example:0" in answer.headers["content-location"]
    assert answer.headers["x-grid"] == "3x2"
    pixels = pixels_of(answer.content)
    assert set(pixels[4:8].ravel().tolist()) == {
        51
    }  # the second axis, at the example, while the first is walked
    assert client.get(answer.headers["content-location"]).content == answer.content


def test_a_plane_of_two_axes_has_one_address_whether_they_are_named_or_not(client):
    plain, named = client.get("/manifold"), client.get("/manifold?y=1&x=0&columns=15&at=example:0")
    assert named.headers["content-location"] == plain.headers["content-location"]
    assert named.headers["etag"] == plain.headers["etag"]
    assert plain.headers["x-grid"] == "15x15"


def test_a_plane_grows_to_the_right_and_upwards(client):
    pixels = pixels_of(client.get("/manifold?columns=3&rows=4&ink=light").content).astype(int)
    assert (np.diff(pixels[0, ::8]) > 0).all()
    assert (np.diff(pixels[4::8, 0]) < 0).all()


def test_swapped_axes_are_the_transposed_plane(client):
    plane = client.get("/manifold.npy?columns=3&rows=4&ink=light").content
    swapped = client.get("/manifold.npy?columns=4&rows=3&x=1&y=0&ink=light").content
    assert plane != swapped
    assert len(plane) == len(swapped)


def test_three_points_span_a_plane(client):
    pixels = pixels_of(client.get("/manifold?points=z:0,0;z:4,0;z:0,-2&columns=2&rows=2&ink=light").content)
    corners = pixels_of(client.get("/decode?points=z:0,0;z:4,0;z:0,-2;z:4,-2&columns=2&ink=light").content)
    assert np.array_equal(pixels, corners)


@pytest.mark.parametrize(
    ("address", "parameter", "word"),
    [
        ("/manifold?x=2", "x", "axes 0..1"),
        ("/manifold?x=1&y=1", "y", "another axis"),
        ("/manifold?points=centre;centre", "points", "3 points"),
        ("/manifold?points=centre;centre;centre&x=0", "x", "not both"),
        ("/manifold?columns=0", "columns", "1.."),
        ("/manifold?rows=65", "rows", "VITRINE_MAX_STEPS"),
        ("/axes?at=nowhere", "at", "a place"),
        ("/axes?steps=65", "steps", "VITRINE_MAX_STEPS"),
        ("/axes?axis=1", "axis", "Unknown parameter"),
    ],
)
def test_a_bad_parameter_is_refused_by_name(client, address, parameter, word):
    assert_problem(client.get(address), 422, parameter, word)


@pytest.mark.parametrize(
    ("address", "parameter", "remedy"),
    [
        ("/axes?zoom=5&steps=4", "zoom", "Ask for fewer steps or a smaller zoom."),
        ("/axes?steps=64", "steps", "Ask for fewer steps."),
        ("/manifold?columns=12&rows=12", "columns", "Ask for fewer columns or fewer rows."),
        ("/interpolate?steps=10&zoom=5", "zoom", "Ask for fewer steps or a smaller zoom."),
        ("/reconstruct?zoom=7", "zoom", "Ask for a smaller zoom."),
        ("/decode?points=centre;centre&zoom=8", "zoom", "Ask for fewer points or a smaller zoom."),
        ("/complete?n=60", "n", "Ask for a smaller n."),
        ("/score?zoom=7", "zoom", "Ask for a smaller zoom."),
    ],
)
def test_a_picture_of_too_many_pixels_is_blamed_on_a_parameter_of_its_address(
    client, address, parameter, remedy
):
    service = client.app.service
    service.settings = service.settings.model_copy(update={"max_pixels": 64 * 100})
    problem = assert_problem(client.get(address), 422, parameter, "too_many_pixels")
    assert problem["errors"][0]["remedy"] == remedy
