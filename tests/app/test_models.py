import asyncio
import json
import shutil
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from app.engine.work import BATCH_ROWS, Operation
from app.errors import (
    ModelError,
    ModelGone,
    ModelNotFound,
    ModelUnavailable,
    ScoringUnavailable,
    StoreError,
)
from app.models import Model, Models
from app.runtimes import RuntimeUnavailable
from app.store import scan
from tests.fakes import FakeRuntime, digest_of, list_files, open_fake, png_bytes, record, seal, write_version


@pytest.fixture
def version(tmp_path):
    write_version(tmp_path)
    return scan(tmp_path).find("fake")


@pytest.mark.parametrize("count", [1, BATCH_ROWS - 1, BATCH_ROWS, BATCH_ROWS + 1, 3 * BATCH_ROWS])
def test_every_computation_has_the_same_number_of_rows(version, count):
    runtime = FakeRuntime()
    z = np.random.default_rng(0).normal(size=(count, 2)).astype(np.float32)
    images = Operation("decode", Model(version, runtime).decode).whole(z)
    assert set(runtime.rows_seen) == {BATCH_ROWS}
    np.testing.assert_array_equal(images, FakeRuntime().decode(z))


def test_encode_returns_the_posterior_mean_of_every_image(version):
    images = np.full((BATCH_ROWS + 3, 8, 8), 0.7, np.float32)
    np.testing.assert_allclose(Model(version, FakeRuntime()).encoding.whole(images), 2.0, atol=1e-5)


def test_both_moments_of_the_posterior_are_given_for_every_image(version):
    class Slanted(FakeRuntime):
        def encode(self, images):
            z_mean, _ = super().encode(images)
            return z_mean, -z_mean

    images = np.linspace(0, 1, 40, dtype=np.float32)[:, None, None].repeat(8, axis=1).repeat(8, axis=2)
    moments = Model(version, Slanted()).encoding.unrounded.whole(images)
    assert (moments.shape, moments.dtype) == ((40, 2, 2), np.float32)
    np.testing.assert_array_equal(moments[:, 0], FakeRuntime().encode(images)[0])
    np.testing.assert_array_equal(moments[:, 1], -moments[:, 0])


@pytest.mark.parametrize("wrong", [np.nan, np.inf])
def test_a_variance_that_is_not_finite_is_found_out_while_warming_up(version, wrong):
    class Infinite(FakeRuntime):
        def encode(self, images):
            z_mean, z_log_var = super().encode(images)
            return z_mean, z_log_var + np.float32(wrong)

    with pytest.raises(ModelError, match="encode gave"):
        Model(version, Infinite()).warm_up()


def test_posterior_gives_both_of_its_parameters_and_scoring_the_density_of_every_pixel(version):
    model, runtime = Model(version, FakeRuntime()), FakeRuntime()
    images = np.random.default_rng(0).random((BATCH_ROWS + 3, 8, 8)).astype(np.float32)
    posterior = model.posterior.whole(images)
    assert posterior.shape == (BATCH_ROWS + 3, 2, 2)
    np.testing.assert_array_equal(posterior[:, 0], runtime.encode(images)[0])
    np.testing.assert_array_equal(posterior[:, 1], runtime.encode(images)[1])
    z = posterior[:, 0]
    np.testing.assert_array_equal(model.scoring.whole(z, images), runtime.log_prob(z, images))
    np.testing.assert_array_equal(model.means.whole(z), runtime.decode(z))


def test_what_scores_need_is_measured_when_it_is_first_needed_and_once(version):
    runtime = FakeRuntime()
    model = Model(version, runtime)
    model.warm_up()
    assert not model.scoring.uniform  # nobody knows yet
    before = len(runtime.rows_seen)
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: model.prepare_scoring(), range(8)))
    once = len(runtime.rows_seen) - before
    assert all(each.uniform for each in (model.posterior, model.means, model.scoring))
    # One call to begin with, four rows at every position, three mixtures.
    assert once == 8


class Leaning(FakeRuntime):
    """What it makes of a row depends on the row before it."""

    def log_prob(self, z, images):
        return super().log_prob(z, np.roll(images, 1, axis=0))


def test_a_model_whose_scores_depend_on_their_neighbours_is_found_out(version):
    with pytest.raises(ModelError, match="what score makes of a row depends on the others"):
        Model(version, Leaning()).prepare_scoring()


class WithoutScores(FakeRuntime):
    """A version of before LiteRT's files had log_prob."""

    scores = False


def test_a_version_of_before_scores_is_served_and_refuses_to_score_with_a_remedy(version):
    model = Model(version, WithoutScores())
    model.warm_up()
    for refused in (model.require_scoring, model.prepare_scoring):
        with pytest.raises(ScoringUnavailable, match=r"fake@1 .* vitrine-train convert") as caught:
            refused()
        assert caught.value.status == 404


def test_scores_that_are_no_numbers_are_found_out(version):
    class NotFinite(FakeRuntime):
        def log_prob(self, z, images):
            return np.full(images.shape, -np.inf, np.float32)

    with pytest.raises(ModelError, match="not finite"):
        Model(version, NotFinite()).prepare_scoring()


class Broken(FakeRuntime):
    def __init__(self, images):
        super().__init__()
        self.images = images

    def decode(self, z):
        return np.resize(self.images, (len(z), *self.images.shape))


def failing_open(*bad):
    """Opens every version but those in `bad`, for which it fails as a broken SavedModel does."""

    def open_runtime(folder, threads):
        opened.append(folder.name)
        if folder.name in bad:
            raise KeyError("draw")
        return open_fake(folder, threads)

    opened = open_runtime.opened = []
    return open_runtime


def test_a_version_that_cannot_be_opened_is_passed_over_and_the_one_before_it_serves(tmp_path):
    for number in (1, 2):
        write_version(tmp_path, number=number)
    write_version(tmp_path, name="other", number=2)
    models = Models(scan(tmp_path), failing_open("2"), threads=1)
    models.open_default("fake")
    assert list(models.opened) == ["fake@1"]
    models.open_in_background()
    for _ in range(3):  # names, and the end
        models.opener.submit(lambda: None).result()
    assert models.find("fake").number == 1
    assert set(models.rejected) == {"fake/2", "other/2"}
    assert "KeyError" in models.rejected["fake/2"]


def test_a_version_that_cannot_be_opened_is_tried_once(tmp_path):
    write_version(tmp_path)
    open_runtime = failing_open("1")
    models = Models(scan(tmp_path), open_runtime, threads=1)
    for _ in range(3):
        with pytest.raises(ModelError, match="fake@1: KeyError"):
            models.get(models.store.find("fake@1"))
    assert open_runtime.opened == ["1"]


def test_without_a_usable_default_model_the_service_does_not_start(tmp_path):
    write_version(tmp_path)
    with pytest.raises(StoreError, match="default model fake cannot be served"):
        Models(scan(tmp_path), failing_open("1"), threads=1).open_default("fake")


@pytest.mark.parametrize("relative", ["encoder/weights", "examples/0.png"])
def test_a_version_whose_files_changed_after_the_scan_is_not_served(tmp_path, relative):
    write_version(tmp_path, number=1)
    write_version(tmp_path, number=2)
    models = Models(scan(tmp_path), open_fake, 1)
    path = tmp_path / "fake" / "1" / relative
    path.write_bytes(png_bytes(np.full((8, 8), 7, np.uint8)))
    with pytest.raises(ModelError, match=f"fake@1: {relative}"):
        models.get(models.find("fake@1"))


def test_examples_are_those_that_were_checked_whatever_becomes_of_the_store(tmp_path):
    folder = write_version(tmp_path)
    models = Models(scan(tmp_path), open_fake, 1)
    model = models.get(models.find("fake"))
    shutil.rmtree(folder)
    assert model.examples.shape == (2, 8, 8)
    assert (model.examples[0] == 51).all()
    assert (model.examples[1] == 204).all()


def test_examples_that_are_not_the_models_images_are_found_out_while_warming_up(tmp_path):
    folder = write_version(tmp_path, shape=(8, 8))
    (folder / "examples" / "0.png").write_bytes(png_bytes(np.zeros((9, 8), np.uint8)))
    rewritten = json.loads((folder / "manifest.json").read_text()) | {"files": list_files(folder)}
    seal(folder, rewritten)
    with pytest.raises(ModelError, match=r"examples/0\.png"):
        Model(scan(tmp_path).find("fake"), FakeRuntime()).warm_up()


@pytest.mark.parametrize(
    "images", [np.full((8, 8), np.nan, np.float32), np.full((8, 8), np.inf, np.float32), np.zeros((9, 8))]
)
def test_a_model_that_breaks_its_promise_is_found_out_while_warming_up(version, images):
    with pytest.raises(ModelError, match="fake@1"):
        Model(version, Broken(images)).warm_up()


def test_a_version_is_opened_once_however_many_ask_at_the_same_time(version, tmp_path):
    opened = []

    def slow_open(folder, threads):
        opened.append(folder)
        return open_fake(folder, threads)

    models = Models(scan(tmp_path), slow_open, threads=1)
    with ThreadPoolExecutor(16) as pool:
        found = set(pool.map(models.get, [version] * 64))
    assert len(opened) == len(found) == 1
    assert list(models.opened) == ["fake@1"]


def test_a_bare_name_asked_for_before_its_newest_version_failed_means_the_one_before(tmp_path):
    for number in (1, 2):
        write_version(tmp_path, number=number)
    models = Models(scan(tmp_path), failing_open("2"), threads=1)

    async def find(reference):
        return await models.find_opened(reference)

    assert asyncio.run(find("fake")).version.number == 1
    with pytest.raises(ModelError, match="fake@2: KeyError"):
        asyncio.run(find("fake@2"))


def test_models_opened_in_the_background_rest_until_they_are_asked_for(tmp_path):
    for name in ("fake", "other"):
        write_version(tmp_path, name=name)
    models = Models(scan(tmp_path), open_fake, threads=1)
    models.open_default("fake")
    models.open_in_background()
    for _ in range(3):
        models.opener.submit(lambda: None).result()
    rested = {name: models.get(models.find(name))._runtime.rested for name in ("fake", "other")}
    assert rested == {"fake": 0, "other": 1}


def test_when_all_models_are_open_what_is_to_follow_is_called_once(tmp_path):
    for name in ("fake", "other"):
        write_version(tmp_path, name=name)
    models = Models(scan(tmp_path), open_fake, threads=1)
    opened = []
    models.open_in_background(then=lambda: opened.append(sorted(models.opened)))
    for _ in range(3):
        models.opener.submit(lambda: None).result()
    assert opened == [["fake@1", "other@1"]]


@pytest.mark.parametrize("failure", [SystemExit, KeyboardInterrupt, BaseException])
def test_a_model_that_fails_in_whatever_way_keeps_no_other_from_being_opened(tmp_path, failure):
    for name in ("fake", "odd", "other"):
        write_version(tmp_path, name=name)

    def open_runtime(folder, threads):
        if folder.parent.name == "odd":
            raise failure
        return open_fake(folder, threads)

    models = Models(scan(tmp_path), open_runtime, threads=1)
    opened = []
    models.open_in_background(then=lambda: opened.append(sorted(models.opened)))
    for _ in range(4):
        models.opener.submit(lambda: None).result()
    assert opened == [["fake@1", "other@1"]]


def test_a_model_that_ends_the_program_is_refused_and_does_not_end_it(tmp_path):
    write_version(tmp_path)

    def ends(folder, threads):
        raise SystemExit(3)

    models = Models(scan(tmp_path), ends, threads=1)
    with pytest.raises(ModelError, match="fake@1: SystemExit: 3"):
        asyncio.run(models.find_opened("fake@1"))


def needs_tensorflow(folder, threads):
    raise RuntimeUnavailable("needs tensorflow, which is not installed: publish it again")


def test_a_version_that_cannot_run_here_is_refused_in_one_line_and_asked_for_with_the_reason(
    tmp_path, caplog
):
    write_version(tmp_path, "good")
    write_version(tmp_path, "mine")

    def open_runtime(folder, threads):
        return (needs_tensorflow if folder.parent.name == "mine" else open_fake)(folder, threads)

    models = Models(scan(tmp_path), open_runtime, 1)
    models.open_default("good")
    models.open_in_background()
    models.opener.submit(int).result()
    while "mine/1" not in models.rejected:
        models.opener.submit(int).result()
    models.opener.shutdown()
    for reference in ("mine", "mine@1"):
        with pytest.raises(ModelUnavailable) as refusal:
            models.get(models.find(reference))
        assert refusal.value.status == 404
        assert refusal.value.detail.startswith(
            "mine@1 is in the store, and cannot be served here: needs tensorflow, which is not installed"
        )
    with pytest.raises(ModelNotFound) as unknown:
        models.find("another")
    assert "expected one of good@1. Received: another" in unknown.value.detail  # not what cannot be served
    assert [record.message for record in caplog.records if "mine" in record.message] == [
        f"not served: {refusal.value.detail}"
    ]
    assert all(record.exc_info is None for record in caplog.records)


def test_a_default_model_that_cannot_run_here_names_its_reason_once(tmp_path, caplog):
    for number in (1, 2):
        write_version(tmp_path, "mine", number)
    with pytest.raises(StoreError) as refusal:
        Models(scan(tmp_path), needs_tensorflow, 1).open_default("mine")
    assert refusal.value.detail.count("needs tensorflow") == 1
    assert "mine@2" in refusal.value.detail
    assert caplog.records == []


def test_every_reference_of_a_version_finds_the_one_opened_model(tmp_path):
    digest = digest_of(write_version(tmp_path))
    models = Models(scan(tmp_path), open_fake, 1)
    models.open_default(f"fake@1-{digest[:12]}")

    async def find(reference):
        return await models.find_opened(reference)

    found = [asyncio.run(find(reference)) for reference in ("fake", "fake@1", f"fake@1-{digest[:12]}")]
    assert found == [models.opened["fake@1"]] * 3
    assert list(models.opened) == ["fake@1"]


def test_a_pinned_version_that_cannot_be_opened_is_refused_with_its_reason_and_no_other_serves(tmp_path):
    write_version(tmp_path, number=1)
    digest = digest_of(write_version(tmp_path, number=2))
    models = Models(scan(tmp_path), failing_open("2"), threads=1)
    for _ in range(2):
        with pytest.raises(ModelError, match="fake@2: KeyError"):
            asyncio.run(models.find_opened(f"fake@2-{digest[:12]}"))


def test_a_default_model_that_was_deleted_is_named_with_its_digest(tmp_path):
    write_version(tmp_path, number=1)
    digest = record(write_version(tmp_path, number=2))
    shutil.rmtree(tmp_path / "fake" / "2")
    models = Models(scan(tmp_path), open_fake, 1)
    with pytest.raises(ModelGone):
        models.find("fake@2")
    with pytest.raises(StoreError, match=f"fake@2 was published as digest {digest}, and has been deleted"):
        models.open_default("fake@2")


class Wide(FakeRuntime):
    """Sleeps as long as one thread would take, and decodes alone in no time."""

    rows, widens = None, True

    def __init__(self, wrong=0.0):
        super().__init__()
        self.wrong, self.threads, self.rested_wide = np.float32(wrong), set(), 0

    def decode(self, z):
        time.sleep(0.0002 * len(z))
        return super().decode(z)

    def decode_wide(self, z, threads):
        self.threads.add(threads)
        return FakeRuntime.decode(self, z) + self.wrong

    def rest_wide(self):
        self.rested_wide += 1


def test_a_decoder_that_is_alone_uses_idle_threads_and_takes_their_memory_from_then_on(version):
    runtime = Wide()
    model = Model(version, runtime, threads=1, wide_threads=3)
    model.warm_up()
    assert runtime.threads == {3}
    assert runtime.rested_wide == 0  # the first picture that is alone need not make its interpreter again
    z = np.random.default_rng(0).standard_normal((8, 2), np.float32)
    alone = model.decoding.alone(8)
    assert alone is not model.decoding
    assert alone(z).tobytes() == model.decoding(z).tobytes()
    assert not alone.own_thread


def test_draws_that_are_alone_are_made_in_parts_by_idle_threads(version):
    called = set()

    class Drawing(Wide):
        def draw(self, z, noise):
            called.add((threading.current_thread().name, len(z)))
            return super().draw(z, noise)

    model = Model(version, Drawing(), threads=1, wide_threads=2)
    model.warm_up()
    alone = model.drawing.alone(8)
    assert alone is not model.drawing
    rng = np.random.default_rng(0)
    z, noise = (
        rng.standard_normal((8, 2), np.float32),
        rng.random((8, *model.manifest.likelihood.noise_shape), np.float32),
    )
    called.clear()
    assert alone(z, noise).tobytes() == model.drawing(z, noise).tobytes()
    own = threading.current_thread().name
    assert {(name == own, rows) for name, rows in called} == {(True, 4), (False, 4), (True, 8)}


def test_a_wide_decoder_of_other_bytes_is_not_used_and_its_memory_given_back(version):
    runtime = Wide(wrong=1e-6)
    model = Model(version, runtime, threads=1, wide_threads=3)
    model.warm_up()
    assert model.decoding.alone(32) is model.decoding
    assert runtime.rested_wide == 1


@pytest.mark.parametrize("widens", [True, False])
def test_without_idle_threads_or_a_runtime_that_takes_them_nothing_is_wide(version, widens):
    runtime = Wide()
    runtime.widens = widens
    model = Model(version, runtime, threads=2, wide_threads=2 if widens else 3)
    model.warm_up()
    assert runtime.threads == set()
    assert model.decoding.wide is None
