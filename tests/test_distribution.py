"""What strangers install: the source distribution, the wheel from it, and what its one command serves elsewhere.

Everything is built by ``make dist`` from a copy of the project, in which lie things that nobody is to get. The wheel
is installed by pip into an empty environment that sees the dependencies of this one, and nothing of the project.
"""

import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from importlib import metadata
from pathlib import Path

import httpx
import numpy as np
import pytest

from app.main import create_app
from app.native.build import IN_WHEEL
from app.native.library import file_name
from app.settings import Settings
from app.store import scan
from tests.conftest import DISTRIBUTION, PROJECT, SHIPPED_STORE, Client, skip
from tests.fakes import pixels_of
from tests.serving import serving

DECLARED = tomllib.loads((PROJECT / "pyproject.toml").read_text())["project"]
CARRIED = {"fashion", "fashion-map"}
VENDOR = PROJECT / "app" / "static" / "vendor"
NOT_COPIED = (".*_cache", ".git", ".venv", ".hypothesis", ".environments", "*.egg-info", "__pycache__", "build", "dist", "runs", "node_modules")  # fmt: skip
# What may lie in a folder where somebody works, and is no part of a distribution.
LEFT_BEHIND = ("runs/mine/weights.h5", "benchmarks/.environments/naive/installed", ".venv/bin/python3", "front-end/node_modules/axe-core/axe.js", "notes.txt",
               "app/__pycache__/cli.cpython-311.pyc", "tests/__pycache__/tiny.cpython-311.pyc")  # fmt: skip


AT = {"SOURCE_DATE_EPOCH": "1767225600"}  # which the Makefile takes from the last commit


def run(*command, **options):
    done = subprocess.run(command, capture_output=True, text=True, check=False, **options)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def copy_of_the_project(folder):
    shutil.copytree(PROJECT, folder, ignore=shutil.ignore_patterns(*NOT_COPIED), symlinks=True)
    for name in LEFT_BEHIND:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("nobody's")
    return folder


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """The folder with both distributions. An earlier version of a model is in the store: it stays there."""
    if not VENDOR.is_dir():
        skip("the files of other projects are not installed: make assets")
    project = copy_of_the_project(tmp_path_factory.mktemp("sources") / "project")
    models = project / "model_store" / "fashion"
    shutil.copytree(max(models.iterdir(), key=lambda path: int(path.name)), models / "1")
    # `.venv/dev`, the installed tools of development, are those that run this test.
    there = ("--old-file=.venv/dev", "--old-file=.venv/dev-assets")
    run("make", *there, f"BIN={Path(sys.executable).parent}", "dist", cwd=project, env=os.environ | AT)
    return project / "dist"


@pytest.fixture(scope="module")
def wheel(built):
    (found,) = built.glob("*.whl")
    return found


def test_the_wheel_is_built_again_byte_for_byte(built, wheel, tmp_path):
    (source,) = built.glob("*.tar.gz")
    with tarfile.open(source) as archive:  # elsewhere, by files of another time
        archive.extractall(tmp_path / "again", filter="data")
    (folder,) = (tmp_path / "again").iterdir()
    for path in folder.rglob("*"):
        os.utime(path, (1_700_000_000, 1_700_000_000))
    build = (
        sys.executable,
        "-m",
        "pip",
        "wheel",
        "--quiet",
        "--no-deps",
        "--no-build-isolation",
        "--no-index",
    )
    run(*build, "--wheel-dir", tmp_path, folder, env=os.environ | AT)
    again = tmp_path / wheel.name
    with zipfile.ZipFile(wheel) as first, zipfile.ZipFile(again) as second:
        for one, other in zip(first.infolist(), second.infolist(), strict=True):
            what = one.filename, one.CRC, one.date_time, one.external_attr
            assert what == (other.filename, other.CRC, other.date_time, other.external_attr)
    assert again.read_bytes() == wheel.read_bytes()


@pytest.fixture(scope="module")
def environment(wheel, tmp_path_factory):
    """An environment with the wheel, in which this one's libraries can be imported."""
    folder = tmp_path_factory.mktemp("elsewhere") / "environment"
    run(sys.executable, "-m", "venv", "--without-pip", folder)
    pip = (sys.executable, "-m", "pip", "--disable-pip-version-check", "--python", folder / "bin" / "python")
    run(*pip, "install", "--quiet", "--no-deps", "--no-index", wheel)
    (packages,) = folder.glob("lib/python3*/site-packages")
    # Only folders: the .pth files in them, one of which names this project, are not read.
    libraries = [path for path in sys.path if Path(path).name == "site-packages"]
    (packages / "libraries.pth").write_text("".join(f"{path}\n" for path in libraries))
    return folder


@pytest.fixture(scope="module")
def server(environment, tmp_path_factory):
    """What the one command serves where nothing is, and nothing is set."""
    folder = tmp_path_factory.mktemp("nothing")
    unset = {"PYTHONPATH": "", "VITRINE_DEFAULT_MODEL": "", "VITRINE_MODEL_STORE": ""}
    with serving(folder, program=environment / "bin" / DISTRIBUTION, **unset) as server:
        yield server


@pytest.fixture(scope="module")
def checkout():
    """The service of this project, which computes everything that it is asked for."""
    client = Client(create_app(Settings(model_store=SHIPPED_STORE, default_model="fashion", cache_bytes=0)))
    yield client
    client.close()


def newest_carried():
    """Reference of the newest version of each model that a wheel is to carry."""
    return {
        versions[-1].reference for name, versions in scan(SHIPPED_STORE).versions.items() if name in CARRIED
    }


def test_the_distribution_has_a_command_of_its_own_name_which_uvx_and_pipx_run():
    assert DECLARED["scripts"][DISTRIBUTION] == DECLARED["scripts"]["vitrine"]
    assert metadata.version(DISTRIBUTION) == DECLARED["version"]


def test_whatever_asks_for_the_version_knows_that_name():
    asked = re.compile(r"""(?:metadata\.version\(|package_name=)["'](.+?)["']""")
    sources = [*(PROJECT / "app").rglob("*.py"), *(PROJECT / "training").rglob("*.py")]
    found = {name for path in sources for name in asked.findall(path.read_text())}
    assert found == {DISTRIBUTION}


@pytest.mark.process
@pytest.mark.parametrize(
    ("program", "shown"), [(DISTRIBUTION, "vitrine"), ("vitrine-train", "vitrine-train")]
)
def test_the_installed_commands_know_their_version(environment, tmp_path, program, shown):
    told = run(environment / "bin" / program, "--version", cwd=tmp_path)
    assert told == f"{shown}, version {DECLARED['version']}\n"


@pytest.mark.process
def test_the_source_distribution_has_all_that_is_versioned_and_nothing_else(built):
    (path,) = built.glob("*.tar.gz")
    with tarfile.open(path) as archive:
        found = {name.partition("/")[2] for name in archive.getnames()}
    assert not found & set(LEFT_BEHIND)
    assert not [
        name
        for name in found
        if re.search(r"__pycache__|\.environments|node_modules|\.pyc$|^(runs|dist|\.venv)/", name)
    ]
    tops = {name.partition("/")[0] for name in found if name}
    made = {"PKG-INFO", "setup.cfg", "vitrine_vae.egg-info"}
    folders = {
        ".ci",
        "app",
        "benchmarks",
        "client",
        "deploy",
        "docs",
        "front-end",
        "model_store",
        "requirements",
        "tests",
        "training",
    }
    files = {".dockerignore", ".gitignore", "CHANGELOG.md", "Dockerfile", "LICENSE", "MANIFEST.in", "Makefile",
             "README.md", "SECURITY.md", "pyproject.toml", "setup.py"}  # fmt: skip
    assert tops == made | folders | files
    for folder in folders - {"model_store"}:  # where an earlier version lies
        sources = {
            file.relative_to(PROJECT).as_posix()
            for file in (PROJECT / folder).rglob("*")
            if file.is_file() and not {"__pycache__", ".environments", "node_modules"} & set(file.parts)
        }
        assert sources <= found, sources - found


def test_the_image_can_be_built_with_each_set_of_requirements_that_the_dockerfile_speaks_of():
    dockerfile = (PROJECT / "Dockerfile").read_text()
    sets = {*re.findall(r"REQUIREMENTS=(\w+)", dockerfile)}
    assert sets == {"serve", "remote"}
    copied = [line.split()[1:-1] for line in dockerfile.splitlines() if line.startswith("COPY requirements/")]
    needed = {
        source.replace("${REQUIREMENTS}", each) for sources in copied for source in sources for each in sets
    }
    let_in = {line[1:] for line in (PROJECT / ".dockerignore").read_text().splitlines() if line[:1] == "!"}
    assert needed <= let_in


@pytest.mark.process
def test_the_wheel_has_both_programs_and_the_newest_versions_and_nothing_else(wheel):
    names = zipfile.ZipFile(wheel).namelist()
    assert {name.partition("/")[0] for name in names} == {
        "app",
        "training",
        "vitrine_client",
        f"vitrine_vae-{DECLARED['version']}.dist-info",
    }
    versions = {"@".join(name.split("/")[2:4]) for name in names if re.match(r"app/model_store/[^/]+/", name)}
    assert versions == newest_carried()
    sources = {path.relative_to(PROJECT).as_posix() for top in ("app", "training") for path in (PROJECT / top).rglob("*.py")}  # fmt: skip
    client = PROJECT / "client"
    sources |= {path.relative_to(client).as_posix() for path in (client / "vitrine_client").rglob("*.py")}
    assert {name for name in names if name.endswith(".py")} == sources
    assert wheel.stat().st_size < 25_000_000


@pytest.mark.process
def test_the_wheel_has_the_files_of_other_projects_byte_for_byte(wheel):
    with zipfile.ZipFile(wheel) as archive:
        prefix = "app/static/vendor/"
        found = {name.removeprefix(prefix): archive.read(name) for name in archive.namelist() if name.startswith(prefix)}  # fmt: skip
    installed = {
        path.relative_to(VENDOR).as_posix(): path.read_bytes() for path in VENDOR.rglob("*") if path.is_file()
    }
    assert {"MANIFEST.json", "openseadragon-6.1.1/openseadragon.min.js"} <= set(found)
    assert found == installed


@pytest.mark.process
def test_the_wheel_has_compiled_code_for_linux_and_its_source(wheel):
    code = {file_name(*machine) for machine in IN_WHEEL}
    prefix = "app/native/"
    with zipfile.ZipFile(wheel) as archive:
        found = {name.removeprefix(prefix): archive.read(name) for name in archive.namelist() if name.startswith(prefix)}  # fmt: skip
    assert {name for name in found if name.endswith(".so")} == code
    for name in (*code, "causal.c", "noise.c"):
        assert found[name] == (PROJECT / prefix / name).read_bytes()


def build_without(folder, *left_out):
    """What building says of a project without these files."""
    shutil.copytree(
        PROJECT / "front-end", folder / "front-end", ignore=shutil.ignore_patterns("node_modules")
    )
    shutil.copytree(PROJECT / "app", folder / "app", ignore=shutil.ignore_patterns(*left_out))
    for name in ("setup.py", "pyproject.toml", "README.md", "LICENSE"):
        shutil.copyfile(PROJECT / name, folder / name)
    done = subprocess.run(
        [sys.executable, "setup.py", "--quiet", "build_py"],
        capture_output=True,
        text=True,
        check=False,
        cwd=folder,
    )
    assert done.returncode == 1
    return done.stderr


@pytest.mark.process
def test_no_wheel_is_built_without_the_files_of_other_projects(tmp_path):
    project = tmp_path / "project"
    assert f"{project / 'app/static/vendor'}: not installed: make assets" in build_without(project, "vendor")


@pytest.mark.process
def test_no_wheel_is_built_without_compiled_code(tmp_path):
    if not VENDOR.is_dir():
        skip("the files of other projects are not installed: make assets")
    said = build_without(tmp_path / "project", "*.so")
    assert "no compiled code for linux-aarch64, linux-x86_64: make native" in said


@pytest.mark.process
def test_the_carried_store_is_whole_and_remembers_what_was_deleted_of_its_models(environment):
    (folder,) = environment.glob("lib/python3*/site-packages/app/model_store")
    carried, shipped = scan(folder), scan(SHIPPED_STORE)
    assert {version.reference for version in carried.all} == newest_carried()
    assert not carried.rejected
    assert not carried.warning
    assert carried.gone["fashion"][3] == shipped.gone["fashion"][3]
    assert set(carried.gone) <= CARRIED  # others were not deleted: they stand in another store
    for version in carried.all:
        assert version.manifest.digest == shipped.find(version.reference).manifest.digest


@pytest.mark.process
def test_nothing_of_the_checkout_can_be_imported_where_the_wheel_is_installed(environment, tmp_path):
    code = "import app, json, sys, training; print(json.dumps([app.__file__, training.__file__, sys.path]))"
    told = run(environment / "bin" / "python", "-I", "-c", code, cwd=tmp_path, env={"PATH": os.defpath})
    *files, paths = json.loads(told)
    (packages,) = environment.glob("lib/python3*/site-packages")
    assert [Path(file).parents[1] for file in files] == [packages, packages]
    assert str(PROJECT) not in paths
    assert [path for path in paths if Path(path, "app").exists()] == [str(packages)]


@pytest.mark.process
@pytest.mark.parametrize(
    "address",
    [
        "/samples?n=21&seed=42",
        "/samples?n=21&seed=42&render=draw&zoom=2",
        "/samples?n=9&seed=7&model=fashion-map",
        "/interpolate?axis=0",
        "/reconstruct",
    ],
)
def test_one_command_serves_pictures_whose_pixels_are_those_of_the_checkout(server, checkout, address):
    theirs, ours = httpx.get(server.url + address), checkout.get(address)
    assert (theirs.status_code, ours.status_code) == (200, 200)
    assert theirs.headers["X-Model"] == ours.headers["X-Model"]
    pixels = pixels_of(theirs.content)
    assert np.ptp(pixels) > 200  # a picture, from dark to white
    assert np.array_equal(pixels, pixels_of(ours.content))


@pytest.mark.process
def test_the_log_says_which_store_is_served(server, environment):
    (folder,) = environment.glob("lib/python3*/site-packages/app/model_store")
    assert re.search(
        rf"serving fashion@\d+ from {re.escape(str(folder))}$", server.log.read_text(), re.MULTILINE
    )


@pytest.mark.process
def test_a_model_that_is_left_out_is_unknown_and_a_deleted_version_gone(server):
    assert httpx.get(f"{server.url}/samples?model=fashion-dense").status_code == 404
    gone = httpx.get(f"{server.url}/samples?model=fashion@3")
    assert gone.status_code == 410
    assert "0720d171dac09130a474b61b7a052437f8f0861c36ce171b69eb049a233d0627" in gone.json()["detail"]


@pytest.mark.process
@pytest.mark.parametrize("page", ["/", "/docs"])
def test_the_pages_and_all_that_they_load_are_installed(server, page):
    answer = httpx.get(server.url + page)
    assert answer.status_code == 200
    loaded = set(re.findall(r"""<(?:script|link|img)[^>]+(?:src|href)=["']([^"'#]+)["']""", answer.text))
    assert loaded
    for link in loaded:
        found = httpx.get(httpx.URL(server.url + page).join(link.replace("&amp;", "&")))
        assert found.status_code == 200, link
        assert found.content
    assert httpx.get(f"{server.url}/version").json()["version"] == DECLARED["version"]


@pytest.mark.process
def test_a_store_in_the_current_folder_is_served_in_the_place_of_the_carried_one(environment, tmp_path):
    version = max((SHIPPED_STORE / "fashion-dense").iterdir(), key=lambda path: int(path.name))
    shutil.copytree(version, tmp_path / "model_store" / "fashion-dense" / version.name)
    told = run(environment / "bin" / DISTRIBUTION, "models", "--json", cwd=tmp_path, env={"PATH": os.defpath})
    assert [entry["model"] for entry in json.loads(told)["models"]] == [f"fashion-dense@{version.name}"]


@pytest.mark.process
def test_a_version_that_is_not_what_its_manifest_says_is_not_built_into_a_wheel(tmp_path):
    project = copy_of_the_project(tmp_path / "project")
    broken = max((project / "model_store" / "fashion-map").iterdir(), key=lambda path: int(path.name))
    (broken / "decoder" / "saved_model.pb").write_bytes(b"changed")
    code = "import sys; from setuptools import build_meta; build_meta.build_wheel(sys.argv[1])"
    done = subprocess.run(
        [sys.executable, "-c", code, tmp_path], cwd=project, capture_output=True, text=True, check=False
    )
    assert done.returncode != 0
    assert "decoder/saved_model.pb: not what" in done.stderr
    assert not list(tmp_path.glob("*.whl"))
