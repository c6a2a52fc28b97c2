"""The models of a running service: opened once, looked up by name.

The default model is opened before the service is ready, the newest versions of the others right after. Older
versions are opened when they are first asked for. One that fails is passed over: the one before it serves.
"""

import asyncio
import contextlib
import logging
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from app.errors import ModelError, ModelNotFound, ModelUnavailable, StoreError
from app.model import Model
from app.runtimes import OpenRuntime, RuntimeUnavailable
from app.store import InvalidVersion, Store, Version, check_files

__all__ = ["Model", "Models"]

log = logging.getLogger("vitrine")


class Models:
    """Every model of the store, each version opened at most once. Safe to use from several threads.

    Args:
        store: what there is.
        open_runtime: how a version is opened.
        threads: threads that one computation may use.
        wide_threads: that it may use while nothing else is computed.

    Attributes:
        opened: the models opened so far, by their references.
        opener: the thread that opens them, which takes seconds: pictures of other models go on.
    """

    def __init__(self, store: Store, open_runtime: OpenRuntime, threads: int, wide_threads: int = 1) -> None:
        self.store = store
        self._open_runtime = open_runtime
        self._threads, self._wide_threads = threads, wide_threads
        self._unusable: dict[str, ModelError] = {}
        self._opening = threading.Lock()
        self.opened: dict[str, Model] = {}
        self.opener = ThreadPoolExecutor(1, thread_name_prefix="opener")

    def open_default(self, default: str) -> None:
        """Open the model that answers when a request names none.

        Args:
            default: NAME, its newest usable version, NAME@VERSION or NAME@VERSION-DIGEST.

        Raises:
            StoreError: it has no usable version.
        """
        refusals: list[str] = []
        while True:
            try:
                self.get(self.find(default))
                break
            except (ModelError, ModelNotFound) as error:
                if error.detail in refusals or isinstance(error, ModelNotFound) or "@" in default:
                    reason = f"the default model {default} cannot be served: {error.detail}"
                    raise StoreError(reason) from error
                refusals.append(error.detail)  # a bare name now means the version before
        for refusal in refusals:
            log.warning("not served: %s", refusal)

    def open_in_background(self, then: Callable[[], None] = lambda: None) -> None:
        """Open the newest usable version of every name, so that the first request for it need not wait.

        One after the other: a request for a model, and the end of the service, wait for one of them at most.

        Args:
            then: called in the opener's thread when all are open.
        """
        names = iter(list(self.store.versions))

        def open_next() -> None:
            if (name := next(names, None)) is None:
                then()
                return
            before = set(self.opened)
            try:
                self._open_newest(name)
                for new in self.opened.keys() - before:
                    self.opened[new].rest()  # found fit; nobody may ever ask for it
            finally:  # whatever comes of one model, the next has its turn, and `then` in the end
                with contextlib.suppress(RuntimeError):  # the service has come to its end
                    self.opener.submit(open_next)

        self.opener.submit(open_next)

    def _open_newest(self, name: str) -> None:
        for version in reversed(self.store.versions.get(name, ())):
            try:
                self.get(version)
                return
            except ModelError as error:
                log.warning("not served: %s", error.detail)

    def find(self, reference: str) -> Version:
        """Return the version that a reference means, see ``Store.find``; ``name``: its newest usable one.

        Raises:
            ModelNotFound: there is none, or no more (ModelGone); names those there are.
            ModelError: there is, and none of its versions can be served; says why of the newest.
        """
        try:
            return self.store.find(reference, passed_over=self._unusable)
        except ModelNotFound:
            for version in reversed(self.store.versions.get(reference, ())):
                raise self._refusal(version.reference) from None
            raise

    def get(self, version: Version) -> Model:
        """Return the opened model of a version, opening and warming it if nobody has yet.

        Its files are checked again behind that: they may have changed since the store was scanned.

        Raises:
            ModelError: it cannot be opened, or is not what its manifest says; it is not tried again.
        """
        reference = version.reference
        with self._opening:
            if reference in self._unusable:
                raise self._refusal(reference)
            if reference not in self.opened:
                try:
                    runtime = self._open_runtime(version.folder, self._threads)
                    model = Model(version, runtime, self._threads, self._wide_threads)
                    model.warm_up()
                    check_files(version.folder, version.manifest)
                except (Exception, SystemExit) as error:  # a model is a program: it can fail in any way
                    self._unusable[reference] = _as_refusal(reference, error)
                    raise self._refusal(reference) from error
                self.opened[reference] = model
            return self.opened[reference]

    async def find_opened(self, reference: str) -> Model:
        """Return the model of a reference, see ``find``, opened now if nobody has yet.

        Raises:
            ModelNotFound: there is none, or no more (ModelGone).
            ModelError: the version cannot be opened.
        """
        while True:
            version = self.find(reference)
            if opened := self.opened.get(version.reference):
                return opened
            try:
                return await asyncio.get_running_loop().run_in_executor(self.opener, self.get, version)
            except ModelError:
                if "@" in reference:
                    raise
                # A bare name now means the version before.

    def _refusal(self, reference: str) -> ModelError:
        """Return a new error of a version that could not be opened."""
        kept = self._unusable[reference]
        return type(kept)(kept.detail)

    @property
    def rejected(self) -> dict[str, str]:
        """Every version that is not served, as ``name/version``, and why."""
        unusable = dict(self._unusable)
        return self.store.rejected | {ref.replace("@", "/"): why.detail for ref, why in unusable.items()}


def _as_refusal(reference: str, error: BaseException) -> ModelError:
    """Return what is to be said of a version that could not be opened, in one line."""
    if isinstance(error, ModelError):
        return ModelError(error.detail)
    if isinstance(error, RuntimeUnavailable):
        return ModelUnavailable.of(reference, str(error))
    if isinstance(error, InvalidVersion):
        return ModelError(f"{reference}: {error}")
    log.debug("%s", reference, exc_info=error)
    detail = f"{reference}: {type(error).__name__}: {' '.join(str(error).split())}"
    return ModelError(detail.encode("utf-8", "backslashreplace").decode())  # it may name a path
