"""The folder is the contract: what training writes, the service reads, and both draw the same pictures."""

import dataclasses
import io

import numpy as np
import pytest
from PIL import Image

pytestmark = [pytest.mark.tensorflow, pytest.mark.usefixtures("plain_figures")]

import tensorflow as tf  # noqa: E402

from app import latent, store  # noqa: E402
from app.engine.work import Operation  # noqa: E402
from app.explore import labels, scores  # noqa: E402
from app.http import queries  # noqa: E402
from app.main import create_app  # noqa: E402
from app.models import Model  # noqa: E402
from app.priors import open_prior  # noqa: E402
from app.runtimes import opener  # noqa: E402
from app.runtimes.tensorflow import TensorFlowRuntime  # noqa: E402
from app.settings import Settings  # noqa: E402
from tests.conftest import SHIPPED_MODEL, Client  # noqa: E402
from tests.conftest import SHIPPED_VERSION as SHIPPED  # noqa: E402
from tests.fakes import pixels_of, png_bytes  # noqa: E402
from training.data.names import MAX_CHARACTERS, class_name  # noqa: E402
from training.metrics import bounds  # noqa: E402
from training.publish.card import published_axes  # noqa: E402
from training.publish.export import export  # noqa: E402
from training.trained import TrainedModel  # noqa: E402


@pytest.fixture(scope="module")
def published(tiny_run, tiny_model, tiny_dataset, tmp_path_factory):
    from training.evaluation.evaluate import evaluate

    folder = tmp_path_factory.mktemp("published")
    report = evaluate(tiny_model, tiny_dataset, tiny_run)
    return export(tiny_model, report, tiny_dataset.validation, folder)


@pytest.mark.parametrize(
    "name",
    [
        b"caf\xe9",
        "E\u0301te\u0301",
        " a\u00a0 b\n",
        "\u202ertl",
        "\u0645\u06cc\u200c\u062e",
        "x" * 300,
        "Stra\u00dfe",
        "a\x07",
        "",
    ],
    ids=ascii,
)
def test_a_class_as_training_names_it_is_found_by_the_service_as_it_was_called(name):
    written = class_name(name)
    assert labels.spelled(written) == written
    if isinstance(name, str) and 0 < len(written) <= len(name) <= 100 and "\x07" not in name:
        assert labels.spelled(name) == written
        assert labels.folded(name.upper()) == labels.folded(written)
    assert queries.MAX_LABEL_CHARACTERS == MAX_CHARACTERS >= len(written) > 0


def test_what_training_publishes_the_service_accepts(published):
    manifest = store.check(published, "tiny")
    assert manifest.image.shape == (6, 5)
    assert manifest.latent_dim == 2
    assert manifest.likelihood.parameters == {"variance": 0.5}


def test_the_service_decodes_as_the_trained_decoder_does(published, tiny_model):
    runtime = TensorFlowRuntime(published, threads=1)
    for batch_size in (1, 33):
        z = np.random.default_rng(batch_size).normal(size=(batch_size, 2)).astype(np.float32)
        np.testing.assert_allclose(runtime.decode(z), tiny_model.decode(z), atol=1e-5)


@pytest.mark.parametrize("runtime", ["litert", "tensorflow"])
def test_a_published_model_answers_all_three_requests(published, runtime):
    settings = Settings(model_store=published.parent.parent, default_model="tiny", runtime=runtime)
    client = Client(create_app(settings))
    assert client.get("/version").json()["models"][0]["runtime"] == runtime
    assert pixels_of(client.get("/samples?n=8").content).shape == (12, 35)
    assert pixels_of(client.get("/interpolate?axis=1").content).shape == (6, 35)
    assert pixels_of(client.get("/reconstruct").content).shape == (12, 25)
    upload = png_bytes(np.full((6, 5), 100, np.uint8))
    assert pixels_of(client.post("/reconstruct?ink=light", files={"file": upload}).content)[0, 0] == 100
    client.close()


def require_same_bounds(version, model, images, runtime):
    """Require that the service's L_k of images, (N, ...) in [0, 1], is that of training; return its scores."""
    served = Model(
        store.scan(version.parents[1]).find(version.parent.name), opener(runtime)(version, threads=1)
    )
    files = [("image", png_bytes(np.rint(image * 255).astype(np.uint8))) for image in images]
    found = scores.score(served, Settings(), files, "no", scores.Draws(k=1_024))().scores
    levels = (np.rint(images * 255) / 255).astype(np.float32)
    expected = bounds.bound_of(bounds.log_weights(model, levels, 1_024, seed=1), 1_024)
    # Other draws of the same posterior: four standard errors of the difference, and float32 sums.
    errors = np.array([each.standard_error for each in found])
    assert (np.abs([each.log_p_x for each in found] - expected) < 4 * np.sqrt(2) * errors + 1e-3).all()
    width = model.likelihood.log_level_width
    bits = [-(each.log_p_x / images[0].size + width) / np.log(2) for each in found]
    np.testing.assert_allclose([each.bits_per_dim for each in found], bits)
    return found


@pytest.mark.parametrize("runtime", ["litert", "tensorflow"])
def test_the_service_scores_as_training_does_and_held_out_images_are_usual(
    published, tiny_model, tiny_dataset, runtime
):
    found = require_same_bounds(published, tiny_model, tiny_dataset.validation[:8], runtime)
    assert max(each.standard_error for each in found) < 0.1
    # Percentiles among the 32 images of which these are eight: another k, and other draws.
    ours = sorted(each.percentile for each in found)
    assert 0 <= ours[0] < 50 < ours[-1] <= 100
    manifest = store.check(published, "tiny")
    for each in found:
        share = np.mean(np.array(manifest.scores.nats) < -each.log_p_x)
        assert each.percentile == pytest.approx(100 * share, abs=1)


@pytest.mark.parametrize("colours", [(), (3,)], ids=["grey", "colour"])
def test_convolutions_and_discretized_logistics_go_all_the_way_to_a_picture(
    colours, tiny_config, tiny_dataset, tmp_path
):
    from training.evaluation.evaluate import evaluate
    from training.fitting.fit import fit

    def shaped(images):  # 6 x 4, which halves; red is the image, green and blue are darker
        images = np.round(images[:, :, :4] * 255) / np.float32(255)
        return np.stack([images, images // 0.5 / 2, 0 * images], axis=-1) if colours else images

    splits = {name: shaped(getattr(tiny_dataset, name)) for name in ("train", "validation", "test")}
    dataset = dataclasses.replace(tiny_dataset, **splits)
    config = tiny_config.replaced(
        {
            "network.kind": "conv",
            "network.channels": [4],
            "objective": {"name": "elbo"},
            "likelihood": {"name": "discretized-logistic", "components": 2},
            "traversal.axis_order": "canonical",
            "prior.components": [4],
        }
    )
    fit(config, dataset, tmp_path / "run", progress=False)
    model = TrainedModel.from_run(tmp_path / "run").with_fitted_prior(dataset, tmp_path / "run")
    report = evaluate(model, dataset, tmp_path / "run")
    version = export(model, report, dataset.validation, tmp_path / "store")
    client = Client(create_app(Settings(model_store=tmp_path / "store", default_model="tiny")))

    # The service draws over the published axes from the mixture that training fitted.
    z = open_prior(store.scan(tmp_path / "store").find("tiny")).draw(3, 0, 1)
    trained = published_axes(model, report).trained(z)
    mean = model.decode(np.asarray(trained))[0]
    found = pixels_of(client.get("/samples?n=1&seed=3&ink=light").content)
    assert found.shape == (6, 4, *colours)
    assert np.abs(found - 256 * np.clip(mean, 0, 1)).max() <= 1.01
    noise = latent.uniform_noise(3, 0, 1, (6, 4, *colours, 2))
    levels = np.rint(model.likelihood.draw(model.decoder(trained), noise).numpy()[0] * 255)
    drawn = pixels_of(client.get("/samples?n=1&seed=3&ink=light&render=draw").content)
    # Draws are whole levels; where rounding meets a half, another graph may fall on the next one.
    assert np.abs(drawn - levels).max() <= 1
    codes = np.random.default_rng(0).standard_normal((50, 2)).astype(np.float32)
    np.testing.assert_allclose(
        open_prior(store.scan(tmp_path / "store").find("tiny")).log_prob(codes),
        model.known_prior.log_prob(published_axes(model, report).trained(codes)),
        atol=1e-4,  # training's is float32
    )
    require_same_bounds(version, model, dataset.test[:4], "litert")
    originals = pixels_of(client.get("/reconstruct?ink=light").content)[:6, :4]
    assert np.array_equal(originals, np.rint(dataset.validation[0] * 255))
    assert ("colour" if colours else "grey") in (version / "card.md").read_text()
    client.close()


def draw_shapes(folder, colours):
    """300 pictures of 8 x 8: a dark shape, in red if there are colours, on a ground of 230 to 255."""
    rng = np.random.default_rng(0)
    folder.mkdir()
    for index in range(300):
        pixels = np.full((8, 8, *colours), rng.integers(230, 256), np.uint8)
        top, left = rng.integers(1, 4, 2)
        pixels[top : top + 3, left : left + 3] = (rng.integers(100, 160), 20, 10) if colours else index % 90
        Image.fromarray(pixels).save(folder / f"{index}.png")


@pytest.mark.parametrize("colours", [(), (3,)], ids=["grey", "colour"])
def test_a_folder_of_pictures_on_a_light_ground_is_shown_as_it_is_from_training_to_uploads(
    colours, tiny_config, tmp_path
):
    from training.data import load
    from training.evaluation.evaluate import evaluate
    from training.fitting.fit import fit

    draw_shapes(tmp_path / "drawn", colours)
    dataset = load("images", tmp_path / "drawn")
    elbo = {"objective": {"name": "elbo"}, "likelihood": {"name": "gaussian", "variance": 0.05}}
    config = tiny_config.replaced(elbo | {"optimizer.epochs": 10, "prior.components": [1]})
    fit(config, dataset, tmp_path / "run", progress=False)
    model = TrainedModel.from_run(tmp_path / "run").with_fitted_prior(dataset, tmp_path / "run")
    version = export(
        model, evaluate(model, dataset, tmp_path / "run"), dataset.validation, tmp_path / "store"
    )
    assert store.check(version, "tiny").image.ground == "light"
    assert "Ground of the images: light." in (version / "card.md").read_text()

    # Two axes trained for seconds know little but the ground: its mean is 0.95, and 0.75 is five times as far
    # from black. What is drawn as a negative would be below 0.25.
    def is_light(pixels):
        corners = pixels[:: pixels.shape[0] - 1, :: pixels.shape[1] - 1]
        return corners.min() > 0.75 * 255

    axes = np.asarray(Image.open(version / "axes.png"))
    assert is_light(axes)
    client = Client(create_app(Settings(model_store=tmp_path / "store", default_model="tiny")))
    for address in ("/samples?n=14&seed=1", "/interpolate?axis=0", "/reconstruct"):
        assert is_light(pixels_of(client.get(address).content)), address
    examples = pixels_of(client.get("/reconstruct").content)[:8, :8]
    assert np.array_equal(examples, np.asarray(Image.open(version / "examples" / "0.png")))
    page = np.asarray(Image.open(tmp_path / "drawn" / "7.png"))
    for query in ("", "?invert=auto"):
        light = client.post(f"/reconstruct{query}", files={"file": png_bytes(page)})
        assert np.array_equal(pixels_of(light.content)[:8], page)
        assert is_light(pixels_of(light.content)[8:])
        assert "x-notes" not in light.headers
    dark = client.post("/reconstruct?invert=auto", files={"file": png_bytes(255 - page)})
    assert np.array_equal(pixels_of(dark.content)[:8], 255 - page if colours else page)
    assert dark.headers.get("x-notes") == (None if colours else "file: inverted")
    client.close()


# The shipped model, against drawings that know nothing of the service's code.


def drawn_by_matplotlib(images, columns):
    """Matplotlib's ``binary`` map, 0 white and 1 black, cell by cell; no axes, no frame."""
    import matplotlib as mpl
    from matplotlib.colors import Normalize

    cells = [mpl.colormaps["binary"](Normalize(0, 1)(image), bytes=True)[..., 0] for image in images]
    rows = [np.hstack(cells[start : start + columns]) for start in range(0, len(cells), columns)]
    return np.vstack(rows).astype(int)


def decode(z):
    loaded = tf.saved_model.load(str(SHIPPED / "decoder"))
    return loaded.signatures["decode"](z=tf.constant(z))["image"].numpy()


def test_the_shipped_samples_equal_matplotlibs_drawing(shipped):
    png = shipped.get("/samples?n=21&seed=42").content
    assert pixels_of(png).shape == (84, 196)
    expected = drawn_by_matplotlib(decode(latent.standard_normal(42, 0, 21, 10)), columns=7)
    assert np.abs(pixels_of(png) - expected).max() <= 1


def test_the_shipped_interpolation_equals_matplotlibs_drawing(shipped):
    z = np.zeros((7, 10), np.float32)
    z[:, 3] = np.linspace(-0.8, 0.8, 7)
    expected = drawn_by_matplotlib(decode(z), columns=7)
    found = pixels_of(shipped.get("/interpolate?axis=3").content)
    assert found.shape == (28, 196)
    assert np.abs(found - expected).max() <= 1
    assert np.abs(found[:, :28].astype(int) - found[:, -28:]).max() > 20  # the axis is alive


def test_the_shipped_reconstructions_equal_matplotlibs_drawing(shipped):
    originals = np.stack([np.asarray(Image.open(SHIPPED / "examples" / f"{i}.png")) for i in range(5)])
    images = originals.astype(np.float32) / 255
    encoder = tf.saved_model.load(str(SHIPPED / "encoder"))
    z_mean = encoder.signatures["encode"](images=tf.constant(images))["z_mean"].numpy()
    expected = drawn_by_matplotlib(np.concatenate([images, decode(z_mean)]), columns=5)
    files = [("file", (f"{i}.png", (SHIPPED / "examples" / f"{i}.png").read_bytes())) for i in range(5)]
    for response in (shipped.post("/reconstruct", files=files), shipped.get("/reconstruct")):
        assert np.abs(pixels_of(response.content) - expected).max() <= 1
        assert np.array_equal(pixels_of(response.content)[:28], 255 - np.hstack(originals))


def test_both_runtimes_draw_the_shipped_model_within_one_level():
    pictures = []
    for runtime in ("litert", "tensorflow"):
        client = Client(create_app(Settings(default_model=SHIPPED_MODEL, runtime=runtime)))
        asked = (
            "/samples?n=64&seed=7&columns=8",
            "/samples?n=64&seed=7&columns=8&render=draw",
            "/reconstruct",
        )
        pictures.append([pixels_of(client.get(address).content).astype(int) for address in asked])
        client.close()
    for one, other in zip(*pictures, strict=True):
        assert np.abs(one - other).max() <= 1


def test_a_draw_shows_the_declared_noise_and_a_mean_does_not(shipped):
    mean, draw = (
        pixels_of(shipped.get(f"/samples?n=1&seed=3&ink=light&render={render}").content).astype(float)
        for render in ("mean", "draw")
    )
    z = latent.standard_normal(3, 0, 1, 10)
    noise = latent.uniform_noise(3, 0, 1, (28, 28))
    from statistics import NormalDist

    quantiles = np.vectorize(NormalDist().inv_cdf)(noise.astype(float))
    expected = np.clip(decode(z) + np.sqrt(0.5) * quantiles, 0, 1)[0] * 256
    assert np.abs(draw - expected).max() <= 1
    assert draw.std() > 2 * mean.std() or np.abs(draw - mean).mean() > 60


def test_an_images_bytes_do_not_depend_on_what_it_is_computed_with(shipped):
    model = shipped.app.service.models.get(shipped.app.service.models.store.find(SHIPPED_MODEL))
    z = latent.standard_normal(1, 0, 400, 10)
    decoding = Operation("decode", model.decode)  # to numbers that are not rounded to levels yet
    many = decoding.whole(z)
    for count in (1, 5, 21, 31, 32, 33, 100):
        assert np.array_equal(decoding.whole(z[:count]), many[:count])
    other = latent.standard_normal(2, 0, 32, 10)
    other[3] = z[3]
    assert np.array_equal(decoding.whole(other)[3], many[3])


def test_positions_said_to_be_alike_give_the_same_bytes_with_any_neighbours(shipped):
    model = shipped.app.service.models.get(shipped.app.service.models.store.find(SHIPPED_MODEL))
    generator = np.random.default_rng(5)
    z = generator.normal(size=(32, 10)).astype(np.float32)
    alone = model.decoding.function(z)
    alike = np.array(model.decoding.alike)
    for _ in range(100):
        k, position = generator.integers(32, size=2)
        others = generator.normal(size=(32, 10)).astype(np.float32)
        others[position] = z[k]
        if alike[k] == alike[position]:
            assert np.array_equal(model.decoding.function(others)[position], alone[k])


def test_uploads_of_every_kind_reconstruct_on_the_shipped_model(shipped):
    photo = Image.effect_noise((900, 600), 80).convert("RGB")
    for kind, mode in (("JPEG", "RGB"), ("JPEG", "CMYK"), ("PNG", "RGBA"), ("GIF", "P"), ("WEBP", "RGB")):
        buffer = io.BytesIO()
        photo.convert(mode).save(buffer, kind)
        response = shipped.post("/reconstruct", files={"file": ("photo", buffer.getvalue())})
        assert pixels_of(response.content).shape == (56, 28)


def test_the_shipped_model_meets_its_specification():
    manifest = store.check(SHIPPED, "fashion-dense")
    import json

    metrics = json.loads((SHIPPED / "manifest.json").read_text())["metrics"]["test"]
    assert metrics["reconstruction_mse"] <= 0.0190
    assert metrics["num_images"] == 10_000
    assert manifest.walk_range(3) == (-0.8, 0.8)
    assert sum(file.size for file in manifest.files) < 12_000_000
