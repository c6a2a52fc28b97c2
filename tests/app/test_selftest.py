import json
import shutil

import numpy as np
import pytest

from app import selftest
from app.errors import ModelError, StoreError
from app.main import create_app
from app.models import Model, Models
from app.pictures.grids import to_pixels
from app.settings import Settings
from app.store import scan
from tests.conftest import Client
from tests.fakes import LATENT_DIM, SHAPE, FakeRuntime, list_files, open_fake, seal, write_version

ROWS = 8
Z = np.linspace(-3, 3, ROWS * LATENT_DIM, dtype=np.float32).reshape(ROWS, LATENT_DIM)
NOISE = np.random.default_rng(0).integers(0, 256, (ROWS, *SHAPE), np.uint8)
IMAGES = np.random.default_rng(1).integers(0, 256, (ROWS, *SHAPE), np.uint8)


def what_it_gives(runtime):
    return {
        "z": Z,
        "noise": NOISE,
        "images": IMAGES,
        "decode": to_pixels(runtime.decode(Z)),
        "draw": to_pixels(runtime.draw(Z, (NOISE + np.float32(0.5)) / np.float32(256))),
        "z_mean": runtime.encode(IMAGES / np.float32(255))[0],
    }


def with_selftest(store, arrays, number=1):
    folder = write_version(store, number=number)
    np.savez_compressed(folder / "selftest.npz", **arrays)
    manifest = json.loads((folder / "manifest.json").read_text())
    seal(folder, manifest | {"selftest": {"path": "selftest.npz"}, "files": list_files(folder)})
    return folder


def opened(store, runtime):
    model = Model(scan(store).find("fake"), runtime)
    model.warm_up()
    return model


def test_a_model_that_computes_what_its_version_ships_is_opened(tmp_path):
    with_selftest(tmp_path, what_it_gives(FakeRuntime()))
    selftest.check(opened(tmp_path, FakeRuntime()))


def test_a_model_whose_folder_is_gone_since_it_was_opened_is_tested_all_the_same(tmp_path):
    folder = with_selftest(tmp_path, what_it_gives(FakeRuntime()))
    model = opened(tmp_path, FakeRuntime())
    shutil.rmtree(folder)
    model.check()
    model.shipped_results["decode"][:] += 5
    with pytest.raises(ModelError, match="decode differs by 5 grey levels"):
        model.check()


def test_a_version_without_a_selftest_is_opened_as_before(tmp_path):
    write_version(tmp_path)
    opened(tmp_path, FakeRuntime())


class Brighter(FakeRuntime):
    """Means and draws are some levels brighter."""

    def __init__(self, levels):
        super().__init__()
        self.levels = levels

    def decode(self, z):
        return super().decode(z) + np.float32(self.levels / 256)


@pytest.mark.fault(11)
@pytest.mark.parametrize(("levels", "fits"), [(1, True), (2, False), (-1, True), (40, False)])
def test_means_may_differ_by_one_grey_level(tmp_path, levels, fits):
    with_selftest(tmp_path, what_it_gives(FakeRuntime()))
    if fits:
        opened(tmp_path, Brighter(levels))
    else:
        with pytest.raises(ModelError, match=f"self-test failed: decode differs by {levels} grey levels"):
            opened(tmp_path, Brighter(levels))


@pytest.mark.fault(11)
@pytest.mark.parametrize(("draws", "fits"), [(1, True), (2, False)])
def test_one_draw_may_choose_otherwise_and_no_more(tmp_path, draws, fits):
    given = what_it_gives(FakeRuntime())
    given["draw"][:draws, :2] ^= 128
    with_selftest(tmp_path, given)
    if fits:
        opened(tmp_path, FakeRuntime())
    else:
        with pytest.raises(ModelError, match=r"draw differs in 2 of 8 images, in 25.00% of the pixels"):
            opened(tmp_path, FakeRuntime())


@pytest.mark.fault(11)
@pytest.mark.parametrize(("by", "fits"), [(0.0005, True), (0.01, False), (np.nan, False)])
def test_codes_may_differ_by_what_rounding_makes(tmp_path, by, fits):
    class Elsewhere(FakeRuntime):
        def encode(self, images):
            z_mean, z_log_var = super().encode(images)
            return z_mean + np.float32(by), z_log_var

    with_selftest(tmp_path, what_it_gives(FakeRuntime()))
    if fits:
        opened(tmp_path, Elsewhere())
    else:
        with pytest.raises(ModelError, match=r"z_mean differs by 0\.0|all finite"):
            opened(tmp_path, Elsewhere())


@pytest.mark.parametrize(
    ("name", "array"),
    [
        ("z", np.zeros((ROWS, 3), np.float32)),
        ("z", np.full((ROWS, 2), np.nan, np.float32)),
        ("z", Z.astype(np.float64)),
        ("z", Z[:0]),
        ("z", np.zeros((40, 2), np.float32)),
        ("draw", np.zeros((ROWS, 8, 9), np.uint8)),
        ("decode", None),
        ("images", np.array([{}], dtype=object)),
    ],
)
def test_a_selftest_that_cannot_be_computed_is_named(tmp_path, name, array):
    given = what_it_gives(FakeRuntime())
    given = {key: value for key, value in (given | {name: array}).items() if value is not None}
    with_selftest(tmp_path, given)
    with pytest.raises(ModelError, match=r"fake@1: the self-test failed: selftest\.npz: "):
        opened(tmp_path, FakeRuntime())


def test_a_file_that_is_no_archive_is_named(tmp_path):
    folder = with_selftest(tmp_path, what_it_gives(FakeRuntime()))
    for content in (b"x" * 50, b"PK\x03\x04" + bytes(60), b""):
        (folder / "selftest.npz").write_bytes(content)
        manifest = json.loads((folder / "manifest.json").read_text())
        seal(folder, manifest | {"files": list_files(folder)})
        with pytest.raises(ModelError, match=r"self-test failed: selftest\.npz: "):
            opened(tmp_path, FakeRuntime())


@pytest.mark.fault(11)
def test_a_version_that_fails_is_not_served_the_one_before_is_and_readyz_says_why(tmp_path):
    write_version(tmp_path, number=1)
    given = what_it_gives(Brighter(30))
    with_selftest(tmp_path, given, number=2)
    settings = Settings(model_store=tmp_path, default_model="fake", worker_threads=2)
    client = Client(create_app(settings, open_fake))
    try:
        assert client.get("/version").json()["default_model"] == "fake@1"
        assert client.get("/samples?n=1&seed=1").status_code == 200
        reason = "fake@2: the self-test failed: decode differs by 30 grey levels"
        assert client.get("/readyz").json()["rejected"] == {"fake/2": reason}
        assert client.get("/version").json()["rejected"] == {"fake/2": reason}
        assert [each["selftest"] for each in client.get("/version").json()["models"]] == [False, True]
    finally:
        client.close()


@pytest.mark.fault(11)
@pytest.mark.bad_input(71)
@pytest.mark.parametrize("wrong", [np.nan, np.inf])
def test_a_version_whose_numbers_are_not_finite_is_not_opened(tmp_path, wrong):
    class Broken(FakeRuntime):
        def decode(self, z):
            return np.full((len(z), *SHAPE), wrong, np.float32)

    write_version(tmp_path)
    models = Models(scan(tmp_path), lambda folder, threads: Broken(), 1)
    with pytest.raises(StoreError, match="not finite"):
        models.open_default("fake")
    assert models.rejected == {"fake/1": "fake@1: the model's output is not finite"}


def test_a_selftest_that_is_not_among_the_files_is_refused_by_the_scan(tmp_path):
    write_version(tmp_path, number=1)
    write_version(tmp_path, number=2, selftest={"path": "selftest.npz"})
    reason = scan(tmp_path).rejected["fake/2"]
    assert reason.endswith("selftest: selftest.npz is not among the files")
