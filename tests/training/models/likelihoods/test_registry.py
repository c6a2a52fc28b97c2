import subprocess
import sys

import pytest

from tests.training.models.likelihoods.pixels import built
from training.models.likelihoods.registry import REGISTRY, build


def test_the_registry_is_read_without_tensorflow():
    code = "import sys, training.models.likelihoods.registry; print('tensorflow' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


@pytest.mark.tensorflow
@pytest.mark.parametrize("name", REGISTRY)
def test_a_likelihood_is_found_by_its_name(name):
    found = built(name)
    assert found.name == name
    assert found.parameters.keys() == REGISTRY[name].parameters.keys()
    assert found.description


@pytest.mark.tensorflow
@pytest.mark.parametrize(
    ("name", "parameters"), [("gaussian", {"variance": 1e-9}), ("discretized-logistic", {"components": 0})]
)
def test_a_parameter_out_of_range_is_refused(name, parameters):
    with pytest.raises(ValueError, match="Received"):
        build(name, **parameters)
