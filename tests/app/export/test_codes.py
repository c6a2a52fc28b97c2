import json

import numpy as np
import pytest

from app.export import codes
from app.models import Models
from app.runtimes import opener
from app.store import scan
from tests.conftest import FASHION, FASHION_AXES, SHIPPED_STORE


@pytest.fixture(scope="module")
def models():
    return Models(scan(SHIPPED_STORE), opener("litert"), 1)


def known(models, reference):
    model = models.get(models.find(reference))
    files = codes.files(model)
    return model, files, json.loads(files["model/codes.json"])


def test_codes_are_read_as_the_very_codes_of_the_service(models):
    model, _, found = known(models, FASHION)
    for k in range(21):
        read = np.array(found["ready"]["codes"][f"42/{k}"], np.float32)
        np.testing.assert_array_equal(read, model.prior.draw(42, k, 1)[0])
    np.testing.assert_array_equal(np.array(found["places"]["centre"], np.float32), model.prior.centre)
    np.testing.assert_array_equal(np.array(found["places"]["label"][8], np.float32), model.prior.centre_of(8))
    examples = model.encode(model.examples.astype(np.float32) / np.float32(255))
    np.testing.assert_array_equal(np.array(found["places"]["example"], np.float32), examples)


def test_the_mixture_is_written_without_loss(models):
    model, files, found = known(models, FASHION)
    prior, dimensions = model.prior, FASHION_AXES
    numbers = np.frombuffer(files["model/prior.bin"], found["mixture"]["type"])
    means = numbers[: prior.means.size].reshape(prior.means.shape)
    np.testing.assert_array_equal(means, prior.means)
    rows = numbers[prior.means.size :].reshape(len(means), dimensions * (dimensions + 1) // 2)
    np.testing.assert_array_equal(rows[7], prior.cholesky[7][np.tril_indices(dimensions)])
    assert found["mixture"]["weights"] == prior.weights.tolist()
    assert found["mixture"]["component_class"] == prior.component_class.tolist()


def test_a_standard_normal_prior_needs_no_file(models):
    _, files, found = known(models, "fashion-dense@7")
    assert list(files) == ["model/codes.json"]
    assert found["mixture"] is None
    assert found["places"]["label"] == []
