"""Write docs/reliability.md: every fault and bad input, the tests that stand for it, and their results.

``python -m tests.reliability --junit junit.xml`` takes up the results of a run, ``--record soak soak.json``
those of a long one; both are kept in ``benchmarks/reliability.json``. Without options the page alone is
written again. Nothing is run.
"""

import argparse
import collections
import json
import platform
import re
import shlex
import subprocess
import sys
import tomllib
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

PROJECT = Path(__file__).resolve().parent.parent
PAGE = PROJECT / "docs" / "reliability.md"
KEPT = PROJECT / "benchmarks" / "reliability.json"
ROWS = PROJECT / "tests" / "reliability_rows.toml"
KINDS = {"fault": "Faults", "bad_input": "Bad inputs"}
LONG = {
    "soak": ("Hours of mixed traffic", "make soak"),
    "fuzz": ("Random requests to every address", "make fuzz"),
    "uploads": ("Broken pictures, forms and codes, led by the code that they reach", "make fuzz-uploads"),
    "large": ("Twenty uploads of 25 megapixels at once", "make large-uploads"),
    "chaos": ("Broken and half-copied versions", "make chaos"),
    "swaps": ("Changes of the serving version under load", "make chaos"),
    "overload": ("More than can be served", "python -m benchmarks.overload"),
}
_MARK = "marked: "  # before what the collection says of a test, on a line of its own
_MARKED = re.compile(r"\bmark\.(fault|bad_input)\b")

Rows = dict[str, dict[int, tuple[str, str]]]  # by kind and number: what happens, and what is right
Marks = dict[str, dict[int, list[str]]]  # by kind and number: tests, ``tests/test_x.py::test_y``


def rows() -> Rows:
    """Return the rows of both tables."""
    read = tomllib.loads(ROWS.read_text())
    return {
        kind: {int(number): (what, right) for number, (what, right) in read[kind].items()} for kind in KINDS
    }


def untested() -> dict[str, set[int]]:
    """Return the numbers of the rows that may lack a test."""
    return {kind: set(numbers) for kind, numbers in tomllib.loads(ROWS.read_text())["untested"].items()}


def pytest_collection_modifyitems(items: list[Any]) -> None:
    """Say which rows each test stands for, where pytest is started with this module as a plugin."""
    for item in items:
        test = item.nodeid.partition("[")[0]
        for kind in KINDS:
            numbers = [number for mark in item.iter_markers(kind) for number in mark.args]
            if numbers:
                print(_MARK + json.dumps([kind, test, numbers]))  # noqa: T201


def marks() -> Marks:
    """Return the tests that stand for each row: pytest collects those files that name a mark."""
    files = [
        path for path in sorted((PROJECT / "tests").rglob("test_*.py")) if _MARKED.search(path.read_text())
    ]
    command = [
        sys.executable,
        "-m",
        "pytest",
        "--collect-only",
        "-q",
        "-p",
        "tests.reliability",
        "-p",
        "no:cacheprovider",
    ]
    done = subprocess.run([*command, *files], cwd=PROJECT, capture_output=True, text=True, check=False)
    if files and done.returncode:
        raise SystemExit(f"the tests cannot be collected:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
    found: Marks = {kind: collections.defaultdict(list) for kind in KINDS}
    for line in done.stdout.splitlines():
        if line.startswith(_MARK):
            kind, test, numbers = json.loads(line.removeprefix(_MARK))
            for number in numbers:
                if test not in found[kind][number]:
                    found[kind][number].append(test)
    return found


def results(junit: Path) -> dict[str, dict[str, int]]:
    """Return of each test of a run how many cases passed, failed and were skipped."""
    found: dict[str, collections.Counter[str]] = collections.defaultdict(collections.Counter)
    for case in ET.parse(junit).iter("testcase"):  # noqa: S314  our own file
        name, classname = case.get("name", ""), case.get("classname", "")
        outcomes = {child.tag for child in case}
        outcome = (
            "failed" if outcomes & {"failure", "error"} else "skipped" if "skipped" in outcomes else "passed"
        )
        found[f"{classname.replace('.', '/')}.py::{name.partition('[')[0]}"][outcome] += 1
    return {test: dict(sorted(counts.items())) for test, counts in sorted(found.items())}


def tell(figures: dict[str, Any], wrong: list[str], command: str, out: Path | None, **more: object) -> int:
    """Print what a long run found, and write it to `out`, as ``--record`` takes it up.

    Args:
        figures: by name.
        wrong: a line for each fault; the first ones are printed.
        command: that repeats it.
        out: nothing is written if None.
        more: what is written beside the figures.

    Returns:
        The exit code: 1 if anything was wrong.
    """
    for line in (*(f"{name}: {value}" for name, value in figures.items()), *wrong[:20]):
        print(line, flush=True)  # noqa: T201
    if out:
        run = {"command": command, "hardware": machine(), "commit": commit(), "figures": figures} | more
        out.write_text(json.dumps(run, indent=1) + "\n")
    return int(bool(wrong))


def command_of(module: str, asked: argparse.Namespace) -> str:
    """Return the command that repeats a run, with every option that was given or that has a default.

    Args:
        module: what Python runs.
        asked: its options; where the figures go is left out.
    """
    words = ["python", "-m", module]
    for name, value in vars(asked).items():
        if name != "out" and value is not None and value is not False:
            words.append("--" + name.replace("_", "-"))
            values = value if isinstance(value, list) else [value] * (value is not True)
            words += [f"{each:g}" if isinstance(each, float) else str(each) for each in values]
    return shlex.join(words)


def machine() -> str:
    """Return the hardware in a few words."""
    from app.cores import available_cores, processor_name

    return f"{available_cores()} cores of {processor_name()}, {platform.system()} {platform.machine()}, Python {platform.python_version()}"


def commit() -> str:
    """Return the commit that is checked out, with a mark if files differ from it."""
    git = ["git", "-C", str(PROJECT), "describe", "--always", "--dirty", "--abbrev=12"]
    return subprocess.run(git, capture_output=True, text=True, check=False).stdout.strip() or "unknown"


def _result(counts: dict[str, int] | None) -> str:
    if not counts:
        return "not run"
    if failed := counts.get("failed"):
        return f"**{failed} failed**"
    passed, skipped = counts.get("passed", 0), counts.get("skipped", 0)
    if not passed:
        return "skipped"
    return f"passed ({passed})" if passed > 1 else "passed" + (f", {skipped} skipped" if skipped else "")


def _sentence(test: str) -> str:
    return test.split("::")[-1].removeprefix("test_").replace("_", " ")


def _table(kind: str, found: Marks, ran: dict[str, dict[str, int]]) -> list[str]:
    lines = ["| | what happens | right behaviour | tests | result |", "|---|---|---|---|---|"]
    for number, (what, right) in sorted(rows()[kind].items()):
        tests = sorted(found[kind].get(number, ()))
        sentences = [f"{_sentence(test)} (`{test.split('::')[0]}`)" for test in tests]
        outcomes = dict.fromkeys(_result(ran.get(test)) for test in tests)
        what, right = what.replace("|", "\\|"), right.replace("|", "\\|")
        lines.append(
            f"| {number} | {what} | {right} | {'; '.join(sentences) or 'none'} | {', '.join(outcomes) or '-'} |"
        )
    return lines


def _long(kind: str, kept: dict[str, Any]) -> list[str]:
    title, command = LONG[kind]
    lines = [f"### {title}", ""]
    if kind not in kept:
        return [*lines, f"Not measured yet: `{command}`.", ""]
    run = kept[kind]
    lines += [f"`{run['command']}` on {run['hardware']}, commit {run['commit']}.", "", "| | |", "|---|---|"]
    lines += [
        f"| {name} | {value:,} |" if isinstance(value, int) else f"| {name} | {value} |"
        for name, value in run["figures"].items()
    ]
    return [*lines, ""]


def page(found: Marks, kept: dict[str, Any]) -> str:
    """Return the page.

    Args:
        found: the tests that stand for each row.
        kept: results of runs, as ``benchmarks/reliability.json`` has them.
    """
    suite = kept.get("suite", {})
    ran = suite.get("tests", {})
    lines = [
        "# Reliability",
        "",
        "What can go wrong, the right behaviour, and the tests that stand for it. `make reliability` writes this page from",
        "`tests/reliability_rows.toml`, the tests' marks, and the results of the last `make test`.",
        "",
    ]
    if ran:
        lines += [f"Results of `{suite['command']}` on {suite['hardware']}, commit {suite['commit']}.", ""]
    else:
        lines += ["No results have been taken up yet.", ""]
    for kind, title in KINDS.items():
        lines += [f"## {title}", "", *_table(kind, found, ran), ""]
    lines += ["## Long runs", "", "Each is also part of `make test`, in a short form.", ""]
    for kind in LONG:
        lines += _long(kind, kept.get("long", {}))
    return "\n".join(lines).rstrip() + "\n"


def kept() -> dict[str, Any]:
    """Return the results of runs that were taken up."""
    read: dict[str, Any] = json.loads(KEPT.read_text()) if KEPT.exists() else {}
    return read


def main() -> None:
    """Take up results, and write the page."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--junit", type=Path, help="results of a run of the tests")
    parser.add_argument(
        "--record", nargs=2, metavar=("KIND", "FILE"), help=f"a long run: {', '.join(LONG)}, and its JSON"
    )
    asked = parser.parse_args()
    found, known = marks(), kept()
    if asked.junit:
        marked = {test for by_number in found.values() for tests in by_number.values() for test in tests}
        tests = {test: counts for test, counts in results(asked.junit).items() if test in marked}
        known["suite"] = {"command": "make test", "hardware": machine(), "commit": commit(), "tests": tests}
    if asked.record:
        kind, file = asked.record
        if kind not in LONG:
            parser.error(f"{kind}: expected one of {', '.join(LONG)}")
        run = json.loads(Path(file).read_text())
        run.pop("series", None)  # what it held by the minute is for who looks for a cause
        known.setdefault("long", {})[kind] = run
    if asked.junit or asked.record:
        KEPT.write_text(json.dumps(known, indent=1, sort_keys=True) + "\n")
    PAGE.write_text(page(found, kept()))  # in the order in which it is kept


if __name__ == "__main__":
    main()
