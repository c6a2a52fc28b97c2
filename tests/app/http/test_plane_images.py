import asyncio
import json
from pathlib import Path

import numpy as np
import pytest

from app.errors import ImageNotFound, MalformedImageRequest, ModelNotFound
from app.http.plane_images import LINKED_DATA, PLAIN, find, information, media_type, origin_of
from app.service import Service
from app.settings import Settings
from tests.fakes import FakeRuntime, open_fake, write_version

AXIS = {"kl": 1.0, "mean": 0.0, "std": 1.0, "quantiles": {"0.025": -1.5, "0.975": 2.5}}


class OtherAxes(FakeRuntime):
    """The fake model with an axis in front that changes nothing, or with one axis alone for both halves."""

    def __init__(self, shape, axes):
        super().__init__(shape)
        self.axes = axes

    def encode(self, images):
        parts = super().encode(images)
        if self.axes == 1:
            return tuple(part[:, :1] for part in parts)
        return tuple(np.concatenate([part[:, :1] * 0, part], axis=1) for part in parts)

    def decode(self, z):
        return super().decode(z[:, [0, 0]] if self.axes == 1 else z[:, 1:])


def open_any(folder: Path, threads: int) -> FakeRuntime:
    manifest = json.loads((folder / "manifest.json").read_text())
    if manifest["latent_dim"] != 2:
        return OtherAxes(tuple(manifest["image"]["shape"]), manifest["latent_dim"])
    return open_fake(folder, threads)


@pytest.fixture
def service(tmp_path):
    write_version(tmp_path)
    axes = [AXIS, AXIS | {"kl": 3.0}, AXIS | {"kl": 2.0}]
    write_version(tmp_path, "three", latent_dim=3, axes=axes)
    write_version(tmp_path, "line", latent_dim=1, axes=[AXIS], walk={"axis": 0})
    service = Service(Settings(model_store=tmp_path, default_model="fake", worker_threads=1), open_any)

    async def start():  # on an event loop, as the engine belongs to one
        service.start()

    asyncio.run(start())
    yield service
    service.stop()


def found(identifier, service):
    return asyncio.run(find(identifier, service))


def pinned(service, name):
    return service.models.store.find(name).pinned.replace("@", "%40")


def test_an_identifier_without_a_plane_means_the_axes_of_highest_kl_and_the_first_example(service):
    image = found("three", service)
    assert image.identifier == f"{pinned(service, 'three')};x=1;y=2;at=example:0"


def test_a_model_of_two_axes_holds_none_of_them(service):
    for identifier in (None, "fake", "fake@1", "fake;at=seed:1", "fake;x=0", "fake;y=1;x=0"):
        assert found(identifier, service).identifier == f"{pinned(service, 'fake')};x=0;y=1"


def test_every_way_to_write_a_plane_has_one_canonical_identifier_that_leads_back_to_it(service):
    image = found("three@1;at=0.5*seed:tulip/3~centre;y=0", service)
    assert image.plane.axes == (1, 0)
    again = found(image.identifier.replace("%40", "@").replace("%2F", "/"), service)
    assert again == image._replace(query=again.query)
    assert again.identifier == image.identifier
    assert "/" not in image.identifier


@pytest.mark.parametrize(
    "identifier",
    [
        "", ";", "fake;", "fake;;x=0", "fake;z=1", "fake;x", "fake;x=", "fake;x=2", "fake;x=-1", "fake;x=0;y=0",
        "fake;x=0;x=1", "fake;x=1e0", "fake;columns=5", "fake;model=fake", "three;at=image:0", "three;at=z:0",
        "three;at=nowhere", "three;at=", "three;at=example:2", "three;at=z:9,0,0", "Fake", "fake@0", "../fake",
        "fake/info", "fake&x=1", "fake;x=0&y=1", "line", "\ufffd", "a" * 9999, "fake;at=" + "z:" * 9999,
    ],
)  # fmt: skip
def test_what_names_no_plane_is_not_found(service, identifier):
    with pytest.raises(ImageNotFound) as caught:
        found(identifier, service)
    assert caught.value.status == 404


@pytest.mark.parametrize("identifier", ["other", "fake@2", "fake@1-000000000000"])
def test_a_model_that_is_not_there_is_not_found(service, identifier):
    with pytest.raises(ModelNotFound):
        found(identifier, service)


def scope_of(*headers, scheme="http"):
    return {"scheme": scheme, "headers": list(headers)}


def test_addresses_have_the_host_that_was_asked_and_no_header_of_a_proxy():
    forwarded = [
        (b"x-forwarded-host", b"evil"),
        (b"x-forwarded-proto", b"https"),
        (b"forwarded", b"host=evil"),
    ]
    scope = scope_of((b"host", b"pictures.example:8000"), *forwarded)
    assert origin_of(scope, Settings()) == "http://pictures.example:8000"
    assert origin_of(scope_of((b"host", b"[::1]:80")), Settings()) == "http://[::1]:80"


def test_addresses_have_the_origin_that_an_operator_sets():
    settings = Settings(origin="https://pictures.example")
    assert origin_of(scope_of((b"host", b"10.0.0.1")), settings) == "https://pictures.example"


@pytest.mark.parametrize(
    "host", [b"", b"a b", b'a"b', b"a/b", b"a:b", b"a:123456", b"<script>", b"\xff", b"x@y"]
)
def test_what_is_no_host_is_refused(host):
    with pytest.raises(MalformedImageRequest):
        origin_of(scope_of((b"host", host)), Settings())


def test_the_information_has_what_the_specification_requires(service):
    said = information(found("fake", service), "https://pictures.example/manifold/x")
    assert next(iter(said)) == "@context"
    assert said == {
        "@context": "http://iiif.io/api/image/3/context.json",
        "id": "https://pictures.example/manifold/x",
        "type": "ImageService3",
        "protocol": "http://iiif.io/api/image",
        "profile": "level2",
        "width": 8 * 2048,
        "height": 8 * 2048,
        "maxWidth": 128,
        "maxHeight": 128,
        "maxArea": 128 * 128,
        "sizes": [{"width": 8 << k, "height": 8 << k} for k in range(5)],
        "tiles": [{"width": 64, "height": 64, "scaleFactors": [2**k for k in range(12)]}],
        "preferredFormats": ["png", "webp", "jpg"],
        "extraFormats": ["webp"],
        "extraQualities": ["gray"],
        "extraFeatures": ["canonicalLinkHeader", "mirroring", "profileLinkHeader", "sizeUpscaling"],
    }


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        (b"", LINKED_DATA),
        (b"*/*", LINKED_DATA),
        (b"application/ld+json", LINKED_DATA),
        (b'application/ld+json;profile="http://iiif.io/api/image/3/context.json"', LINKED_DATA),
        (b"application/json", PLAIN),
        (b"Application/JSON ; charset=utf-8", PLAIN),
        (b"application/json, application/ld+json", LINKED_DATA),
        (b"application/ld+json;q=0.5, application/json", PLAIN),
        (b"application/json;q=0.5, */*;q=0.1", PLAIN),
        (b"application/*", LINKED_DATA),
        (b"application/ld+json;q=0, application/*", PLAIN),
        (b"application/json;q=0", LINKED_DATA),
        (b"text/html,application/xhtml+xml;q=0.9,*/*;q=0.8", LINKED_DATA),
        (b"image/png", LINKED_DATA),  # what the address gives
        (b",;,=;q=,\xff", LINKED_DATA),
    ],
)
def test_the_type_of_the_information_is_what_the_client_prefers(accept, expected):
    assert media_type(accept).partition(";")[0] == expected


def test_linked_data_names_its_context():
    assert media_type(b"") == 'application/ld+json;profile="http://iiif.io/api/image/3/context.json"'
