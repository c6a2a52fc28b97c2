"""The model of a job, opened in the process that works."""

from pathlib import Path

from app import store
from app.images import open_version
from app.jobs.job import InvalidJob, ShardedJob
from app.models import Model
from app.settings import load_settings


def model_of(job: ShardedJob, model_store: str) -> Model:
    """Return a job's model, opened and warm, for one thread.

    Args:
        job: names the version, and its digest.
        model_store: folder with the model.

    Raises:
        StoreError: there is no store.
        ModelNotFound: there is no such version.
        ModelError: it cannot be opened.
        InvalidJob: the version has another digest.
    """
    found = store.scan(Path(model_store), trusted=load_settings().trusted)
    version = found.find(job.model)
    if version.manifest.digest != job.digest:
        raise InvalidJob(f"{job.model}: another digest in {model_store}: {version.manifest.digest}")
    return open_version(found, version)
