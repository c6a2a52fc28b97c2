"""The clients beside a real service: over a socket, and in process."""

import asyncio
import base64
import inspect
import io
import zipfile

import httpx
import numpy as np
import pytest

from app.main import create_app
from app.settings import Settings
from tests.fakes import open_fake, pixels_of, write_version
from tests.serving import serving_in_a_thread
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
from vitrine_client.errors import ImageNotFound, MalformedImageRequest, ScoringUnavailable, UploadError

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


def test_codes_are_decoded_in_their_order(client):
    codes = np.array([[1, -1], [-2, 0.5], [0, 0]], np.float32)
    picture = client.decode(codes=codes, format="npy")
    assert np.abs(picture.array()[:, 0, 0] - (0.5 + codes[:, 0] / 10) * 255).max() <= 1  # levels are rounded
    assert picture.url is None


def test_images_are_encoded_to_points_that_can_be_decoded(client):
    found = client.encode(FLAT, 255 - FLAT)
    assert found.model.startswith("fake@1-")
    assert "file[0]: the border is light" in found.notes
    # 204 is 0.8 of the scale, and z a tenth of it a unit from the middle; its example 1 is the same image.
    first, second = found.images
    assert first.z_mean == pytest.approx((3, 3), abs=1e-5)
    assert first.z_log_var == (0, 0)
    assert first.kl_by_axis == pytest.approx((4.5, 4.5), abs=1e-4)  # (m^2 + s^2 - 1 - log s^2) / 2 at s = 1
    assert first.kl == pytest.approx(sum(first.kl_by_axis))
    assert [each.example for each in first.nearest] == [1, 0]
    assert first.nearest[0].distance == pytest.approx(0, abs=1e-5)
    assert [each.example for each in second.nearest] == [0, 1]
    drawn = client.decode(first.point, 0.5 * first.point + 0.5 * second.point, format="npy").array()
    assert np.abs(drawn[0].astype(int) - FLAT).max() <= 1
    assert np.abs(drawn[1].astype(int) - 127).max() <= 1


def test_images_are_scored_with_all_that_the_service_says(client):
    found = client.score(FLAT, k=16, seed=3)
    said = client.render("/score?k=16&seed=3", FLAT).json()
    assert (found.model, found.warning, found.url) == (said["model"], said["warning"], None)
    assert "border is light" in found.notes
    (score,), (numbers,) = found.images, said["images"]
    picture = numbers.pop("surprise")
    assert {name: getattr(score, name) for name in numbers} == numbers
    assert set(vars(score)) == {*numbers, "surprise"}
    assert score.k == 16
    assert score.log_p_x >= score.elbo  # the bound of k draws is no looser, here by far
    assert (score.surprise.low, score.surprise.high) == (picture["low"], picture["high"])
    assert picture["picture"].endswith(base64.b64encode(score.surprise.picture.content).decode())
    assert score.surprise.picture.array().shape == (8, 8)


def test_the_models_own_examples_are_scored_for_good(client):
    found = client.score()
    assert len(found.images) == 2
    assert client.render(found.url).json()["images"][0]["log_p_x"] == found.images[0].log_p_x


def test_surprise_is_a_picture_or_nats(client):
    shown = client.surprise(FLAT, ink="light")
    assert np.array_equal(shown.array()[:8], FLAT)
    assert shown.array().shape == (16, 8)
    low, high = map(float, shown.facts["surprise"].split(".."))
    nats = client.surprise(FLAT, format="npy").array()
    assert (nats.shape, nats.dtype) == ((1, 8, 8), np.float32)
    assert (nats.min(), nats.max()) == pytest.approx((low, high), rel=1e-5)  # the fact has six digits
    assert client.surprise().array().shape == (16, 16)


def test_missing_pixels_are_completed_and_seen_ones_stay(client):
    mask = np.zeros((8, 8), bool)
    mask[4:] = True
    picture = client.complete(FLAT, 255 - FLAT, masks=[mask, ~mask], n=3, format="npy")
    shown = picture.array().reshape(2, 5, 8, 8)  # of each image: what was seen, the mean, three completions
    assert (shown[0, 0, 4:] == 128).all()  # grey where nothing was seen
    assert (shown[0, :, :4] == 204).all()
    assert (shown[1, 0, :4] == 128).all()
    assert (shown[1, :, 4:] == 51).all()
    assert picture.url is None
    assert len(picture.facts["effective-sample-size"].split(", ")) == 2
    half = client.complete(FLAT, hide="lower", n=3, format="npy").array()
    assert np.array_equal(half, shown[0])


def test_the_models_own_examples_are_completed_for_good(client):
    picture = client.complete(n=2, seed=7)
    assert picture.array().shape == (16, 32)
    assert client.render(picture.url).content == picture.content
    assert len(client.complete(n=2, format="json").json()["completions"]) == 2


def test_an_image_of_which_nothing_is_missing_and_masks_alone_are_refused(client):
    for images, masks, said in (([FLAT], [], "hide=lower"), ([], [FLAT], "The field's name must be file")):
        with pytest.raises(UploadError, match=said):
            client.complete(*images, masks=masks)


def test_a_model_without_log_probabilities_says_so(tmp_path):
    def open_older(folder, threads):
        runtime = open_fake(folder, threads)
        runtime.scores = False
        return runtime

    write_version(tmp_path)
    app = create_app(Settings(model_store=tmp_path, default_model="fake"), open_older)
    with serving_in_a_thread(app) as port, Client(f"http://127.0.0.1:{port}") as client:
        assert len(client.encode(FLAT).images) == 1
        for ask in (client.score, client.surprise, client.complete):
            with pytest.raises(ScoringUnavailable, match="vitrine-train convert"):
                ask()


def test_a_plane_that_the_service_does_not_have_is_refused(client):
    with pytest.raises(ImageNotFound):
        client.render("/manifold/default;q=1/info.json")
    with pytest.raises(MalformedImageRequest):
        client.render("/manifold/fake;x=0;y=1/full/huge/0/default.png")


def test_a_way_keeps_to_the_density_and_errors_are_shown(client):
    walk = client.interpolate(from_=label("Low"), to=label("High"), steps=3, path="density", ink="light")
    assert walk.array().shape == (8, 24)
    assert walk.array()[0, 0] < walk.array()[0, -1]  # -2 and 2 of the upper half's level
    shown = client.reconstruct(FLAT, show="error", format="npz").array()
    assert shown.shape == (3, 8, 8)
    assert client.compare(with_="other", points=seed(1), format="csv").content.startswith(b"image")


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
            sent = await client.complete(FLAT, masks=[FLAT > 0], n=1)
            assert pixels_of(sent.content).shape == (8, 24)
            assert (await client.score(FLAT)).images[0].k == 128
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
