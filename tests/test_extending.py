"""The worked examples of docs/extending.md, each applied to a copy of the sources and checked there.

A section says which files it touches ("Touches `a` and `b`."). Above each block of code stands where it goes:
"`path`, a new file:", "`path`, after `line`:", the same with "before" or "in place of", or "Check:".
"""

import os
import re
import shutil
import subprocess
import sys

import pytest

from tests.conftest import PROJECT

PAGE = (PROJECT / "docs" / "extending.md").read_text()
SECTIONS = dict(re.findall(r"^## (.*?)\n(.*?)(?=^## |\Z)", PAGE, re.MULTILINE | re.DOTALL))
BLOCK = re.compile(r"^([^\n]+):\n\n```python\n(.*?)^```", re.MULTILINE | re.DOTALL)
PLACE = re.compile(r"`([^`]+)`, (?:(a new file)|(after|before|in place of) `([^`]+)`)")


def touched(section):
    """Paths of the files that a section says it touches."""
    return set(
        re.findall(r"`([^`]+)`", re.search(r"^Touches (.*?)\.$", section, re.MULTILINE | re.DOTALL)[1])
    )


def apply(section, folder):
    """Write what a section shows into a copy of the sources, and return its check."""
    check = ""
    for heading, code in BLOCK.findall(section):
        if heading == "Check":
            check += code
            continue
        path, new, where, anchor = PLACE.fullmatch(heading).groups()
        file = folder / path
        if new:
            assert not file.exists(), path
            file.write_text(code)
            continue
        line, text = f"\n{anchor}\n", file.read_text()
        assert text.count(line) == 1, f"{path}: expected one line {anchor}"
        put = {"after": f"{line}{code}", "before": f"\n{code}\n{line}", "in place of": f"\n{code}"}[where]
        file.write_text(text.replace(line, put))
    return check


def sources(folder):
    """Content of every source file below a folder, by its path."""
    files = [
        path for package in ("app", "training") for path in (folder / package).rglob("*") if path.is_file()
    ]
    return {
        str(path.relative_to(folder)): path.read_bytes() for path in files if "__pycache__" not in path.parts
    }


def run(check, folder):
    """Run a check with the sources of a folder, and return what it says if it fails."""
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(folder), str(PROJECT)])}
    done = subprocess.run(
        [sys.executable, "-c", check],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stderr if done.returncode else ""


@pytest.fixture
def copy(tmp_path):
    for package in ("app", "training"):
        shutil.copytree(PROJECT / package, tmp_path / package, ignore=shutil.ignore_patterns("__pycache__"))
    return tmp_path


@pytest.mark.process
@pytest.mark.tensorflow
@pytest.mark.parametrize("title", SECTIONS)
def test_an_example_touches_what_it_says_and_does_what_its_check_asks(title, copy):
    before = sources(copy)
    check = apply(SECTIONS[title], copy)
    changed = {path for path, content in sources(copy).items() if before.get(path) != content}
    assert changed == touched(SECTIONS[title])
    assert run(check, copy) == ""
    for style in (("check",), ("format", "--diff")):
        command = [sys.executable, "-m", "ruff", *style, "--config", str(PROJECT / "pyproject.toml")]
        done = subprocess.run(
            [*command, *sorted(changed)], cwd=copy, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout


@pytest.mark.process
@pytest.mark.tensorflow
@pytest.mark.parametrize("title", SECTIONS)
def test_no_check_passes_without_its_example(title, copy):
    check = "".join(code for heading, code in BLOCK.findall(SECTIONS[title]) if heading == "Check")
    assert check
    assert "Error" in run(check, copy)
