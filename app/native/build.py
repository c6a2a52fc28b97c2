"""Compiles the C in this folder, by the compiler of the package ``ziglang``, installed for the moment.

    python app/native/build.py    for this machine, and for those that the wheel has code for

Needs Python alone. The file's name has the beginning of the sources' digest: code of another source is never
loaded. Without the file draws are made by NumPy, with the same bytes.
"""

import argparse
import contextlib
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path

HERE = Path(__file__).resolve().parent
if not __package__:  # run as a file: the project may not be installed yet
    sys.path.insert(0, str(HERE.parents[1]))

from app.native.library import file_name, sources  # noqa: E402

PINNED = HERE.parents[1] / "requirements" / "native.txt"
# By what Python calls a machine, what the compiler calls it. Those of Linux need no C library of their own,
# so that they run beside any.
TARGETS = {
    ("linux", "x86_64"): "x86_64-linux-musl",
    ("linux", "aarch64"): "aarch64-linux-musl",
    ("darwin", "x86_64"): "x86_64-macos",
    ("darwin", "aarch64"): "aarch64-macos",
    ("win32", "x86_64"): "x86_64-windows-gnu",
}
IN_WHEEL = (("linux", "x86_64"), ("linux", "aarch64"))
FLAGS = (
    *("-shared", "-fPIC", "-fvisibility=hidden", "-s"),
    *("-O3", "-fno-math-errno", "-fno-stack-protector"),
    "-ffp-contract=off",  # a fused multiplication and addition is rounded once, and not everywhere to be had
)


class BuildError(Exception):
    """Why there is no compiled code, and what to do."""


def host() -> tuple[str, str]:
    """Return what Python calls this machine: its system, and its processor."""
    _, system, machine, _ = file_name().split("-")
    return system, machine


def missing(machines: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    """Return those of the machines for which there is no code of this source."""
    return [machine for machine in sorted(machines) if not (HERE / file_name(*machine)).is_file()]


def compile_for(machines: list[tuple[str, str]], compiler: list[str], folder: Path = HERE) -> list[Path]:
    """Compile for each machine, and remove what was compiled of another source; return the files.

    Raises:
        BuildError: there is no code for a machine, or it cannot be compiled.
    """
    written = []
    for machine in machines:
        if machine not in TARGETS:
            raise BuildError(f"there is no compiled code for {'-'.join(machine)}: draws are made by NumPy")
        target = folder / file_name(*machine)
        with tempfile.TemporaryDirectory(prefix=".native-", dir=folder) as scratch:
            made = Path(scratch, target.name)
            alone = ("-nostdlib",) if machine[0] == "linux" else ()
            files = [*map(str, sources()), "-o", str(made)]
            command = [*compiler, "-target", TARGETS[machine], *FLAGS, *alone, *files]
            done = subprocess.run(command, capture_output=True, text=True)  # noqa: S603
            if done.returncode:
                raise BuildError(f"the C cannot be compiled for {'-'.join(machine)}:\n{done.stderr}")
            made.chmod(0o644)
            made.replace(target)
        written.append(target)
    of_this_source = file_name().rsplit("-", 1)[-1]
    for path in folder.glob("*-*.so"):
        if not path.name.endswith(of_this_source):
            path.unlink()
    return written


@contextlib.contextmanager
def compiler() -> Iterator[list[str]]:
    """Give the command of a C compiler that is installed for the moment.

    Raises:
        BuildError: it cannot be installed.
    """
    with tempfile.TemporaryDirectory(prefix="native-") as folder:
        pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--require-hashes"]
        install = [sys.executable, *pip, "--target", folder, "--requirement", str(PINNED)]
        done = subprocess.run(install, capture_output=True, text=True)  # noqa: S603
        if done.returncode:
            raise BuildError(f"the compiler cannot be installed:\n{done.stderr}")
        os.environ.update({"ZIG_GLOBAL_CACHE_DIR": folder, "ZIG_LOCAL_CACHE_DIR": folder})  # nothing stays
        yield [sys.executable, str(Path(folder, "ziglang")), "cc"]


def main() -> int:
    """Compile what is missing; return the process's exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.parse_args()
    wanted = missing({host(), *IN_WHEEL})
    if not wanted:
        return 0
    try:
        with compiler() as command:
            for path in compile_for(wanted, command):
                print(f"{path.name}: {path.stat().st_size} bytes")  # noqa: T201
    except BuildError as error:
        print(error, file=sys.stderr)  # noqa: T201
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
