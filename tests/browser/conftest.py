"""A service with the models that ship, and a browser in which every page is watched.

A test of pages takes ``page``, or opens what it needs by ``pages.open("/explorer", dark=True, width=320)``. It fails
with any message on the console, any error of a script, and any request that leaves the service, whatever else it
asserts; ``pages.expect("status of 422")`` allows what the test provokes, and demands it.
"""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from tests.browser import chromium
from tests.browser.chromium import Pages, launched
from tests.conftest import SHIPPED_STORE
from tests.serving import serving

HERE = Path(__file__).resolve().parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.is_relative_to(HERE):
            item.add_marker(pytest.mark.browser)


@pytest.fixture(scope="session")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Address of a service as `make serve` starts it, which a server process answers."""
    folder = tmp_path_factory.mktemp("service")
    of_the_project = {"VITRINE_MODEL_STORE": str(SHIPPED_STORE), "VITRINE_DEFAULT_MODEL": ""}
    of_the_project["VITRINE_DEADLINE_SECONDS"] = "60"  # the browser and the service share the machine
    with serving(folder, **of_the_project) as server:
        yield server.url.rstrip("/")


# Not of the whole session: while Playwright runs, its event loop keeps other tests from running theirs.
@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = launched(playwright)
        yield browser
        browser.close()


@pytest.fixture
def pages(browser: Browser, service: str) -> Iterator[Pages]:
    pages = Pages(browser, service)
    yield pages
    complaints = pages.close()
    assert not complaints, "\n".join(complaints)


@pytest.fixture
def page(pages: Pages) -> Page:
    """A page of a reader without preferences, which has loaded nothing yet."""
    return pages.open()


@pytest.fixture
def violations() -> Callable[[Page], list[str]]:
    """What finds violations of accessibility rules on a page; see ``chromium.violations``."""
    return chromium.violations
