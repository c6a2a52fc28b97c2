"""What an operator may set of access. ``app.settings`` reads it from the environment with everything else."""

from pathlib import Path

from pydantic import BaseModel, Field


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

    @property
    def restricted(self) -> bool:
        """Whether requests need a key or a signed address."""
        return self.api_keys is not None or self.url_key is not None
