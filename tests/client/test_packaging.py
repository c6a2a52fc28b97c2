"""The distribution of the client: what a stranger's environment gets, and what it needs."""

import ast
import email
import subprocess
import sys
import tomllib
import zipfile

import pytest

from tests.conftest import PROJECT
from vitrine_client import __version__

SOURCES = sorted((PROJECT / "client" / "vitrine_client").glob("*.py"))


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """The wheel, built of a copy: a build leaves folders behind."""
    folder = tmp_path_factory.mktemp("client")
    tracked = [*SOURCES, PROJECT / "client" / "vitrine_client" / "py.typed"]
    tracked += [PROJECT / "client" / name for name in ("pyproject.toml", "README.md")]
    for path in tracked:
        copy = folder / path.relative_to(PROJECT / "client")
        copy.parent.mkdir(exist_ok=True)
        copy.write_bytes(path.read_bytes())
    build = "from setuptools.build_meta import build_wheel; print(build_wheel('.'))"
    subprocess.run([sys.executable, "-c", build], cwd=folder, capture_output=True, check=True)
    (found,) = folder.glob("*.whl")
    return found


def test_the_wheel_holds_the_client_alone(wheel):
    names = zipfile.ZipFile(wheel).namelist()
    assert {name.split("/")[0] for name in names} == {
        "vitrine_client",
        f"vitrine_client-{__version__}.dist-info",
    }
    assert "vitrine_client/py.typed" in names
    assert {f"vitrine_client/{path.name}" for path in SOURCES} <= set(names)


def test_the_wheel_needs_httpx_alone(wheel):
    text = zipfile.ZipFile(wheel).read(f"vitrine_client-{__version__}.dist-info/METADATA").decode()
    needed = email.message_from_string(text).get_all("Requires-Dist")
    assert [each for each in needed if "extra ==" not in each] == ["httpx>=0.28"]


ALONE = """
import sys
for name in ("app", "training", "numpy", "PIL"):
    sys.modules[name] = None  # importing it is an ImportError
sys.path.insert(0, sys.argv[1])
import vitrine_client
assert vitrine_client.__file__.startswith(sys.argv[1]), vitrine_client.__file__
with vitrine_client.Client(sys.argv[2]) as client:
    picture = client.samples(n=1, seed=1)
    client.reconstruct(picture.content)
print(picture)
"""


def test_the_wheel_draws_a_picture_without_numpy_pillow_or_the_service(wheel, url, tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", ALONE, wheel, url], capture_output=True, text=True, cwd=tmp_path, check=False
    )
    assert done.stdout.startswith("<Picture image/png"), done.stderr


def imported(path):
    """Names of the packages that a source imports, wherever it does."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module.split(".")[0]


def test_the_client_imports_neither_the_service_nor_training():
    found = {name for path in SOURCES for name in imported(path)}
    allowed = {*sys.stdlib_module_names, "vitrine_client", "httpx", "numpy", "PIL"}
    assert "httpx" in found
    assert found <= allowed


def test_both_distributions_that_hold_the_client_have_its_version():
    project = tomllib.loads((PROJECT / "pyproject.toml").read_text())
    assert project["project"]["version"] == __version__
    assert project["tool"]["setuptools"]["packages"]["find"]["where"] == [".", "client"]
