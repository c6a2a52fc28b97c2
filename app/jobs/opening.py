"""The model of a job, opened in the process that works."""

from app import store
from app.images import open_version
from app.jobs.job import InvalidJob, ShardedJob
from app.mirror import stores
from app.models import Model
from app.settings import load_settings


def model_of(job: ShardedJob, model_store: str) -> Model:
    """Return a job's model, opened and warm, for one thread.

    Args:
        job: names the version, and its digest.
        model_store: folder with the model, or the address of a store.

    Raises:
        StoreError: there is no store.
        ModelNotFound: there is no such version.
        ModelError: it cannot be opened.
        InvalidJob: the version has another digest.
    """
    settings = load_settings(model_store=model_store, default_model=job.model)
    folder = stores.prepared(settings, fresh=True).folder
    found = store.scan(folder, trusted=settings.trusted)
    version = found.find(job.model)
    if version.manifest.digest != job.digest:
        raise InvalidJob(f"{job.model}: another digest in {model_store}: {version.manifest.digest}")
    return open_version(found, version)
