"""TensorFlow is imported without a word: what its libraries announce is left out, and errors are passed on.

They write past Python to the descriptor of standard error, some of it whatever TF_CPP_MIN_LOG_LEVEL says, and
before any message of a command. So the descriptor leads to a file meanwhile. TensorFlow's settings stay.
"""

import contextlib
import importlib.util
import os
import re
import sys
import tempfile
from collections.abc import Iterator, Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

STANDARD_ERROR = 2

_ANNOUNCED = re.compile(
    rb"WARNING: All log messages before absl::InitializeLog"
    rb"|[IW]\d{4} [\d:.]+ +\d+ "  # absl's own form
    rb"|\d{4}-\d\d-\d\d [\d:.]+: [IW] "  # TensorFlow's
    rb"|To enable the following instructions: "
)


def quieten() -> None:
    """Have TensorFlow's import, if it comes, go without a word; unless its level asks for announcements."""
    if os.environ.get("TF_CPP_MIN_LOG_LEVEL", "0") >= "2" and "tensorflow" not in sys.modules:
        sys.meta_path.insert(0, _Finder())


@contextlib.contextmanager
def without_announcements() -> Iterator[None]:
    """Pass on what is written to standard error only at the end, and leave announcements out."""
    try:
        written = tempfile.TemporaryFile()  # noqa: SIM115
        kept = os.dup(STANDARD_ERROR)
    except OSError:  # no temporary folder, or it is full; or there is no standard error
        yield
        return
    with written:
        os.dup2(written.fileno(), STANDARD_ERROR)
        try:
            yield
        finally:
            os.dup2(kept, STANDARD_ERROR)
            os.close(kept)
            written.seek(0)
            for line in written:
                if not _ANNOUNCED.match(line):
                    with contextlib.suppress(OSError):  # nobody reads it
                        os.write(STANDARD_ERROR, line)


class _Finder(MetaPathFinder):
    """Finds TensorFlow, once, as it would be found anyway."""

    def find_spec(
        self,
        fullname: str,
        path: Sequence[str] | None,  # noqa: ARG002
        target: ModuleType | None = None,  # noqa: ARG002
    ) -> ModuleSpec | None:
        """Return how it is imported."""
        if fullname != "tensorflow":
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(fullname)
        if spec is not None and spec.loader is not None:
            spec.loader = _Loader(spec.loader)
        return spec


class _Loader(Loader):
    def __init__(self, loader: Loader) -> None:
        self._loader = loader

    def __getattr__(self, name: str) -> Any:
        return getattr(self._loader, name)

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        return self._loader.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        if module.__spec__ is not None:
            module.__spec__.loader = self._loader
        module.__loader__ = self._loader
        with without_announcements():
            self._loader.exec_module(module)
