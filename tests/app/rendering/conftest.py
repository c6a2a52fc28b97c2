import pytest

from app import store
from app.images import Asked, Maker
from app.models import Models
from app.rendering.job import Job
from tests.fakes import MIXTURE, open_fake, write_version


@pytest.fixture
def maker(tmp_path):
    """Draws the fake model of two classes."""
    write_version(tmp_path / "store", mixture=MIXTURE)
    found = store.scan(tmp_path / "store")
    return Maker(Models(found, open_fake, 1).get(found.find("fake")), Asked(render="draw"))


@pytest.fixture
def job(maker):
    version = maker.model.version
    return Job(
        model=version.pinned,
        digest=version.manifest.digest,
        first_seed=90,
        count=25,
        shard_images=10,
        render="draw",
    )
