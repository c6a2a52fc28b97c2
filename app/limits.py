"""Limits, as settings: how large a head, how slow a client, how many images, how an upload is decoded."""

from collections.abc import Iterable
from typing import Any, Literal

from pydantic import BaseModel, Field
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

_HOST = r"(\*|(\*\.)?[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*\.?|{address}|\[{address}\])".format(
    address=r"[0-9A-Fa-f]{0,4}:[0-9A-Fa-f]{0,4}:[0-9A-Fa-f:.]{0,40}"  # two colons at least: one parts a port
)


class ConnectionLimits(BaseModel):
    """The settings that bound what clients may do with connections of one process; part of ``Settings``."""

    allowed_hosts: str = Field(
        "",
        pattern=rf"^ *({_HOST})?( *, *({_HOST})?)* *$",
        json_schema_extra={
            "accepted": "host names with commas between them, like a.example,*.b.example, without a scheme, "
            "a port or a path"
        },
        description="Host names that requests may be for, separated by commas; `*.example.org` are all below "
        "that name, `*` is any. If not set: any, but on loopback without a proxy no public name.",
    )
    max_head_bytes: int = Field(
        131_072,
        ge=1024,
        le=131_072,
        description="Bytes of a request's line and headers; beyond it 431, or 414 for a line over half.",
    )
    max_headers: int = Field(256, ge=8, le=10_000, description="Headers of a request; beyond it 431.")
    head_seconds: float = Field(
        10,
        gt=0,
        le=3600,
        description="Seconds in which a request's head must be complete, and a new connection must send one; "
        "then 408, and the connection is closed.",
    )
    body_seconds: float = Field(
        120, gt=0, le=86_400, description="Seconds in which a request's body must be complete; then 408."
    )
    body_bytes_per_second: int = Field(
        1024,
        ge=0,
        le=1_000_000_000,
        description="Bytes a second that a request's body must bring over any 10 s; else 408. 0: none.",
    )
    write_seconds: float = Field(
        20,
        gt=0,
        le=3600,
        description="Seconds in which a client must read something of its answer; else it is cut off.",
    )
    max_connections: int = Field(
        4096,
        ge=1,
        le=1_000_000,
        description="Connections of one process; beyond it idle ones are closed, then 503 with Retry-After, "
        "but for `/livez`, `/readyz` and `/metrics`.",
    )
    max_bodies_bytes: int = Field(
        67_108_864,
        ge=1,
        le=1_000_000_000_000,
        description="Bytes of all request bodies that one process holds; beyond it 503 with Retry-After.",
    )
    max_unsent_bytes: int = Field(
        67_108_864,
        ge=1,
        le=1_000_000_000_000,
        description="Bytes of answers that clients of one process have not read yet; beyond it those with "
        "most are cut off.",
    )
    keep_alive_seconds: int = Field(
        75,
        ge=1,
        le=86_400,
        description="Seconds that an idle connection is kept; longer than a proxy keeps it, mostly 60.",
    )


class PictureLimits(BaseModel):
    """The settings that bound what one request may ask for or send; part of ``Settings``."""

    max_images: int = Field(400, ge=1, le=1_000_000, description="Images in one picture.")
    max_steps: int = Field(64, ge=2, le=1_000_000, description="Steps in one interpolation.")
    max_draws: int = Field(
        8192,
        ge=1,
        le=100_000_000,
        description="Draws of the latent code in one score or completion, all images together.",
    )
    max_zoom: int = Field(16, ge=1, le=1024, description="Integer scale of the pixels.")
    max_pixels: int = Field(16_000_000, ge=1, le=10**10, description="Pixels in one answer.")
    max_upload_bytes: int = Field(10_485_760, ge=1, le=2**40, description="Bytes in one request body.")
    max_upload_images: int = Field(32, ge=1, le=1_000_000, description="Images in one upload.")
    max_upload_pixels: int = Field(
        25_000_000, ge=1, le=10**10, description="Pixels in one upload, all images together."
    )
    max_upload_side: int = Field(
        12_000, ge=1, le=1_000_000, description="Pixels along one side of an uploaded image."
    )


class DecodingOptions(BaseModel):
    """The settings that say where uploads are decoded, and in what time; part of ``Settings``."""

    decode: Literal["process", "thread"] = Field(
        "process",
        description="Where uploads are decoded: in processes of their own, or in threads of the service, in "
        "which a decoder's crash ends everything.",
    )
    decode_processes: int = Field(
        2, ge=1, le=64, description="Processes that decode uploads; all but one may have large ones."
    )
    decode_seconds: float = Field(
        5,
        gt=0,
        le=3600,
        description="Processor seconds that decoding an upload may take; twice as many by the clock.",
    )


def highest(settings: type[BaseModel], *names: str) -> dict[str, Any]:
    """Return the most that the settings called `names` may be: of fields with an upper limit."""
    fields = {name: settings.model_fields[name].metadata for name in names}
    return {name: next(rule.le for rule in rules if hasattr(rule, "le")) for name, rules in fields.items()}


def said_of(field: FieldInfo, fault: ErrorDetails) -> str:
    """Return what is wrong with a setting and what it may be: a range, or the sentence for a pattern."""
    extra = field.json_schema_extra
    if fault["type"] == "string_pattern_mismatch" and isinstance(extra, dict):
        return f"expected {extra['accepted']}"
    return fault["msg"] + range_of(field.metadata)


def range_of(metadata: Iterable[object]) -> str:
    """Return in brackets what range a setting has, by what its field says; nothing if it has none."""
    bounds: dict[str, Any] = {}
    for each in metadata:
        bounds |= {
            bound: value for bound in ("gt", "ge", "le") if (value := getattr(each, bound, None)) is not None
        }
    if "le" not in bounds:
        return ""
    least = f"{bounds['ge']}" if "ge" in bounds else f"more than {bounds['gt']}"
    return f" (from {least} to {bounds['le']})"
