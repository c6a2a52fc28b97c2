import asyncio
import atexit
import contextlib
import gc
import json
import os
import shutil
import signal
import tempfile
import tomllib
from collections.abc import Coroutine, Iterator
from pathlib import Path
from typing import Any, NoReturn

import httpx
import pytest

from app.main import create_app
from app.settings import Settings
from tests.fakes import CARD, MAP, MIXTURE, open_fake, write_version

pytest_plugins = ["tests.access", "tests.tiny", "tests.litertjs", "tests.objects"]

# A shell without job control has its background commands ignore SIGINT, and whatever they start.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# Compiling takes half of a small training. So XLA does it once for all processes of a session, and quickly: without
# optimising, and by emitters that need no passes of MLIR, which no cache keeps. Weights are others then, in their
# last bits: what is compared with recorded ones is trained `as_users_train`.
XLA = {"XLA_FLAGS": "--xla_backend_optimization_level=0 --xla_cpu_use_fusion_emitters=false"}
if "TF_XLA_FLAGS" not in os.environ:  # the first process: others inherit it
    COMPILED = tempfile.mkdtemp(prefix="xla-")
    atexit.register(shutil.rmtree, COMPILED, ignore_errors=True)
    XLA["TF_XLA_FLAGS"] = f"--tf_xla_persistent_cache_directory={COMPILED}"
    os.environ.update(XLA)

PROJECT = Path(__file__).resolve().parent.parent
DISTRIBUTION: str = tomllib.loads((PROJECT / "pyproject.toml").read_text())["project"]["name"]
SHIPPED_STORE = PROJECT / "model_store"
SHIPPED_MODEL = "fashion-dense@7"  # with its version: the store may hold later ones that somebody trained

SHIPPED_VERSION = SHIPPED_STORE / "fashion-dense" / "7"
FASHION = "fashion@8"  # the model that a service answers with by default
FASHION_VERSION = SHIPPED_STORE / "fashion" / FASHION.split("@")[1]
FASHION_AXES: int = json.loads((FASHION_VERSION / "manifest.json").read_text())["latent_dim"]
FASHION_ACTIVE = sum(
    axis["active"] for axis in json.loads((FASHION_VERSION / "manifest.json").read_text())["axes"]
)


class Client:
    """A started service, asked without a socket through httpx's own ASGI transport."""

    def __init__(self, app: Any) -> None:
        self.app = app
        self._runner = asyncio.Runner()
        self._exits = contextlib.AsyncExitStack()
        self._runner.run(self._start())

    async def _start(self) -> None:
        await self._exits.enter_async_context(self.app.router.lifespan_context(self.app))
        transport = httpx.ASGITransport(self.app)
        client = httpx.AsyncClient(transport=transport, base_url="http://vitrine")
        self._client = await self._exits.enter_async_context(client)

    def run(self, work: Coroutine[Any, Any, Any]) -> Any:
        """Have something done on the service's event loop."""
        return self._runner.run(work)

    def request(self, method: str, url: str, **options: Any) -> httpx.Response:
        return self._runner.run(self._client.request(method, url, **options))

    def get(self, url: str, **options: Any) -> httpx.Response:
        return self.request("GET", url, **options)

    def post(self, url: str, **options: Any) -> httpx.Response:
        return self.request("POST", url, **options)

    def gather(self, urls: list[str]) -> list[httpx.Response]:
        async def all_at_once() -> list[httpx.Response]:
            return await asyncio.gather(*(self._client.get(url) for url in urls))

        return self._runner.run(all_at_once())

    def close(self) -> None:
        self._runner.run(self._exits.aclose())
        self._runner.close()


EVERYTHING = "VITRINE_TEST_EVERYTHING" in os.environ  # CI installs every tool, so nothing may be skipped


def skip(reason: str) -> NoReturn:
    """Skip a test whose tool or data is not on this machine, or fail where everything should be."""
    if EVERYTHING:
        pytest.fail(reason)
    pytest.skip(reason)


def as_users_train() -> dict[str, str]:
    """The environment of a process that trains to the same bits as it does outside of tests."""
    return {name: value for name, value in os.environ.items() if name not in ("XLA_FLAGS", "TF_XLA_FLAGS")}


@pytest.fixture(autouse=True, scope="module")
def collections_of_this_module_alone() -> None:
    """Leave what former modules made out of collections: Keras collects at every training, and looks at it all."""
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True)
def resident_bytes_in_no_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Count pages by the system's counter: for TensorFlow's gigabytes the exact one takes a tenth of a second."""
    monkeypatch.setattr("app.opened.resident_bytes", resident_pages)


def resident_pages() -> int:
    """The process's memory in bytes, shared pages counted whole."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("VITRINE_")]:
        monkeypatch.delenv(name)


@pytest.fixture
def fake_store(tmp_path: Path) -> Path:
    write_version(tmp_path / "store")
    return tmp_path / "store"


@pytest.fixture
def settings(fake_store: Path) -> Settings:
    """Settings for a store with the fake model. Nothing is kept: what a test asks for twice is computed twice."""
    return Settings(model_store=fake_store, default_model="fake", worker_threads=2, cache_bytes=0)


@pytest.fixture
def client(settings: Settings) -> Iterator[Client]:
    client = Client(create_app(settings, open_fake))
    yield client
    client.close()


@pytest.fixture
def client_of_classes(tmp_path: Path) -> Iterator[Client]:
    """A service whose fake model has a prior with two classes, ``Low`` and ``High``."""
    write_version(tmp_path, mixture=MIXTURE)
    client = Client(
        create_app(Settings(model_store=tmp_path, default_model="fake", worker_threads=2), open_fake)
    )
    yield client
    client.close()


@pytest.fixture
def client_of_a_map(tmp_path: Path) -> Iterator[Client]:
    """A service whose fake model has a map of its test set."""
    write_version(tmp_path, mapped=MAP)
    client = Client(
        create_app(Settings(model_store=tmp_path, default_model="fake", worker_threads=2), open_fake)
    )
    yield client
    client.close()


@pytest.fixture(scope="session", params=["litert", "tensorflow"])
def shipped(request: pytest.FixtureRequest) -> Iterator[Client]:
    """The service with the model that the project ships, on either runtime."""
    settings = Settings(
        model_store=SHIPPED_STORE, default_model=SHIPPED_MODEL, runtime=request.param, cache_bytes=0
    )
    client = Client(create_app(settings))
    yield client
    client.close()


@pytest.fixture
def client_with_card(tmp_path: Path) -> Iterator[Client]:
    """A service whose fake model was published with a card and a picture of its axes."""
    write_version(tmp_path, card=CARD)
    client = Client(
        create_app(Settings(model_store=tmp_path, default_model="fake", worker_threads=2), open_fake)
    )
    yield client
    client.close()
