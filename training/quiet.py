"""TensorFlow is imported without a word, and Keras without what it imports for others.

What TensorFlow's libraries announce is left out, and errors are passed on. They write past Python to the
descriptor of standard error, some of it whatever TF_CPP_MIN_LOG_LEVEL says, and before any message of a
command. So the descriptor leads to a file meanwhile. TensorFlow's settings stay.

Keras imports scikit-learn and pyplot where they are installed, for wrappers and galleries that nothing here
uses: a quarter of the import, and a second of every command. So these are not found meanwhile.
"""

import contextlib
import importlib.util
import os
import re
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

STANDARD_ERROR = 2
UNUSED_BY_KERAS = ("sklearn", "matplotlib.pyplot")

_ANNOUNCED = re.compile(
    rb"WARNING: All log messages before absl::InitializeLog"
    rb"|[IW]\d{4} [\d:.]+ +\d+ "  # absl's own form
    rb"|\d{4}-\d\d-\d\d [\d:.]+: [IW] "  # TensorFlow's
    rb"|To enable the following instructions: "
)


def quieten() -> None:
    """Have TensorFlow's import, if it comes, go without a word; unless its level asks for announcements.

    And that of Keras, if it comes, without what is unused.
    """
    if os.environ.get("TF_CPP_MIN_LOG_LEVEL", "0") >= "2" and "tensorflow" not in sys.modules:
        sys.meta_path.insert(0, _Finder("tensorflow", without_announcements))
    if "keras" not in sys.modules:
        sys.meta_path.insert(0, _Finder("keras", without_unused))


@contextlib.contextmanager
def without_unused() -> Iterator[None]:
    """Have modules that Keras would import for others not be found, unless they are imported already."""
    hidden = [name for name in UNUSED_BY_KERAS if name not in sys.modules]
    absent: dict[str, Any] = dict.fromkeys(hidden)  # Python's own way of saying that there is no such module
    sys.modules.update(absent)
    try:
        yield
    finally:
        for name in hidden:
            del sys.modules[name]


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
    """Finds one module as it would be found anyway, and has it executed in a context.

    It stays until then: whoever asks only whether there is such a module does not end it.
    """

    def __init__(self, name: str, around: Callable[[], AbstractContextManager[None]]) -> None:
        self._name, self._around = name, around
        self._asking = False

    def find_spec(
        self,
        fullname: str,
        path: Sequence[str] | None,  # noqa: ARG002
        target: ModuleType | None = None,  # noqa: ARG002
    ) -> ModuleSpec | None:
        """Return how it is imported."""
        if fullname != self._name or self._asking:
            return None
        self._asking = True  # the others, which are asked next
        try:
            spec = importlib.util.find_spec(fullname)
        finally:
            self._asking = False
        if spec is not None and spec.loader is not None:
            spec.loader = _Loader(spec.loader, self)
        return spec

    def executing(self) -> AbstractContextManager[None]:
        """Return the context, once there is something to execute."""
        with contextlib.suppress(ValueError):
            sys.meta_path.remove(self)
        return self._around()


class _Loader(Loader):
    def __init__(self, loader: Loader, finder: _Finder) -> None:
        self._loader, self._finder = loader, finder

    def __getattr__(self, name: str) -> Any:
        return getattr(self._loader, name)

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        return self._loader.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        if module.__spec__ is not None:
            module.__spec__.loader = self._loader
        module.__loader__ = self._loader
        with self._finder.executing():
            self._loader.exec_module(module)
