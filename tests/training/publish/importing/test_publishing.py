"""From two files of a stranger's and their pictures to a picture."""

import io
import json
import shutil
import subprocess
import sys

import httpx
import numpy as np
import pytest
from click.testing import CliRunner

from app import store as stores
from app.cli import cli as serving_cli
from tests.conftest import PROJECT
from tests.fakes import pixels_of
from tests.serving import serving
from tests.strangers import blobs, keras_io_example, linear_pair, write_pictures
from training.errors import DataError, RunError

pytestmark = pytest.mark.tensorflow


@pytest.fixture(scope="module")
def strangers(tmp_path_factory):
    """A folder with ``encoder.keras``, ``decoder.keras`` and ``pictures``, by the classic example of keras.io."""
    folder = tmp_path_factory.mktemp("strangers")
    encoder, decoder = keras_io_example()
    encoder.save(folder / "encoder.keras")
    decoder.save(folder / "decoder.keras")
    write_pictures(folder / "pictures", blobs(60, seed=1))
    codes = np.array([[0, 0], [1, -1]], np.float32)
    np.savez(folder / "known.npz", codes=codes, images=np.asarray(decoder(codes))[..., 0])
    return folder


@pytest.mark.process
def test_from_the_two_files_of_a_tutorial_to_a_picture_in_two_commands(strangers, tmp_path):
    words = ["models", "import", "blobs", "--model-store", str(tmp_path / "store"), "--json"]
    for option in ("encoder", "decoder"):
        words += [f"--{option}", str(strangers / f"{option}.keras")]
    command = [sys.executable, "-m", "app", *words, "--images", str(strangers / "pictures")]
    done = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["model"] == "blobs@1"
    found = told["found"]
    assert found["encoder_input"] == {"order": "channels last", "scale": "[0, 1]"}
    assert found["spread"] == {"output": "z_log_var", "is": "z_log_var"}
    assert found["encoder"]["layers_not_run"] == ["Sampling"]
    assert found["reconstruction_mse"] < found["mean_image_mse"]
    version = stores.scan(tmp_path / "store").find("blobs@1")
    assert version.manifest.digest == told["digest"]
    assert version.manifest.image.shape == (28, 28)
    assert version.manifest.image.ground == "dark"
    assert version.manifest.latent_dim == 2
    assert version.manifest.scores is not None
    assert version.manifest.map.num_images == 60
    with serving(
        tmp_path, VITRINE_MODEL_STORE=str(tmp_path / "store"), VITRINE_DEFAULT_MODEL="blobs"
    ) as server:
        answer = httpx.get(f"{server.url}/samples?n=4&seed=1")
        assert (answer.status_code, answer.headers["content-type"]) == (200, "image/png")
        assert pixels_of(answer.content).shape[0] >= 28
        with np.load(strangers / "known.npz") as known:
            body = {"codes": known["codes"].tolist()}
            answer = httpx.post(f"{server.url}/decode?format=npy", json=body)
            assert answer.status_code == 200, answer.text
            levels = np.load(io.BytesIO(answer.content)).astype(int)
            # [0, 1] cut into 256 equal bins, up to what rounding moves across an edge.
            np.testing.assert_allclose(levels, np.floor(known["images"] * 256).clip(0, 255), atol=1)


def asked(folder, **changes):
    from training.publish.importing.publishing import Asked

    named = {part: folder / f"{part}.keras" for part in ("encoder", "decoder")}
    return Asked(**({"name": "mine", "pictures": folder / "pictures"} | named | changes))


def test_flat_networks_without_a_width_become_a_version_with_a_card(tmp_path):
    import keras

    from training.publish.importing.publishing import publish

    images = blobs(40, size=8)
    encoder, decoder = linear_pair(images)
    x = keras.Input(shape=(64,))
    keras.Model(x, encoder(x)[0]).save(tmp_path / "encoder.keras")
    decoder.save(tmp_path / "decoder.keras")
    write_pictures(tmp_path / "pictures", images)
    imported = publish(asked(tmp_path, likelihood="gaussian"), tmp_path / "store")
    assert imported.folder == tmp_path / "store" / "mine" / "1"
    version = stores.scan(tmp_path / "store").find("mine@1")
    assert version.manifest.image.shape == (8, 8)
    assert all(abs(axis.mean) < 0.5 for axis in version.manifest.axes)
    assert imported.findings["posterior_width"] > 0
    card = (imported.folder / "card.md").read_text()
    assert "It gives no width of the posterior" in card
    assert "as asked for" in card
    assert any("bring 50" in line for line in imported.told)
    done = CliRunner().invoke(serving_cli, ["models", "verify", "--model-store", str(tmp_path / "store")])
    assert (done.exit_code, done.output) == (0, "mine@1  ok\n")


def test_what_cannot_be_imported_leaves_no_version(strangers, tmp_path):
    from training.publish.importing.publishing import publish

    with pytest.raises(DataError, match="does not exist"):
        publish(asked(strangers, pictures=tmp_path / "none"), tmp_path / "store")
    (tmp_path / "one").mkdir()
    shutil.copy(strangers / "pictures" / "0000.png", tmp_path / "one")
    with pytest.raises(DataError, match="1 picture; 2 are needed"):
        publish(asked(strangers, pictures=tmp_path / "one"), tmp_path / "store")
    _, decoder = linear_pair(blobs(40, size=8), latent_dim=2)
    decoder.save(tmp_path / "decoder.keras")
    with pytest.raises(RunError, match=r"takes images of 28 x 28, .*decoder\.keras gives 8 x 8"):
        publish(asked(strangers, decoder=tmp_path / "decoder.keras"), tmp_path / "store")
    assert not (tmp_path / "store").exists()
