import numpy as np
import pytest

pytestmark = pytest.mark.tensorflow

from training.priors import GaussianMixture, StandardNormal, registry  # noqa: E402

EVERY = [StandardNormal(2), GaussianMixture(np.ones(1), np.zeros((1, 2)), np.eye(2)[None])]


@pytest.mark.parametrize("prior", EVERY, ids=lambda prior: prior.name)
def test_every_prior_is_found_by_its_name_and_read_back_from_its_folder(prior, tmp_path):
    assert registry.KINDS[prior.name] is type(prior)
    prior.save(tmp_path)
    found = registry.load(prior.name, tmp_path, 2)
    assert type(found) is type(prior)
    assert found.manifest_entry() == prior.manifest_entry()
    assert prior.manifest_entry()["name"] == prior.name
    assert prior.describe()
    assert prior.label


def test_every_kind_is_tested_here():
    assert [prior.name for prior in EVERY] == list(registry.KINDS)
