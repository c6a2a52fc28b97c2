"""Where the model store is, as settings: a folder, or an address that a folder here follows."""

import re
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import unquote, urlsplit

from pydantic import BaseModel, BeforeValidator, Field


def _read(given: Any) -> Any:
    """Return a folder, or an address as it was given."""
    if not isinstance(given, str) or "://" not in given:
        return Path(given) if isinstance(given, str) else given
    parts = urlsplit(given)
    if parts.password:
        raise ValueError("has a password in it; set what the file system reads, like AWS_SECRET_ACCESS_KEY")
    return Path(unquote(parts.path)) if parts.scheme == "file" else given


def without_password(text: str) -> str:
    """Return a text in which no address has a user's name or password."""
    return re.sub(r"://[^/@\s]*@", "://", text)


Place = Annotated[Path | str, BeforeValidator(_read)]  # a string is an address


class StoreOptions(BaseModel):
    """The settings of a model store at an address; part of ``Settings``."""

    store_cache: Path | None = Field(
        None,
        description="Folder in which versions of a store at an address are kept. If not set, the user's "
        "cache folder, else one in the temporary folder.",
    )
    store_max_bytes: int = Field(
        4_294_967_296,
        ge=1,
        le=2**50,
        description="Bytes of one version of a store at an address; a larger one is not served.",
    )
    store_request_seconds: float = Field(
        30,
        gt=0,
        le=3600,
        description="Seconds that one request to a store at an address may take, for 4 MiB at most.",
    )
