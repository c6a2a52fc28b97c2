import dataclasses
import functools
import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest

pytestmark = pytest.mark.tensorflow

from tests.conftest import PROJECT  # noqa: E402
from tests.full_disk import fill_at  # noqa: E402
from training import runs, sources, trained  # noqa: E402
from training.errors import Interrupted, NotWritten, RunError  # noqa: E402
from training.fitting import checkpoints, fit, loop  # noqa: E402

ELBO = {"objective": {"name": "elbo"}, "optimizer.learning_rate": 0.003}
EVERYTHING = {
    "objective": {"name": "elbo", "kl_warmup_epochs": 3},  # ends after the interruption
    "optimizer.name": "adam",
    "optimizer.learning_rate": 0.003,
    "optimizer.schedule": "cosine",
    "optimizer.ema_momentum": 0.9,
    "optimizer.keep": "best",
}


def with_final_phase(epochs):
    phase = {"name": "dreg", "epochs": epochs, "k": 3}
    return EVERYTHING | {"objective": {"name": "elbo", "kl_warmup_epochs": 1, "final_phase": phase}}


KINDS = {
    "nadam": {},
    "cosine, averages and warm-up": EVERYTHING,
    "dreg": {"objective": {"name": "dreg", "k": 3}},
    "stopped in a final phase": with_final_phase(2),
    "stopped before a final phase": with_final_phase(1),
}


class Stop(keras.callbacks.Callback):
    """Sends the process a signal in the middle of the third epoch."""

    def __init__(self, number):
        super().__init__()
        self.number = number
        self.epoch = 0

    def on_epoch_begin(self, epoch, logs=None):
        self.epoch = epoch

    def on_train_batch_begin(self, batch, logs=None):
        if (self.epoch, batch) == (2, 3):
            signal.raise_signal(self.number)


def stop_next(patched, number):
    """Have a signal interrupt the next ``fit``."""
    plain = loop.train

    def train_and_stop(*arguments, callbacks, **options):
        patched.setattr(loop, "train", plain)
        plain(*arguments, callbacks=[Stop(number), *callbacks], **options)

    patched.setattr(loop, "SECONDS_A_CALL", 0.0)  # a step a call, so that there is a middle
    patched.setattr(loop, "train", train_and_stop)


@pytest.fixture(scope="module")
def uninterrupted(tiny_config, tiny_dataset, tmp_path_factory):
    """A function that returns four epochs' configuration, folder and numbers; each kind is trained once."""

    @functools.cache
    def run_of(kind):
        config = tiny_config.replaced({**KINDS[kind], "optimizer.epochs": 4})
        folder = tmp_path_factory.mktemp("uninterrupted") / "whole"
        return config, folder, fit.fit(config, tiny_dataset, folder, progress=False)

    return run_of


@pytest.mark.parametrize("kind", KINDS)
def test_a_resumed_run_is_the_uninterrupted_one_bit_for_bit(
    uninterrupted, tiny_dataset, tmp_path, monkeypatch, kind
):
    config, folder, whole = uninterrupted(kind)
    stop_next(monkeypatch, signal.SIGINT)
    with pytest.raises(Interrupted) as caught:
        fit.fit(config, tiny_dataset, tmp_path / "parts", progress=False)
    assert caught.value.signal == signal.SIGINT
    assert len(json.loads((tmp_path / "parts" / "history.json").read_text())["loss"]) == 2
    resumed = fit.fit(config, tiny_dataset, tmp_path / "parts", progress=False, resume=True)
    assert resumed == whole
    for name in ("history.json", "samples.png"):
        assert (tmp_path / "parts" / name).read_bytes() == (folder / name).read_bytes()
    # Weights, slots, averages and generators: the state itself, not only what is published of it.
    with np.load(folder / runs.LAST) as a, np.load(tmp_path / "parts" / "last.npz") as b:
        assert set(a.files) == set(b.files)
        assert all(np.array_equal(a[name], b[name]) for name in a.files)


PROGRAM = """
import dataclasses, os, signal, sys
from pathlib import Path
import keras, numpy as np
from tests.tiny import drawn_plainly
from training.fitting import fit, loop
from training.configs.schema import from_dict
from training.data import Dataset
import json

class Kill(keras.callbacks.Callback):
    def on_epoch_begin(self, epoch, logs=None):
        self.epoch = epoch
    def on_train_batch_begin(self, batch, logs=None):
        if (self.epoch, batch) == (2, 3):
            os.kill(os.getpid(), signal.SIGKILL)

folder = Path(sys.argv[1])
images = np.load(folder / "images.npy")
dataset = Dataset("squares", images[:128], images[128:160], images[160:], {"squares": "0" * 64}, "memory")
plain, loop.SECONDS_A_CALL = loop.train, 0.0
loop.train = lambda *a, callbacks, **o: plain(*a, callbacks=[Kill(), *callbacks], **o)
with drawn_plainly():
    fit.fit(from_dict(json.loads((folder / "config.json").read_text())), dataset, folder / "run")
"""


@pytest.mark.fault(31)
def test_a_killed_process_loses_no_more_than_the_epoch_under_way(uninterrupted, tiny_dataset, tmp_path):
    config, _, whole = uninterrupted("nadam")
    images = np.concatenate([tiny_dataset.train, tiny_dataset.validation, tiny_dataset.test])
    np.save(tmp_path / "images.npy", images)
    (tmp_path / "config.json").write_text(json.dumps(config.as_dict()))
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(tmp_path)], cwd=PROJECT, capture_output=True, check=False
    )
    assert done.returncode == -signal.SIGKILL, done.stderr
    resumed = fit.fit(config, tiny_dataset, tmp_path / "run", progress=False, resume=True)
    assert resumed == whole


AVERAGED = {"optimizer.ema_momentum": 0.9, "optimizer.keep": "best", "objective": {"name": "elbo"}}
# The first and the last file of the second and last epoch, and what comes then; benchmarks.interruptions tries
# every moment.
MOMENTS = [(runs.BEST, 1), (runs.LAST, 1), (runs.WEIGHTS, 0), (runs.ENVIRONMENT, 0)]


@pytest.fixture(scope="module")
def moments(tiny_config, tiny_dataset, tmp_path_factory):
    """A finished run, and copies of its folder from just before each file was given its name."""
    folder = tmp_path_factory.mktemp("moments")
    config, plain, seen = tiny_config.replaced(AVERAGED), os.replace, []

    def replace(source, target):
        moment = (Path(target).name, seen.count(Path(target).name))
        seen.append(moment[0])
        shutil.copytree(folder / "whole", folder / "-".join(map(str, moment)))
        plain(source, target)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(os, "replace", replace)
        whole = fit.fit(config, tiny_dataset, folder / "whole", progress=False)
    assert seen[-3:] == [runs.LAST, runs.WEIGHTS, runs.ENVIRONMENT]
    return folder, config, whole


@pytest.mark.fault(31)
@pytest.mark.parametrize("moment", MOMENTS, ids=lambda moment: f"{moment[0]} {moment[1] + 1}")
def test_a_run_that_is_ended_between_two_files_is_resumed_to_the_same_files(
    moments, tiny_dataset, tmp_path, moment
):
    folder, config, whole = moments
    ended = tmp_path / "run"
    shutil.copytree(folder / "-".join(map(str, moment)), ended)
    assert (ended / f"{moment[0]}.tmp").exists()  # what a killed process leaves
    assert fit.fit(config, tiny_dataset, ended, progress=False, resume=True) == whole
    names = sorted(path.name for path in (folder / "whole").iterdir())
    assert sorted(path.name for path in ended.iterdir()) == names
    for name in ("history.json", "samples.png", "axes.png", "best.npz", "last.npz", runs.ENVIRONMENT):
        assert (ended / name).read_bytes() == (folder / "whole" / name).read_bytes(), name
    first, second = (trained.load_run(run)[1].get_weights() for run in (ended, folder / "whole"))
    assert all(np.array_equal(a, b) for a, b in zip(first, second, strict=True))


@pytest.mark.fault(17)
def test_a_full_disk_at_any_file_is_one_line_and_the_run_can_be_resumed(moments, tiny_dataset, monkeypatch):
    folder, config, whole = moments
    run = folder / "full"
    for name in (runs.CONFIG, runs.LAST, runs.WEIGHTS, runs.ENVIRONMENT):
        with monkeypatch.context() as patched:
            fill_at(patched, name)
            with pytest.raises(NotWritten) as caught:
                fit.fit(config, tiny_dataset, run, progress=False, resume=run.exists())
        assert str(caught.value) == f"{run / name}: cannot be written (No space left on device)"
        assert not list(run.glob("*.tmp"))
    assert fit.fit(config, tiny_dataset, run, progress=False, resume=True) == whole


def test_a_checkpoint_of_a_former_version_is_resumed(moments, tiny_dataset, tmp_path):
    """Those say which epoch was the best, too."""
    folder, config, whole = moments
    shutil.copytree(folder / f"{runs.WEIGHTS}-0", tmp_path / "run")
    arrays, described = checkpoints._read(tmp_path / "run" / runs.LAST)
    described["progress"]["best_epoch"] = 2
    checkpoints._write(tmp_path / "run" / runs.LAST, arrays, described)
    assert fit.fit(config, tiny_dataset, tmp_path / "run", progress=False, resume=True) == whole


def test_more_epochs_extend_a_finished_run_at_a_constant_rate(
    uninterrupted, tiny_run, tiny_config, tiny_dataset, tmp_path
):
    shutil.copytree(tiny_run, tmp_path / "run")
    longer, _, whole = uninterrupted("nadam")
    (tmp_path / "run" / runs.SOURCES).unlink()  # as of a run from before the record
    extended = fit.fit(longer, tiny_dataset, tmp_path / "run", progress=False, resume=True)
    made_from = json.loads((tmp_path / "run" / runs.ENVIRONMENT).read_text())["sources"]
    assert made_from == [sources.UNRECORDED, sources.state()]
    assert extended == whole
    with pytest.raises(RunError, match="nothing to resume"):
        fit.fit(longer, tiny_dataset, tmp_path / "run", progress=False, resume=True)
    with pytest.raises(RunError, match=r"epochs was 4 and is now 2.*not shortened"):
        fit.fit(tiny_config, tiny_dataset, tmp_path / "run", progress=False, resume=True)


def test_a_run_with_a_final_phase_is_not_extended(tiny_config, tiny_dataset, tmp_path):
    config = tiny_config.replaced(
        {**ELBO, "optimizer.epochs": 3, "objective.final_phase": {"name": "iwae", "epochs": 1, "k": 2}}
    )
    fit.fit(config, tiny_dataset, tmp_path / "run", progress=False)
    longer = config.replaced({"optimizer.epochs": 4})
    with pytest.raises(RunError, match="the final phase would have begun later"):
        fit.fit(longer, tiny_dataset, tmp_path / "run", progress=False, resume=True)


@pytest.fixture(scope="module")
def terminated(tiny_config, tiny_dataset, tmp_path_factory):
    """The configuration and the folder of a run that SIGTERM has stopped."""
    config = tiny_config.replaced({**EVERYTHING, "optimizer.epochs": 4})
    folder = tmp_path_factory.mktemp("terminated") / "run"
    with pytest.MonkeyPatch.context() as patched:
        stop_next(patched, signal.SIGTERM)
        with pytest.raises(Interrupted) as caught:
            fit.fit(config, tiny_dataset, folder, progress=False)
    assert caught.value.signal == signal.SIGTERM
    return config, folder


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"optimizer.learning_rate": 0.02}, "optimizer.learning_rate was 0.003 and is now 0.02"),
        ({"optimizer.epochs": 5}, "optimizer.epochs was 4 and is now 5; more epochs only extend a constant"),
    ],
)
def test_another_experiment_is_refused_by_the_key_that_differs(terminated, tiny_dataset, changes, message):
    config, run = terminated
    with pytest.raises(RunError, match=message):
        fit.fit(config.replaced(changes), tiny_dataset, run, progress=False, resume=True)
    other = dataclasses.replace(tiny_dataset, sha256={"squares": "1" * 64})
    with pytest.raises(RunError, match=r"trained on other images .sha256 was .*0000"):
        fit.fit(config, other, run, progress=False, resume=True)
    with pytest.raises(RunError, match="holds an unfinished run; go on with --resume"):
        fit.fit(config, tiny_dataset, run, progress=False)


def test_a_damaged_checkpoint_is_named(tiny_config, tiny_dataset, tmp_path):
    (tmp_path / "config.json").write_text("{}")
    (tmp_path / runs.LAST).write_bytes(b"PK\x03\x04 and no more")
    with pytest.raises(RunError, match="not a checkpoint"):
        fit.fit(tiny_config, tiny_dataset, tmp_path, progress=False, resume=True)


def test_there_must_be_something_to_resume(tiny_config, tiny_dataset, tmp_path):
    with pytest.raises(RunError, match="nothing to resume; leave --resume out"):
        fit.fit(tiny_config, tiny_dataset, tmp_path / "run", resume=True)


def test_the_best_weights_are_those_of_the_lowest_bound_at_full_weight_of_kl(
    tiny_config, tiny_dataset, tmp_path
):
    config = tiny_config.replaced(
        {
            **ELBO | {"optimizer.learning_rate": 0.1},
            "optimizer.epochs": 6,
            "objective.kl_warmup_epochs": 2,
            "optimizer.keep": "best",
            "seed": 5,
        }
    )
    found = fit.fit(config, tiny_dataset, tmp_path / "run", progress=False)
    history = json.loads((tmp_path / "run" / "history.json").read_text())
    assert found["epoch"] == 3 + int(np.argmin(history["val_loss"][2:]))
    assert found["val_loss"] == min(history["val_loss"][2:])
    with np.load(tmp_path / "run" / runs.BEST) as best:
        _, vae, recorded = trained.load_run(tmp_path / "run")
        assert recorded["epoch"] == found["epoch"]
        assert np.array_equal(vae.weights[0].numpy(), best["model/0"])
