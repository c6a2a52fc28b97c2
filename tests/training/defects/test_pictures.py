"""Defects 14, 15, 20, 21, 22 and 26: what a code is, what a picture shows of it, and the axes in between."""

import json

import numpy as np
import pytest

pytestmark = pytest.mark.tensorflow

from app import latent, store  # noqa: E402
from app.errors import InvalidParameter  # noqa: E402
from app.explore.reconstruction import reconstruct_examples  # noqa: E402
from app.explore.samples import Samples, sampler  # noqa: E402
from app.explore.walks import resolve_walk  # noqa: E402
from app.models import Model  # noqa: E402
from app.pictures import grids  # noqa: E402
from app.pictures.encode import decode_png  # noqa: E402
from app.pictures.grids import GridStyle  # noqa: E402
from app.runtimes import opener  # noqa: E402
from app.settings import Settings  # noqa: E402
from tests.app.explore.asking import context_of  # noqa: E402
from tests.conftest import FASHION_VERSION, SHIPPED_MODEL, SHIPPED_STORE  # noqa: E402
from tests.fakes import FakeRuntime, pixels_of, write_version  # noqa: E402
from tests.tiny import model_of  # noqa: E402
from training import trained  # noqa: E402
from training.evaluation import evaluate  # noqa: E402
from training.metrics import kl  # noqa: E402
from training.metrics.classifier import eight_bit_levels  # noqa: E402
from training.models import latent_axes  # noqa: E402
from training.models.vae import VariationalAutoencoder  # noqa: E402
from training.publish import export  # noqa: E402


@pytest.fixture(scope="module")
def vae(tiny_run):
    return trained.load_run(tiny_run)[1]


@pytest.fixture(scope="module")
def shipped_model():
    """The model that the project ships, as the service opens it by default."""
    version = store.scan(SHIPPED_STORE).find(SHIPPED_MODEL)
    return Model(version, opener("auto")(version.folder, 1))


@pytest.fixture(scope="module")
def fake(tmp_path_factory):
    folder = tmp_path_factory.mktemp("store")
    write_version(folder)
    return Model(store.scan(folder).find("fake"), FakeRuntime())


def test_defect_14_a_code_is_the_posterior_mean_twice_the_same(vae, tiny_model, tiny_dataset):
    """Encoding and reconstructing draw from q(z given x), so that every call gives another answer."""
    images = tiny_dataset.test
    first, second = (tiny_model.encode(images).z_mean for _ in range(2))
    assert np.array_equal(first, second)
    reports = [evaluate.reconstruction(tiny_model, tiny_dataset) for _ in range(2)]
    assert reports[0] == reports[1]
    # A draw has to be asked for: it is what the model itself gives while it trains.
    drawn = [vae(images)["z"].numpy() for _ in range(2)]
    assert not np.array_equal(*drawn)


def test_defect_14_the_service_reconstructs_the_decoded_mean(shipped_model):
    """A picture of a reconstruction is one of many, and which one is not said."""
    images = np.random.default_rng(0).random((3, 28, 28), np.float32)
    codes = [shipped_model.encoding.whole(images) for _ in range(2)]
    assert np.array_equal(*codes)
    style = GridStyle(columns=5, ink="light")
    found = pixels_of(reconstruct_examples(context_of(shipped_model, style))().content)
    originals = np.stack([found[:28, 28 * k : 28 * k + 28] for k in range(5)]).astype(np.float32) / 255
    decoded = shipped_model.decoding.whole(shipped_model.encoding.whole(originals))
    for k in range(5):
        # The same rows at another position of a batch: rounding may reach a level.
        assert np.abs(found[28:, 28 * k : 28 * k + 28].astype(int) - decoded[k]).max() <= 1


def test_defect_15_a_draw_has_the_variance_that_the_manifest_declares(shipped_model):
    """The mean of p(x given z) is shown and called a sample."""
    z = np.zeros((32, 10), np.float32)
    noise = latent.uniform_noise(1, 0, 32, (28, 28))
    mean, draw = shipped_model.decode(z), shipped_model.draw(z, noise)
    declared = shipped_model.manifest.likelihood.parameters["variance"]
    # 25,088 pixels: a standard error of the variance of 0.9 %, of the mean of 0.0045; four of each.
    assert (draw - mean).var() == pytest.approx(declared, rel=0.036)
    assert abs((draw - mean).mean()) < 0.018


def test_defect_15_a_picture_says_which_of_the_two_it_shows(fake):
    """Nobody who looks at a picture can tell a mean from a draw."""
    style = GridStyle(columns=2, ink="light")
    mean, draw = (
        pixels_of(sampler(context_of(fake, style), Samples(2, render=render))(4)().content).astype(int)
        for render in ("mean", "draw")
    )
    assert all(len(np.unique(half)) == 1 for half in (mean[:4, :8], mean[4:, 8:]))  # flat, as the fake's are
    assert len(np.unique(draw[:4, :8])) > 10
    assert np.abs(draw - mean).max() <= 0.05 * 256 + 1  # half the range of the fake's noise, and rounding


def test_defect_20_a_walk_spans_the_middle_95_percent_of_an_axis(tiny_config, tiny_dataset):
    """Walks end at +-1 or less, where two thirds of the codes lie, and the rest of the axis is never seen."""
    # Posteriors of N(0, 1) and N(3, 1/4) whatever the image: the quantiles of a normal distribution.
    model = VariationalAutoencoder(tiny_config, (6, 5))
    for name, bias in (("z_mean", [0.0, 3.0]), ("z_log_var", [0.0, 2 * np.log(0.5)])):
        model.encoder.get_layer(name).kernel.assign(np.zeros((8, 2), np.float32))
        model.encoder.get_layer(name).bias.assign(np.float32(bias))
    images = np.tile(tiny_dataset.train, (200, 1, 1))
    described = kl.describe_axes(*model_of(model).encode(images), seed=0)
    # 25,600 draws: a standard error of 0.017 deviations at these quantiles; four of them.
    for axis, centre, deviation in zip(described, (0.0, 3.0), (1.0, 0.5), strict=True):
        expected = [centre - 1.96 * deviation, centre + 1.96 * deviation]
        np.testing.assert_allclose(axis.walk, expected, atol=0.067 * deviation)


def test_defect_20_the_service_walks_between_those_quantiles_unless_it_is_told_otherwise(fake):
    """The ends of a walk are numbers in the code of whoever draws it."""
    left_out = dict.fromkeys(("low", "high", "steps"))
    walk = resolve_walk(fake, Settings(), axis=0, **left_out)
    assert (walk.low, walk.high) == (-1.5, 2.5)  # what the fake's manifest says of its axes
    asked = resolve_walk(fake, Settings(), axis=0, low=-0.8, high=0.8, steps=3)
    assert (asked.low, asked.high) == (-0.8, 0.8)
    # The textbook's own walk, +-0.8, is fashion-dense's alone.
    manifest = json.loads((FASHION_VERSION / "manifest.json").read_text())
    assert manifest["walk"]["low"] is manifest["walk"]["high"] is None


def test_defect_21_a_walk_is_linear_in_one_axis_and_exact_at_its_ends():
    """A straight path between two codes passes nearer to the centre than codes lie, and nobody is told.

    Nothing here draws a path between two codes, so there is no choice between a chord and an arc to be made: a
    walk moves along one axis, and every other one is held.
    """
    base = latent.standard_normal(7, 0, 1, 10)[0]
    codes = latent.walk(base, axis=4, low=-1.7, high=2.3, steps=9)
    assert codes[0, 4] == np.float32(-1.7)
    assert codes[-1, 4] == np.float32(2.3)
    np.testing.assert_allclose(np.diff(codes[:, 4]), 0.5, rtol=1e-6)
    assert np.array_equal(np.delete(codes, 4, axis=1), np.tile(np.delete(base, 4), (9, 1)))


def test_defect_21_a_walk_that_makes_no_sense_is_an_error(fake):
    """Ends that define no path give a picture of nothing."""
    for ends in ({"low": 1.0, "high": -1.0}, {"low": -9.0, "high": 1.0}, {"low": float("nan"), "high": 1.0}):
        with pytest.raises(InvalidParameter):
            resolve_walk(fake, Settings(), axis=0, steps=3, **ends)


def test_defect_22_published_axes_do_not_depend_on_the_accidents_of_training(tiny_model, tiny_dataset):
    """Axis 3 is the interesting one, until the model is trained again."""

    def decode(z):
        return tiny_model.decode(np.asarray(z))

    described = kl.describe_axes(*tiny_model.encode(tiny_dataset.train), seed=0)
    published = latent_axes.canonical(decode, described)
    informative = [axis.kl for axis in published.describe(described)]
    assert informative == sorted(informative, reverse=True)
    # The same model with its axes swapped and turned, as another seed might have left it.
    accident = latent_axes.Axes(order=(1, 0), signs=(-1, 1))
    again = latent_axes.canonical(lambda z: decode(accident.trained(z)), accident.describe(described))
    z = latent.standard_normal(3, 0, 20, 2)
    np.testing.assert_array_equal(accident.trained(again.trained(z)), published.trained(z))
    for number, axis in enumerate(published.describe(described)):
        ends = np.tile([axis.mean for axis in published.describe(described)], (2, 1)).astype(np.float32)
        ends[:, number] += [-axis.std, axis.std]
        dark, bright = decode(published.trained(ends)).mean(axis=(1, 2))
        assert dark <= bright


def test_defect_22_the_pictures_do_not_change_and_publishing_again_changes_nothing(
    vae, tiny_model, tiny_dataset
):
    """Axes are renamed in the list and not in the decoder, or once more at every export."""
    described = kl.describe_axes(*tiny_model.encode(tiny_dataset.train), seed=0)
    published = latent_axes.Axes(order=(1, 0), signs=(-1, 1))
    z_mean, z_log_var = vae.encoder(tiny_dataset.test)
    turned, turned_log_var = published.publish(z_mean, z_log_var)
    np.testing.assert_array_equal(turned_log_var, z_log_var.numpy()[:, [1, 0]])
    np.testing.assert_array_equal(vae.decoder(published.trained(turned)), vae.decoder(z_mean))
    once = latent_axes.canonical(lambda z: vae.decoder(z).numpy(), described)
    twice = latent_axes.canonical(lambda z: vae.decoder(once.trained(z)).numpy(), once.describe(described))
    assert not twice.changed
    pairs = latent_axes.match(z_mean.numpy(), turned.numpy())
    assert [pair.was for pair in pairs] == [1, 0]
    np.testing.assert_allclose([pair.correlation for pair in pairs], [-1, 1], atol=1e-6)


@pytest.mark.parametrize("levels_of", [grids.to_pixels, lambda images: 255 * eight_bit_levels(images)])
def test_defect_26_levels_are_clipped_and_rounded(levels_of):
    """A bare cast to uint8 wraps what lies outside [0, 1] around, and cuts where it should round."""
    images = np.array([-0.1, 0.0, 0.5, 1.0, 1.1, 99.9 / 255], np.float32)
    assert np.rint(levels_of(images)).tolist() == [0, 0, 128, 255, 255, 100]


def test_defect_26_published_examples_and_uploads_of_them_keep_every_level(tmp_path):
    """Rounding is left out where pictures are written, and levels sink by one on their way to and fro."""
    # A tenth of a level below each: what a cast would make the level before.
    images = (np.arange(256, dtype=np.float32).reshape(1, 16, 16) - np.float32(0.1)).clip(0) / np.float32(255)
    export.write_examples(images, tmp_path / "examples")
    found = decode_png(tmp_path / "examples" / "0.png")
    assert np.array_equal(found, np.arange(256).reshape(16, 16))
    assert np.array_equal(grids.to_pixels(found.astype(np.float32) / np.float32(255)), found)
