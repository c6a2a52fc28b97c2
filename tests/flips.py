"""Changes of a version's files that no scan may miss.

``python -m tests.flips --count 2000`` flips single bytes of the shipped versions, in copies, and names what was served.
"""

import argparse
import dataclasses
import os
import random
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from app.errors import StoreError
from app.store import scan
from tests.fakes import write_version
from tests.reliability import command_of, tell

SHIPPED = Path(__file__).parents[1] / "model_store"


@dataclasses.dataclass(frozen=True)
class Copy:
    """A version in a store of its own, beside another model that is served whatever becomes of it."""

    folder: Path

    @property
    def store(self) -> Path:
        return self.folder.parents[1]

    @property
    def name(self) -> str:
        return f"{self.folder.parent.name}/{self.folder.name}"

    @property
    def files(self) -> list[Path]:
        return sorted(path for path in self.folder.rglob("*") if path.is_file())

    def served(self) -> bool:
        """Whether a scan finds it fit; if not there must be a reason, and the rest must be served."""
        try:
            found = scan(self.store)
        except StoreError as error:
            raise AssertionError(f"the other versions are not served: {error}") from error
        name, number = self.folder.parent.name, int(self.folder.name)
        served = any(each.number == number for each in found.versions.get(name, ()))
        assert served or found.rejected[self.name], f"{self.name}: no reason"
        assert not served or self.name not in found.rejected
        return served


def copy_of(version: Path, folder: Path) -> Copy:
    """Return a copy in the store `folder`, which also gets a model of its own."""
    write_version(folder, name="beside")
    return Copy(shutil.copytree(version, folder / version.parent.name / version.name))


def flips(copy: Copy, count: int, seed: int) -> Iterator[tuple[Path, int, int]]:
    """Yield files, positions and bits: every file is as likely as another, and in turn every byte."""
    chance = random.Random(seed)  # noqa: S311
    files = [path for path in copy.files if path.stat().st_size]
    sizes = [path.stat().st_size for path in files]
    for index in range(count):
        weights = sizes if index % 2 else [1] * len(files)
        (path,) = chance.choices(files, weights)
        yield path, chance.randrange(path.stat().st_size), 1 << chance.randrange(8)


def missed(copy: Copy, count: int, seed: int = 0) -> list[str]:
    """Return the flipped bytes, of so many, with which the version was served."""
    found = []
    for path, position, bit in flips(copy, count, seed):
        _flip(path, position, bit)
        if copy.served():
            found.append(f"{path.relative_to(copy.folder)}: bit {bit} of byte {position}")
        _flip(path, position, bit)
    return found


def _flip(path: Path, position: int, bit: int) -> None:
    with path.open("r+b") as file:
        file.seek(position)
        (byte,) = file.read(1)
        file.seek(position)
        file.write(bytes([byte ^ bit]))


def half_copies(
    version: Path, target: Path, order: list[Path], sizes: Callable[[int], list[int]]
) -> Iterator[str]:
    """Copy the files of a version in this order, byte by byte, and yield what is there after each step.

    Args:
        version: the folder that is copied.
        target: the folder that it is copied to.
        order: all of its files.
        sizes: of a file's size, the sizes at which the copy stands for a moment.
    """
    target.mkdir(parents=True)
    yield "an empty folder"
    for path in order:
        copied = target / path.relative_to(version)
        copied.parent.mkdir(parents=True, exist_ok=True)
        content = path.read_bytes()
        for size in sizes(len(content)):
            copied.write_bytes(content[:size])
            if path != order[-1] or size < len(content):
                yield f"{path.relative_to(version)}: {size} of {len(content)} bytes"


# What else may happen to a folder; each takes it and a file of it.
def _removed(folder: Path, path: Path) -> None:
    path.unlink()


def _emptied(folder: Path, path: Path) -> None:
    path.write_bytes(b"")


def _longer(folder: Path, path: Path) -> None:
    with path.open("ab") as file:
        file.write(b"\n")


def _added(folder: Path, path: Path) -> None:
    path.with_name(path.name + ".bak").write_bytes(b"")


def _hidden(folder: Path, path: Path) -> None:
    (folder / ".hidden").write_bytes(b"x")


def _deeper(folder: Path, path: Path) -> None:
    (folder / "a" / "b").mkdir(parents=True)
    (folder / "a" / "b" / "c").write_bytes(b"x")


def _linked_out(folder: Path, path: Path) -> None:
    outside = folder.parents[2] / f"outside-{folder.name}"
    outside.write_bytes(path.read_bytes())
    path.unlink()
    path.symlink_to(outside)


def _linked_folder(folder: Path, path: Path) -> None:
    (folder / "more").symlink_to(folder.parents[2])


def _linked_inside(folder: Path, path: Path) -> None:
    path.rename(folder / "renamed")
    path.symlink_to(folder / "renamed")


def _dangling(folder: Path, path: Path) -> None:
    (folder / "nowhere").symlink_to(folder / "is-not")


def _renamed(folder: Path, path: Path) -> None:
    path.rename(path.with_name(path.name + "~"))


def _pipe(folder: Path, path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def _folder_instead(folder: Path, path: Path) -> None:
    path.unlink()
    path.mkdir()


CHANGES = [
    *(_removed, _emptied, _longer, _added, _hidden, _deeper, _linked_out, _linked_folder, _linked_inside),
    *(_dangling, _renamed, _pipe, _folder_instead),
]


def main(given: list[str] | None = None) -> int:
    """Flip so many bytes of each shipped version; return the exit code."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--count", type=int, default=2_000, help="bytes of each version")
    parser.add_argument("--out", type=Path, help="write the figures as JSON")
    asked = parser.parse_args(given)
    figures: dict[str, int] = {"bytes flipped of each version": asked.count}
    wrong = []
    for version in sorted(path.parent for path in SHIPPED.glob("*/*/manifest.json")):
        name = f"{version.parent.name}/{version.name}"
        with tempfile.TemporaryDirectory() as folder:
            found = missed(copy_of(version, Path(folder)), asked.count)
        figures[f"{name}: times that it was served"] = len(found)
        wrong += [f"{name}: served with {each}" for each in found]
    return tell(figures, wrong, command_of("tests.flips", asked), asked.out)


if __name__ == "__main__":
    sys.exit(main())
