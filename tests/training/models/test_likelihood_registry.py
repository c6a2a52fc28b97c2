import subprocess
import sys

import pytest

from training.models.likelihood_registry import REGISTRY, build

GIVEN = {"variance": 0.5, "components": 2}


@pytest.mark.tensorflow
@pytest.mark.parametrize("name", REGISTRY)
def test_an_entry_builds_the_observation_model_of_its_name(name):
    entry = REGISTRY[name]
    likelihood = build(name, **{parameter: GIVEN[parameter] for parameter in entry.parameters})
    assert likelihood.name == name
    assert type(likelihood).__name__ == entry.where.split(":")[1]


def test_what_there_is_can_be_asked_without_tensorflow():
    code = (
        "import sys; from training.models.likelihood_registry import REGISTRY\n"
        "sys.exit('tensorflow' if 'tensorflow' in sys.modules else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
