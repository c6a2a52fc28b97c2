"""A service with the models of the project, and a browser that looks at it."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from tests.conftest import SHIPPED_STORE
from tests.serving import serving


@pytest.fixture(scope="session")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("service")
    with serving(folder, "--model-store", str(SHIPPED_STORE), VITRINE_DEFAULT_MODEL="fashion") as server:
        yield server.url


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    yield page
    page.close()


@pytest.fixture
def violations() -> Callable[[Page], list[str]]:
    axe = Path(os.environ["AXE_CORE"]).read_text()

    def found(page: Page) -> list[str]:
        page.evaluate(axe)
        return list(
            page.evaluate(
                "axe.run().then((found) => found.violations.map(({ id, nodes }) => `${id}: ${nodes[0].html}`))"
            )
        )

    return found
