"""One opened version of a model: its operations, and what it ships."""

import functools
import math
import threading
from collections.abc import Callable

import numpy as np

from app import selftest
from app.engine.parts import in_parts
from app.engine.work import SIZES, Operation
from app.errors import ModelError, ScoringUnavailable
from app.held_out import open_map, read_examples
from app.likelihoods import SEQUENTIAL, open_draws
from app.manifest import Manifest
from app.pictures import grids
from app.priors import GaussianMixture, open_prior
from app.random_rows import random_rows
from app.runtimes import Array, Runtime
from app.store import Version


class Checked:
    """What a version's runtime computes, which nothing leaves that the manifest rules out.

    It knows nothing of the operations that call it: so a model that nobody holds any more is freed at once,
    without a search for cycles.

    Args:
        version: what the store knows of it.
        runtime: what computes.

    Attributes:
        failed: called with the reason when the runtime breaks the manifest's word, in whichever thread.

    Raises:
        ModelError: the likelihood's file is not as the manifest says.
    """

    def __init__(self, version: Version, runtime: Runtime) -> None:
        self.failed: Callable[[str], None] = _nobody_asks
        self._version, self._runtime = version, runtime
        self._draws = open_draws(version, runtime)

    def encode(self, images: Array) -> Array:
        """Return z_mean, (B, D), of `images`, (B, H, W) in [0, 1].

        Raises:
            ModelError: a shape is not the manifest's, or a number is not finite; as all of them.
        """
        return self._code(self._runtime.encode(images)[0], len(images))

    def moments(self, images: Array) -> Array:
        """Return z_mean and z_log_var of q(z given x), (B, 2, D), of `images`; see ``encode``."""
        codes = self._runtime.encode(images)
        return np.stack([self._code(code, len(images)) for code in codes], axis=1)

    def decode(self, z: Array) -> Array:
        """Return the mean of p(x given z), (B, H, W), of `z`, (B, D); see ``encode``."""
        return self._images(self._runtime.decode(z))

    def decode_wide(self, z: Array, threads: int) -> Array:
        """Return ``decode``, computed by so many threads."""
        return self._images(self._runtime.decode_wide(z, threads))

    def draw(self, z: Array, noise: Array) -> Array:
        """Return a draw from p(x given z), (B, H, W), from uniform `noise` in (0, 1); see ``encode``."""
        return self._images(self._draws.draw(z, noise))

    @property
    def drawn_at_once(self) -> Callable[[int], int]:
        """Of so many rows, how many are drawn at once at most."""
        return self._draws.at_once

    @property
    def draw_around(self) -> Callable[[Array, Array, Array], Array] | None:
        """What draws as ``draw`` given known levels, see ``app.likelihoods.Draws``; None: nothing can."""
        around = self._draws.around
        return None if around is None else lambda *arrays: self._images(around(*arrays))

    def log_prob(self, z: Array, images: Array) -> Array:
        """Return log p(x given z) of each pixel in nats, (B, H, W), of `images` under `z`; see ``encode``."""
        return self._images(self._runtime.log_prob(z, images))

    def _code(self, code: Array, count: int) -> Array:
        expected = (count, self._version.manifest.latent_dim)
        if code.shape == expected and np.isfinite(code).all():
            return code
        raise self._error(f"encode gave {code.shape}, expected {expected}, all finite")

    def _images(self, images: Array) -> Array:
        shape = self._version.manifest.image.shape
        if images.shape[1:] != shape:
            raise self._error(f"images of shape {images.shape[1:]}, expected {shape}")
        # The sum of squares is not finite if any pixel is not, and is found in a tenth of the time.
        flat = images.reshape(-1)
        if not math.isfinite(np.dot(flat, flat)) and not np.isfinite(images).all():
            raise self._error("the model's output is not finite")
        return images

    def _error(self, reason: str) -> ModelError:
        self.failed(reason)
        return ModelError(f"{self._version.reference}: {reason}")


def _nobody_asks(reason: str) -> None:
    pass


class Model:
    """One opened version.

    Args:
        version: what the store knows of it.
        runtime: what computes.
        threads: threads that one computation may use.
        wide_threads: that it may use while nothing else is computed.

    Attributes:
        encode, moments, decode, draw, log_prob: see ``Checked``.
        retired: no later request gets it: another has taken its place, or its memory is needed.
        num_bytes: of memory that it takes, as measured when it was opened.
        encoding: operation (B, H, W) images -> (B, D) z_mean, B one of its sizes; exact: ``moments``.
        decoding: operation (B, D) z -> (B, H, W) levels of p(x given z)'s mean, uint8.
        drawing: operation (B, D) z and uniform noise -> (B, H, W) levels of a draw, uint8.
        drawing_around: the same with known levels, see ``app.likelihoods.Draws``, float32; None: nothing can.
        scoring: operation z and images -> (B, H, W) log p(x given z) in nats; see ``prepare_scoring``.
        examples: (N, H, W) levels of the held-out images that the version ships, uint8.
        map: of the test set; None if the version has none.
        shipped_results: of its self-test; None if the version has none.

    Raises:
        ModelError: an example, the map, the file of prior, likelihood or self-test is not as it should be.
    """

    def __init__(self, version: Version, runtime: Runtime, threads: int = 1, wide_threads: int = 1) -> None:
        self.version = version
        self.prior = open_prior(version)
        self.examples = read_examples(version)
        self.map = open_map(version)
        self.shipped_results = selftest.read(version)
        self._runtime = runtime
        self._checked = checked = Checked(version, runtime)
        self.encode, self.moments, self.log_prob = checked.encode, checked.moments, checked.log_prob
        self.decode, self.draw = checked.decode, checked.draw
        self.retired = False
        self.num_bytes = 0
        own_thread = threads == 1 and runtime.name != "tensorflow"

        self.encoding = Operation("encode", self.encode, self.moments, own_thread)
        self.decoding = Operation("decode", grids.levels_of(self.decode), self.decode, own_thread)
        self.drawing = Operation("draw", grids.levels_of(self.draw), self.draw, own_thread)
        self.scoring = Operation("score", self.log_prob, own_thread=own_thread)
        around = checked.draw_around
        self.drawing_around = (
            None if around is None else Operation("draw around", around, own_thread=own_thread)
        )
        self._threads, self._wide_threads = threads, wide_threads
        self._preparing = threading.Lock()
        self._prepared = False

    @property
    def manifest(self) -> Manifest:
        """The version's manifest."""
        return self.version.manifest

    @property
    def is_sequential(self) -> bool:
        """Whether the pixels of an image depend on each other given its code."""
        return self.manifest.likelihood.name in SEQUENTIAL

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

        Raises:
            ModelError: a shape is not the manifest's, a number is not finite, a row depends on the others, or
                the version's self-test fails.
        """
        z, images, noise = random_rows(self.manifest)
        self._measure({self.decoding: [z], self.drawing: [z, noise], self.encoding: [images]})
        selftest.check(self)

    def check(self) -> None:
        """Have it compute once what ``warm_up`` does, without learning anything of it: it may be serving.

        Raises:
            ModelError: a shape is not the manifest's, a number is not finite, or the self-test fails.
        """
        z, images, noise = random_rows(self.manifest)
        self.decode(z)
        self.draw(z, noise)
        self.moments(images)
        selftest.check(self)

    def when_failed(self, then: Callable[[str], None]) -> None:
        """Have `then` called with the reason, in whichever thread, when it breaks its manifest's word."""
        self._checked.failed = then

    def require_scoring(self) -> None:
        """Refuse to score: the version may be of before what that needs.

        Raises:
            ScoringUnavailable: says how it is had.
        """
        if not self._runtime.scores:
            raise ScoringUnavailable(self.version.reference)

    def prepare_scoring(self) -> None:
        """Do for ``scoring`` and ``drawing_around`` what ``warm_up`` does for the rest, once.

        Not at the start: most models are never asked for a score, and it takes some tenths of a second. It is
        for a thread that may wait; who comes meanwhile waits for it too.

        Raises:
            ModelError: as ``warm_up``, or as ``require_scoring``.
        """
        self.require_scoring()
        with self._preparing:
            if not self._prepared:
                z, images, noise = random_rows(self.manifest)
                self._measure({self.scoring: [z, images]})
                if self.drawing_around is not None:
                    known = np.where(images < 0.5, np.rint(images * 255), np.float32(np.nan))
                    self._measure({self.drawing_around: [z, noise, known.astype(np.float32)]})
                self._prepared = True

    def _measure(self, rows: dict[Operation, list[Array]]) -> None:
        for operation, arrays in rows.items():
            operation.model = self.version.reference
            operation.function(*arrays)  # the first call is slow, and not to be timed
            if not operation.measure(*arrays, sizes=SIZES if self._runtime.rows is None else ()):
                reason = f"what {operation.name} makes of a row depends on the others"
                raise ModelError(f"{self.version.reference}: {reason}")

    @property
    def widens(self) -> bool:
        """Whether there are threads beyond those of every computation, and the runtime can use them."""
        return self._wide_threads > self._threads and self._runtime.widens

    def widen(self) -> None:
        """Have decoding and drawing that are alone done by more threads, where that saves time.

        They are asked for most. It takes as long as half of ``warm_up``, and the first requests need not wait
        for it: the bytes are the same.
        """
        if not self.widens:
            return
        z, _, noise = random_rows(self.manifest)
        threads, at_once = self._wide_threads // self._threads, self._checked.drawn_at_once
        draw = in_parts(self.draw, threads, lambda rows: min(at_once(rows), -(-rows // threads)))
        decode = functools.partial(self._checked.decode_wide, threads=self._wide_threads)
        self.drawing.widen(Operation("draw", grids.levels_of(draw), draw, own_thread=False), z, noise)
        self.decoding.widen(Operation("decode", grids.levels_of(decode), decode, own_thread=False), z)
        if self.decoding.wide is None or self.manifest.samples_render == "draw":
            self._runtime.rest_wide()  # nobody will ever ask for it, or few do

    def rest(self, ready: bool = False) -> None:
        """Give back memory that the next request can have again; if `ready`, it need not wait for that."""
        self._runtime.rest(ready)
