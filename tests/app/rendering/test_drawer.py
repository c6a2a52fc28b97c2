import pytest

from app.jobs.storage import Folder
from app.rendering.drawer import Drawer
from app.rendering.job import InvalidJob, Job
from app.rendering.shards import recorded
from tests.app.test_images import DIGEST
from tests.conftest import SHIPPED_STORE

JOB = Job(
    model="fashion-dense@6",
    digest=DIGEST,
    first_seed=0,
    count=6,
    shard_images=4,
    render="mean",
    temperature=0.5,
)


def test_a_drawer_opens_the_model_and_writes_shards(tmp_path):
    drawer = Drawer(JOB, str(tmp_path), str(SHIPPED_STORE))
    shard = drawer.draw(1)
    assert shard.images == 2
    assert recorded(JOB, 1, Folder(tmp_path)) == shard


def test_a_version_of_another_digest_is_refused(tmp_path):
    with pytest.raises(InvalidJob, match="another digest"):
        Drawer(JOB.model_copy(update={"digest": "0" * 64}), str(tmp_path), str(SHIPPED_STORE))
    assert list(tmp_path.iterdir()) == []
