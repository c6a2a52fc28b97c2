import json

import pytest

pytestmark = pytest.mark.tensorflow

import tensorflow as tf  # noqa: E402
from PIL import Image  # noqa: E402

from training.errors import NotWritten  # noqa: E402
from training.fitting import fit, tensorboard  # noqa: E402


def written(folder):
    """Everything in a folder's event files, as (step, tag, value) in their order."""
    found = []
    for path in sorted((folder / tensorboard.FOLDER).iterdir()):
        for record in tf.data.TFRecordDataset(str(path)).as_numpy_iterator():
            event = tf.compat.v1.Event.FromString(record)
            found += [(event.step, each.tag, tf.make_ndarray(each.tensor)) for each in event.summary.value]
    return found


def test_every_number_of_every_epoch_and_the_sheet_are_written_and_training_does_not_notice(
    tiny_config, tiny_dataset, tiny_run, tmp_path
):
    found = fit.fit(tiny_config, tiny_dataset, tmp_path / "run", progress=False, tensorboard=True)
    recorded = json.loads((tiny_run / "environment.json").read_text())
    assert found["weights_sha256"] == recorded["weights_sha256"]
    history = json.loads((tmp_path / "run" / "history.json").read_text())
    assert history == json.loads((tiny_run / "history.json").read_text())
    everything = written(tmp_path / "run")
    for name, values in history.items():
        shown = [(step, float(value)) for step, tag, value in everything if tag == name]
        # Event files hold float32, history the decimal digits of what was mostly float32 before.
        assert shown == [(i + 1, pytest.approx(value, rel=1e-6)) for i, value in enumerate(values)]
    width, height, png = next(value for _, tag, value in reversed(everything) if tag == "samples")
    with Image.open(tmp_path / "run" / "samples.png") as sheet:
        assert (int(width), int(height)) == sheet.size
    assert png.startswith(b"\x89PNG")
    assert not (tiny_run / tensorboard.FOLDER).exists()


def test_what_cannot_be_written_is_told(tmp_path):
    """The device that is always full stands for a disk."""
    events = tensorboard.Events(tmp_path, tmp_path / "samples.png")
    events.on_train_begin()
    events.writer = tf.io.TFRecordWriter("/dev/full")
    with pytest.raises(NotWritten, match=r"tensorboard: cannot be written \(No space left on device\)$"):
        events.on_epoch_end(0, {"loss": 1.5})


def test_a_run_that_goes_on_adds_its_epochs(tiny_config, tiny_dataset, tmp_path):
    for epochs in (1, 2):
        config = tiny_config.replaced({"optimizer.epochs": epochs})
        fit.fit(config, tiny_dataset, tmp_path, progress=False, resume=epochs > 1, tensorboard=True)
    assert [step for step, tag, _ in written(tmp_path) if tag == "val_loss"] == [1, 2]
    assert [step for step, tag, _ in written(tmp_path) if tag == "samples"] == [1, 2]
