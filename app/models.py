"""The models of a running service, looked up by name.

The default model is opened before the service is ready, what answers to the other names right after. Older
versions are opened when they are first asked for. One that fails is passed over: another version serves.
"""

import asyncio
import contextlib
import logging
import threading
from collections.abc import Callable, Collection, Mapping

from app.choices import NO_LABELS, Choice, choose, read_labels
from app.errors import ModelError, ModelNotFound, StoreError
from app.labels import Labels
from app.model import Model
from app.opened import OpenedModels, Opening
from app.runtimes import OpenRuntime
from app.store import Store, Version

__all__ = ["Model", "Models"]

log = logging.getLogger("vitrine")


class Models:
    """Every model of the store, each version opened at most once. Safe to use from several threads.

    Args:
        store: what there is.
        open_runtime: how a version is opened.
        threads: threads that one computation may use.
        wide_threads: that it may use while nothing else is computed.
        max_bytes: that opened models may take together; None: as much as they need.

    Attributes:
        store: what there is, with the versions that are served from memory though their folders are gone.
        opened: the models opened so far, by their references.
        opener: the thread that opens them, which takes seconds: pictures of other models go on.
        labels: by name, what is followed.
        label_faults: by name, why labels are not followed.
        lost: why the store cannot be read now; empty if it can.
        on_change: called in any thread when a version's state changes; with whether a model was unloaded.
        on_failure: called in any thread with a reference and the reason when a model breaks its promise.
    """

    def __init__(
        self,
        store: Store,
        open_runtime: OpenRuntime,
        threads: int,
        wide_threads: int = 1,
        max_bytes: int | None = None,
    ) -> None:
        self.store = self._on_disk = store
        self._default = ""
        self._choosing = threading.RLock()  # while what there is, or answers to a name, is set by it
        self._opened = OpenedModels(
            Opening(open_runtime, threads, wide_threads, max_bytes), self._changed, self._failed
        )
        self.opened, self.opener = self._opened.models, self._opened.opener
        self.lost = ""
        self.on_change: Callable[[bool], None] = lambda _: None
        self.on_failure: Callable[[str, str], None] = lambda *_: None
        self.labels, self.label_faults = read_labels(store.versions, {})
        self._choices: dict[str, Choice] = {}
        for name in store.versions:
            self._choose(name)

    def open_default(self, default: str) -> None:
        """Open the model that answers when a request names none.

        Args:
            default: NAME, its newest usable version, NAME@VERSION or NAME@VERSION-DIGEST.

        Raises:
            StoreError: it has no usable version.
        """
        self._default = default
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
        """Open what answers to every name, so that the first request for it need not wait.

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
                self._open_chosen(name)
                for new in self.opened.keys() - before:
                    # Found fit; nobody may ever ask for it. The opener comes to it behind the widening.
                    self.opener.submit(self.opened[new].rest)
            finally:  # whatever comes of one model, the next has its turn, and `then` in the end
                with contextlib.suppress(RuntimeError):  # the service has come to its end
                    self.opener.submit(open_next)

        self.opener.submit(open_next)

    def _open_chosen(self, name: str) -> None:
        tried: set[str] = set()
        while (version := self.to_open(self._choices.get(name), tried)) is not None:
            tried.add(version.reference)
            try:
                self.get(version)
            except ModelError as error:
                log.warning("not served: %s", error.detail)

    def to_open(self, choice: Choice | None, tried: Collection[str]) -> Version | None:
        """Return the next version that a choice needs opened; None: none.

        Also None if the memory budget has no place for it, unless it replaces one that is open.

        Args:
            choice: what is to answer to a name; None: nothing.
            tried: references that were opened for it before: they may have given way to each other.
        """
        chosen = () if choice is None else choice.versions
        for version in chosen:
            if version.reference not in {*self.opened, *tried}:
                now = self._choices.get(version.name)
                former = {each.reference for each in (now.versions if now is not None else ())}
                replaced = former.difference(each.reference for each in chosen)
                replaces = not replaced.isdisjoint(self.opened)
                return version if replaces or self._opened.fits(version) else None
        return None

    def choose(self, name: str, store: Store, labels: Mapping[str, Labels]) -> Choice | None:
        """Return what would answer to a bare name, were the store and its labels these."""
        versions, before = store.versions.get(name, ()), self._choices.get(name)
        return choose(versions, labels.get(name, NO_LABELS), self._opened.unusable, before)

    @property
    def chosen(self) -> dict[str, Choice]:
        """What answers to each bare name."""
        return dict(self._choices)

    def beside(self, found: Store) -> Store:
        """Return a store that was read again, with what is served from memory beside it."""
        return self._opened.beside(found)

    def _choose(self, name: str) -> None:
        with self._choosing:
            choice = self.choose(name, self.store, self.labels)
            if choice is None:
                self._choices.pop(name, None)
            else:
                self._choices[name] = choice

    def find(self, reference: str) -> Version:
        """Return the version that a reference means, see ``Store.find``; ``name``: what answers to it.

        Raises:
            ModelNotFound: there is none, or no more (ModelGone); names those there are.
            ModelError: there is, and none of its versions can be served; says why of the newest.
        """
        choice = self._choices.get(reference)
        if choice is not None:
            return choice.stable
        newest_first = reversed(self.store.versions.get(reference, ()))
        refusals = [self._opened.refusal(version.reference) for version in newest_first]
        if refusals and refusals[0] is not None and None not in refusals:
            raise refusals[0]  # else one may be tried again
        return self.store.find(reference, passed_over=self._opened.unusable)

    def get(self, version: Version) -> Model:
        """Return the opened model of a version, opening and warming it if nobody has yet.

        Raises:
            ModelError: it cannot be opened, or is not what its manifest says.
        """
        return self._opened.get(version, self._kept)

    def _kept(self) -> Collection[str] | None:
        """Return what is not to be unloaded; None: all, as nothing could be opened again."""
        return None if self.lost else self._defaults()

    def _defaults(self) -> set[str]:
        """Return the reference of the default model, if there is one."""
        try:
            return {self.find(self._default).reference}
        except (ModelError, ModelNotFound):
            return set()

    def _changed(self, version: Version, unloaded: bool) -> None:
        with self._choosing:
            if unloaded:
                self.store = self._opened.beside(self._on_disk)
            self._choose(version.name)
        self.on_change(unloaded)

    def _failed(self, reference: str, reason: str) -> None:
        self.on_failure(reference, reason)

    def share_of(self, version: Version) -> float | None:
        """Return the share of requests for the bare name that a canary gets; None: it is none."""
        choice = self._choices.get(version.name)
        return choice.share if choice is not None and self.state_of(version) == "canary" else None

    async def find_opened(self, reference: str) -> Model:
        """Return the model of a reference, opened now if nobody has yet; of a bare name, the next one's.

        A bare name means what ``find`` says, but for a canary's share of the requests.

        Raises:
            ModelNotFound: there is none, or no more (ModelGone).
            ModelError: the version cannot be opened.
        """
        while True:
            choice = self._choices.get(reference)
            version = self.find(reference) if choice is None else choice.draw()
            if (opened := self._opened.find(version.reference)) is not None:
                return opened
            try:
                return await asyncio.get_running_loop().run_in_executor(self.opener, self.get, version)
            except ModelError:
                if "@" in reference:
                    raise
                # A bare name now means the version before.

    def renew(self, found: Store, again: bool = False) -> None:
        """Let versions that could not be opened be tried again if they have changed, or all if `again`."""
        self._opened.renew(self.store, found, again)

    def install(self, found: Store, labels: Mapping[str, Labels], faults: Mapping[str, str]) -> list[Choice]:
        """Have requests get what a store that was read again says, in one step; on the event loop.

        Returns:
            What answered before to the names for which other versions do now.
        """
        with self._choosing:
            before = dict(self._choices)
            self._on_disk, self.labels, self.label_faults = found, dict(labels), dict(faults)
            self.store = self._opened.beside(found)
            for name in before.keys() | self.store.versions.keys():
                self._choose(name)
        self.on_change(False)
        return [choice for name, choice in before.items() if not choice.is_alike(self._choices.get(name))]

    def drain(self, former: Choice) -> None:
        """Unload the versions of a former choice that nothing but permanent addresses asks for any more.

        Requests that have one finish with it.
        """
        now = self._choices.get(former.stable.name)
        needed = self._defaults() | {each.reference for each in (now.versions if now is not None else ())}
        for version in former.versions:
            if version.reference not in needed:
                self._opened.unload(version.reference)

    def quarantine(self, reference: str, reason: str) -> bool:
        """Take a version that broke its promise out of service, if another can serve; on the event loop.

        Where no other can, it goes on: most of what it gives may be right.

        Returns:
            Whether it was taken out now.
        """
        model, unusable = self.opened.get(reference), self._opened.unusable
        if model is None or reference in unusable or ("@" in self._default and reference in self._defaults()):
            return False
        usable = [each for each in self.store.versions[model.version.name] if each.reference not in unusable]
        if self.lost:  # none can be opened, nor this one again
            usable = [each for each in usable if each.reference in self.opened]
        if len(usable) < 2:
            return False
        self._opened.quarantine(model, reason)
        self._choose(model.version.name)
        self._opened.unload(reference)
        return True

    def release(self, reference: str) -> bool:
        """Have a version in quarantine serve all the same, as no other can; on the event loop.

        Returns:
            Whether it does: it may have left the store, or may be another by now.
        """
        name = reference.partition("@")[0]
        if all(each.reference != reference for each in self.store.versions.get(name, ())):
            return False
        self._opened.release(reference)
        self._choose(name)
        self.on_change(False)
        return True

    def state_of(self, version: Version) -> str:
        """Return what becomes of requests for a version.

        ``serving``: the bare name means it; ``canary``: a share of these requests gets it; ``opened``: who
        names it gets it at once; ``unopened``: once it is opened for them; ``failed``: nobody does.
        """
        reference, choice = version.reference, self._choices.get(version.name)
        if reference in self._opened.unusable:
            return "failed"
        if choice is not None and reference in {each.reference for each in choice.versions}:
            return "serving" if choice.stable.reference == reference else "canary"
        return "opened" if reference in self.opened else "unopened"

    @property
    def rejected(self) -> dict[str, str]:
        """Every version that is not served, as ``name/version``, and why."""
        unusable = dict(self._opened.unusable)
        return self.store.rejected | {ref.replace("@", "/"): why.detail for ref, why in unusable.items()}
