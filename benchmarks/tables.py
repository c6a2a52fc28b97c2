"""Medians over the rounds of a benchmark, their ratios, and tables of them in Markdown."""

import os
import platform
import statistics
import sys
from collections.abc import Iterable
from typing import Any

from app.cores import processor_name

Row = dict[str, Any]  # what one burst of one round found
NAN = float("nan")


def turned(values: Iterable[Any], number: int) -> list[Any]:
    """Return the values, backwards in every other round."""
    return list(values)[:: -1 if number % 2 else 1]


def chosen(rows: list[Row], **wanted: Any) -> list[Row]:
    """Return the rows that have what is wanted."""
    return [row for row in rows if all(row.get(key) == value for key, value in wanted.items())]


def median(rows: list[Row], value: str, **wanted: Any) -> float:
    """Return the median of a value over the rows that have what is wanted; not a number if there are none."""
    found = [row[value] for row in chosen(rows, **wanted)]
    return statistics.median(found) if found else NAN


def values(rows: list[Row], kind: str, key: str) -> list[Any]:
    """Return what a key's values are among the rows of a kind, in the order in which they come first."""
    return list(dict.fromkeys(row[key] for row in rows if row["kind"] == kind))


def ratio(rows: list[Row], others: list[Row], value: str) -> str:
    """Return by how much a value is larger than that of other rows: of the medians, and round by round.

    Args:
        rows: what is compared, of several rounds.
        others: what it is compared with; those of the same round stand beside each other.
        value: its key; more than 0 where it means something.

    Returns:
        As ``1.25 (1.07 to 1.39)``: of the medians, the least of a round and the most. Without brackets if
        fewer than two rounds have both. ``nan`` if either is missing, or a median is 0.
    """
    of = {row["round"]: row[value] for row in others}
    each = [row[value] / of[row["round"]] for row in rows if of.get(row["round"])]
    below = median(others, value)
    middle = median(rows, value) / below if below else NAN
    if len(each) < 2:
        return f"{middle:.2f}"
    return f"{middle:.2f} ({min(each):.2f} to {max(each):.2f})"


def markdown(lines: list[list[str]]) -> str:
    """Return a table; a header and rows; what was not measured is a dash."""
    cells = [["-" if cell == "nan" else cell for cell in line] for line in lines]
    header, *body = (f"| {' | '.join(line)} |" for line in cells)
    return "\n".join([header, "|---" * len(lines[0]) + "|", *body])


def without(lines: list[list[str]], *names: str) -> list[list[str]]:
    """Return a table without the columns of these names."""
    kept = [number for number, name in enumerate(lines[0]) if name not in names]
    return [[line[number] for number in kept] for line in lines]


def machine() -> Row:
    """Return what the figures depend on."""
    return {
        "processor": processor_name(),
        "cores": os.cpu_count(),
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30),
        "system": platform.platform(),
        "python": platform.python_version(),
    }


def log(text: str) -> None:
    """Say how far it is."""
    print(text, file=sys.stderr, flush=True)
