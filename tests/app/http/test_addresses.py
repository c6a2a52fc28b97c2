"""Permanent addresses and entity tags: one of each for a picture, wherever and however it is asked for."""

import contextlib
import hashlib
import itertools
import json
import shutil

import numpy as np
import pytest

from app.http.addresses import WRITTEN
from app.main import create_app
from app.pictures.formats import FORMATS
from tests.app.http.test_endpoint import computed
from tests.conftest import Client
from tests.fakes import open_fake, png_bytes, seal
from tests.picture_files import encoded

SEEDED = "/samples?n=3&seed=5"
ADDRESSES = (
    SEEDED,
    "/interpolate",
    "/interpolate?from=seed:1/2&to=centre",
    "/reconstruct",
    "/samples.gif?seed=1",
)


def pinned(client):
    return client.app.service.models.store.find("fake").pinned


@contextlib.contextmanager
def served(settings, **changes):
    client = Client(create_app(settings.model_copy(update=changes), open_fake))
    try:
        yield client
    finally:
        client.close()


@pytest.fixture
def idle(client, monkeypatch):
    """The service, whose engine takes no work, and which says how much it has computed."""
    before = computed(client)

    def refuse(work):
        raise AssertionError("work was submitted")

    monkeypatch.setattr(client.app.service.engine, "submit", refuse)
    yield client
    assert computed(client) == before


@pytest.mark.parametrize("address", ADDRESSES)
def test_a_permanent_address_has_a_strong_entity_tag(client, address):
    etag = client.get(address).headers["etag"]
    assert etag[0] == etag[-1] == '"'
    assert len(etag) == 34
    assert set(etag[1:-1]) <= set("0123456789abcdef")


def test_an_entity_tag_is_made_of_digest_and_address_and_of_nothing_else(client):
    answer = client.get(SEEDED)
    digest = client.app.service.models.store.find("fake").manifest.digest
    told = f"{WRITTEN.decode()} {digest} {answer.headers['content-location']}"
    assert answer.headers["etag"] == f'"{hashlib.sha256(told.encode()).hexdigest()[:32]}"'


@pytest.mark.parametrize(
    ("address", "filled"),
    [
        (SEEDED, "columns=7&ink=dark&n=3&render=mean&temperature=1.0&zoom=1&seed=5"),
        ("/interpolate", "axis=1&high=2.5&ink=dark&low=-1.5&steps=3&zoom=1"),
        ("/interpolate?z=0,1", "at=z:0.0,1.0&axis=1&high=2.5&ink=dark&low=-1.5&steps=3&zoom=1"),
        ("/interpolate?seed=7", "at=seed:7/0&axis=1&high=2.5&ink=dark&low=-1.5&steps=3&zoom=1"),
        (
            "/interpolate?from=seed:1/2&to=centre&via=z:0,1;.5*example:0&steps=5",
            "from=seed:1/2&ink=dark&path=linear&steps=5&to=centre&via=z:0.0,1.0;0.5*example:0&zoom=1",
        ),
        ("/reconstruct", "ink=dark&show=both&zoom=1"),
        ("/reconstruct.webp?columns=2", "columns=2&format=webp&ink=dark&show=both&zoom=1"),
        (
            "/samples.gif?n=2&seed=1",
            "columns=7&format=gif&fps=10&ink=dark&loop=forever&n=2&render=mean&temperature=1.0&zoom=1&seed=1",
        ),
        (
            "/samples?n=2&seed=1&of=seed:4&offset=9",
            "columns=7&ink=dark&n=2&of=seed:4/0&offset=9&render=mean&temperature=0.5&zoom=1&seed=1",
        ),
    ],
)
def test_the_canonical_address_has_version_digest_and_every_parameter(client, address, filled):
    path = address.partition("?")[0].partition(".")[0]
    answer = client.get(address)
    assert answer.headers["content-location"] == f"{path}?model={pinned(client)}&{filled}"
    again = client.get(answer.headers["content-location"])
    assert again.content == answer.content
    for name in ("content-location", "etag"):
        assert again.headers[name] == answer.headers[name]
    assert "immutable" in again.headers["cache-control"]


@pytest.mark.parametrize("order", [*itertools.permutations(["n=3", "seed=5", "zoom=2", "ink=dark"])])
def test_the_order_of_parameters_changes_neither_address_nor_tag(client, order):
    answer, same = client.get(f"/samples?{'&'.join(order)}"), client.get("/samples?n=3&seed=5&zoom=2")
    for name in ("content-location", "etag"):
        assert answer.headers[name] == same.headers[name]
    assert answer.content == same.content


@pytest.mark.parametrize(
    "same",
    [
        "/samples?seed=005&n=3",
        "/samples.png?n=3&seed=5",
        "/samples?n=3&seed=5&format=png",
        "/samples?n=3&seed=5&offset=0&prior=standard_normal&temperature=1&render=mean&columns=7&zoom=1&ink=dark",
        "/samples?n=3&seed=5&model=fake",
        "/samples?n=3&seed=5&model=fake@1",
    ],
)
def test_defaults_that_are_written_out_change_neither_address_nor_tag(client, same):
    answer, written = client.get(SEEDED), client.get(same)
    for name in ("content-location", "etag"):
        assert written.headers[name] == answer.headers[name]


def test_no_two_pictures_share_a_tag(client):
    looks = ["", "&n=4", "&seed=6", "&ink=light", "&zoom=2", "&columns=2", "&temperature=0.5", "&render=draw"]
    looks += [
        "&offset=1",
        "&of=centre",
        "&of=seed:1/1",
        *(f"&format={name}" for name in FORMATS if name != "png"),
    ]
    looks += ["&format=gif&fps=11", "&format=gif&loop=once", "&format=gif&loop=bounce"]
    addresses = []
    for look in looks:
        values = dict(each.split("=") for each in f"n=3&seed=5{look}".split("&"))
        addresses.append("/samples?" + "&".join(f"{name}={value}" for name, value in values.items()))
    addresses += ["/interpolate", "/interpolate?axis=0", "/reconstruct", "/interpolate?from=centre&to=z:1,1"]
    addresses += ["/interpolate?from=centre&to=z:1,1&path=slerp", "/interpolate?from=z:1,1&to=centre"]
    answers = [client.get(address) for address in addresses]
    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.headers["etag"] for answer in answers}) == len(addresses)
    assert len({answer.headers["content-location"] for answer in answers}) == len(addresses)


@pytest.mark.bad_input(38)
@pytest.mark.parametrize("address", ADDRESSES)
@pytest.mark.parametrize("form", ["{}", "W/{}", '"another", {}', '{} , W/"another"', '"a","b",{},"c"'])
def test_who_has_the_picture_is_told_so_without_inference_or_a_place_in_the_queue(
    settings, address, form, request
):
    with served(settings) as other:
        first = other.get(address)
    client = request.getfixturevalue("idle")
    answer = client.get(address, headers={"If-None-Match": form.format(first.headers["etag"])})
    assert (answer.status_code, answer.content) == (304, b"")
    for name in ("etag", "cache-control", "content-location"):
        assert answer.headers[name] == first.headers[name]
    assert not {"content-type", "content-length", "x-grid"} & set(answer.headers)


def test_several_lines_of_the_header_are_one_list(client):
    etag = client.get(SEEDED).headers["etag"]
    headers = [("If-None-Match", '"one"'), ("If-None-Match", f'"two", {etag}')]
    assert client.get(SEEDED, headers=headers).status_code == 304


@pytest.mark.bad_input(38)
@pytest.mark.parametrize("form", ['"another"', "", "nonsense", '""', "W/", "{inside}", "{cut}", '"*"'])
def test_who_has_another_picture_gets_this_one(client, form):
    first = client.get(SEEDED)
    etag = first.headers["etag"]
    value = form.format(inside=etag.strip('"'), cut=f'{etag[:-2]}"')
    answer = client.get(SEEDED, headers={"If-None-Match": value})
    assert (answer.status_code, answer.content) == (200, first.content)


def test_an_address_whose_newest_version_has_changed_sends_the_new_picture(client, settings):
    from tests.fakes import write_version

    etag = client.get(SEEDED).headers["etag"]
    write_version(settings.model_store, number=2, walk={"axis": 0, "low": None, "high": None, "steps": 4})
    with served(settings) as newer:
        answer = newer.get(SEEDED, headers={"If-None-Match": etag})
        assert answer.status_code == 200
        assert answer.headers["x-model"] == "fake@2"
        assert newer.get(f"{SEEDED}&model=fake@1", headers={"If-None-Match": etag}).status_code == 304


def test_head_is_told_the_same_as_get(client):
    first = client.request("HEAD", SEEDED)
    assert first.headers["etag"] == client.get(SEEDED).headers["etag"]
    answers = [
        client.request(method, SEEDED, headers={"If-None-Match": first.headers["etag"]})
        for method in ("HEAD", "GET")
    ]
    heads = [{k: v for k, v in answer.headers.items() if k != "x-request-id"} for answer in answers]
    assert heads[0] == heads[1]
    assert {answer.status_code for answer in answers} == {304}


def test_a_saturated_service_still_answers_who_has_the_picture(client, monkeypatch):
    etag = client.get(SEEDED).headers["etag"]
    monkeypatch.setattr(client.app.service.engine._admission, "images", 10**6)
    assert client.get(SEEDED).status_code == 503
    assert client.get(SEEDED, headers={"If-None-Match": etag}).status_code == 304


def test_a_bad_request_is_refused_whatever_it_says_it_has(client):
    for address, status in (
        ("/samples?seed=1&n=0", 422),
        ("/samples.bmp?seed=1", 406),
        ("/samples?model=x&seed=1", 404),
    ):
        assert client.get(address, headers={"If-None-Match": "*"}).status_code == status


def test_an_answer_with_a_drawn_seed_has_no_tag_and_is_never_unchanged(client):
    answers = [client.get("/samples?n=3", headers={"If-None-Match": "*"}) for _ in range(2)]
    for answer in answers:
        assert answer.status_code == 200
        assert "etag" not in answer.headers
    assert answers[0].content != answers[1].content
    seeded = client.get(answers[0].headers["content-location"])
    assert "etag" in seeded.headers
    assert seeded.content == answers[0].content  # the template of seeds and the recipe say the same


def test_an_upload_has_neither_address_nor_tag(client):
    files = {"file": png_bytes(np.full((8, 8), 100, np.uint8))}
    answer = client.post("/reconstruct", files=files, headers={"If-None-Match": "*"})
    assert answer.status_code == 200
    assert not {"etag", "content-location"} & set(answer.headers)


@pytest.mark.parametrize("address", [*ADDRESSES, "/samples.zip?n=2&seed=tulip", "/samples.json?n=2&seed=3"])
def test_a_copy_of_the_store_elsewhere_and_under_another_path_gives_tag_and_bytes(
    client, settings, tmp_path, address
):
    copy = tmp_path / "elsewhere" / "store"
    shutil.copytree(settings.model_store, copy)
    first = client.get(address)
    with served(settings, model_store=copy, root_path="/art/vae") as other:
        answer = other.get(address)
        assert answer.headers["etag"] == first.headers["etag"]
        assert answer.content == first.content
        assert answer.headers["content-location"] == f"/art/vae{first.headers['content-location']}"
        again = other.get(answer.headers["content-location"])  # the proxy kept the path
        assert again.content == first.content
        known = {"If-None-Match": first.headers["etag"]}
        assert other.get(answer.headers["content-location"], headers=known).status_code == 304


def test_another_digest_is_another_tag_and_its_address_is_not_found_elsewhere(client, settings):
    first = client.get(SEEDED)
    folder = settings.model_store / "fake" / "1"
    manifest = json.loads((folder / "manifest.json").read_text())
    seal(folder, manifest | {"likelihood": manifest["likelihood"] | {"parameters": {"variance": 0.5}}})
    with served(settings) as other:
        assert other.get(SEEDED).headers["etag"] != first.headers["etag"]
        known = {"If-None-Match": first.headers["etag"]}
        assert other.get(first.headers["content-location"], headers=known).status_code == 404


@pytest.mark.parametrize("model", ["fake", "fake@1", "pinned", None])
def test_only_an_answer_of_a_named_version_may_be_kept_without_asking(client, model):
    named = {"pinned": f"&model={pinned(client)}", None: ""}.get(model, f"&model={model}")
    caching = client.get(f"{SEEDED}{named}").headers["cache-control"]
    forever = "public, max-age=31536000, immutable"
    assert caching == (forever if model in ("fake@1", "pinned") else "no-cache")


def recipe_in(png):
    """The recipe that a PNG tells, found by its bytes."""
    told = png.partition(b"<vitrine:recipe>")[2].partition(b"</vitrine:recipe>")[0]
    return json.loads(told.decode().replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&"))


@pytest.mark.parametrize(
    "address", ["/samples?n=2&seed=5", "/samples?n=2", "/interpolate?at=seed:1", "/reconstruct"]
)
def test_the_recipe_in_a_picture_draws_it_again(client, address):
    answer = client.get(address)
    recipe = recipe_in(answer.content)
    assert recipe["address"] == answer.headers["content-location"]
    assert recipe["digest"] == client.app.service.models.store.find("fake").manifest.digest
    assert client.get(recipe["address"]).content == answer.content
    query = "&".join(f"{name}={value}" for name, value in recipe["parameters"].items())
    again = client.get(f"{recipe['path']}?model={recipe['model']}&{query}")
    assert again.content == answer.content


@pytest.mark.parametrize(
    ("path", "word"),
    [
        ("/samples", "trainedAlgorithmicMedia"),
        ("/interpolate", "trainedAlgorithmicMedia"),
        ("/reconstruct", "compositeWithTrainedAlgorithmicMedia"),
    ],
)
def test_a_picture_says_what_of_it_a_model_made(client, path, word):
    assert f'digitalsourcetype/{word}"'.encode() in client.get(path).content


def test_nothing_of_an_uploads_metadata_is_in_the_answer(client):
    from PIL import Image, PngImagePlugin

    secret = PngImagePlugin.PngInfo()
    secret.add_text("Comment", "secret place")
    secret.add_itxt("XML:com.adobe.xmp", "<secret/>")
    picture = encoded(Image.new("L", (8, 8), 40), pnginfo=secret, exif=b"Exif\0\0secret")
    assert picture.count(b"secret") == 3
    answer = client.post("/reconstruct", files={"file": ("secret.png", picture)})
    assert answer.status_code == 200
    assert b"secret" not in answer.content
    recipe = recipe_in(answer.content)
    assert "address" not in recipe
    assert recipe["parameters"] == {"ink": "dark", "invert": "no", "show": "both", "zoom": 1}
