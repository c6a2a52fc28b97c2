"""The clients beside a real service: over a socket, and in process."""

import asyncio
import inspect
import io
import zipfile

import httpx
import numpy as np
import pytest

from app.main import create_app
from tests.fakes import open_fake, pixels_of
from vitrine_client import (
    AsyncClient,
    Client,
    InvalidParameter,
    ModelNotFound,
    RequestRefused,
    Unreachable,
    centre,
    code,
    image,
    label,
    seed,
)

FLAT = np.full((8, 8), 204, np.uint8)


def test_samples_are_drawn_and_named(client):
    picture = client.samples(n=4, columns=2, seed="tulip", ink="light")
    assert picture.array().shape == (16, 16)
    assert (picture.model, picture.media_type, picture.facts["grid"]) == ("fake@1", "image/png", "2x2")
    assert f"seed={picture.seed}" in picture.url
    assert client.render(picture.url).content == picture.content
    again = client.samples(n=4, columns=2, seed=picture.seed, ink="light")
    assert again.content == picture.content


def test_an_unseeded_picture_has_a_permanent_address_too(client):
    picture = client.samples(n=1)
    assert client.render(picture.url).content == picture.content


def test_points_are_decoded_wherever_they_stand(client):
    # The fake model: z[0] sets the level of the upper half, a tenth of 255 a unit around the middle.
    picture = client.decode(code([1, -1]), 0.5 * code([1, -1]) + 0.5 * centre(), format="npy", ink="light")
    upper, lower = picture.array()[0, 0, 0], picture.array()[0, 7, 0]
    assert abs(int(upper) - 0.6 * 255) <= 1  # a level, rounded
    assert abs(int(lower) - 0.4 * 255) <= 1
    sent = client.decode(image(0), images=[FLAT], format="npy")
    assert np.abs(sent.array()[0].astype(int) - FLAT).max() <= 1
    assert sent.url is None


def test_codes_too_long_for_an_address_are_decoded_in_their_order(client):
    codes = np.random.default_rng(0).uniform(-3, 3, (300, 2)).astype(np.float32)
    levels = client.decode(*map(code, codes), format="npy").array()
    assert levels.shape == (300, 8, 8)
    assert np.abs(levels[:, 0, 0] - (0.5 + codes[:, 0] / 10) * 255).max() <= 1


def test_images_are_reconstructed_and_measured(client):
    picture = client.reconstruct(FLAT, ink="light")
    assert np.abs(picture.array()[8:].astype(int) - FLAT).max() <= 1
    assert set(picture.facts) >= {"grid"}
    assert picture.url is None
    shipped = client.reconstruct(ink="light")
    assert shipped.array().shape == (16, 16)


def test_walks_overviews_directions_and_comparisons_are_drawn(client):
    assert client.interpolate(axis=0, steps=4).array().shape == (8, 32)
    assert client.interpolate(from_=label("Low"), to=label("High"), steps=3).array().shape == (8, 24)
    assert client.interpolate(FLAT, 255 - FLAT, steps=2).array().shape == (8, 16)
    assert client.axes(steps=5, format="json").json()["columns"] == 5
    assert client.manifold(columns=3, rows=2, x=0, y=1).array().shape == (16, 24)
    walk = client.directions(plus=[label("High")], minus=label("Low"), steps=3)
    assert walk.array().shape == (8, 24)
    assert client.directions(FLAT, 255 - FLAT, plus=image(0), minus=image(1), steps=3).url is None
    assert client.compare(with_="other", points=[seed(1), seed(2)]).array().shape == (16, 16)


def test_every_format_arrives(client):
    animation = client.interpolate(axis=0, steps=3, format="apng", fps=5)
    assert animation._repr_png_() == animation.content
    archive = client.samples(n=2, seed=1, format="zip")
    assert {"0000.png", "0001.png"} <= set(zipfile.ZipFile(io.BytesIO(archive.content)).namelist())
    assert client.samples(n=2, seed=1, format="csv").content.startswith(b"image,z0,z1\n0,")


def test_a_picture_is_inspected(client):
    picture = client.samples(n=1, seed=3)
    found = client.inspect(picture.content, verify=True)
    assert found["verification"]["verdict"] == "agrees"
    assert found["recipe"]["model"] == "fake@1"
    assert client.inspect(FLAT)["generated"] is None


def test_a_service_says_what_it_has(client):
    assert client.version()["default_model"] == "fake@1"
    assert [model["model"] for model in client.models()] == ["fake@1", "other@1"]


def test_a_refusal_is_raised_with_its_remedy(client):
    with pytest.raises(InvalidParameter) as caught:
        client.samples(n=0)
    assert caught.value.errors[0].parameter == "n"
    assert caught.value.remedy.startswith("Use ")
    with pytest.raises(ModelNotFound, match="fake@1"):
        client.samples(model="nothing")
    with pytest.raises(RequestRefused):
        client.render("/nowhere")


def counted(url, seen):
    """A client of a service that notes the status of every answer."""
    client = Client(url)
    client._http.event_hooks["response"].append(lambda response: seen.append(response.status_code))
    return client


def test_a_picture_that_is_asked_for_again_is_not_sent_again(url):
    seen = []
    with counted(url, seen) as client:
        first, second = client.samples(n=2, seed=9), client.samples(n=2, seed=9)
    assert seen == [200, 304]
    assert first == second


def test_nothing_that_listens_is_unreachable():
    with Client("http://127.0.0.1:1") as client, pytest.raises(Unreachable, match=r"127\.0\.0\.1:1"):
        client.samples()


@pytest.mark.parametrize(
    "wrong", ["", "localhost:8000", "ftp://host", "http://", "http://host?query", "http://h:x"]
)
def test_what_is_no_address_of_a_service_is_refused_at_once(wrong):
    for kind in (Client, AsyncClient):
        with pytest.raises(ValueError, match="no address of a service"):
            kind(wrong)


def test_the_async_client_asks_the_same_side_by_side(settings):
    async def ask():
        app = create_app(settings, open_fake)
        client = AsyncClient("http://here/", transport=httpx.ASGITransport(app))
        async with app.router.lifespan_context(app), client:
            drawn = await asyncio.gather(*(client.samples(n=1, seed=each) for each in range(4)))
            told = await client.version()
            with pytest.raises(InvalidParameter):
                await client.samples(n=0)
            return drawn, told, await client.reconstruct(FLAT)

    drawn, told, reconstructed = asyncio.run(ask())
    assert [picture.seed for picture in drawn] == [0, 1, 2, 3]
    assert drawn[0].url.startswith("http://here/samples?model=fake@1-")
    assert len({picture.content for picture in drawn}) == 4
    assert told["default_model"] == "fake@1"
    assert pixels_of(reconstructed.content).shape == (16, 8)


def test_both_clients_have_the_same_methods_with_the_same_parameters():
    def methods(kind):
        return {
            name: each for name, each in vars(kind).items() if callable(each) and not name.startswith("_")
        }

    sync, awaited = methods(Client), methods(AsyncClient)
    assert set(sync) - {"close"} == set(awaited) - {"aclose"}
    for name in sorted(set(sync) - {"close", "send"}):
        assert inspect.signature(sync[name]) == inspect.signature(awaited[name])
        assert sync[name].__doc__ == awaited[name].__doc__ != ""
        assert inspect.iscoroutinefunction(awaited[name])


def test_a_notebook_shows_each_parameter_by_its_name(client):
    shown = inspect.signature(client.samples).parameters
    assert {"n", "seed", "temperature", "zoom", "model"} <= set(shown)
    assert inspect.signature(client.compare).parameters["with_"].default is inspect.Parameter.empty
    assert next(iter(inspect.signature(client.reconstruct).parameters)) == "images"
