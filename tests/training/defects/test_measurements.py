"""Defects 11, 12, 13, 16, 17, 18, 19 and 27: data, its splits, and the numbers measured on them."""

import ast
import dataclasses
import hashlib
import json
import math

import numpy as np
import pytest

pytestmark = pytest.mark.tensorflow

import tensorflow as tf  # noqa: E402

from tests.conftest import FASHION_VERSION, PROJECT, SHIPPED_STORE, skip  # noqa: E402
from tests.tiny import model_of  # noqa: E402
from training import data, trained  # noqa: E402
from training.data import fashion_mnist, splits  # noqa: E402
from training.errors import RunError  # noqa: E402
from training.evaluation import evaluate, quality  # noqa: E402
from training.fitting import callbacks, fit, loop  # noqa: E402
from training.metrics import bounds, kl  # noqa: E402
from training.metrics.fidelity import Gaussian, frechet_distance  # noqa: E402
from training.models.likelihoods.gaussian import GaussianShared  # noqa: E402
from training.models.vae import VariationalAutoencoder  # noqa: E402
from training.priors import GaussianMixture, StandardNormal, choose, mixture  # noqa: E402
from training.publish import export  # noqa: E402


@pytest.fixture(scope="module")
def vae(tiny_run):
    return trained.load_run(tiny_run)[1]


def disjoint(parts):
    """Whether no image is in two of the parts, by the SHA-256 of its pixels."""
    found = [{hashlib.sha256(image.tobytes()).digest() for image in part} for part in parts]
    return len(set.union(*found)) == sum(map(len, found))


def test_defect_11_no_image_of_fashion_mnist_is_in_two_splits():
    """A model is tested on images that it was trained on, by a wrong flag or by joining the two files."""
    try:
        folder = fashion_mnist._find_fashion_mnist()
    except data.DataError:
        skip("Fashion-MNIST is not on this machine")
    found = fashion_mnist.load_fashion_mnist(folder)
    assert [len(part) for part in (found.train, found.validation, found.test)] == [55_000, 5_000, 10_000]
    assert disjoint([found.train, found.validation, found.test])
    assert not disjoint([found.train, found.train[:1]])


def test_defect_11_equal_images_of_ones_own_never_lie_on_two_sides():
    """Copies of a picture are dealt out among the splits."""
    pixels = np.random.default_rng(0).integers(0, 256, (60, 4, 4), dtype=np.uint8)
    pixels = np.concatenate([pixels, pixels[:40], pixels[:20]])
    assigned = np.array(splits.assign(splits.digests_of(pixels), [""] * 120))
    parts = [pixels[assigned == split] for split in splits.SPLITS]
    assert disjoint(parts)
    assert sum(map(len, parts)) == 120


def test_defect_12_two_copies_of_a_set_measure_the_same_and_a_short_batch_weighs_less(
    vae, tiny_model, tiny_dataset, monkeypatch
):
    """A loop returns inside itself, or averages over batches as if the last were as long as the others."""
    monkeypatch.setattr(evaluate, "BATCH", 30)  # 40 images and 80: batches of 30, 10 and 30, 30, 20
    doubled = dataclasses.replace(tiny_dataset, test=np.tile(tiny_dataset.test, (2, 1, 1)))
    measured = [evaluate.reconstruction(tiny_model, found) for found in (tiny_dataset, doubled)]
    by_hand = np.mean((vae.decoder(vae.encoder(tiny_dataset.test)[0])[..., 0] - tiny_dataset.test) ** 2)
    for metrics in measured:
        assert metrics.reconstruction_mse == pytest.approx(by_hand, rel=1e-6)


def test_defect_12_validation_weighs_every_image_alike(vae, tiny_dataset):
    """While training the mean over batches is shown, which the last of them distorts."""
    vae.compile()
    # KL alone has no draw in it: the one part of the loss that must be the same to the digit.
    z_mean, z_log_var = vae.encoder(tiny_dataset.validation)
    by_hand = 0.5 * np.mean(np.sum(np.exp(z_log_var) + z_mean**2 - 1 - z_log_var, axis=1))
    found = vae.evaluate(tiny_dataset.validation, batch_size=25, verbose=0, return_dict=True)
    assert found["kl"] == pytest.approx(by_hand, rel=1e-5)


def test_defect_13_images_are_the_same_in_every_pass_and_their_order_is_not(tiny_dataset):
    """A flag that should freeze random images draws them anew, or the other way round.

    No image is drawn here: what changes between two passes is their order alone.
    """
    first, second = (np.concatenate(list(data.batches(tiny_dataset.train, 50))) for _ in range(2))
    assert np.array_equal(first, second)
    assert np.array_equal(first, tiny_dataset.train)
    orders = [loop.order_of(1, epoch, 128, 16).ravel() for epoch in range(2)]
    assert not np.array_equal(*orders)
    assert np.array_equal(*map(np.sort, orders))


def test_defect_16_a_collapsed_posterior_is_named_and_counted(tiny_config, tiny_dataset):
    """Every axis ignores the image, the pictures are all alike, and no number says so."""
    vae = VariationalAutoencoder(tiny_config, (6, 5))
    for name in ("z_mean", "z_log_var"):
        vae.encoder.get_layer(name).kernel.assign(np.zeros((8, 2), np.float32))
    vae.compile(optimizer="sgd")
    measure = callbacks.Measure(tiny_config, tiny_dataset.validation)
    measure.set_model(vae)
    names = ("loss", "reconstruction", "kl")
    logs = {prefix + name: 1.0 for prefix in ("", "val_") for name in names}
    measure.on_epoch_end(1, logs)
    assert logs["active_axes"] == 0
    history = {"loss": [2.0, 1.0], "val_loss": [2.0, 1.0]}
    said = dict(callbacks.warnings_of(tiny_config, history, measure.kl_per_axis, measure.clipped))
    assert "2 of 2 axes carry less than 0.1 nats" in said["collapse"]
    described = kl.describe_axes(*model_of(vae).encode(tiny_dataset.train), seed=0)
    assert [axis.active for axis in described] == [False, False]


def test_defect_16_every_published_version_counts_its_dead_axes():
    """A report is silent on how many of the axes that it names do anything."""
    manifest = json.loads((SHIPPED_STORE / "fashion-dense" / "7" / "manifest.json").read_text())
    dead = [axis for axis in manifest["axes"] if not axis["active"]]
    assert len(dead) == 4
    assert all(axis["kl"] < callbacks.COLLAPSED_KL for axis in dead)
    card = (SHIPPED_STORE / "fashion-dense" / "7" / "card.md").read_text()
    assert "6 of 10 active" in " ".join(card.split())


def test_defect_17_the_prior_of_the_bound_is_the_one_that_is_named(vae, tiny_model, tiny_dataset):
    """Samples come from a prior fitted afterwards, bits a pixel from N(0, I), and they stand side by side."""
    images = np.tile(tiny_dataset.test, (25, 1, 1))
    wide = GaussianMixture(np.ones(1), np.zeros((1, 2)), 3 * np.eye(2)[None])
    found = {}
    for prior in (StandardNormal(2), wide):
        tf.random.set_seed(0)
        measured = bounds.bounds(tiny_model.with_prior(prior), images, ((1_000, (1,)),))
        found[measured.prior] = measured.log_p_x[0].nats
    # The same draws: the difference of two ELBOs is E_q[log p(z) - log p'(z)], with both in closed form.
    z_mean, z_log_var = (np.asarray(part, np.float64) for part in vae.encoder(tiny_dataset.test))
    second = np.mean(np.sum(z_mean**2 + np.exp(z_log_var), axis=1))
    expected = -0.5 * second * (1 - 1 / 9) + 2 * math.log(3)
    assert set(found) == {"standard_normal", "gaussian_mixture"}
    # 1,000 draws whose z^2 spreads by two nats or so around its mean given x: a standard error of 0.03.
    assert found["standard_normal"] - found["gaussian_mixture"] == pytest.approx(expected, abs=0.12)
    assert abs(expected) > 0.3  # otherwise the test shows nothing


def test_defect_17_bounds_of_another_prior_are_not_published(tiny_model, tiny_dataset, tiny_run, tmp_path):
    """A prior is exchanged between measuring and publishing."""
    mixture = GaussianMixture(np.ones(1), np.zeros((1, 2)), np.eye(2)[None])
    report = evaluate.evaluate(tiny_model, tiny_dataset, tiny_run)
    exchanged = tiny_model.with_prior(mixture)
    with pytest.raises(RunError, match="measured with the prior standard_normal, not gaussian_mixture"):
        export.export(exchanged, report, tiny_dataset.validation, tmp_path / "store")
    assert not (tmp_path / "store").exists()


def test_defect_18_a_density_of_codes_is_fitted_to_draws_and_finds_a_known_one():
    """It is fitted to posterior means, which lie closer together than the codes that a decoder sees."""

    def encode(images, training):  # means at -2 and 2, posteriors of deviation 0.6 around them
        return tf.constant(images), tf.fill(images.shape, 2 * math.log(0.6))

    rng = np.random.default_rng(0)
    images = rng.choice([-2.0, 2.0], (4_000, 1)).astype(np.float32)
    codes = choose.posterior_draws(*choose.posteriors(encode, images), 5, rng)
    fitted = mixture.fit(codes, 2, rng)
    fresh = rng.choice([-2.0, 2.0], 20_000) + 0.6 * rng.normal(size=20_000)
    density = [np.exp(-0.5 * ((fresh - mean) / 0.6) ** 2) / 0.6 for mean in (-2, 2)]
    truth = np.mean(np.log(0.5 * sum(density) / math.sqrt(2 * math.pi)))
    found = float(tf.reduce_mean(fitted.log_prob(tf.constant(fresh[:, None], tf.float32))))
    assert found == pytest.approx(truth, rel=0.01)
    np.testing.assert_allclose(fitted.cholesky[:, 0, 0], 0.6, rtol=0.02)  # 20,000 draws: errors of 0.7 %


def test_defect_18_a_learned_variance_is_best_where_it_is_that_of_the_noise():
    """A second stage keeps a variance of one, whatever the noise is, and adds the right one when drawing."""
    likelihood = GaussianShared()
    noise = 0.05 * np.random.default_rng(1).normal(size=10_000)
    raw = np.linspace(-8, 2, 2_001)
    decoded = np.stack([np.zeros_like(raw), raw], axis=-1).astype(np.float32)
    # Mean log-density of all noise under each variance: it needs only the noise's second moment.
    log_prob = likelihood.log_prob(np.full(2_001, np.sqrt(np.mean(noise**2)), np.float32), decoded).numpy()
    variance = likelihood._variance(decoded).numpy()
    assert variance[np.argmax(log_prob)] == pytest.approx(0.05**2, rel=0.06)  # four errors of 1.4 %
    drawn = likelihood.draw(decoded[[np.argmax(log_prob)]], np.float32([0.8413447]))  # one deviation up
    assert float(drawn[0]) == pytest.approx(0.05, rel=0.03)


def test_defect_19_the_frechet_distance_is_its_closed_form():
    """A matrix root of some library gives complex or wrong numbers, and a constant is added to hide it."""
    # Two independent axes: 3^2 + (1 - 2)^2 and 4^2 + (1 - 0.5)^2.
    standard = Gaussian(np.zeros(2), np.eye(2))
    other = Gaussian(np.array([3.0, 4.0]), np.diag([4.0, 0.25]))
    assert frechet_distance(standard, other) == pytest.approx(9 + 1 + 16 + 0.25, abs=1e-6)
    # Two that lie askew: of 2 x 2 matrices, tr (A B)^1/2 is the root of tr(A B) + 2 (det A det B)^1/2.
    c, s = math.cos(math.pi / 6), math.sin(math.pi / 6)
    turn = np.array([[c, -s], [s, c]])
    a, b = np.diag([9.0, 1.0]), turn @ np.diag([4.0, 0.25]) @ turn.T
    root = math.sqrt(np.trace(a @ b) + 2 * math.sqrt(9 * 1))
    found = frechet_distance(Gaussian(np.zeros(2), a), Gaussian(np.ones(2), b))
    assert found == pytest.approx(2 + 10 + 4.25 - 2 * root, abs=1e-6)


def test_defect_19_a_published_distance_stands_beside_that_of_as_many_real_images():
    """Few samples, the wrong reference or a lossy file move the number more than the model does."""
    assert quality.NUM_IMAGES == 10_000
    manifest = json.loads((FASHION_VERSION / "manifest.json").read_text())
    measured = manifest["metrics"]["quality"]
    assert measured["num_images"] == 10_000
    real = measured["real"]["frechet_distance"]
    assert all(0 < real < sample["frechet_distance"] for sample in measured["samples"].values())
    assert "rounded to 8 bits" in measured["protocols"]["images"]
    assert len(measured["classifier"]["sha256"]) == 64


class Sealed:
    """A test split that may be counted and not read."""

    def __len__(self):
        return 40

    def __getattr__(self, name):
        raise AssertionError(f"the test split was read: {name}")

    def __array__(self, *arguments, **options):
        raise AssertionError("the test split was read")

    __getitem__ = __iter__ = __array__


def test_defect_27_neither_training_nor_its_choices_read_the_test_split(tiny_config, tiny_dataset, tmp_path):
    """What is chosen by the test split, an epoch, a prior or a seed, is then measured on it."""
    sealed = dataclasses.replace(tiny_dataset, test=Sealed())
    chosen = tiny_config.replaced({"optimizer.keep": "best", "prior.components": [1, 2]})
    fit.fit(chosen, sealed, tmp_path / "run", progress=False)
    model = trained.TrainedModel.from_run(tmp_path / "run").with_fitted_prior(sealed, tmp_path / "run")
    assert len(model.prior_report.candidates) == 3
    with pytest.raises(AssertionError, match="the test split was read"):
        evaluate.evaluate(model, sealed, tmp_path / "run")


def readers_of_the_test_split(source):
    """Names of the top-level functions that touch an attribute ``test`` of anything but themselves."""
    for node in ast.parse(source).body:
        touched = (part for part in ast.walk(node) if isinstance(part, ast.Attribute))
        if any(part.attr == "test" for part in touched):
            yield node.name


def test_defect_27_the_test_split_is_named_by_evaluation_alone():
    """The split is within reach of every function that has the data."""
    found = {
        f"{path.stem}.{name}"
        for path in (PROJECT / "training").rglob("*.py")
        for name in readers_of_the_test_split(path.read_text())
    }
    # An accuracy that is printed, how many labels a class has or pictures there are, and the map, which shows a
    # finished model: no more.
    others = {"cli.classifier", "images._unseen", "quick._say_if_few"} | {
        name for name in found if name.startswith("maps.")
    }
    modules = {name.split(".")[0] for name in found - others}
    assert modules == {"evaluate", "quality", "recalibrate", "second"}  # the commands that measure
    assert list(readers_of_the_test_split("def tune(data):\n    return data.test")) == ["tune"]
