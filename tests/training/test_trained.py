import json
import shutil

import numpy as np
import pytest

from tests.conftest import SHIPPED_VERSION

pytestmark = pytest.mark.tensorflow

from training import priors, trained  # noqa: E402
from training.errors import RunError  # noqa: E402
from training.fitting.fit import load_run  # noqa: E402


def test_a_published_version_draws_and_reconstructs():
    other = trained.load(SHIPPED_VERSION, (28, 28))
    assert (other.name, other.prior.name) == ("fashion-dense@4", "standard_normal")
    one, same = (other.generator(3)(5) for _ in range(2))
    np.testing.assert_array_equal(one, same)
    assert one.shape == (5, 28, 28)
    clothes = np.clip(one, 0, 1)
    again = other.reconstruct(clothes)
    # What the model drew itself it can draw again, far better than another of its pictures would do.
    assert np.mean((again - clothes) ** 2) < 0.3 * np.mean((again - np.roll(clothes, 1, axis=0)) ** 2)


def test_a_run_draws_and_reconstructs(tiny_run, tiny_dataset):
    other = trained.load(tiny_run, (6, 5))
    assert other.generator(0)(7).shape == (7, 6, 5)
    assert other.reconstruct(tiny_dataset.test).shape == tiny_dataset.test.shape


def test_a_run_draws_from_the_prior_that_evaluation_found_for_it(tiny_run, tiny_dataset, tmp_path):
    run = tmp_path / "run"
    shutil.copytree(tiny_run, run)
    config = json.loads((run / "config.json").read_text()) | {"prior": {"components": [1]}}
    (run / "config.json").write_text(json.dumps(config))
    with pytest.raises(RunError, match="its prior is not fitted yet"):
        trained.load(run, (6, 5))
    config, vae, recorded = load_run(run)
    prior, described = priors.prepare(config, vae, tiny_dataset, run, recorded["weights_sha256"])
    assert trained.load(run, (6, 5)).prior.name == prior.name
    # N(0, I) may win too, and then there are no arrays, or some of another fit.
    (run / "prior.json").write_text(json.dumps(described | {"name": "standard_normal"}))
    assert trained.load(run, (6, 5)).prior.name == "standard_normal"


def test_images_of_another_shape_and_folders_of_another_kind_are_refused(tiny_run, tmp_path):
    with pytest.raises(RunError, match=r"draws images of \(6, 5\)"):
        trained.load(tiny_run, (28, 28))
    with pytest.raises(RunError, match="not a finished run"):
        trained.load(tmp_path, (28, 28))
    (tmp_path / "manifest.json").write_text("{}")
    with pytest.raises(RunError, match="not a version"):
        trained.load(tmp_path, (28, 28))
