import pickle

from app.jobs.records import recorded
from app.jobs.storage import Folder
from app.rendering.drawer import Drawing
from app.rendering.job import Job
from tests.app.test_images import DIGEST
from tests.conftest import SHIPPED_STORE

JOB = Job(
    model="fashion-dense@7",
    digest=DIGEST,
    first_seed=0,
    count=6,
    shard_images=4,
    render="mean",
    temperature=0.5,
)


def test_the_task_of_drawing_opens_the_model_and_writes_shards_wherever_it_is_sent(tmp_path):
    task = pickle.loads(pickle.dumps(Drawing(JOB, str(tmp_path), str(SHIPPED_STORE))))  # noqa: S301
    shard = task.open()(1)
    assert shard.images == 2
    assert recorded(JOB, 1, Folder(tmp_path)) == shard
