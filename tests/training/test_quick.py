"""The command as a whole, on small pictures; what it comes to on real ones: ``python -m benchmarks.own_pictures``."""

import json
import re
from types import SimpleNamespace

import pytest
from click.testing import CliRunner

pytestmark = pytest.mark.tensorflow

from tests.own_pictures import draw_shapes  # noqa: E402
from training import defaults, quick  # noqa: E402
from training.cli import cli  # noqa: E402
from training.configs.load import load  # noqa: E402
from training.fitting import budget  # noqa: E402
from training.publish import litert  # noqa: E402

PSNR = r"5 pictures that training never saw come back with a PSNR of [-\d.]+ dB; PCA .*: [\d.]+ dB"


@pytest.fixture(autouse=True, scope="module")
def briefly():
    """Have an epoch of a few steps, and both runtimes compared on as many codes as a network of this size needs.

    How far they agree is the matter of tests/training/publish/test_litert.py, how an epoch is chosen that of
    tests/training/test_defaults.py.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(defaults, "STEPS_AN_EPOCH", 10)
        patch.setattr(litert, "CHECKED_CODES", 512)
        yield


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder of 40 shapes of 16 x 16, and what ``quick`` makes of it in one short epoch."""
    place = tmp_path_factory.mktemp("quick")
    draw_shapes(place / "Own Shapes", 40, 16)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(budget, "seconds_an_epoch", lambda *_: 60.0)
        words = ["quick", str(place / "Own Shapes"), "--minutes", "1"]
        done = asked(words, place)
    assert done.exit_code == 0, done.output
    return SimpleNamespace(place=place, output=done.output)


def asked(words, place):
    """What a command says whose run and store lie in a place."""
    more = ["--store", str(place / "store")]
    if "--out" not in words:
        more += ["--out", str(place / "run")]
    return CliRunner().invoke(cli, [*words, *more])


def test_one_command_publishes_a_model_with_its_card(folder):
    version = folder.place / "store" / "own-shapes" / "1"
    manifest = json.loads((version / "manifest.json").read_text())
    assert manifest["image"]["shape"] == [16, 16, 3]
    assert "own-shapes" in (version / "card.md").read_text()
    assert f"vitrine serve --model-store {folder.place / 'store'}" in folder.output


def test_it_warns_of_few_pictures_and_says_how_good_it_is_beside_pca(folder):
    assert "warning: 40 pictures are few" in folder.output
    assert re.search(PSNR, folder.output)
    assert "PCA: bring" in folder.output  # one epoch is too few to be better


def test_what_was_chosen_is_a_file_that_fit_takes(folder):
    config = load(folder.place / "run" / "own-shapes.toml")
    assert (config.optimizer.epochs, config.optimizer.minutes, config.optimizer.patience) == (1, None, 3)
    recorded = json.loads((folder.place / "run" / "config.json").read_text())
    assert recorded == config.as_dict()


def test_it_goes_on_from_a_published_model(folder, monkeypatch):
    monkeypatch.setattr(budget, "seconds_an_epoch", lambda *_: 60.0)
    words = ["quick", str(folder.place / "Own Shapes"), "--minutes", "1", "--name", "on", "--from"]
    done = asked([*words, "own-shapes@1", "--out", str(folder.place / "on")], folder.place)
    assert done.exit_code == 0, done.output
    manifest = json.loads((folder.place / "store" / "on" / "1" / "manifest.json").read_text())["training"]
    before = json.loads((folder.place / "store" / "own-shapes" / "1" / "manifest.json").read_text())
    assert manifest["started_from_weights"] == before["training"]["weights_sha256"]
    assert manifest["weights_sha256"] != before["training"]["weights_sha256"]


@pytest.mark.parametrize(
    ("more", "word"),
    [
        ([], "holds a run already"),
        (["--from", "nothing@3", "--out", "elsewhere"], "neither a folder nor a version"),
        (["--from", "own-shapes", "--size", "32", "--out", "elsewhere"], "draws 16 x 16; leave --size out"),
        (["--name", "Own Shapes", "--out", "elsewhere"], "name: expected at most 64 lower-case letters"),
    ],
)
def test_what_cannot_be_done_is_said_before_training(folder, monkeypatch, tmp_path, more, word):
    monkeypatch.chdir(tmp_path)
    done = asked(["quick", str(folder.place / "Own Shapes"), *more], folder.place)
    assert done.exit_code != 0
    assert word in f"{done.output} {done.exception}"


def report_of(mse, pca_mse):
    measured = SimpleNamespace(num_images=40, reconstruction_mse=mse, pca_reconstruction_mse=pca_mse)
    return SimpleNamespace(reconstruction=measured, axes=[None] * 32)


def test_the_verdict_compares_with_pca_in_plain_words():
    first, second = quick.verdict(report_of(0.001, 0.002), 320)
    assert "40 pictures that training never saw come back with a PSNR of 30.0 dB" in first
    assert "PCA with 32 numbers a picture: 27.0 dB" in first
    # So many pictures have one component fewer.
    assert "PCA with 16 numbers a picture: 27.0 dB" in quick.verdict(report_of(0.001, 0.002), 17)[0]
    assert second == "that is 3.0 dB better than PCA"
    assert "no better than PCA: bring more pictures" in quick.verdict(report_of(0.001, 0.00105), 320)[1]
    worse = quick.verdict(report_of(0.002, 0.001), 5_000)[1]
    assert worse == "that is 3.0 dB worse than PCA: bring more time (--minutes), or a smaller --size"
