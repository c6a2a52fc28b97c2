"""What draws shards in a process of its own: the model, opened once."""

import os
import signal
import threading
import time

from app import store
from app.images import Maker, open_version
from app.mirror import stores
from app.rendering.job import InvalidJob, Job
from app.rendering.shards import Shard, draw_shard
from app.rendering.storage import storage_at
from app.settings import load_settings

PARENT_SECONDS = 0.5  # between two looks whether the parent is there


class Drawer:
    """Draws shards of one data set.

    Args:
        job: the data set.
        address: where it goes.
        model_store: folder with the model, or the address of a store.

    Raises:
        StoreError: there is no store.
        ModelNotFound: there is no such version.
        ModelError: it cannot be opened.
        InvalidJob: the version has another digest.
    """

    def __init__(self, job: Job, address: str, model_store: str) -> None:
        settings = load_settings(model_store=model_store, default_model=job.model)
        folder = stores.prepared(settings, fresh=True).folder
        found = store.scan(folder, trusted=settings.trusted)
        version = found.find(job.model)
        if version.manifest.digest != job.digest:
            raise InvalidJob(f"{job.model}: another digest in {model_store}: {version.manifest.digest}")
        self._job, self._storage = job, storage_at(address)
        self._maker = Maker(open_version(found, version), job.asked)

    def draw(self, number: int) -> Shard:
        """Draw and write a shard; see ``draw_shard``."""
        return draw_shard(self._job, number, self._maker, self._storage)


_own: list[Drawer] = []  # the one of this process


def start(job: Job, address: str, model_store: str, parent: int) -> None:
    """Make this process one that draws; it ends with the process `parent`."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent is asked too, and ends in order
    threading.Thread(target=_end_with, args=(parent,), daemon=True).start()
    _own[:] = [Drawer(job, address, model_store)]


def draw(number: int) -> Shard:
    """Draw a shard in a process that was started so."""
    return _own[0].draw(number)


def _end_with(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(PARENT_SECONDS)
    os._exit(1)
