import pytest

from app.errors import ModelNotFound
from app.jobs.job import InvalidJob
from app.jobs.opening import model_of
from tests.app.rendering.test_drawer import JOB
from tests.conftest import SHIPPED_STORE


def test_the_version_of_the_job_is_opened():
    assert model_of(JOB, str(SHIPPED_STORE)).version.manifest.digest == JOB.digest


def test_a_version_of_another_digest_is_refused():
    with pytest.raises(InvalidJob, match="another digest"):
        model_of(JOB.model_copy(update={"digest": "0" * 64}), str(SHIPPED_STORE))


def test_a_version_that_is_not_there_is_not_found():
    with pytest.raises(ModelNotFound):
        model_of(JOB.model_copy(update={"model": "nobody@1"}), str(SHIPPED_STORE))
