"""The models of a running service: opened once, looked up by name.

The default model is opened before the service is ready, the newest versions of the others right after. Older
versions are opened when they are first asked for. One that fails is passed over: the one before it serves.
"""

import asyncio
import contextlib
import functools
import logging
import math
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from app import selftest
from app.engine.parts import in_parts
from app.engine.work import SIZES, Operation
from app.errors import ModelError, ModelNotFound, ModelUnavailable, ScoringUnavailable, StoreError
from app.held_out import open_map, read_examples
from app.likelihoods import open_draw
from app.manifest import Manifest
from app.pictures import grids
from app.priors import GaussianMixture, open_prior
from app.random_rows import random_rows
from app.runtimes import Array, OpenRuntime, Runtime, RuntimeUnavailable
from app.store import InvalidVersion, Store, Version, check_files

log = logging.getLogger("vitrine")


class Model:
    """One opened version.

    Args:
        version: what the store knows of it.
        runtime: what computes.
        threads: threads that one computation may use.
        wide_threads: that it may use while nothing else is computed.

    Attributes:
        encoding: operation (B, H, W) images -> (B, D) z_mean, B one of its sizes; exact: ``moments``.
        decoding: operation (B, D) z -> (B, H, W) levels of p(x given z)'s mean, uint8.
        drawing: operation (B, D) z and uniform noise -> (B, H, W) levels of a draw, uint8.
        scoring: operation z and images -> (B, H, W) log p(x given z) in nats; see ``prepare_scoring``.
        examples: (N, H, W) levels of the held-out images that the version ships, uint8.
        map: of the test set; None if the version has none.

    Raises:
        ModelError: the file of the prior or likelihood, an example or the map is not as the manifest says.
    """

    def __init__(self, version: Version, runtime: Runtime, threads: int = 1, wide_threads: int = 1) -> None:
        self.version = version
        self.prior = open_prior(version)
        self.examples = read_examples(version)
        self.map = open_map(version)
        self._runtime, self._draw = runtime, open_draw(version, runtime)
        own_thread = threads == 1 and runtime.name != "tensorflow"

        self.encoding = Operation("encode", self.encode, self.moments, own_thread)
        self.decoding = Operation("decode", grids.levels_of(self.decode), self.decode, own_thread)
        self.drawing = Operation("draw", grids.levels_of(self.draw), self.draw, own_thread)
        self.scoring = Operation("score", self.log_prob, own_thread=own_thread)
        self._threads, self._wide_threads = threads, wide_threads
        self._preparing = threading.Lock()
        self._prepared = False

    @property
    def manifest(self) -> Manifest:
        """The version's manifest."""
        return self.version.manifest

    @property
    def posterior(self) -> Operation:
        """Operation (B, H, W) images -> (B, 2, D) z_mean and z_log_var."""
        return self.encoding.unrounded

    @property
    def means(self) -> Operation:
        """Operation (B, D) z -> (B, H, W) means of p(x given z), float32."""
        return self.decoding.unrounded

    @functools.cached_property
    def drawable(self) -> frozenset[int]:
        """Numbers of the classes that the prior has a component of."""
        classes = self.prior.component_class.tolist() if isinstance(self.prior, GaussianMixture) else ()
        return frozenset(classes)

    @property
    def runtime(self) -> str:
        """What computes: ``litert`` or ``tensorflow``."""
        return self._runtime.name

    def warm_up(self) -> None:
        """Run every signature once: the first call of each is slow, and an unfit model is found out here.

        Each operation then learns which positions of a batch are alike on this machine, and which sizes.
        A ModelError if a shape is not the manifest's, a number is not finite, a row depends on the others, or
        the version's self-test fails.
        """
        z, images, noise = random_rows(self.manifest)
        self._measure({self.decoding: [z], self.drawing: [z, noise], self.encoding: [images]})
        self._widen(z, noise)
        selftest.check(self)

    def require_scoring(self) -> None:
        """Refuse to score: the version may be of before what that needs.

        Raises:
            ScoringUnavailable: says how it is had.
        """
        if not self._runtime.scores:
            raise ScoringUnavailable(self.version.reference)

    def prepare_scoring(self) -> None:
        """Do for ``scoring`` what ``warm_up`` does for the rest, once.

        Not at the start: most models are never asked for a score, and it takes some tenths of a second. It is
        for a thread that may wait; who comes meanwhile waits for it too.

        Raises:
            ModelError: as ``warm_up``, or as ``require_scoring``.
        """
        self.require_scoring()
        with self._preparing:
            if not self._prepared:
                self._measure({self.scoring: [*random_rows(self.manifest)[:2]]})
                self._prepared = True

    def _measure(self, rows: dict[Operation, list[Array]]) -> None:
        for operation, arrays in rows.items():
            operation.function(*arrays)  # the first call is slow, and not to be timed
            if not operation.measure(*arrays, sizes=SIZES if self._runtime.rows is None else ()):
                raise self._error(f"what {operation.name} makes of a row depends on the others")

    def _widen(self, z: Array, noise: Array) -> None:
        """Have decoding and drawing that are alone done by more threads: they are asked for most."""
        if self._wide_threads <= self._threads or not self._runtime.widens:
            return
        draw = in_parts(self.draw, self._wide_threads // self._threads)
        decode = lambda z: self._checked(self._runtime.decode_wide(z, self._wide_threads))  # noqa: E731
        self.drawing.widen(Operation("draw", grids.levels_of(draw), draw, own_thread=False), z, noise)
        self.decoding.widen(Operation("decode", grids.levels_of(decode), decode, own_thread=False), z)
        if self.decoding.wide is None:
            self._runtime.rest_wide()  # nobody will ever ask for it

    def rest(self, ready: bool = False) -> None:
        """Give back memory that the next request can have again; if `ready`, it need not wait for that."""
        self._runtime.rest(ready)

    def encode(self, images: Array) -> Array:
        """Return z_mean, (B, D), of `images`, (B, H, W) in [0, 1]; raise ModelError as ``warm_up`` does."""
        return self._checked_code(self._runtime.encode(images)[0], len(images))

    def moments(self, images: Array) -> Array:
        """Return z_mean and z_log_var of q(z given x), (B, 2, D), of `images`; see ``encode``."""
        codes = self._runtime.encode(images)
        return np.stack([self._checked_code(code, len(images)) for code in codes], axis=1)

    def decode(self, z: Array) -> Array:
        """Return the mean of p(x given z), (B, H, W), of `z`, (B, D); see ``encode``."""
        return self._checked(self._runtime.decode(z))

    def draw(self, z: Array, noise: Array) -> Array:
        """Return a draw from p(x given z), (B, H, W), from uniform `noise` in (0, 1); see ``encode``."""
        return self._checked(self._draw(z, noise))

    def _checked_code(self, code: Array, count: int) -> Array:
        expected = (count, self.manifest.latent_dim)
        if code.shape == expected and np.isfinite(code).all():
            return code
        raise self._error(f"encode gave {code.shape}, expected {expected}, all finite")

    def log_prob(self, z: Array, images: Array) -> Array:
        """Return log p(x given z) of each pixel in nats, (B, H, W), of `images` under `z`; see ``encode``."""
        return self._checked(self._runtime.log_prob(z, images))

    def _checked(self, images: Array) -> Array:
        shape = self.manifest.image.shape
        if images.shape[1:] != shape:
            raise self._error(f"images of shape {images.shape[1:]}, expected {shape}")
        # The sum of squares is not finite if any pixel is not, and is found in a tenth of the time.
        flat = images.reshape(-1)
        if not math.isfinite(np.dot(flat, flat)) and not np.isfinite(images).all():
            raise self._error("the model's output is not finite")
        return images

    def _error(self, reason: str) -> ModelError:
        return ModelError(f"{self.version.reference}: {reason}")


class Models:
    """Every model of the store, each version opened at most once. Safe to use from several threads.

    Args:
        store: what there is.
        open_runtime: how a version is opened.
        threads: threads that one computation may use; `wide_threads`: while nothing else is computed.

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
