"""What draws shards in a process: the model, opened once."""

from typing import NamedTuple

from app.images import Maker
from app.jobs.opening import model_of
from app.jobs.records import Shard
from app.jobs.storage import storage_at
from app.jobs.worker import MakeShard
from app.rendering.job import Job
from app.rendering.shards import draw_shard


class Drawing(NamedTuple):
    """The task of drawing a data set.

    Args:
        job: the data set.
        address: where it goes.
        model_store: folder with the model, or the address of a store.
    """

    job: Job
    address: str
    model_store: str

    def open(self) -> MakeShard:
        """Open the model and return what draws and writes a shard; see ``model_of``."""
        maker = Maker(model_of(self.job, self.model_store), self.job.asked)
        storage = storage_at(self.address)

        def draw(number: int) -> Shard:
            return draw_shard(self.job, number, maker, storage)

        return draw
