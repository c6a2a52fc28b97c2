"""/decode, /directions and /compare over HTTP."""

import io
import json

import numpy as np
import pytest

from app.http.bodies import SMALL_BODY
from app.main import create_app
from app.settings import Settings
from tests.app.http.test_pictures import assert_problem
from tests.conftest import Client
from tests.fakes import MIXTURE, open_fake, pixels_of, png_bytes, seal, write_version

DARK, BRIGHT = (png_bytes(np.full((8, 8), value, np.uint8)) for value in (51, 204))


def npy(array, **options):
    buffer = io.BytesIO()
    np.save(buffer, array, **options)
    return buffer.getvalue()


def test_points_are_decoded_and_their_canonical_address_gives_the_same(client):
    answer = client.get("/decode?points=seed:tulip;0.50*centre~z:1,-0.0&ink=light")
    assert pixels_of(answer.content).shape == (8, 16)
    location = answer.headers["content-location"]
    assert location.endswith("/0;0.5*centre~z:1.0,0.0&zoom=1")
    again = client.get(location)
    assert again.content == answer.content
    assert again.headers["etag"] == answer.headers["etag"]
    assert "immutable" in again.headers["cache-control"]


def test_a_point_that_json_names_can_be_asked_for_again(client):
    images = client.get("/samples.json?n=3&seed=8&ink=light").json()["images"]
    drawn = pixels_of(client.get("/samples?n=3&seed=8&ink=light").content)
    points = ";".join(image["point"] for image in images)
    assert np.array_equal(pixels_of(client.get(f"/decode?points={points}&ink=light").content), drawn)


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (json.dumps({"points": ["z:2,-1", "centre"]}).encode(), "application/json"),
        (json.dumps({"codes": [[2, -1.0], [0, 0]]}).encode(), "application/json; charset=utf-8"),
        (npy(np.array([[2, -1], [0, 0]], np.float32)), "application/x-npy"),
        (npy(np.array([[2, -1], [0, 0]], np.float64)), "application/octet-stream"),
        (npy(np.asfortranarray(np.array([[2, -1], [0, 0]], ">f4"))), "application/x-npy"),
    ],
)
def test_points_and_codes_may_be_sent(client, body, kind):
    asked = client.get("/decode?points=z:2,-1;centre&ink=light").content
    sent = client.post("/decode?ink=light", content=body, headers={"Content-Type": kind})
    assert np.array_equal(pixels_of(sent.content), pixels_of(asked))
    assert sent.headers["cache-control"] == "no-store"
    assert "content-location" not in sent.headers


def test_points_may_mean_uploaded_images(client):
    files = [("file", ("a.png", DARK)), ("file", ("b.png", BRIGHT))]
    answer = client.post("/decode?points=image:1;0.5*image:0~0.5*image:1&ink=light", files=files)
    assert pixels_of(answer.content)[0, ::8].tolist() == [204, 128]
    alone = client.post("/decode?ink=light", content=DARK, headers={"Content-Type": "image/png"})
    assert pixels_of(alone.content)[0, 0] == 51


@pytest.mark.bad_input(72)
@pytest.mark.parametrize(
    ("body", "word"),
    [
        (b"", "JSON"),
        (b"[]", "points"),
        (b'{"points": []}', "at least one"),
        (b'{"points": [], "codes": []}', "points"),
        (b'{"points": [3]}', "text"),
        (b'{"codes": [3]}', "numbers"),
        (b'{"codes": [[NaN, 0]]}', "NaN"),
        (b'{"codes": [[1e999, 0]]}', "finite"),
        (b'{"codes": [[true, 0]]}', "finite"),
        (b'{"codes": [[1' + b"0" * 400 + b", 0]]}", "finite"),
        (b'{"codes": ' + b"[" * 10_000 + b"]" * 10_000 + b"}", ""),
    ],
)
def test_a_malformed_json_body_is_refused(client, body, word):
    answer = client.post("/decode", content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code == 400
    assert word in answer.json()["detail"]
    assert client.get("/livez").status_code == 200


@pytest.mark.parametrize(
    ("body", "word"),
    [
        (b"\x93NUMPY", "numpy.save"),
        (npy(np.zeros((2, 2)))[:-1], "bytes of numbers"),
        (npy(np.zeros((2, 2))) + b"x", "bytes of numbers"),
        (npy(np.zeros(2, np.float32)), "one row an image"),
        (npy(np.zeros((2, 2), np.int64)), "floats"),
        (npy(np.array([[object()]]), allow_pickle=True), "floats"),
        (npy(np.array([[0.0, np.inf]])), "codes[0][1]"),
        # A header that promises more than memory holds is not taken at its word.
        (npy(np.zeros((2, 2))).replace(b"(2, 2)", b"(9999999, 2)")[:200], ""),
    ],
)
def test_a_malformed_array_is_refused(client, body, word):
    answer = client.post("/decode", content=body, headers={"Content-Type": "application/x-npy"})
    assert answer.status_code == 400
    assert word in answer.json()["detail"]


@pytest.mark.parametrize(
    ("body", "parameter", "word"),
    [
        ({"codes": [[0, 0]] * 401}, "codes", "VITRINE_MAX_IMAGES"),
        ({"codes": [[0, 0], [0, 9]]}, "codes[1][1]", "-8..8"),
        ({"codes": [[0, 0], [0]]}, "codes[1]", "2 numbers"),
        ({"points": ["centre", "middle"]}, "points[1]", "a place"),
        ({"points": ["image:0"]}, "points[0]", "no image"),
    ],
)
def test_what_the_model_does_not_have_is_refused_by_its_place_in_the_body(client, body, parameter, word):
    answer = client.post("/decode", json=body)
    assert answer.status_code == 422
    fault = answer.json()["errors"][0]
    assert fault["parameter"] == parameter
    assert word in fault["expected"]


def test_a_body_of_another_kind_is_refused_with_those_there_are(client):
    answer = client.post("/decode", content=b"z,1", headers={"Content-Type": "text/csv"})
    assert answer.status_code == 415
    assert "application/x-npy" in answer.json()["errors"][0]["expected"]


def test_points_beside_a_body_of_points_are_refused(client):
    answer = client.post("/decode?points=centre", json={"points": ["centre"]})
    assert_problem(answer, 422, "points", "in the body alone")


def test_decode_needs_points(client):
    assert_problem(client.get("/decode"), 422, "points", "(not given)")


def test_a_direction_is_walked_and_its_code_can_be_added_to_a_point(client):
    found = client.get("/directions.json?plus=z:3,1&minus=z:1,1&at=z:-1,2&steps=2").json()
    assert found["direction"] == "z:2.0,0.0"
    moved = client.get(f"/decode?points=z:-1,2~{found['direction']}&ink=light").content
    walked = client.get("/directions?plus=z:3,1&minus=z:1,1&at=z:-1,2&steps=2&ink=light").content
    assert np.array_equal(pixels_of(walked)[:, 8:], pixels_of(moved))


def test_a_direction_between_uploaded_images(client):
    files = [("file", ("a.png", DARK)), ("file", ("b.png", BRIGHT))]
    answer = client.post("/directions?plus=image:1&minus=image:0&steps=3&ink=light", files=files)
    assert pixels_of(answer.content)[0, ::8].tolist() == [51, 128, 204]
    assert answer.headers["cache-control"] == "no-store"


@pytest.mark.parametrize(
    ("query", "parameter"),
    [
        ("plus=centre", "minus"),
        ("minus=centre", "plus"),
        ("plus=centre&minus=image:0", "minus"),
        ("plus=centre&minus=centre&low=9", "low"),
        ("plus=centre&minus=centre&steps=1", "steps"),
    ],
)
def test_a_bad_parameter_of_directions_is_refused_by_name(client, query, parameter):
    assert_problem(client.get(f"/directions?{query}"), 422, parameter, "")


def test_two_models_are_compared_and_both_are_pinned(client):
    answer = client.get("/compare?with=fake&points=z:1,1&ink=light")
    pixels = pixels_of(answer.content)
    assert pixels.shape == (16, 8)
    assert np.array_equal(pixels[:8], pixels[8:])
    assert answer.headers["x-models"] == "fake@1, fake@1"
    location = answer.headers["content-location"]
    assert location.count("fake@1-") == 2
    assert client.get(location).content == answer.content
    assert "immutable" in client.get(location).headers["cache-control"]
    assert client.get("/compare?with=fake&model=fake@1").headers["cache-control"] == "no-cache"


@pytest.mark.parametrize(("query", "status"), [("", 422), ("with=none", 404), ("with=../x", 422)])
def test_a_comparison_needs_a_second_model(client, query, status):
    assert client.get(f"/compare?{query}").status_code == status


def header_of(text, version=(1, 0)):
    """What ``numpy.save`` writes before the numbers, with another header."""
    content = text.encode()
    return b"\x93NUMPY" + bytes(version) + len(content).to_bytes(2, "little") + content


@pytest.mark.parametrize(
    "head",
    [
        "{[]: 1}",  # what Python cannot evaluate
        "{'descr': " + "-" * 3900 + "1}",
        "(" * 2000 + ")" * 2000,
        "{'descr': '<f4', 'fortran_order': False, 'shape': (True, 2), }",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (-1, -2), }",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (99999999999, 99999999999), }",
        "{'descr': [('a', '<f4', (999999999,))], 'fortran_order': False, 'shape': (1, 2), }",
        "{'descr': 5, 'fortran_order': 5, 'shape': 5, }",
        "",
        "{'descr': '<f4', 'shape': (1, 2",
        '{"descr": """<f4',
        "  {}\n {}",
    ],
    ids=[
        *("unhashable", "signs", "brackets", "truth", "negative", "huge", "fields", "kinds", "empty"),
        *("no end of a statement", "no end of a string", "indented"),
    ],
)
def test_a_header_that_no_array_has_is_refused(client, head):
    answer = client.post(
        "/decode", content=header_of(head) + bytes(8), headers={"Content-Type": "application/x-npy"}
    )
    assert answer.status_code == 400
    assert answer.json()["errors"][0]["parameter"] == "body"
    assert answer.json()["errors"][0]["remedy"]


def post_json(client, content):
    return client.post("/decode?ink=light", content=content, headers={"Content-Type": "application/json"})


def test_a_body_that_is_read_in_a_thread_gives_the_same_picture(client):
    points = [f"z:{k / 100:.20f},-1" for k in range(400)]
    body = json.dumps({"points": points}).encode()
    assert len(body) > SMALL_BODY
    assert len(json.dumps({"points": points[:7]})) < SMALL_BODY
    row = pixels_of(post_json(client, json.dumps({"points": points[:7]})).content)
    assert np.array_equal(pixels_of(post_json(client, body).content)[:8], row)


@pytest.mark.bad_input(72)
@pytest.mark.parametrize(
    ("content", "status", "parameter", "word"),
    [
        ('{"points": [' + '"centre",' * 401 + '"centre"]}', 422, "points", "1..400"),
        ('{"points": ["' + "centre~" * 14 + 'centre"' + ',"centre~centre"' * 1 + "]}", 200, "", ""),
        (json.dumps({"points": ["~".join(["centre"] * 16)] * 129}), 422, "points", "2048 places"),
        (json.dumps({"points": ["z:" + "0," * 2000 + "0"] * 66}), 422, "points", "262144 characters"),
        (json.dumps({"codes": [[0] * 5000]}), 400, "body", "a number for each latent axis"),
        (json.dumps({"codes": [[0] * 1000] * 201}), 400, "body", "more than 200000 values"),
        ('{"codes": [' + "[0,0]," * 500 + "[0,0]]}", 400, "body", "more than 402 lists"),
    ],
    ids=["points", "few", "places", "characters", "axes", "values", "lists"],
)
def test_a_body_of_more_than_anybody_draws_is_refused(client, content, status, parameter, word):
    answer = post_json(client, content)
    assert answer.status_code == status
    if status != 200:
        assert answer.json()["errors"][0]["parameter"] == parameter
        assert word in answer.json()["detail"]


def test_points_in_a_compressed_body_are_refused(client):
    for kind in ("application/json", "application/x-npy"):
        headers = {"Content-Type": kind, "Content-Encoding": "gzip"}
        answer = client.post("/decode", content=b"\x1f\x8b", headers=headers)
        assert answer.status_code == 415
        assert "not compressed" in answer.json()["detail"]


@pytest.mark.parametrize("reference", ["nobody", "fake@99", "fake@1-000000000000"])
def test_a_second_model_that_there_is_not_is_refused_by_its_own_parameter(client, reference):
    answer = client.get(f"/compare?with={reference}")
    assert answer.status_code == 404
    fault = answer.json()["errors"][0]
    assert fault["parameter"] == "with"
    assert "leave model out" not in fault["remedy"]
    assert answer.json()["detail"].startswith("with: ")
    first = client.get(f"/compare?with=fake&model={reference}").json()["errors"][0]
    assert first["parameter"] == "model"


def test_points_that_two_models_name_otherwise_are_not_compared(tmp_path):
    store = tmp_path / "store"
    write_version(store, mixture=MIXTURE)
    folder = write_version(store, "swapped", mixture=MIXTURE)
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["prior"]["classes"] = manifest["prior"]["classes"][::-1]
    seal(folder, manifest)
    client = Client(create_app(Settings(model_store=store, default_model="fake"), open_fake))
    assert_problem(client.get("/compare?with=swapped&points=label:1"), 422, "points", "one name in both")
    named = client.get("/compare?with=swapped&points=label:Low")
    assert client.get(named.headers["content-location"]).content == named.content
    client.close()


def test_an_image_far_on_in_a_gallery_has_a_name(client):
    far = 2**40
    drawn = client.get(f"/samples?seed=42&offset={far}&n=1&ink=light").content
    named = client.get(f"/decode?points=seed:42/{far}&ink=light").content
    assert np.array_equal(pixels_of(drawn), pixels_of(named))
