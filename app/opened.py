"""The opened models of a process, by their references: each version at most once, within a memory budget."""

import contextlib
import dataclasses
import functools
import logging
import threading
import weakref
from collections.abc import Callable, Collection
from concurrent.futures import ThreadPoolExecutor

from app.errors import ModelError, ModelUnavailable
from app.memory import resident_bytes
from app.memory_budget import MemoryBudget
from app.model import Model
from app.runtimes import OpenRuntime, RuntimeUnavailable
from app.runtimes.trim import give_back
from app.store import InvalidVersion, Store, Version, check_files

log = logging.getLogger("vitrine")


@dataclasses.dataclass(frozen=True)
class Opening:
    """How versions are opened.

    Args:
        open_runtime: what opens one.
        threads: threads that one computation may use.
        wide_threads: that it may use while nothing else is computed.
        max_bytes: that opened models may take together; None: as much as they need.
    """

    open_runtime: OpenRuntime
    threads: int
    wide_threads: int = 1
    max_bytes: int | None = None


class OpenedModels:
    """What is opened, and what could not be. Safe to use from several threads.

    Args:
        opening: how versions are opened.
        changed: called in any thread when what is opened or unusable has changed: with the version, and
            whether a model was unloaded.
        failed: called in any thread with a reference and the reason when a model breaks its promise.

    Attributes:
        models: the opened ones.
        unusable: by reference, why a version is not served.
        opener: the thread that opens models, which takes seconds: pictures of other models go on.
    """

    def __init__(
        self,
        opening: Opening,
        changed: Callable[[Version, bool], None],
        failed: Callable[[str, str], None],
    ) -> None:
        self._opening, self._changed, self._failed = opening, changed, failed
        self._budget = None if opening.max_bytes is None else MemoryBudget(opening.max_bytes)
        self._lock = threading.Lock()  # while one is opened
        self._quarantined: dict[str, str] = {}  # references of versions that were served -> their digests
        self.unusable: dict[str, ModelError] = {}
        self.models: dict[str, Model] = {}
        self.opener = ThreadPoolExecutor(1, thread_name_prefix="opener")

    def find(self, reference: str) -> Model | None:
        """Return a model that somebody asks for now; None: it is not opened."""
        model = self.models.get(reference)
        if self._budget is not None and model is not None:
            self._budget.touch(reference)
        return model

    def get(self, version: Version, kept: Callable[[], Collection[str] | None]) -> Model:
        """Return the opened model of a version, opening and warming it if nobody has yet.

        Its files are checked again behind that: they may have changed since the store was scanned. That it
        may use idle threads is found out behind it, by the opener.

        Args:
            version: which.
            kept: returns the references that may not be unloaded for it; None: nothing may.

        Raises:
            ModelError: it cannot be opened, or is not what its manifest says; it is not tried again until
                ``renew`` lets it.
        """
        reference = version.reference
        with self._lock:
            if (known := self.refusal(reference)) is not None:
                raise known
            model = self.models.get(reference)  # which may be unloaded meanwhile, as below
            if model is None:
                try:
                    model = self._open(version)
                except (Exception, SystemExit) as error:  # a model is a program: it can fail in any way
                    refusal = self.unusable[reference] = _as_refusal(reference, error)
                    self._changed(version, False)
                    raise _anew(refusal) from error
                self.models[reference] = model
                with contextlib.suppress(RuntimeError):  # the service has come to its end
                    self.opener.submit(_widen, model)
                self._keep_within_budget(reference, kept())
                self._changed(version, False)
            return model

    def _open(self, version: Version) -> Model:
        before, opening = resident_bytes(), self._opening
        runtime = opening.open_runtime(version.folder, opening.threads)
        model = Model(version, runtime, opening.threads, opening.wide_threads)
        model.warm_up()
        check_files(version.folder, version.manifest)
        model.num_bytes = max(least_bytes(version), resident_bytes() - before)
        model.when_failed(functools.partial(self._failed, version.reference))
        return model

    def fits(self, version: Version) -> bool:
        """Say whether a version can be opened without another being unloaded."""
        return self._budget is None or self._budget.fits(self._taken(), least_bytes(version))

    def _taken(self) -> dict[str, int]:
        return {reference: model.num_bytes for reference, model in list(self.models.items())}

    def _keep_within_budget(self, reference: str, kept: Collection[str] | None) -> None:
        """Unload what was asked for least recently, if a model that was just opened takes too much."""
        if self._budget is None:
            return
        self._budget.touch(reference)
        if kept is not None:
            for each in self._budget.to_unload(self._taken(), {reference, *kept}):
                self.unload(each)

    def unload(self, reference: str) -> None:
        """Let an opened model go: its memory is given back when the last request that has it is answered."""
        model = self.models.pop(reference, None)
        if model is not None:
            model.retired = True
            weakref.finalize(model, _give_back_by, self.opener).atexit = False
            self._changed(model.version, True)

    def quarantine(self, model: Model, reason: str) -> None:
        """Let nobody have an opened model any more: it broke its promise while it served."""
        reference = model.version.reference
        self._quarantined[reference] = model.manifest.digest
        self.unusable[reference] = ModelError(f"{reference}: {reason}; it was taken out of service")

    def release(self, reference: str) -> None:
        """Let a version be opened again that is in quarantine, if it still is."""
        self.unusable.pop(reference, None)
        self._quarantined.pop(reference, None)

    def renew(self, before: Store, found: Store, again: bool) -> None:
        """Let versions be tried again that could not be opened and have changed, or all of them if `again`.

        One in quarantine stays there until it is another: it was tried by its requests.
        """
        for reference in list(self.unusable):
            then, now = (_named(store, reference) for store in (before, found))
            digest = self._quarantined.get(reference)
            same = now is then if digest is None else now is None or now.manifest.digest == digest
            if not same or (again and digest is None):
                self.unusable.pop(reference)
                self._quarantined.pop(reference, None)

    def refusal(self, reference: str) -> ModelError | None:
        """Return a new error of a version that is not served; None: it is, or may be tried."""
        kept = self.unusable.get(reference)
        return None if kept is None else _anew(kept)

    def beside(self, store: Store) -> Store:
        """Return a store with the versions beside it that are served from memory, though it has them not."""
        versions = {name: {each.number: each for each in found} for name, found in store.versions.items()}
        rejected = dict(store.rejected)
        for model in list(self.models.values()):
            mine, of_name = model.version, versions.setdefault(model.version.name, {})
            found = of_name.get(mine.number)
            if found is not None and found.manifest.digest == mine.manifest.digest:
                continue
            of_name[mine.number] = mine
            if found is not None:
                rejected[f"{mine.name}/{mine.number}"] = (
                    f"version {mine.number} is served as digest {mine.manifest.digest}, not "
                    f"{found.manifest.digest}; a number is never used again"
                )
        merged = {
            name: tuple(found[number] for number in sorted(found)) for name, found in sorted(versions.items())
        }
        return (
            store
            if merged == store.versions
            else dataclasses.replace(store, versions=merged, rejected=rejected)
        )


def _named(store: Store, reference: str) -> Version | None:
    name = reference.partition("@")[0]
    return next((each for each in store.versions.get(name, ()) if each.reference == reference), None)


def least_bytes(version: Version) -> int:
    """Return what a version's weights take on the disk, and so in memory at least."""
    litert = version.manifest.runtimes.litert
    named = (litert.encoder, litert.decoder) if litert is not None else ()
    return sum(
        file.size
        for file in version.manifest.files
        if file.path in named or (not named and file.path.startswith(("encoder/", "decoder/")))
    )


def _widen(model: Model) -> None:
    """Have an opened model use idle threads, unless it has been unloaded meanwhile; without, it serves on."""
    if model.retired or not model.widens:
        return
    before = resident_bytes()
    try:
        model.widen()
        model.num_bytes += max(0, resident_bytes() - before)
    except Exception as error:
        log.warning("%s: computed by one thread, as several failed: %s", model.version.reference, error)


def _give_back_by(opener: ThreadPoolExecutor) -> None:
    """Give memory back in a thread that may wait, behind what frees it now."""
    with contextlib.suppress(RuntimeError):  # the service has come to its end
        opener.submit(give_back)


def _anew(kept: ModelError) -> ModelError:
    """Return an error like one that is kept: who gets it adds frames to it."""
    return type(kept)(kept.detail)


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
