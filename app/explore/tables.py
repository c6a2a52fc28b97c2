"""Numbers about images -> a file, by format: one row of ``TABLES`` each."""

import csv
import io
import json
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from app.pictures.formats import zipped

Values = npt.NDArray[Any]


class Table(NamedTuple):
    """What there is to know of N images.

    Args:
        arrays: by name, (N, ...) each; the first one is what a single array holds.
        rows: by image, names and numbers that make a line; None stands for what is not known.
        about: what JSON says before the images.
    """

    arrays: Mapping[str, Values]
    rows: list[dict[str, Any]]
    about: Mapping[str, Any]


def _json(table: Table) -> bytes:
    return json.dumps({**table.about, "images": table.rows}, allow_nan=False).encode()


def _csv(table: Table) -> bytes:
    """Return a line for each image; a list has a column for each of its numbers, what nests is left out."""
    lines = [{"image": number, **dict(_columns(row))} for number, row in enumerate(table.rows)]
    text = io.StringIO()
    writer = csv.DictWriter(text, list(lines[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(lines)
    return text.getvalue().encode()


def _columns(row: dict[str, Any]) -> list[tuple[str, Any]]:
    found: list[tuple[str, Any]] = []
    for name, value in row.items():
        if isinstance(value, list) and all(isinstance(each, int | float) for each in value):
            found += [(f"{name}{index}", each) for index, each in enumerate(value)]
        elif not isinstance(value, list | dict):
            found.append((name, value))
    return found


def _npy(table: Table) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, next(iter(table.arrays.values())))
    return buffer.getvalue()


def _npz(table: Table) -> bytes:
    members = {}
    for name, array in table.arrays.items():
        buffer = io.BytesIO()
        np.save(buffer, array)
        members[f"{name}.npy"] = buffer.getvalue()
    return zipped(members)


class TableFormat(NamedTuple):
    """A format of answers that are numbers."""

    media_type: str
    encode: Callable[[Table], bytes]


# By the name that the query and the path's suffix have for it; the first is the default.
TABLES = {
    "json": TableFormat("application/json", _json),
    "csv": TableFormat("text/csv; charset=utf-8", _csv),
    "npy": TableFormat("application/octet-stream", _npy),
    "npz": TableFormat("application/zip", _npz),
}
