"""What an operator may set of access. ``app.settings`` reads it from the environment with everything else."""

import ipaddress
import re
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, Field, field_validator

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
    admin_key: Path | None = Field(
        None,
        description="File of `vitrine keys new` with the keys that may ask `POST /admin/reload`, which is "
        "not there if not set.",
    )
    open_metrics: bool = Field(False, description="Answer `/metrics` without a key where others need one.")
    cors_origins: str = Field(
        "",
        pattern=_ORIGINS,
        json_schema_extra={
            "accepted": "origins with commas between them, like https://a.example,https://b.example:8443, "
            "in small letters and without a path or a slash at the end"
        },
        description="Origins whose pages may read answers, like https://a.example,https://b.example:8443; "
        "none if not set.",
    )
    embedding: Literal["cross-origin", "same-site", "same-origin"] = Field(
        "cross-origin",
        description="Sites whose pages may show pictures: all (cross-origin), same-site or same-origin.",
    )
    forwarded_allow_ips: str = Field(
        "",
        description="Addresses or networks of proxies whose X-Forwarded-For and X-Forwarded-Proto are "
        "believed, like 127.0.0.1,10.0.0.0/8; none if not set.",
    )

    @field_validator("forwarded_allow_ips")
    @classmethod
    def _are_networks(cls, given: str) -> str:
        for each in filter(None, (part.strip() for part in given.split(","))):
            try:
                ipaddress.ip_network(each)
            except ValueError as error:
                raise ValueError(
                    f"expected addresses or networks with commas between them: {error}"
                ) from None
        return given

    @property
    def origins(self) -> tuple[str, ...]:
        """Origins whose pages may read answers."""
        return tuple(filter(None, re.split(r"[,\s]+", self.cors_origins)))

    @property
    def restricted(self) -> bool:
        """Whether requests need a key or a signed address."""
        return self.api_keys is not None or self.url_key is not None
