"""A model that trains in a second: its configuration, its data, a finished run."""

import contextlib
import fcntl
import json
import os

import numpy as np
import pytest

from training.configs.schema import from_dict
from training.data import Dataset, Labels

TINY = {
    "name": "tiny",
    "seed": 3,
    "data": {"name": "fashion-mnist"},
    "network": {"kind": "dense", "latent_dim": 2, "encoder_units": [8], "decoder_units": [8]},
    "likelihood": {"name": "gaussian", "variance": 0.5},
    "objective": {"name": "textbook"},
    "optimizer": {"name": "nadam", "learning_rate": 0.01, "epochs": 2, "batch_size": 16},
    "traversal": {"axis_order": "as-trained"},
}


@contextlib.contextmanager
def drawn_plainly():
    """Draw figures coarsely, without a layout or words: they take a third of a small training's time.

    Processes whose figures are not looked at may do so too; documents' commands draw them whole.
    """
    from matplotlib.axis import Axis
    from matplotlib.figure import Figure
    from matplotlib.text import Text

    from training import figures

    class Plain(Figure):
        def __init__(self, **options):
            super().__init__(**options | {"layout": "none"})

        def savefig(self, *arguments, **options):
            with pytest.MonkeyPatch.context() as patch:
                for words in (Axis, Text):
                    patch.setattr(words, "draw", lambda *_, **__: None)
                super().savefig(*arguments, **options | {"dpi": 20})

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(figures, "Figure", Plain)
        yield


@pytest.fixture(scope="module")
def plain_figures():
    """Draw figures plainly; see ``drawn_plainly``."""
    with drawn_plainly():
        yield


@pytest.fixture
def whole_figures(monkeypatch):
    """Draw figures whole again, where they are what is tested."""
    from matplotlib.figure import Figure

    from training import figures

    monkeypatch.setattr(figures, "Figure", Figure)


@pytest.fixture(scope="session")
def tiny_config():
    return from_dict(TINY)


@pytest.fixture(scope="session")
def tiny_dataset():
    """Blurred squares of 6 x 5 pixels: something that a VAE of two axes can learn."""
    rng = np.random.default_rng(0)
    centres = rng.uniform(1, 4, (200, 2, 1, 1))
    rows, columns = np.mgrid[:6, :5]
    images = np.exp(-((rows - centres[:, 0]) ** 2) - (columns - centres[:, 1]) ** 2).astype(np.float32)
    return Dataset("squares", images[:128], images[128:160], images[160:], {"squares": "0" * 64}, "memory")


@pytest.fixture(scope="session")
def three_classes():
    """Images of 8 x 9 pixels with noise and a bright square left, in the middle or right: 300, 40 and 60 of them."""
    from training.metrics.classifier import eight_bit_levels

    rng = np.random.default_rng(0)
    labels = rng.integers(0, 3, 400)
    images = rng.uniform(0, 0.2, (400, 8, 9))
    for image, label in zip(images, labels, strict=True):
        image[2:6, 3 * label : 3 * label + 3] += 0.7
    images = eight_bit_levels(images.astype(np.float32))
    names = Labels(("left", "middle", "right"), labels[:300], labels[300:340], labels[340:])
    return Dataset("squares", images[:300], images[300:340], images[340:], {}, "memory", names)


@contextlib.contextmanager
def of_all_processes(tmp_path_factory):
    """A folder that all processes of a session share, for what one makes and others only read; one at a time."""
    folder = tmp_path_factory.getbasetemp()
    folder = (folder.parent if "PYTEST_XDIST_WORKER" in os.environ else folder) / "of-all-processes"
    folder.mkdir(exist_ok=True)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield folder


@pytest.fixture(scope="session")
def tiny_run(tiny_config, tiny_dataset, tmp_path_factory):
    """The folder of one finished run."""
    from training.fitting.fit import fit

    out = tmp_path_factory.mktemp("runs") / "tiny"
    fit(tiny_config, tiny_dataset, out, progress=False)
    return out


@pytest.fixture(scope="session")
def tiny_model(tiny_run):
    """The model of that run; no test changes its weights."""
    from training.trained import TrainedModel

    return TrainedModel.from_run(tiny_run)


@pytest.fixture(scope="session")
def tiny_phases(tiny_run, tiny_model, tiny_dataset, tmp_path_factory):
    """That model trained on for moments by each objective, with two seeds; it is left as it is, to the bit."""
    from training.evaluation import final_phases
    from training.evaluation.schema import FinalPhases

    with of_all_processes(tmp_path_factory) as folder:
        kept = folder / "phases.json"
        if kept.exists():
            return FinalPhases.model_validate(json.loads(kept.read_text()))
        before = [weights.copy() for weights in tiny_model.encoder.get_weights()]
        result = final_phases.compare(tiny_run, tiny_model, tiny_dataset, minutes=0.004, seeds=2, k=5)
        for weights, was in zip(tiny_model.encoder.get_weights(), before, strict=True):
            assert np.array_equal(weights, was)
        kept.write_text(json.dumps(result.as_dict()))
        return result


def model_of(vae, image_shape=(6, 5)):
    """A TrainedModel of networks of two latent axes that were not trained, with N(0, I) as its prior."""
    from training.priors import StandardNormal
    from training.trained import TrainedModel

    environment = {"seed": 0, "weights_sha256": "0" * 64}
    model = TrainedModel("untrained", image_shape, 2, vae.encoder, vae.decoder, vae.likelihood, environment)
    return model.with_prior(StandardNormal(2))
