"""Whether Parquet files can be read and written here."""

import importlib.util

from app.jobs.job import InvalidJob


def is_installed() -> bool:
    """Say whether pyarrow is there."""
    return importlib.util.find_spec("pyarrow") is not None


def require(what: str) -> None:
    """Raise InvalidJob, which says how to install it, if pyarrow is not there; `what` needs it."""
    if not is_installed():
        raise InvalidJob(f"{what}: needs pyarrow: pip install 'vitrine-vae[parquet]'")
