"""What the build does beside pyproject.toml: it puts models into the package, which serves them anywhere.

Files of other projects that pages load go into a package as package data, and so does the compiled code that
draws pictures. None is built without them.

They are the newest versions in ``model_store`` of the models named here. An editable installation has none:
it serves the project's own store.
"""

import hashlib
import json
import runpy
import shutil
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py
from setuptools.errors import SetupError

CARRIED = ("fashion", "fashion-map")
STORE = Path("model_store")
PACKAGED = Path("app", "model_store")  # where app/settings.py looks for it


def newest(name: str) -> Path:
    """Return the folder of the newest version of a model."""
    numbers = [int(path.parent.name) for path in (STORE / name).glob("[1-9]*/manifest.json")]
    if not numbers:
        raise SetupError(f"{STORE / name}: no version to put into the package")
    return STORE / name / str(max(numbers))


def files_of(version: Path) -> list[Path]:
    """Return every file of a version; a SetupError if one is not what the manifest says."""
    manifest = version / "manifest.json"
    found = [manifest]
    for entry in json.loads(manifest.read_text(encoding="utf-8"))["files"]:
        path = version / entry["path"]
        if not path.is_file() or hashlib.sha256(path.read_bytes()).hexdigest() != entry["sha256"]:
            raise SetupError(f"{path}: not what {manifest} says; a package with it would not serve it")
        found.append(path)
    return found


def records() -> str:
    """Return the lines of ``published.jsonl`` about the models carried.

    Of the others a line without a folder would say that they were deleted.
    """
    lines = (STORE / "published.jsonl").read_text(encoding="utf-8").splitlines()
    return "".join(f"{line}\n" for line in lines if json.loads(line)["model"] in CARRIED)


def check_assets() -> None:
    """Raise a SetupError unless the files of other projects are here, as the lock file pins them."""
    faults = runpy.run_path("front-end/install.py")["faults"]()
    if faults:
        raise SetupError("\n".join(faults))


def check_native() -> None:
    """Raise a SetupError unless the compiled code is here."""
    build = runpy.run_path("app/native/build.py")
    missing = build["missing"](build["IN_WHEEL"])
    if missing:
        raise SetupError(f"no compiled code for {', '.join(map('-'.join, missing))}: make native")


class BuildWithModels(build_py):
    """Copies the packages, and the models into one of them."""

    def run(self) -> None:
        """Build into ``build_lib``."""
        if not self.editable_mode:
            check_assets()
            check_native()
        super().run()
        if self.editable_mode:
            return
        target = Path(self.build_lib, PACKAGED)
        shutil.rmtree(target, ignore_errors=True)  # of an earlier build: it may have had another version
        for path in self._carried():
            copy = target / path.relative_to(STORE)
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, copy)
        (target / "published.jsonl").write_text(records(), encoding="utf-8")

    def get_outputs(self, include_bytecode: bool = True) -> list[str]:
        """Return every file that is built."""
        built = super().get_outputs(include_bytecode)
        if self.editable_mode:
            return built
        carried = [path.relative_to(STORE) for path in self._carried()]
        return built + [str(Path(self.build_lib, PACKAGED, path)) for path in (*carried, "published.jsonl")]

    def _carried(self) -> list[Path]:
        return [path for name in CARRIED for path in files_of(newest(name))]


setup(cmdclass={"build_py": BuildWithModels})
