import dataclasses
import errno
import json
import os
import shutil
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

pytestmark = pytest.mark.tensorflow

import tensorflow as tf  # noqa: E402

from tests.training.models.likelihoods.pixels import built  # noqa: E402
from training.errors import NotWritten, RunError  # noqa: E402
from training.evaluation.evaluate import evaluate  # noqa: E402
from training.models.likelihoods.registry import REGISTRY  # noqa: E402
from training.priors import GaussianMixture, PriorReport  # noqa: E402
from training.publish import export  # noqa: E402
from training.trained import TrainedModel  # noqa: E402


@pytest.fixture(scope="module")
def publish(tiny_run, tiny_model, tiny_dataset):
    report = evaluate(tiny_model, tiny_dataset, tiny_run)
    return lambda store: export.export(tiny_model, report, tiny_dataset.validation, store)


@pytest.fixture(scope="module")
def version(publish, tmp_path_factory):
    return publish(tmp_path_factory.mktemp("store"))


def test_a_run_that_did_not_measure_its_ground_is_published_without_it(
    tiny_run, tiny_model, tiny_dataset, tmp_path
):
    report = evaluate(tiny_model, tiny_dataset, tiny_run)
    unmeasured = {key: value for key, value in tiny_model.environment.items() if key != "ground"}
    earlier = dataclasses.replace(tiny_model, environment=unmeasured)
    version = export.export(earlier, report, tiny_dataset.validation, tmp_path)
    assert "ground" not in json.loads((version / "manifest.json").read_text())["image"]


def test_samples_are_draws_where_the_likelihood_knows_texture(version):
    # The fixture's likelihood is Gaussian: a draw of it is its mean with noise on it.
    assert json.loads((version / "manifest.json").read_text())["samples_render"] == "mean"
    draws = {name for name in REGISTRY if export.samples_render(built(name)) == "draw"}
    assert draws == {"autoregressive-logistic", "causal-logistic", "causal-colour-logistic"}


@pytest.mark.parametrize("batch_size", [1, 7])
def test_the_exported_encoder_computes_what_the_trained_one_does(version, tiny_model, batch_size):
    images = np.random.default_rng(0).random((batch_size, 6, 5), np.float32)
    found = tf.saved_model.load(str(version / "encoder")).signatures["encode"](images=tf.constant(images))
    z_mean, z_log_var = tiny_model.encode(images)
    # Same operations, same weights; another graph may add in another order: a few float32 steps near 1.
    np.testing.assert_allclose(found["z_mean"], z_mean, atol=1e-5)
    np.testing.assert_allclose(found["z_log_var"], z_log_var, atol=1e-5)


@pytest.mark.parametrize("batch_size", [1, 7])
def test_the_exported_decoder_computes_the_declared_density(version, tiny_model, batch_size):
    rng = np.random.default_rng(1)
    z = rng.normal(size=(batch_size, 2)).astype(np.float32)
    images, noise = rng.random((2, batch_size, 6, 5), np.float32)
    loaded = tf.saved_model.load(str(version / "decoder"))
    call = loaded.signatures
    mean = tiny_model.decode(z)
    np.testing.assert_allclose(call["decode"](z=tf.constant(z))["image"], mean, atol=1e-5)
    found = call["log_prob"](z=tf.constant(z), images=tf.constant(images))
    per_pixel = -((images - mean) ** 2) - 0.5 * np.log(np.pi)  # a Gaussian of variance 1/2
    np.testing.assert_allclose(found["log_prob_per_pixel"], per_pixel, atol=1e-5)
    np.testing.assert_allclose(found["log_prob"], per_pixel.sum(axis=(1, 2)), atol=1e-4)
    middle = call["draw"](z=tf.constant(z), noise=tf.constant(np.full_like(noise, 0.5)))["image"]
    np.testing.assert_allclose(middle, mean, atol=1e-5)


def test_a_draw_is_the_same_for_the_same_noise_and_no_random_op_is_inside(version):
    loaded = tf.saved_model.load(str(version / "decoder"))
    z, noise = tf.zeros((2, 2)), tf.random.uniform((2, 6, 5), 0.01, 0.99)
    draws = [loaded.signatures["draw"](z=z, noise=noise)["image"].numpy() for _ in range(2)]
    assert np.array_equal(*draws)
    for part in ("encoder", "decoder"):
        assert not random_operations(version / part)


def random_operations(saved_model):
    """Names of the random operations in a SavedModel, in its graph and in every function of its library."""
    from tensorflow.core.protobuf import saved_model_pb2

    parsed = saved_model_pb2.SavedModel.FromString((saved_model / "saved_model.pb").read_bytes())
    found = []
    for meta in parsed.meta_graphs:
        nodes = list(meta.graph_def.node)
        for function in meta.graph_def.library.function:
            nodes += function.node_def
        found += [node.op for node in nodes if "Random" in node.op or "Multinomial" in node.op]
    return found


def test_the_search_for_random_operations_can_find_one(tmp_path):
    class Noisy(tf.Module):
        @tf.function(input_signature=[tf.TensorSpec((None, 2))])
        def decode(self, z):
            return {"image": z + 0 * tf.random.normal(tf.shape(z))}

    module = Noisy()
    tf.saved_model.save(module, str(tmp_path), signatures={"decode": module.decode})
    assert random_operations(tmp_path)


def test_every_file_can_be_read_by_every_user_whatever_the_umask(publish, tmp_path):
    before = os.umask(0o077)
    try:
        published = publish(tmp_path)
    finally:
        os.umask(before)
    for path in (published, *published.rglob("*")):
        assert path.stat().st_mode & 0o777 == (0o755 if path.is_dir() else 0o644)


@pytest.fixture(scope="module")
def thrice(publish, tmp_path_factory):
    """A store to which the same run was published three times, and what that returned."""
    store = tmp_path_factory.mktemp("thrice")
    return store, [publish(store) for _ in range(3)]


def test_versions_count_up_and_nothing_else_is_left(thrice):
    store, published = thrice
    assert [version.name for version in published] == ["1", "2", "3"]
    assert sorted(path.name for path in (store / "tiny").iterdir()) == ["1", "2", "3"]
    assert sorted(path.name for path in store.iterdir()) == ["published.jsonl", "tiny"]


def recorded(store):
    """(version, digest) of every line of what a store remembers, in the order of publication."""
    found = [json.loads(line) for line in (store / "published.jsonl").read_text().splitlines()]
    assert {line["model"] for line in found} == {"tiny"}
    return [(line["version"], line["digest"]) for line in found]


def test_the_number_of_a_deleted_version_is_never_used_again(version, tmp_path):
    folder = tmp_path / "tiny"
    digest = json.loads((version / "manifest.json").read_text())["digest"]
    for number, deleted in ((1, None), (2, folder / "2"), (3, folder), (4, None)):
        with export.publishing(folder) as staging:  # TensorFlow itself is kept out of it
            shutil.copytree(version, staging, dirs_exist_ok=True)
            assert export.rename_to_next_version(staging, folder) == folder / str(number)
        if deleted:
            shutil.rmtree(deleted)
    assert recorded(tmp_path) == [(number, digest) for number in (1, 2, 3, 4)]
    assert [path.name for path in folder.iterdir()] == ["4"]


def test_a_version_whose_publisher_was_killed_before_it_was_recorded_is_by_the_next(version, tmp_path):
    digest = json.loads((version / "manifest.json").read_text())["digest"]
    shutil.copytree(version, tmp_path / "tiny" / "1")
    staging = shutil.copytree(version, tmp_path / "tiny" / ".publishing-x")
    assert export.rename_to_next_version(staging, tmp_path / "tiny").name == "2"
    assert recorded(tmp_path) == [(1, digest), (2, digest)]


def test_a_version_that_cannot_be_recorded_is_taken_back(publish, tmp_path):
    (tmp_path / "published.jsonl").mkdir()
    with pytest.raises(NotWritten, match=r"published\.jsonl: cannot be written"):
        publish(tmp_path)
    assert list((tmp_path / "tiny").iterdir()) == []


def test_a_version_whose_record_does_not_reach_the_disk_is_taken_back(publish, tmp_path, monkeypatch):
    def full(descriptor, lines):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("training.publish.published._write", full)
    with pytest.raises(NotWritten, match="No space left"):
        publish(tmp_path)
    assert list((tmp_path / "tiny").iterdir()) == []


def test_publishing_the_same_run_twice_gives_the_same_manifest_but_for_tensorflows_own_bytes(thrice):
    first, second = (json.loads((version / "manifest.json").read_text()) for version in thrice[1][:2])
    for manifest in (first, second):
        del manifest["files"], manifest["digest"]
        manifest["metrics"].pop("axes_match", None)  # the second has a version before it
    assert first == second


@pytest.mark.fault(13)
def test_two_publishers_at_once_both_end_with_a_version(version, tmp_path):
    # The race is in the rename; TensorFlow itself is kept out of it.
    stages = []
    for number in range(8):
        stage = tmp_path / "tiny" / f".publishing-{number}"
        shutil.copytree(version, stage)
        stages.append(stage)
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda s: export.rename_to_next_version(s, tmp_path / "tiny"), stages))
    assert sorted(int(path.name) for path in found) == list(range(1, 9))
    assert sorted(number for number, _ in recorded(tmp_path)) == list(range(1, 9))


@pytest.mark.fault(16)
@pytest.mark.parametrize("step", ["write_decoder", "write_manifest", "_fsync", "rename_to_next_version"])
def test_a_disk_that_fills_up_leaves_nothing_behind(publish, version, tmp_path, monkeypatch, step):
    shutil.copytree(version, tmp_path / "tiny" / "1")

    def full(*arguments):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(export, step, full)
    with pytest.raises(RunError, match="No space left"):
        publish(tmp_path)
    assert [path.name for path in (tmp_path / "tiny").iterdir()] == ["1"]


def test_what_tensorflow_cannot_write_is_named_and_nothing_is_left_behind(publish, tmp_path, monkeypatch):
    def full(module, path, **options):
        raise tf.errors.ResourceExhaustedError(None, None, f"{path}/variables; No space left on device")

    monkeypatch.setattr(tf.saved_model, "save", full)
    with pytest.raises(NotWritten, match=r"/encoder: cannot be written \(No space left on device\)$"):
        publish(tmp_path)
    assert list((tmp_path / "tiny").iterdir()) == []


def test_what_a_killed_publisher_left_is_removed_unless_another_publishes(tmp_path):
    left = tmp_path / f"{export.STAGING}left"
    (left / "encoder").mkdir(parents=True)
    with export.publishing(tmp_path) as mine:
        assert not left.exists()
        (left / "encoder").mkdir(parents=True)
        with export.publishing(tmp_path) as other:  # as if by another process
            assert mine.exists()
            assert left.exists()
            assert other.exists()
        assert mine.exists()
    with export.publishing(tmp_path):
        assert not left.exists()


def test_a_store_that_cannot_be_written_is_named(publish, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(RunError, match="cannot be written"):
        publish(tmp_path / "file")


def test_the_shipped_examples_are_the_first_validation_images(version, tiny_dataset):
    from PIL import Image

    for index in range(export.NUM_EXAMPLES):
        with Image.open(version / "examples" / f"{index}.png") as image:
            expected = np.rint(tiny_dataset.validation[index] * 255)
            assert np.array_equal(np.asarray(image), expected)


@pytest.fixture(scope="module")
def canonical(tiny_run, tiny_dataset, tmp_path_factory):
    """A version with canonical axes and a fitted prior, after one of the same weights as they were trained."""
    model = TrainedModel.from_run(tiny_run)
    store = tmp_path_factory.mktemp("store")
    for changes in ({}, {"traversal.axis_order": "canonical", "prior.components": [3]}):
        unfitted = dataclasses.replace(model, config=model.config.replaced(changes), prior=None)
        fitted = unfitted.with_fitted_prior(tiny_dataset, tiny_run)
        report = evaluate(fitted, tiny_dataset, tiny_run)
        version = export.export(fitted, report, tiny_dataset.validation, store)
    return version


def test_published_axes_fall_in_kl_and_code_the_same_pictures(canonical, tiny_model, tiny_dataset):
    manifest = json.loads((canonical / "manifest.json").read_text())
    kl = [axis["kl"] for axis in manifest["axes"]]
    assert kl == sorted(kl, reverse=True)
    encode = tf.saved_model.load(str(canonical / "encoder")).signatures["encode"]
    decode = tf.saved_model.load(str(canonical / "decoder")).signatures["decode"]
    images = tf.constant(tiny_dataset.test)
    published = encode(images=images)["z_mean"]
    expected = tiny_model.reconstruct(tiny_dataset.test)
    np.testing.assert_allclose(decode(z=published)["image"], expected, atol=1e-5)
    for number, axis in enumerate(manifest["axes"]):
        # The mean of one draw an image: within four standard errors of the mean code, over 128 and 40 images.
        assert abs(np.mean(published[:, number]) - axis["mean"]) < 4 * axis["std"] * np.sqrt(1 / 128 + 1 / 40)


def test_published_axes_point_to_where_the_image_becomes_brighter(canonical):
    axes = json.loads((canonical / "manifest.json").read_text())["axes"]
    decode = tf.saved_model.load(str(canonical / "decoder")).signatures["decode"]
    for number, axis in enumerate(axes):
        ends = np.tile(np.array([axis["mean"] for axis in axes], np.float32), (2, 1))
        ends[:, number] += [-axis["std"], axis["std"]]
        dark, bright = decode(z=tf.constant(ends))["image"].numpy().mean(axis=(1, 2))
        assert dark <= bright


def test_a_fitted_prior_is_published_over_the_published_axes(canonical, tiny_dataset):
    manifest = json.loads((canonical / "manifest.json").read_text())
    assert manifest["prior"] == {"name": "gaussian_mixture", "path": "prior.npz", "classes": []}
    assert manifest["metrics"]["prior"]["components"] == 3
    drawn = GaussianMixture.load(canonical, 2).draw(20_000, np.random.default_rng(0))
    for axis, column in zip(manifest["axes"], drawn.T, strict=True):
        # The mixture was fitted to five draws of each of 128 images, the axis described by one.
        assert column.mean() == pytest.approx(axis["mean"], abs=4 * axis["std"] / np.sqrt(128))
        assert column.std() == pytest.approx(axis["std"], rel=0.25)


def test_the_axes_are_matched_to_those_of_the_version_before(canonical):
    match = json.loads((canonical / "manifest.json").read_text())["metrics"]["axes_match"]
    assert match["version"] == 1
    # The same weights in another order and direction.
    np.testing.assert_allclose([abs(pair["correlation"]) for pair in match["axes"]], 1.0, atol=1e-4)
    assert sorted(pair["was"] for pair in match["axes"]) == [0, 1]


def test_a_picture_of_all_axes_is_published(canonical):
    picture = tf.io.decode_png((canonical / "axes.png").read_bytes()).numpy()
    assert picture.shape == (2 * 6, 7 * 5, 1)
    assert picture.min() < 200  # something is drawn, dark on white


def test_a_model_of_two_axes_publishes_its_manifold(canonical):
    picture = tf.io.decode_png((canonical / "manifold.png").read_bytes()).numpy()
    assert picture.shape == (20 * 6, 20 * 5, 1)


def test_the_card_carries_the_measured_numbers_and_the_command_that_repeats_them(version):
    card = (version / "card.md").read_text()
    metrics = json.loads((version / "manifest.json").read_text())["metrics"]
    assert f"{metrics['test']['reconstruction_mse']:.4f}" in card
    assert f"{metrics['bounds']['log_p_x'][2]['nats']:.2f}" in card
    assert "vitrine-train fit training/configs/tiny.toml" in card
    assert "variance 1/2" in card


def with_classes(model, names, component_class):
    mixture = GaussianMixture(
        weights=np.array([0.5, 0.5]),
        means=np.array([[-1.0, 0.0], [1.0, 0.0]]),
        cholesky=np.stack([0.1 * np.eye(2)] * 2),
        classes=names,
        component_class=np.array(component_class),
    )
    return model.with_prior(mixture, PriorReport(name="gaussian_mixture", components=2, classes=names))


def test_every_published_class_is_drawn_once(tiny_run, tiny_model, tiny_dataset, tmp_path, monkeypatch):
    drawn = {}

    def check_agreement(version, latent_dim, noise_shape, images, codes):
        drawn["codes"] = codes

    monkeypatch.setattr(export.litert, "check_agreement", check_agreement)
    model = with_classes(tiny_model, ("left", "right"), (0, 1))
    export.export(model, evaluate(model, tiny_dataset, tiny_run), tiny_dataset.validation, tmp_path)
    np.testing.assert_array_equal(np.sign(drawn["codes"][:, 0]), [-1, 1])  # ten standard deviations from zero


def test_a_class_of_which_nothing_can_be_drawn_is_not_published(tiny_run, tiny_model, tiny_dataset, tmp_path):
    model = with_classes(tiny_model, ("left", "rare", "right"), (0, 2))
    report = evaluate(model, tiny_dataset, tiny_run)
    with pytest.raises(RunError, match=r"class rare has no component.*remove prior\.json of the run"):
        export.export(model, report, tiny_dataset.validation, tmp_path)
    assert not (tmp_path / "tiny").exists()
