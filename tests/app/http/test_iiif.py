"""The IIIF Image API 3.0 at level 2, requirement by requirement, as https://iiif.io/api/image/3.0/ has them."""

import contextlib
import io
import re
from statistics import NormalDist
from urllib.parse import quote, urlsplit

import numpy as np
import pytest
from PIL import Image

from app.http.documents import api
from app.http.iiif import operations
from app.main import create_app
from app.settings import Settings
from tests.app.explore.test_pyramid import grid
from tests.app.http.test_plane_images import AXIS, open_any
from tests.conftest import SHIPPED_STORE, Client
from tests.fakes import open_fake, pixels_of, write_version

FULL, CELL, LEVELS = 16384, 8, 12
LEVEL_1 = {
    "regions": ["full", "512,256,128,64", "square"],
    "sizes": ["max", "64,", ",64", "64,64"],
    "rotations": ["0"],
    "qualities": ["default"],
    "formats": ["jpg"],
}
LEVEL_2 = {
    "regions": [*LEVEL_1["regions"], "pct:25,25,1,1"],
    "sizes": [*LEVEL_1["sizes"], "pct:0.5", "!64,32", "^64,64", "^max"],
    "rotations": ["0", "90", "180", "270", "!0"],
    "qualities": ["default", "color", "gray"],
    "formats": ["jpg", "png", "webp"],
}


@pytest.fixture
def info(client):
    return client.get("/manifold/info.json", follow_redirects=True).json()


@pytest.fixture
def of_colour(tmp_path):
    write_version(tmp_path, shape=(8, 12, 3))
    with contextlib.closing(
        Client(create_app(Settings(model_store=tmp_path, default_model="fake"), open_fake))
    ) as it:
        yield it


def opened(response):
    assert response.status_code == 200, response.text
    return Image.open(io.BytesIO(response.content))


def test_level_1_every_required_form_of_every_parameter_gives_an_image(client, info):
    region = "512,256,128,64"
    for where in LEVEL_1["regions"]:
        assert opened(client.get(f"{info['id']}/{where}/max/0/default.jpg")).format == "JPEG"
    for size in LEVEL_1["sizes"]:
        assert opened(client.get(f"{info['id']}/{region}/{size}/0/default.jpg")).format == "JPEG"


@pytest.mark.parametrize("part", LEVEL_2)
def test_level_2_every_required_form_of_every_parameter_gives_an_image(client, info, part):
    usual = {"regions": "full", "sizes": "64,64", "rotations": "0", "qualities": "default", "formats": "jpg"}
    for value in LEVEL_2[part]:
        if part == "sizes":
            usual["regions"] = "full" if value == "pct:0.5" else "512,256,128,64"
        asked = usual | {part: value}
        response = client.get(
            "{}/{regions}/{sizes}/{rotations}/{qualities}.{formats}".format(info["id"], **asked)
        )
        assert opened(response).get_format_mimetype() == response.headers["content-type"]


def test_sizes_are_what_was_asked_for(client, info):
    def size(region, asked):
        return opened(client.get(f"{info['id']}/{region}/{asked}/0/default.png")).size

    region = "512,256,128,64"
    assert size(region, "max") == (128, 64)
    assert size(region, "64,") == (64, 32)
    assert size(region, ",16") == (32, 16)
    assert size(region, "10,60") == (10, 60)
    assert size(region, "pct:50") == (64, 32)
    assert size(region, "!64,64") == (64, 32)
    assert size("16300,16370,500,500", "max") == (84, 14)  # cut at the edges
    assert size("square", "max") == size("full", "max") == (128, 128)
    assert opened(client.get(f"{info['id']}/{region}/max/90/default.png")).size == (64, 128)


def regions_of_level(info, scale):
    """Region and size of each part of a level: section 3 of the specification's implementation notes."""
    side = info["tiles"][0]["width"]
    for row in range(-(-info["height"] // (side * scale))):
        for column in range(-(-info["width"] // (side * scale))):
            x, y = column * side * scale, row * side * scale
            width, height = min(side * scale, info["width"] - x), min(side * scale, info["height"] - y)
            yield (x, y, width, height), (-(-width // scale), -(-height // scale))


def test_there_are_twelve_levels_and_what_the_information_lists_can_be_had(client, info):
    scales = info["tiles"][0]["scaleFactors"]
    assert scales == [2**k for k in range(LEVELS)]
    for scale in scales:
        listed = list(regions_of_level(info, scale))
        assert len(listed) == max(1, 256 // scale) ** 2
        region, size = listed[len(listed) * 2 // 3]
        for where in (",".join(map(str, region)), *(["full"] if len(listed) == 1 else [])):
            address = f"{info['id']}/{where}/{size[0]},{size[1]}/0/default.png"
            cells = FULL // (CELL * scale)
            first = [start // (CELL * scale) for start in region[:2]]
            columns, rows = (
                range(start, start + count // CELL) for start, count in zip(first, size, strict=True)
            )
            shown = 255 - pixels_of(client.get(address).content)  # dark on white
            np.testing.assert_array_equal(shown, grid(cells, columns, rows))


def test_all_parts_of_a_level_make_the_level(client, info):
    parts = list(regions_of_level(info, 128))
    assert len(parts) == 4
    addresses = [f"{info['id']}/{','.join(map(str, region))}/64,64/0/default.png" for region, _ in parts]
    pixels = [pixels_of(answer.content) for answer in client.gather(addresses)]
    whole = pixels_of(client.get(f"{info['id']}/full/128,128/0/default.png").content)
    np.testing.assert_array_equal(np.block([pixels[:2], pixels[2:]]), whole)


def test_sizes_that_the_information_lists_can_be_had(client, info):
    assert info["sizes"][-1] == {"width": 128, "height": 128}
    for size in info["sizes"]:
        address = f"{info['id']}/full/{size['width']},{size['height']}/0/default.jpg"
        assert opened(client.get(address)).size == (size["width"], size["height"])


def test_a_jpeg_shows_what_a_png_shows(client, info):
    jpeg = np.asarray(opened(client.get(f"{info['id']}/full/max/0/default.jpg"))).astype(int)
    png = pixels_of(client.get(f"{info['id']}/full/max/0/default.png").content)
    # Cells are 8 x 8 as JPEG's blocks are: two flat halves, which 90 % quality keeps within a few levels.
    np.testing.assert_allclose(jpeg, png, atol=4)


def test_colours_are_made_grey_if_asked_for_and_the_image_need_not_be_square(of_colour):
    info = of_colour.get("/manifold/info.json", follow_redirects=True).json()
    assert (info["width"], info["height"]) == (12 * 2048, 8 * 2048)
    assert info["tiles"][0]["width"] * 8 == info["tiles"][0]["height"] * 12
    assert info["extraQualities"] == ["color", "gray"]
    shapes = {}
    for quality in ("default", "color", "gray"):
        shapes[quality] = pixels_of(of_colour.get(f"{info['id']}/full/48,32/0/{quality}.png").content).shape
    assert shapes == {"default": (32, 48, 3), "color": (32, 48, 3), "gray": (32, 48)}
    assert pixels_of(of_colour.get(f"{info['id']}/square/16,/0/gray.png").content).shape == (16, 16)


def test_the_base_address_leads_to_the_information(client, info):
    for address in (
        info["id"],
        "/manifold/fake",
        "/manifold/fake@1",
        "/manifold/info.json",
        "/manifold/fake/info.json",
    ):
        response = client.get(address)
        assert response.status_code == 303
        assert response.headers["location"] == urlsplit(info["id"]).path + "/info.json"
        assert response.headers["access-control-allow-origin"] == "*"


def test_the_id_is_the_address_at_which_the_information_was_found(client, info):
    response = client.get(f"{info['id']}/info.json")
    assert response.status_code == 200
    assert f"{response.json()['id']}/info.json" == str(response.url)
    assert not set("/?#[]@") & set(info["id"].removeprefix("http://vitrine/manifold/"))
    as_written = client.get(f"{info['id'].replace('%40', '@')}/info.json")
    assert as_written.json() == info


def test_information_is_linked_data_unless_plain_json_is_preferred(client, info):
    address = f"{info['id']}/info.json"
    plain = client.get(address, headers={"Accept": "application/json"})
    linked = client.get(address)
    assert (
        linked.headers["content-type"]
        == 'application/ld+json;profile="http://iiif.io/api/image/3/context.json"'
    )
    assert plain.headers["content-type"] == "application/json"
    assert plain.content == linked.content
    assert plain.headers["vary"].lower() == "accept"


def test_pages_of_every_origin_may_have_images_information_and_refusals(client, info):
    for end in ("info.json", "full/max/0/default.jpg", "full/max/45/default.jpg", "full/max/0"):
        response = client.get(f"{info['id']}/{end}", headers={"Origin": "https://elsewhere.example"})
        assert response.headers["access-control-allow-origin"] == "*"
    assert "access-control-allow-origin" not in client.get("/samples?n=1").headers
    assert "access-control-allow-origin" not in client.get("/version").headers


def test_a_preflight_is_answered(client, info):
    headers = {"Origin": "https://elsewhere.example", "Access-Control-Request-Method": "GET"}
    for end in ("/info.json", "/full/max/0/default.jpg", ""):
        response = client.request("OPTIONS", info["id"] + end, headers=headers)
        assert response.status_code == 204
        assert response.headers["access-control-allow-origin"] == "*"
        assert "GET" in response.headers["access-control-allow-methods"]
        assert client.request("POST", info["id"] + end).status_code == 405


def test_head_is_get_without_a_body(client, info):
    for end in ("/info.json", "/full/max/0/default.jpg"):
        get, head = (client.request(method, info["id"] + end) for method in ("GET", "HEAD"))
        assert (head.status_code, head.content) == (200, b"")
        assert head.headers["content-length"] == str(len(get.content))


def test_links_name_the_profile_and_the_canonical_address(client, info):
    response = client.get("/manifold/fake/pct:0,0,50,50/,32/360/gray.png")
    canonical = f"{info['id']}/0,0,8192,8192/32,32/0/default.png"
    assert f'<{canonical}>;rel="canonical"' in response.headers["link"]
    assert '<http://iiif.io/api/image/3/level2.json>;rel="profile"' in response.headers["link"]
    assert client.get(canonical).content == response.content
    assert response.headers["content-location"] == urlsplit(canonical).path


def test_a_region_of_a_pinned_model_is_permanent_and_has_one_entity_tag(client, info):
    asked = [
        "0,0,512,512/64,64/0/default.png",
        "0,0,512,512/64,/0/default.png",
        "0,0,512,512/pct:12.5/360/gray.png",
    ]
    answers = [client.get(f"{info['id']}/{each}") for each in asked]
    assert len({answer.headers["etag"] for answer in answers}) == 1
    assert {answer.headers["cache-control"] for answer in answers} == {"public, max-age=31536000, immutable"}
    assert re.fullmatch(r'"[0-9a-f]{32}"', answers[0].headers["etag"])
    other = client.get(f"{info['id']}/0,0,512,512/64,64/0/default.jpg")
    assert other.headers["etag"] != answers[0].headers["etag"]


def test_who_has_an_image_is_told_so_without_inference(client, info):
    address = f"{info['id']}/0,0,512,512/64,64/0/default.png"
    etag = client.get(address).headers["etag"]
    runtime = client.app.service.models.opened["fake@1"]._runtime
    before = len(runtime.rows_seen)
    response = client.get(address, headers={"If-None-Match": etag})
    assert (response.status_code, response.content) == (304, b"")
    assert response.headers["access-control-allow-origin"] == "*"
    assert len(runtime.rows_seen) == before


@pytest.mark.parametrize("address", ["/manifold/fake/full/64,/0/default.png", "{id}/full/max/0/default.png"])
def test_what_a_release_or_an_operator_may_change_is_not_kept_for_good(client, info, address):
    response = client.get(address.format(**info))
    assert response.headers["cache-control"] == "no-cache"
    permanent = client.get(response.headers["content-location"])
    assert permanent.content == response.content
    assert permanent.headers["etag"] == response.headers["etag"]
    assert permanent.headers["cache-control"].endswith("immutable")


def test_an_operators_limits_change_no_pixel(tmp_path, client, info):
    address = urlsplit(info["id"]).path + "/1000,1000,3000,2000/24,16/0/default.png"
    settings = client.app.service.settings.model_copy(update={"max_images": 50, "max_pixels": 4000})
    with contextlib.closing(Client(create_app(settings, open_fake))) as strict:
        assert strict.get(address).content == client.get(address).content
        assert strict.get(urlsplit(info["id"]).path + "/full/128,/0/default.png").status_code == 400


def test_images_of_every_format_say_where_they_come_from(client, info):
    for kind in ("jpg", "png", "webp"):
        content = client.get(f"{info['id']}/full/16,16/0/default.{kind}").content
        assert b"trainedAlgorithmicMedia" in content
        permanent = urlsplit(info["id"]).path + f"/full/16,16/0/default.{kind}"
        assert f'"address": "{permanent}"'.encode() in content


def png_of(pixels):
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


@pytest.mark.parametrize("kind", ["jpg", "png", "webp"])
def test_an_image_is_verified_by_what_it_says_of_itself(client, info, kind):
    image = client.get(f"{info['id']}/300,200,40,30/!30,30/!90/default.{kind}")
    answer = client.post("/inspect?verify=1", files={"file": image.content}).json()
    assert answer["recipe"]["address"] == image.headers["content-location"]
    assert answer["verification"]["verdict"] == "agrees"


def test_an_image_with_another_pixel_is_found_out(client, info):
    image = client.get(f"{info['id']}/full/64,64/0/default.png").content
    pixels = pixels_of(image).copy()
    pixels[3, 5] ^= 1
    start = image.index(b"iTXt") - 4
    mark = image[start : start + 12 + int.from_bytes(image[start : start + 4], "big")]
    changed = png_of(pixels)
    changed = changed[:33] + mark + changed[33:]  # behind the header
    verification = client.post("/inspect?verify=1", files={"file": changed}).json()["verification"]
    assert (verification["verdict"], verification["differing"]) == ("differs", 1)
    assert [(each["x"], each["y"]) for each in verification["pixels"]] == [(5, 3)]


@pytest.mark.parametrize(
    "end",
    [
        "-1,0,8,8/max/0/default.jpg", "0,0,0,0/max/0/default.jpg", "16384,0,8,8/max/0/default.jpg", "1.5,0,8,8/max/0/default.jpg",
        f"{'9' * 300},0,8,8/max/0/default.jpg", "full/0,/0/default.jpg", "full/129,/0/default.jpg", "full/-1,/0/default.jpg",
        f"full/{'9' * 300},/0/default.jpg", "full/^9999,/0/default.jpg", "full/full/0/default.jpg", "full/max/45/default.jpg",
        "full/max/-90/default.jpg", "full/max/0/bitonal.jpg", "full/max/0/default.tif", "full/max/0/default.jpg.png",
        "%00/max/0/default.jpg", "full/%0A/0/default.jpg", "full/max/%F0%9F%98%80/default.jpg", "full/max/0/%FF.jpg",
        "full%3F/max/0/default.jpg", "0,0,8,8;x/max/0/default.jpg",
    ],
)  # fmt: skip
def test_a_request_that_the_specification_does_not_know_is_a_bad_one(client, info, end):
    response = client.get(f"{info['id']}/{end}")
    assert response.status_code == 400, response.text
    assert response.headers["content-type"] == "application/problem+json"
    fault = response.json()["errors"][0]
    assert fault["parameter"] in end or fault["parameter"] in (
        "region",
        "size",
        "rotation",
        "quality",
        "format",
    )
    assert fault["expected"]
    assert fault["remedy"]


@pytest.mark.parametrize(
    "path",
    [
        "/manifold/", "/manifold/nobody", "/manifold/nobody/info.json", "/manifold/fake@9/info.json",
        "/manifold/fake@1-000000000000/info.json", "/manifold/fake;x=7/info.json", "/manifold/fake;x=0;y=0/full/max/0/default.jpg",
        "/manifold/fake/full/max/0/default", "/manifold/fake/full/max/0", "/manifold/fake/full/max/0/default.jpg/",
        "/manifold/fake/0,0%2F8,8/max/0/default.jpg", "/manifold/..%2Fsamples/info.json",
        "/manifold//info.json", "/manifold/%00/info.json", "/manifold/%FF/full/max/0/default.jpg", "/manifold/fake/manifest.json",
        "/manifold/fake%0A/info.json",
    ],
)  # fmt: skip
def test_what_is_no_image_is_not_found(client, path):
    response = client.get(path)
    assert response.status_code == 404, response.text
    assert response.headers["content-type"] == "application/problem+json"


def test_a_held_point_beyond_the_latent_space_is_not_found_when_it_is_computed(tmp_path):
    write_version(tmp_path, latent_dim=3, axes=[AXIS] * 3)
    settings = Settings(model_store=tmp_path, default_model="fake", worker_threads=1)
    with contextlib.closing(Client(create_app(settings, open_any))) as client:
        assert client.get("/manifold/fake;at=9*seed:1/full/max/0/default.png").status_code == 404
        held = client.get("/manifold/fake;x=0;y=1;at=z:0,0,2.55/full/8,8/0/default.png")
        assert (pixels_of(held.content)[4:] == 255 - int(256 * 0.755)).all()  # axis 2 sets the lower half
        word = quote("seed:1/3", safe="")
        escaped = client.get(f"/manifold/fake;x=0;y=1;at={word}/full/8,8/0/default.png")
        decoded = client.get(
            "/manifold/fake;x=0;y=1;at=seed:1/3/full/8,8/0/default.png"
        )  # as some proxies do
        assert escaped.content == decoded.content
        assert escaped.headers["content-location"] == decoded.headers["content-location"]
        checked = client.post("/inspect?verify=1", files={"file": escaped.content}).json()["verification"]
        assert checked["verdict"] == "agrees"


def test_random_requests_get_an_image_or_a_refusal_and_never_fail(client, info):
    generator = np.random.default_rng(0)
    letters = np.array(list("0123456789,.:^!%;=pctmaxfull/-~*@"))
    statuses = set()
    for _ in range(500):
        parts = ["".join(generator.choice(letters, generator.integers(1, 12))) for _ in range(4)]
        for number, usual in enumerate(("full", "max", "0", "default.png")):
            if generator.random() < 0.7:
                parts[number] = usual
        statuses.add(client.get(f"{info['id']}/{'/'.join(parts)}").status_code)
    assert statuses <= {200, 303, 400, 404}
    assert {200, 400} <= statuses


@pytest.mark.parametrize("keeps", [False, True], ids=["stripped", "kept"])
def test_behind_a_proxy_addresses_have_its_path_and_the_origin_that_was_set(settings, keeps):
    settings = settings.model_copy(update={"root_path": "/vitrine", "origin": "https://pictures.example"})
    with contextlib.closing(Client(create_app(settings, open_fake))) as client:
        prefix = "/vitrine" if keeps else ""
        location = client.get(prefix + "/manifold/info.json").headers["location"]
        assert location.startswith("/vitrine/manifold/fake%401-")
        info = client.get(location if keeps else location.removeprefix("/vitrine")).json()
        assert info["id"] == "https://pictures.example" + location.removesuffix("/info.json")
        path = urlsplit(info["id"]).path + "/full/8,8/0/default.png"
        image = client.get(path if keeps else path.removeprefix("/vitrine"))
        assert image.headers["content-location"] == path
        assert f"<{info['id']}/full/8,8/0/default.png>" in image.headers["link"]


@pytest.fixture(scope="module")
def clothes():
    settings = Settings(model_store=SHIPPED_STORE, default_model="fashion-map", worker_threads=1)
    with contextlib.closing(Client(create_app(settings))) as client:
        yield client


def test_every_address_is_documented_and_its_example_is_answered(clothes):
    described = operations({})
    assert described.keys() <= api(clothes.app.service).openapi()["paths"].keys()
    for path, methods in described.items():
        address = path
        for parameter in methods["get"]["parameters"]:
            address = address.replace(f"{{{parameter['name']}}}", parameter["example"])
        answer = clothes.get(address)
        assert str(answer.status_code) in methods["get"]["responses"]
        if answer.status_code == 200:
            assert pixels_of(answer.content).shape == (64, 64)  # as the size says


def test_the_published_plane_of_clothes_shows_what_its_codes_decode_to(clothes):
    info = clothes.get("/manifold/info.json", follow_redirects=True).json()
    service = clothes.app.service
    model = service.models.get(service.models.find("fashion-map"))
    shown = 255 - pixels_of(clothes.get(f"{info['id']}/28000,28000,224,224/224,224/0/default.png").content)
    probabilities = 0.001 + (np.arange(1000, 1008) + 0.5) / 2048 * 0.998
    normal = NormalDist()
    codes = np.empty((8, 8, 2), np.float32)
    for axis, places in ((0, probabilities), (1, 1 - probabilities)):
        about = model.manifest.axes[axis]
        values = np.array([about.mean + about.std * normal.inv_cdf(place) for place in places])
        codes[..., axis] = values if axis == 0 else values[:, None]
    images = model.decoding.whole(codes.reshape(-1, 2))
    expected = images.reshape(8, 8, 28, 28).swapaxes(1, 2).reshape(224, 224)
    # A code that rounds differently in its last bit may move a pixel across the border of a level.
    np.testing.assert_allclose(shown.astype(int), expected, atol=1)
