"""What an operator may set of access. ``app.settings`` reads it from the environment with everything else."""

import re
from pathlib import Path

from pydantic import BaseModel, Field

_ORIGIN = r"https?://([a-z0-9.-]+|\[[0-9a-f:]+\])(:[0-9]{1,5})?"  # as browsers send it
_ORIGINS = rf"^({_ORIGIN}(\s*,\s*{_ORIGIN})*)?$"


class AccessOptions(BaseModel):
    """A part of the settings; see ``app.settings.Settings``. With none of it set, everybody may ask."""

    api_keys: Path | None = Field(
        None,
        description="File of `vitrine keys new`, a line for each API key; if set, requests need a key or a "
        "signed address.",
    )
    url_key: Path | None = Field(
        None,
        description="File with the secret of signed addresses, at least 32 bytes; if set, requests need a "
        "key or a signed address.",
    )
    open_metrics: bool = Field(False, description="Answer `/metrics` without a key where others need one.")
    cors_origins: str = Field(
        "",
        pattern=_ORIGINS,
        description="Origins whose pages may read answers, like https://a.example,https://b.example:8443; "
        "none if not set.",
    )

    @property
    def origins(self) -> tuple[str, ...]:
        """Origins whose pages may read answers."""
        return tuple(filter(None, re.split(r"[,\s]+", self.cors_origins)))

    @property
    def restricted(self) -> bool:
        """Whether requests need a key or a signed address."""
        return self.api_keys is not None or self.url_key is not None
