"""Images of a Parquet file: a column of their bytes, as Hugging Face's ``datasets`` writes it, or bare."""

import bisect
import itertools
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from app.jobs import parquet
from app.jobs.job import InvalidJob
from app.tabulating.images import Image, fingerprint_of, too_large

LABEL = "label"  # the column of labels, if nobody names another
AT_ONCE = 16  # rows that are held in memory


class ParquetImages:
    """The images of a Parquet file, a row each; there may be none.

    Args:
        path: the file; its foot is read here.
        most_bytes: that an image may have.
        column: of the images; None: the only one that holds bytes, labels aside.
        label_column: of the labels; None: ``label``, if there is one.

    Raises:
        InvalidJob: it is none, or has rows and no such column or several; or pyarrow is not installed.
    """

    left_out = 0

    def __init__(self, path: Path, most_bytes: int, column: str | None, label_column: str | None) -> None:
        parquet.require(str(path))
        import pyarrow  # type: ignore[import-not-found,import-untyped,unused-ignore]
        import pyarrow.parquet  # type: ignore[import-not-found,import-untyped,unused-ignore]

        self._path, self._most_bytes, self._broken = path, most_bytes, (pyarrow.ArrowException, OSError)
        self._struct = pyarrow.StructType
        try:
            self._file = pyarrow.parquet.ParquetFile(path)
            schema = self._file.schema_arrow
        except self._broken as error:
            raise InvalidJob(f"{path}: no Parquet file that can be read ({_line(error)})") from None
        stretches = (self._file.metadata.row_group(number) for number in range(self._file.num_row_groups))
        self._starts = [0, *itertools.accumulate(each.num_rows for each in stretches)]
        self._stretch, self._first, self._batch = -1, 0, ()
        self._batches: Iterator[Any] = iter(())
        # Without rows, a file may lack the types of columns too.
        self._label = _label_of(schema, path, label_column) if self.count else None
        self._column = _column_of(schema, path, column, self._label) if self.count else ""
        self._name = _names(schema, self._label)

    @property
    def count(self) -> int:
        """How many there are."""
        return int(self._file.metadata.num_rows)

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the file's name, its size, and what its foot says of each stretch of rows."""
        groups = (self._file.metadata.row_group(number) for number in range(self._file.num_row_groups))
        stretches = [("rows", int(each.num_rows * 2**32 + each.total_byte_size)) for each in groups]
        column = (f"{self._column}/{self._label}", self._path.stat().st_size)
        return fingerprint_of([(self._path.name, self.count), column, *stretches])

    def read(self, numbers: range) -> Iterator[Image]:
        """Yield images in the order of the rows; where a stretch of rows cannot be read, each says why."""
        start = numbers.start
        while start < numbers.stop:
            try:
                first, batch = self._batch_at(start)
                some = batch.slice(start - first, numbers.stop - start)
                rows: list[_Row | str] = [self._row(some, index) for index in range(len(some))]
            except self._broken as error:
                self._stretch = -1
                end = self._starts[bisect.bisect_right(self._starts, start)]
                why = f"the row cannot be read ({_line(error)})"
                rows = [why] * (min(end, numbers.stop) - start)
            for number, row in enumerate(rows, start):
                yield self._image(number, row)
            start += len(rows)

    def _batch_at(self, number: int) -> tuple[int, Any]:
        """Return some rows, one of them of this number, and the number of the first.

        It goes on where the last call was: a stretch can only be read from its beginning.
        """
        stretch = bisect.bisect_right(self._starts, number) - 1
        if stretch != self._stretch or number < self._first:
            self._stretch, self._first, self._batch = stretch, self._starts[stretch], ()
            columns = [self._column, *([] if self._label is None else [self._label])]
            self._batches = self._file.iter_batches(AT_ONCE, [stretch], columns, use_threads=False)
        while number >= self._first + len(self._batch):
            self._first += len(self._batch)
            self._batch = next(self._batches, None) or ()
            if not self._batch:
                raise OSError("fewer rows than the foot of the file says")
        return self._first, self._batch

    def _row(self, batch: Any, index: int) -> "_Row":
        image = batch.column(self._column)[index]
        label = None if self._label is None else self._name(_value(batch.column(self._label)[index]))
        path = None
        if isinstance(batch.column(self._column).type, self._struct):
            parts = dict(image.items()) if image.is_valid else {}
            path, image = _value(parts.get("path")), parts.get("bytes")
        if isinstance(path, bytes):
            path = path.decode("utf-8", "backslashreplace")
        return _Row(_value(image), path if isinstance(path, str) else None, label)

    def _image(self, number: int, row: "_Row | str") -> Image:
        alone = f"{self._path.name}/{number}"
        if isinstance(row, str):
            return Image(number, alone, None, None, row)
        error = "no bytes in this row" if row.data is None else too_large(len(row.data), self._most_bytes)
        return Image(number, row.path or alone, row.label, None if error else row.data, error)


class _Row(NamedTuple):
    """What a row has; None: it has no such thing."""

    data: bytes | None
    path: str | None
    label: str | None


def _value(cell: Any) -> Any:
    """Return what a cell holds, None if nothing that Python has; of text that is no UTF-8, its bytes."""
    try:
        return None if cell is None else cell.as_py()
    except UnicodeDecodeError as error:
        return error.object
    except (ValueError, OverflowError, ImportError):  # a time that Python cannot tell
        return None


def _column_of(schema: Any, path: Path, asked: str | None, label: str | None) -> str:
    found = [field.name for field in schema if _holds_bytes(field.type)]
    images = [name for name in found if name != label] or found
    if asked is None and len(images) == 1:
        return str(images[0])
    if asked in found:
        return str(asked)
    of = ", ".join(found) or "none"
    what = "one column of bytes; name it by --column" if asked is None else f"bytes in the column {asked}"
    raise InvalidJob(f"{path}: expected {what}. Columns of bytes: {of}")


def _label_of(schema: Any, path: Path, asked: str | None) -> str | None:
    if asked is not None and asked not in schema.names:
        raise InvalidJob(f"{path}: no column {asked}. Columns: {', '.join(schema.names)}")
    return asked or (LABEL if LABEL in schema.names else None)


def _holds_bytes(kind: Any) -> bool:
    import pyarrow.types as kinds  # type: ignore[import-not-found,import-untyped,unused-ignore]

    if kinds.is_struct(kind):
        index = kind.get_field_index("bytes")
        kind = kind.field(index).type if index >= 0 else None
    return kind is not None and bool(kinds.is_binary(kind) or kinds.is_large_binary(kind))


def _names(schema: Any, label: str | None) -> Callable[[Any], str | None]:
    """Return what makes text of a label: the class's name, if the file's metadata name classes."""
    names: list[str] = []
    try:
        told = json.loads((schema.metadata or {}).get(b"huggingface", b"{}"))
        names = [str(name) for name in told["info"]["features"][label]["names"]]
    except (ValueError, KeyError, TypeError):
        pass

    def text(value: Any) -> str | None:
        if isinstance(value, int) and 0 <= value < len(names):
            return names[value]
        if isinstance(value, bytes):
            return value.decode("utf-8", "replace")
        return None if value is None else str(value)

    return text


def _line(error: BaseException) -> str:
    """Return the first line of what an error says."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
