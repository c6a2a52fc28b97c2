"""The running service: what every request shares."""

import asyncio
import contextlib
import functools
import logging
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from app import memory, profiles, tracing
from app.cache import PictureCache
from app.changes import StoreReader
from app.decoding import reading
from app.engine.engine import Engine
from app.engine.work import Operation, Rows, Steps, Work
from app.errors import DeadlinePassed, NotReady
from app.hangup import Hangup
from app.metrics import Metrics
from app.mirror import stores
from app.models import Model, Models
from app.reloading import Reload, Reloader
from app.runtimes import OpenRuntime
from app.runtimes.trim import give_back
from app.settings import Settings, counters, trace_endpoint

if TYPE_CHECKING:
    from app.mirror.following import Follower
    from app.mirror.mirror import Mirror

log = logging.getLogger("vitrine")
T = TypeVar("T")

MIB = 1_048_576
CHECK_SECONDS = 1.5  # what one row may take: less than those who ask for readiness usually wait


class Service:
    """Settings and metrics, and once it has started the models and the engine.

    Args:
        settings: what an operator has set.
        open_runtime: how a version is opened.

    Attributes:
        settings: in force; when the service has started, with the store's own default model.
        metrics: where everything counts.
        cache: finished pictures, of whichever model.
        traces: where spans go; None unless that is asked for, and before the service has started.
        when_unloaded: called on the event loop when a model was unloaded: for who keeps something of it.
    """

    engine_type = Engine

    def __init__(self, settings: Settings, open_runtime: OpenRuntime) -> None:
        self.settings = settings
        self.metrics = Metrics(together=settings.workers > 1, folder=counters())
        self.cache = PictureCache(settings.cache_bytes, self.metrics)
        self.traces: tracing.Traces | None = None
        self._open_runtime = open_runtime
        self.when_unloaded: list[Callable[[], object]] = []
        self._models: Models | None = None
        self._reloader: Reloader | None = None
        self._hangup: Hangup | None = None
        self._follower: Follower | None = None
        self._engine: Engine | None = None
        self._check: asyncio.Future[None] | None = None
        self._idle: memory.WhenIdle | None = None
        self._draining = False

    @property
    def models(self) -> Models:
        """The models; NotReady before the service has started, and when it has ended."""
        return _running(self._models)

    @property
    def engine(self) -> Engine:
        """What computes; NotReady like ``models``."""
        return _running(self._engine)

    def start(self) -> None:
        """Open the default model; then the others, in the background.

        Raises:
            StoreError: there is no model to serve.
        """
        self.settings, folder, mirror = stores.prepared(self.settings, fresh=False)
        reader = StoreReader(folder, self.settings.trusted)
        found = reader.scan()
        for version, reason in found.rejected.items():
            log.warning("not served: %s: %s", version, reason)
        if found.warning:
            log.warning("%s", found.warning)
        self.settings = settings = self.settings.for_store(found.names)
        models = Models(
            found,
            self._open_runtime,
            settings.inference_threads,
            settings.lone_threads,
            max_bytes=None if settings.model_memory_mib is None else settings.model_memory_mib * MIB,
        )
        models.open_default(settings.default_model)
        self._models = models
        self._keep_in_step(models, reader, mirror)
        self._engine = self._new_engine(settings)
        reading.count_by(settings, self.metrics)
        if warning := settings.too_many_threads():
            log.warning(warning)
        opened = ", ".join(sorted(models.opened))
        log.info("serving %s from %s%s", opened, settings.model_store, self._expected())
        rest = functools.partial(_rest, models, settings.default_model)
        models.open_in_background(then=functools.partial(_settle, rest))
        in_opener = models.opener.submit
        self._idle = memory.WhenIdle(
            lambda: self.engine.admitted, lambda: in_opener(rest), under_load=lambda: in_opener(give_back)
        )

    def _new_engine(self, settings: Settings) -> Engine:
        """Return what computes; where traces go somewhere, with spans."""
        if endpoint := trace_endpoint(settings):
            self.traces = tracing.opened(endpoint)
        kind: type[Engine] = self.engine_type
        if self.traces is not None:
            kind = tracing.traced(kind, self.traces.tracer)
        return kind(
            settings.worker_threads,
            settings.max_waiting_images,
            settings.deadline_seconds,
            self.metrics,
            queue_seconds=settings.queue_seconds,
        )

    def drain(self) -> None:
        """Say from now on that the service is not ready, while it answers every request as before."""
        self._draining = True

    def _keep_in_step(self, models: Models, reader: StoreReader, mirror: "Mirror | None") -> None:
        """Take up what changes in the store: from time to time, by SIGHUP, and by ``reload``."""
        loop = asyncio.get_running_loop()

        def changed(unloaded: bool) -> None:
            with contextlib.suppress(RuntimeError):  # the service has come to its end
                loop.call_soon_threadsafe(self._tell, models, unloaded)

        models.on_change = changed
        self._tell(models, unloaded=False)
        self._reloader = reloader = Reloader(models, reader, self.metrics, self.settings.store_poll_seconds)
        self._hangup = Hangup(self._look_again)
        if mirror is not None:
            from app.mirror.following import Follower

            def brought() -> None:
                with contextlib.suppress(RuntimeError):  # the service has come to its end
                    loop.call_soon_threadsafe(reloader.soon)

            self._follower = Follower(mirror, self.settings.store_poll_seconds, brought)

    def _look_again(self) -> None:
        """Have the store looked at, and what could not be opened tried anew."""
        if self._follower is not None:
            self._follower.wake()
        _running(self._reloader).soon(again=True)

    def _tell(self, models: Models, unloaded: bool) -> None:
        """Tell metrics what each version is, and who keeps something of a model that it was unloaded."""
        rejected = (each.partition("/") for each in models.rejected)
        states = dict.fromkeys(((name, number) for name, _, number in rejected), "failed")
        for version in models.store.all:
            states[version.name, str(version.number)] = models.state_of(version)
        self.metrics.set_model_states(states)
        if unloaded:
            for each in self.when_unloaded:
                each()

    async def reload(self) -> Reload:
        """Look at the store now, and serve what it says; see ``Reloader.reload``. Of this process alone.

        Raises:
            NotReady: the service has not started, or has ended.
        """
        reloader = _running(self._reloader)
        if self._follower is not None:
            self._follower.wake()
        return await reloader.reload(again=True)

    @property
    def warning(self) -> str:
        """What an operator should see to, in one line; empty if nothing. NotReady like ``models``."""
        warning = _running(self._reloader).warning
        if self._follower is None:
            return warning
        return "; ".join(filter(None, (self._follower.warning, warning)))

    @property
    def rejected(self) -> dict[str, str]:
        """Every version that is not served, as ``name/version``, and why. NotReady like ``models``."""
        found = self.models.rejected
        return found if self._follower is None else self._follower.rejected | found

    def stop(self) -> None:
        """Refuse new work, and let what is being computed finish."""
        models, engine = self.models, self.engine
        for part in (self._follower, self._reloader, self._hangup):
            if part is not None:
                part.stop()
        if self._idle is not None:
            self._idle.stop()
        self._models = self._engine = self._reloader = self._follower = None
        models.opener.shutdown(cancel_futures=True)
        engine.close()
        self.metrics.settle()
        if self.traces is not None:
            self.traces.stop()
        reading.end(self.settings)

    def find(self, reference: str | None) -> Awaitable[Model]:
        """Find the opened model of a reference, see ``Store.find``, or the default model for None.

        Raises:
            NotReady: the service has not started.
            ModelNotFound: there is no such model, or no more.
            ModelError: the version cannot be opened.
        """
        return self.models.find_opened(reference or self.settings.default_model)

    async def check(self) -> None:
        """Have the default model compute a row, by the way of every picture: being ready is being able to.

        The row is of an operation of its own, whose turn comes after one batch of each other. It is always
        let in: a service that has much to do is ready. One check at a time is enough for all who ask.

        Raises:
            NotReady: the service has not started or is to end, or the row is not there within CHECK_SECONDS.
            VitrineError: or whatever else the computation meets.
        """
        if self._draining:
            raise NotReady("The service is to end; requests under way are still answered.")
        engine = self.engine
        if self._check is None or self._check.done():
            model = await self.find(self.models.find(self.settings.default_model).pinned)  # no canary
            self._check = engine.submit(_one_row(model))
            self._check.add_done_callback(lambda check: check.exception())  # though nobody may wait any more
        done, _ = await asyncio.wait([self._check], timeout=CHECK_SECONDS)
        if not done or isinstance(self._check.exception(), DeadlinePassed):
            seconds = min(CHECK_SECONDS, self.settings.deadline_seconds)
            raise NotReady(f"No row was computed within {seconds} s: a computation is stuck.")
        self._check.result()

    def _expected(self) -> str:
        """Return what the profile, if there is one, lets expect of the default model."""
        settings = self.settings
        if settings.profile is None:
            return ""
        model = self.models.get(self.models.find(settings.default_model))
        profile = profiles.read(settings.profile)
        threads = settings.worker_threads, settings.inference_threads
        return f"; {profile.expectation(model.manifest.digest, model.runtime, *threads)}"


def _rest(models: Models, default: str) -> None:
    """Give back memory that requests can have again; one for the default model need not wait for that."""
    ready = models.find(default).reference
    for reference, model in list(models.opened.items()):
        model.rest(ready=reference == ready)


def _settle(rest: Callable[[], None]) -> None:
    """Give back what the start needed: interpreters that only tried other numbers of rows or threads, too."""
    try:
        rest()
    finally:
        memory.settle()


def _running(part: T | None) -> T:
    if part is None:
        raise NotReady("The models are not loaded: the service is starting or stopping.")
    return part


def _one_row(model: Model) -> Work[None]:
    """Return the work of decoding one code."""
    operation = Operation("check", model.decoding.function, own_thread=model.decoding.own_thread)
    operation.model = model.version.reference
    operation.takes(model.decoding.busy_seconds)

    def steps() -> Steps[None]:
        yield Rows.of(operation, np.zeros((1, model.manifest.latent_dim), np.float32))

    return Work(steps, count=0)
