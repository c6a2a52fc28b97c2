"""Where an answer goes: to a file, whole or not at all, or to standard output."""

import contextlib
import dataclasses
import json
import mimetypes
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from app.commands.exits import EXIT_FAILURE, EXIT_USAGE, leave
from app.pictures.formats import FORMATS
from vitrine_client import Picture

JSON_TYPE = "application/json"


@dataclasses.dataclass(frozen=True)
class Output:
    """Where the answer of a command goes.

    Args:
        command: its name; a file that nobody named is called like it.
        out: the file that was named, ``-`` for standard output; None: none was.
        force: whether a file that is there may be written over.
        as_json: whether it is printed what the answer says.
        formats: that the answer may have.

    Raises:
        click.UsageError: two are to have standard output.
    """

    command: str
    out: Path | None
    force: bool
    as_json: bool
    formats: Sequence[str] = tuple(FORMATS)

    def __post_init__(self) -> None:
        if self.as_json and self.out is not None and self.file is None:
            raise click.UsageError("--json and -o -: only one of them can have standard output.")

    @property
    def file(self) -> Path | None:
        """The file that was named."""
        return None if self.out is None or str(self.out) == "-" else self.out

    def format_of(self, given: str | None) -> str | None:
        """Return the format to ask for; None: the service's own choice.

        Args:
            given: what ``--format`` says.

        Raises:
            click.UsageError: options contradict each other, or the file's name says nothing.
        """
        if self.as_json and self.file is None:
            if given not in (None, "json"):
                raise click.UsageError(f"--json without -o prints: name a file for the {given} by -o.")
            return "json"
        if given is not None or self.file is None or not self.file.suffix:
            return given
        suffix = self.file.suffix[1:].lower()
        if suffix not in self.formats:
            offered = ", ".join(self.formats)
            raise click.UsageError(
                f"-o {_name(self.file)}: {suffix} is none of {offered}; or say which by --format."
            )
        return suffix

    def check(self, suffix: str | None) -> None:
        """End before anything is asked if the file cannot be written.

        Args:
            suffix: of a file that nobody named; None: the answer will tell.
        """
        if self.file is not None:
            self._check(self.file)
        elif suffix is not None and not self._prints(FORMATS[suffix].media_type):
            self._check(self._named_like_the_command(suffix))

    def write(self, picture: Picture, address: str | None) -> None:
        """Write an answer where it goes.

        Args:
            picture: the answer.
            address: its permanent address, None if it has none.
        """
        file = self.file
        if file is None and not self._prints(picture.media_type):
            file = self._named_like_the_command(_suffix_of(picture))
            self._check(file)
        if file is not None:
            self._check_type(file, picture)
            _write_file(file, picture.content, self.force)
            click.echo(f"wrote {_name(file)}", err=True)
        if self.as_json:
            _print(_as_text(_said(picture, address, file)))
        elif file is None:
            is_json = picture.media_type == JSON_TYPE
            _print(_as_text(json.loads(picture.content)) if is_json else picture.content)

    def _prints(self, media_type: str) -> bool:
        """Whether an answer without a file is printed: text always, the rest if that is no terminal."""
        if self.as_json or self.out is not None:
            return True
        return media_type.startswith((JSON_TYPE, "text/")) or not sys.stdout.isatty()

    def _named_like_the_command(self, suffix: str) -> Path:
        return Path(f"{self.command}.{suffix}")

    def _check(self, file: Path) -> None:
        folder = file.absolute().parent
        if not folder.is_dir():
            leave(EXIT_USAGE, f"{_name(file)}: {_name(folder)} is no folder; make it first")
        if file.is_file() and not self.force:
            leave(EXIT_FAILURE, f"{_name(file)} is there already; --force writes over it, -o names another")

    @staticmethod
    def _check_type(file: Path, picture: Picture) -> None:
        """End if a file's name says that it is another kind of picture than it would be."""
        promised = FORMATS.get(file.suffix[1:].lower())
        kinds = (promised.media_type if promised else "", picture.media_type)
        if all(kind.startswith("image/") for kind in kinds) and kinds[0] != kinds[1]:
            leave(EXIT_USAGE, f"{_name(file)}: the answer is {kinds[1]}; name it .{_suffix_of(picture)}")


def _name(path: Path) -> str:
    return click.format_filename(path)


def _suffix_of(picture: Picture) -> str:
    """Return how the name of an answer's file ends."""
    offered = (name for name, each in FORMATS.items() if each.media_type.startswith(picture.media_type))
    return next(offered, (mimetypes.guess_extension(picture.media_type) or ".bin")[1:])


def _said(picture: Picture, address: str | None, file: Path | None) -> Mapping[str, Any]:
    """Return what an answer says, with its data if it is JSON and not in a file."""
    said: dict[str, Any] = {
        "address": address,
        "model": picture.model,
        "seed": picture.seed,
        "facts": dict(picture.facts),
        "notes": picture.notes or None,
        "media_type": picture.media_type,
    }
    if file is not None:
        return said | {"file": str(file), "bytes": len(picture.content)}
    return said | ({"data": picture.json()} if picture.media_type == JSON_TYPE else {})


def _as_text(value: Any) -> bytes:
    """Return JSON in ASCII, which every terminal and locale shows."""
    return json.dumps(value, indent=2).encode() + b"\n"


def _print(content: bytes) -> None:
    """Write to standard output. A reader that has had enough, as ``head`` has, is told nothing."""
    stream = sys.stdout.buffer
    try:
        stream.write(content)
        stream.flush()
    except OSError as error:
        with contextlib.suppress(OSError):  # what is left in the buffer would fail again as Python ends
            os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        if isinstance(error, BrokenPipeError):
            sys.exit(EXIT_FAILURE)
        leave(EXIT_FAILURE, f"standard output: {error.strerror}")


def _write_file(file: Path, content: bytes, force: bool) -> None:
    """Write a file whole or not at all, beside it first; a device, like /dev/null, as it is."""
    try:
        if file.exists() and not file.is_file():
            file.write_bytes(content)
            return
        target = file.resolve()  # what a link means, not the link
        beside = target.with_name(f".{target.name[:100]}.{os.getpid()}.part")
        try:
            with beside.open("xb") as stream:
                stream.write(content)
            if force:
                beside.replace(target)
            else:
                _rename_to_new(beside, target)
        finally:
            beside.unlink(missing_ok=True)
    except OSError as error:
        leave(EXIT_FAILURE, f"{_name(file)}: {error.strerror}")


def _rename_to_new(beside: Path, target: Path) -> None:
    """Give a file its name, unless somebody else has taken it meanwhile."""
    try:
        target.hardlink_to(beside)
    except FileExistsError:
        raise
    except OSError:  # a file system without links
        beside.replace(target)
