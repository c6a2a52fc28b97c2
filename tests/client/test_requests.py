import json

import numpy as np
import pytest

from tests.fakes import pixels_of, png_bytes
from vitrine_client import UnexpectedAnswer, code, label, requests, seed
from vitrine_client.requests import Answer, picture_of, url_of

IMAGE = png_bytes(np.zeros((8, 8), np.uint8))


@pytest.mark.parametrize(
    ("request_", "address"),
    [
        (requests.samples(), "/samples"),
        (requests.samples(n=5, seed="a b&c", label="T-shirt/top"), "/samples?n=5&seed=a%20b%26c&label=T-shirt/top"),
        (requests.samples(n=5, seed=None), "/samples?n=5"),
        (requests.interpolate(from_=seed(1), to="centre", via=[label(0)]), "/interpolate?from=seed:1/0&to=centre&via=label:0"),
        (requests.interpolate(z=[0.5, -1]), "/interpolate?z=0.5,-1"),
        (requests.decode(seed(42, 3), 0.5 * label("Bag"), columns=2), "/decode?columns=2&points=seed:42/3;0.5*label:Bag"),
        (requests.latent_map(show="sprites", format="webp"), "/map?show=sprites&format=webp"),
        (requests.compare(with_="other"), "/compare?with=other"),
        (requests.directions(plus=[label(0)], minus="label:1"), "/directions?plus=label:0&minus=label:1"),
        (requests.interpolate(from_="centre", to=label(0), path="density"), "/interpolate?from=centre&to=label:0&path=density"),
        (requests.score(k=8, seed="tulip"), "/score?k=8&seed=tulip"),
        (requests.surprise(columns=2), "/score?format=png&columns=2"),
        (requests.surprise(format="npy"), "/score?format=npy"),
        (requests.complete(n=2, hide="left"), "/complete?n=2&hide=left"),
        (requests.version(), "/version"),
    ],
)  # fmt: skip
def test_a_request_without_images_is_a_get_of_its_address(request_, address):
    assert (request_.method, request_.address, request_.files) == ("GET", address, ())


def test_images_are_sent_by_post():
    for request in (
        requests.reconstruct(IMAGE, invert="auto"),
        requests.inspect(IMAGE),
        requests.encode(IMAGE),
        requests.score(IMAGE),
        requests.surprise(IMAGE),
        requests.complete(IMAGE, hide="upper"),
    ):
        assert request.method == "POST"
        assert request.files == (("file", IMAGE),)
    assert requests.inspect(IMAGE, verify=True).address == "/inspect?verify=1"
    assert requests.decode("image:0", images=[IMAGE]).address == "/decode?points=image:0"


def test_masks_are_sent_beside_their_images_as_fields_of_their_own():
    mask = np.zeros((8, 8), bool)
    request = requests.complete(IMAGE, IMAGE, masks=[mask, IMAGE])
    assert request.address == "/complete"
    black = png_bytes(np.zeros((8, 8), np.uint8))
    assert [field for field, _ in request.files] == ["file", "file", "mask", "mask"]
    assert np.array_equal(pixels_of(request.files[2][1]), pixels_of(black))
    assert request.files[3] == ("mask", IMAGE)


def test_codes_are_sent_in_a_body_with_every_digit():
    codes = np.random.default_rng(0).standard_normal((3, 2)).astype(np.float32)
    request = requests.decode(codes=codes, columns=2)
    assert (request.method, request.address, request.files) == ("POST", "/decode?columns=2", ())
    assert np.array_equal(np.array(json.loads(request.body)["codes"], np.float32), codes)
    assert requests.decode(codes=codes.tolist()).body == request.body


def test_codes_that_are_not_alone_or_not_finite_are_refused_at_once():
    for given in ({"images": [IMAGE]}, {}):
        with pytest.raises(ValueError, match=r"code\(row\)"):
            requests.decode(*([] if given else ["centre"]), codes=[[0, 0]], **given)
    with pytest.raises(ValueError, match="JSON"):
        requests.decode(codes=[[float("nan"), 0]])


def test_points_too_long_for_an_address_are_sent_in_a_body():
    points = [code(row) for row in np.random.default_rng(0).standard_normal((400, 10))]
    request = requests.decode(*points, columns=20)
    assert (request.method, request.address) == ("POST", "/decode?columns=20")
    assert json.loads(request.body) == {"points": [str(point) for point in points]}
    assert request.body_type == "application/json"


def test_headers_become_what_a_picture_says():
    headers = {
        "content-type": "image/png; charset=x",
        "content-location": "/vitrine/samples?model=fake@1-0123456789ab&seed=3",
        "x-model": "fake@1",
        "x-seed": "3",
        "x-grid": "2x1",
        "x-notes": "file: turned upright",
        "x-request-id": "abc",
        "cache-control": "no-store",
    }
    picture = picture_of(Answer("http://host/vitrine/samples?n=2", headers, b"..."))
    assert picture.url == "http://host/vitrine/samples?model=fake@1-0123456789ab&seed=3"
    assert (picture.model, picture.seed, picture.media_type) == ("fake@1", 3, "image/png")
    assert (dict(picture.facts), picture.notes) == ({"grid": "2x1"}, "file: turned upright")


def test_an_answer_of_something_else_is_unexpected():
    page = Answer("http://x/samples", {"content-type": "text/html"}, b"<html>")
    for request in (requests.samples(), requests.version(), requests.models()):
        with pytest.raises(UnexpectedAnswer, match="no Vitrine"):
            request.read(page)
    with pytest.raises(UnexpectedAnswer, match="names no models"):
        requests.models().read(page._replace(content=b"[]"))


@pytest.mark.parametrize(
    ("base", "address", "url"),
    [
        ("http://h:1", "/samples?n=1", "http://h:1/samples?n=1"),
        ("http://h:1", "samples", "http://h:1/samples"),
        ("http://h:1", "http://h:1/samples", "http://h:1/samples"),
        ("http://h/vitrine", "/samples", "http://h/vitrine/samples"),
        ("http://h/vitrine", "/vitrine/samples", "http://h/vitrine/samples"),
        ("http://h/vitrine", "http://h/vitrine/samples", "http://h/vitrine/samples"),
        ("http://h", "/samples?label=a://b", "http://h/samples?label=a://b"),
    ],
)
def test_an_address_is_one_of_the_service_whether_it_has_its_root_or_not(base, address, url):
    assert url_of(base, address) == url


@pytest.mark.parametrize("address", ["http://other/samples", "http://h.evil/samples", "ftp://h/"])
def test_an_address_of_another_service_is_refused(address):
    with pytest.raises(ValueError, match="no address of http://h"):
        url_of("http://h", address)
