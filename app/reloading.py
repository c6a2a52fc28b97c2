"""New versions and labels are taken up while the service runs, and what fails is taken back.

A look at the store, the opening of versions and their checks happen in threads that keep no request waiting.
What requests get then changes in one step on the event loop. The former model goes when the last request that
has it is answered.
"""

import asyncio
import contextlib
import dataclasses
import functools
import logging
from collections.abc import Callable, Coroutine, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Literal

from app.changes import StoreReader
from app.choices import Choice, read_labels
from app.errors import ModelError, StoreError
from app.metrics import Metrics
from app.models import Models
from app.store import Store

log = logging.getLogger("vitrine")


@dataclasses.dataclass(frozen=True)
class Swap:
    """A bare name that means another version now.

    Args:
        name: of the model.
        before: the reference of the version until now; None: the name is new.
        after: the reference of the version from now on.
        canary: the reference of a version that a share of the requests gets; None: there is none.
    """

    name: str
    before: str | None
    after: str
    canary: str | None


@dataclasses.dataclass(frozen=True)
class Reload:
    """What became of a look at the store.

    Args:
        result: ``reloaded``: the store was read; ``unchanged``: it looks as it did; ``kept``: it cannot be
            read or has nothing to serve, and what was served goes on.
        swaps: names that mean other versions now.
        refused: versions that were tried and do not serve, as ``name/version``, and why.
        warning: what an operator should see to, in one line; empty if nothing.
    """

    result: Literal["reloaded", "unchanged", "kept"]
    swaps: tuple[Swap, ...] = ()
    refused: Mapping[str, str] = dataclasses.field(default_factory=dict)
    warning: str = ""


class Reloader:
    """Keeps models in step with their store. On one event loop.

    Args:
        models: what is served.
        reader: has read the store once, for them.
        metrics: where swaps are counted.
        poll_seconds: from one look at the store to the next; 0: it is looked at by ``reload`` alone.
    """

    def __init__(self, models: Models, reader: StoreReader, metrics: Metrics, poll_seconds: float) -> None:
        self._models, self._reader, self._metrics = models, reader, metrics
        self._poll_seconds = poll_seconds
        self._one_at_a_time = asyncio.Lock()
        self._broken_off = False  # the last look: what it read may not have been taken up
        self._loop = asyncio.get_running_loop()
        self._store_thread = ThreadPoolExecutor(1, thread_name_prefix="store")
        self._tasks: set[asyncio.Task[object]] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._stopped = False
        models.on_failure = self._failed
        self._poll_later()

    def stop(self) -> None:
        """Look at the store no more; what is being opened is not served."""
        self._stopped = True
        if self._timer is not None:
            self._timer.cancel()
        for task in self._tasks:
            task.cancel()
        self._store_thread.shutdown(wait=False, cancel_futures=True)  # a store that is lost may hang

    @property
    def warning(self) -> str:
        """What an operator should see to, in one line; empty if nothing."""
        models = self._models
        faults = [f"{name}: {fault}" for name, fault in models.label_faults.items()]
        return "; ".join([*([models.lost] if models.lost else []), *faults])

    def soon(self, again: bool = False) -> None:
        """Have ``reload`` done, with nobody waiting for it."""
        self._begin(self.reload(again))

    def _begin(self, work: Coroutine[object, object, object]) -> None:
        task: asyncio.Task[object] = self._loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: "asyncio.Task[object]") -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("the store was not taken up: %s: %s", type(error).__name__, error)

    def _poll_later(self) -> None:
        if self._poll_seconds and not self._stopped:
            self._timer = self._loop.call_later(self._poll_seconds, self._poll)

    def _poll(self) -> None:
        async def poll() -> None:
            try:
                await self.reload()
            finally:
                self._poll_later()

        self._begin(poll())

    async def reload(self, again: bool = False) -> Reload:
        """Look at the store, and serve what it says now: open it, check it, swap, check it again.

        Args:
            again: read what seems unchanged too, and try anew what could not be opened.
        """
        async with self._one_at_a_time:
            models = self._models
            read, refused = self._reader.read, set(models.rejected)
            anew = again or bool(models.lost)
            whole, self._broken_off = anew or self._broken_off, True
            try:
                found = await self._loop.run_in_executor(self._store_thread, read, refused, whole)
            except StoreError as error:
                self._broken_off = False
                return self._keep(error.detail)
            if found is None:
                done = Reload("unchanged", warning=self.warning)
            else:
                models.renew(found, anew)
                models.lost = ""
                done = await self._take_up(found)
            self._broken_off = False
            return done

    def _keep(self, reason: str) -> Reload:
        if not self._models.lost:
            log.warning("the models that are open go on being served: %s", reason)
        self._models.lost = reason
        return Reload("kept", warning=self.warning)

    async def _take_up(self, found: Store) -> Reload:
        """Open what answers to each name by a store that was read again, then let requests have it."""
        models, known = self._models, dict(self._models.labels)
        labels, faults = await self._loop.run_in_executor(
            self._store_thread, read_labels, found.versions, known
        )
        for name, fault in faults.items() - models.label_faults.items():
            log.warning("%s: %s", name, fault)
        tried = dict(models.rejected)
        future = models.beside(found)
        for name in future.versions:
            await self._open(functools.partial(models.choose, name, future, labels))
        before = models.chosen
        former = models.install(found, labels, faults)
        swaps = [swap for name in models.chosen if (swap := _swap(before.get(name), models.chosen[name]))]
        await self._check_swapped(swaps)
        for choice in former:
            models.drain(choice)
        refused = {each: why for each, why in models.rejected.items() if tried.get(each) != why}
        for each, why in refused.items():
            log.warning("not served: %s: %s", each, why)
            self._metrics.count_swap("refused")
        return Reload("reloaded", tuple(swaps), refused, self.warning)

    async def _open(self, choose: Callable[[], Choice | None]) -> None:
        """Open the versions of a choice; of another one, if one of them cannot be opened."""
        tried: set[str] = set()
        while (version := self._models.to_open(choose(), tried)) is not None:
            tried.add(version.reference)
            with contextlib.suppress(ModelError):
                await self._loop.run_in_executor(self._models.opener, self._models.get, version)

    async def _check_swapped(self, swaps: list[Swap]) -> None:
        """Have what requests get now compute once more, and take it back if it fails."""
        for swap in swaps:
            if swap.before == swap.after and swap.canary is None:
                log.info("%s: %s serves, without a canary now", swap.name, swap.after)
            else:
                log.info("%s: %s serves, %s before", swap.name, swap.after, swap.before or "nothing")
                self._metrics.count_swap("swapped")
            for reference in filter(None, (swap.after, swap.canary)):
                model = self._models.opened.get(reference)
                if model is None:
                    continue
                try:
                    await self._loop.run_in_executor(self._models.opener, model.check)
                except Exception as error:  # a model is a program: it can fail in any way
                    self._roll_back(reference, getattr(error, "detail", f"{type(error).__name__}: {error}"))

    def _failed(self, reference: str, reason: str) -> None:
        """Take note, in any thread, that a model gave what its manifest rules out."""
        with contextlib.suppress(RuntimeError):  # the service has come to its end
            self._loop.call_soon_threadsafe(self._roll_back, reference, reason)

    def _roll_back(self, reference: str, reason: str) -> None:
        """Take a version out of service, and have the one that serves in its place opened."""
        if self._stopped or not self._models.quarantine(reference, reason.removeprefix(f"{reference}: ")):
            return
        name = reference.partition("@")[0]
        serves = self._models.find(name).reference
        log.error("%s was taken out of service, and %s serves: %s", reference, serves, reason)
        self._metrics.count_swap("rolled_back")
        self._begin(self._open_instead(reference, name))

    async def _open_instead(self, reference: str, name: str) -> None:
        """Open what serves in the place of a version in quarantine; that one again, if nothing can."""
        models = self._models
        await self._open(lambda: models.chosen.get(name))
        if name not in models.chosen and models.release(reference):
            log.error("%s serves again, as no other version can", reference)
            await self._open(lambda: models.chosen.get(name))


def _swap(before: Choice | None, after: Choice) -> Swap | None:
    if after.is_alike(before):
        return None
    former = None if before is None else before.stable.reference
    canary = None if after.canary is None else after.canary.reference
    return Swap(after.stable.name, former, after.stable.reference, canary)
