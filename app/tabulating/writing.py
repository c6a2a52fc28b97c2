"""Rows -> the bytes of a shard, and the shards of a job -> one file."""

import csv
import io
import os
import shutil
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from app.jobs import parquet
from app.pictures.formats import zipped
from app.tabulating.columns import Column, Row
from app.tabulating.job import Format, TableJob

Columns = Sequence[Column]


def write_rows(job: TableJob, columns: Columns, rows: Sequence[Row]) -> bytes:
    """Return the file of a shard; the same rows give the same bytes."""
    return _FORMATS[job.format].write(job, columns, rows)


def join(job: TableJob, files: Sequence[Path], out: Path) -> None:
    """Write the shards of a job into one file, which is there whole or not at all.

    Raises:
        OSError: it cannot be written.
    """
    partial = out.with_name(f".{out.name[:100]}.{os.getpid()}.part")
    try:
        _FORMATS[job.format].join(files, partial)
        with partial.open("rb") as file:
            os.fsync(file.fileno())
        partial.replace(out)
    finally:
        partial.unlink(missing_ok=True)


def check_format(kind: Format) -> None:
    """Raise InvalidJob if a format needs what is not installed."""
    if kind == "parquet":
        parquet.require("parquet")


def _csv(_: TableJob, columns: Columns, rows: Sequence[Row]) -> bytes:
    """Return a line for each image; an array has a column for each of its numbers."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([name for column in columns for name in _names(column)])
    for row in rows:
        writer.writerow([cell for column in columns for cell in _cells(column, row.get(column.name))])
    return text.getvalue().encode()


def _names(column: Column) -> list[str]:
    return [column.name + "_".join(map(str, index)) for index in np.ndindex(column.shape)]


def _cells(column: Column, value: Any) -> list[Any]:
    if value is None:
        return [""] * int(np.prod(column.shape))
    return np.asarray(value).ravel().tolist() if column.shape else [value]


def _join_csv(files: Sequence[Path], out: Path) -> None:
    with out.open("xb") as whole:
        for number, path in enumerate(files):
            with path.open("rb") as part:
                heading = part.readline()
                whole.write(b"" if number else heading)
                shutil.copyfileobj(part, whole)


def _npz(_: TableJob, columns: Columns, rows: Sequence[Row]) -> bytes:
    """Return an array for each column; a number that is not known is NaN, a text empty."""
    return _zipped({column.name: _array(column, rows) for column in columns})


def _array(column: Column, rows: Sequence[Row]) -> npt.NDArray[Any]:
    found = [row.get(column.name) for row in rows]
    values = [column.missing if value is None else value for value in found]
    return np.array(values, str if column.kind == "text" else column.kind)


def _zipped(arrays: dict[str, npt.NDArray[Any]]) -> bytes:
    members = {}
    for name, array in arrays.items():
        buffer = io.BytesIO()
        np.save(buffer, array)
        members[f"{name}.npy"] = buffer.getvalue()
    return zipped(members)


def _join_npz(files: Sequence[Path], out: Path) -> None:
    parts = [_arrays(path) for path in files]
    out.write_bytes(_zipped({name: np.concatenate([part[name] for part in parts]) for name in parts[0]}))


def _arrays(path: Path) -> dict[str, npt.NDArray[Any]]:
    with zipfile.ZipFile(path) as file:
        return {name.removesuffix(".npy"): np.load(io.BytesIO(file.read(name))) for name in file.namelist()}


def _parquet(job: TableJob, columns: Columns, rows: Sequence[Row]) -> bytes:
    import pyarrow  # type: ignore[import-not-found,import-untyped,unused-ignore]
    import pyarrow.parquet  # type: ignore[import-not-found,import-untyped,unused-ignore]

    fields = [(column.name, _arrow_type(column)) for column in columns]
    schema = pyarrow.schema(fields, {"vitrine": job.as_json()})
    arrays = [pyarrow.array([_plain(row.get(name)) for row in rows], kind) for name, kind in fields]
    written = io.BytesIO()
    pyarrow.parquet.write_table(pyarrow.Table.from_arrays(arrays, schema=schema), written)
    return written.getvalue()


def _arrow_type(column: Column) -> Any:
    import pyarrow  # type: ignore[import-not-found,import-untyped,unused-ignore]

    kind = pyarrow.string() if column.kind == "text" else pyarrow.from_numpy_dtype(column.kind)
    for length in reversed(column.shape):
        kind = pyarrow.list_(kind, length)
    return kind


def _plain(value: Any) -> Any:
    return value.tolist() if isinstance(value, np.ndarray) else value


def _join_parquet(files: Sequence[Path], out: Path) -> None:
    import pyarrow.parquet  # type: ignore[import-not-found,import-untyped,unused-ignore]

    schema = pyarrow.parquet.read_schema(files[0])
    with pyarrow.parquet.ParquetWriter(out, schema) as whole:
        for path in files:
            whole.write_table(pyarrow.parquet.read_table(path))


class _Format(NamedTuple):
    write: Callable[[TableJob, Columns, Sequence[Row]], bytes]
    join: Callable[[Sequence[Path], Path], None]


_FORMATS: dict[Format, _Format] = {
    "parquet": _Format(_parquet, _join_parquet),
    "csv": _Format(_csv, _join_csv),
    "npz": _Format(_npz, _join_npz),
}
