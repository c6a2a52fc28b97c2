from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from app.cli import cli
from app.settings import Settings
from tests.fakes import MIXTURE, open_fake, write_version
from tests.serving import serving_fakes


@pytest.fixture(scope="session")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with the fake model ``fake@1``, whose prior has two classes, and ``other@1``."""
    folder = tmp_path_factory.mktemp("store")
    write_version(folder, mixture=MIXTURE)
    write_version(folder, "other")
    return folder


@pytest.fixture(scope="session")
def url(store: Path) -> Iterator[str]:
    """A running service of that store."""
    with serving_fakes(Settings(model_store=store, default_model="fake", worker_threads=2)) as port:
        yield f"http://127.0.0.1:{port}"


@pytest.fixture
def run(url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    """Runs a command in an empty folder; its standard output is no terminal, and the service is that of ``url``."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("VITRINE_URL", url)

    def invoke(*arguments: str, sent: bytes | None = None) -> Result:
        return CliRunner().invoke(cli, arguments, input=sent)

    return invoke


@pytest.fixture
def here(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """``--local`` opens the store of fakes, without any runtime."""
    monkeypatch.setenv("VITRINE_DEFAULT_MODEL", "fake")
    monkeypatch.setenv("VITRINE_MODEL_STORE", str(store))
    monkeypatch.setattr("app.main.opener", lambda choice: open_fake)


@pytest.fixture
def on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """Standard output is a terminal, as far as commands can tell."""
    monkeypatch.setattr("app.commands.output.sys", _Terminal())


class _Terminal:
    """``sys``, but for a standard output that says that it is a terminal."""

    def __getattr__(self, name: str) -> Any:
        import sys

        if name != "stdout":
            return getattr(sys, name)
        stream = sys.stdout
        stream.isatty = lambda: True  # type: ignore[method-assign]
        return stream
