"""Chromium for tests: pages in it are watched, and whatever they complain of fails the test."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

from playwright.sync_api import Browser, BrowserContext, Page, Playwright

from tests.conftest import PROJECT, skip

NAMES = ("chromium", "chromium-browser", "google-chrome")
AXE = PROJECT / "front-end" / "node_modules" / "axe-core" / "axe.min.js"
NARROW = 320  # CSS pixels: the narrowest screen on which a page has to work without scrolling sideways


def launched(playwright: Playwright) -> Browser:
    """Return the system's Chromium, running; the test is skipped where there is none."""
    found = next(filter(None, map(shutil.which, NAMES)), None)
    if found is None:
        skip(f"no browser is installed: none of {', '.join(NAMES)} is on the PATH")
    # Tests may run as root, as whom Chromium's sandbox refuses to start.
    return playwright.chromium.launch(executable_path=found, args=["--no-sandbox"])


class Pages:
    """Opens pages of a service, and collects what they complain of.

    Args:
        browser: where they are opened.
        origin: of the service, which is all that they may ask.
    """

    def __init__(self, browser: Browser, origin: str) -> None:
        self._browser = browser
        self._origin = origin
        self._contexts: list[BrowserContext] = []
        self._expected: list[str] = []
        self.complaints: list[str] = []

    def open(
        self,
        path: str | None = None,
        *,
        dark: bool = False,
        reduced_motion: bool = False,
        width: int = 1280,
        javascript: bool = True,
    ) -> Page:
        """Open a page in a context of its own, which shares nothing with others.

        Args:
            path: what to load, like ``/explorer``; None: nothing yet.
            dark: the reader prefers dark colours.
            reduced_motion: the reader prefers that nothing moves.
            width: of the window, in CSS pixels.
            javascript: whether scripts run.
        """
        context = self._browser.new_context(
            base_url=self._origin,
            color_scheme="dark" if dark else "light",
            reduced_motion="reduce" if reduced_motion else "no-preference",
            viewport={"width": width, "height": 900},
            java_script_enabled=javascript,
        )
        self._contexts.append(context)
        context.on("console", lambda message: self._complain(f"console {message.type}: {message.text}"))
        context.on("weberror", lambda error: self._complain(f"error: {error.error}"))
        context.on("request", lambda request: self._judge(request.url))
        page = context.new_page()
        if path is not None:
            page.goto(path)
        return page

    def expect(self, words: str) -> None:
        """Let the test provoke a complaint that has these words; that it is missing is a complaint then."""
        self._expected.append(words)

    def close(self) -> list[str]:
        """Close every page, and return what they complained of."""
        for context in self._contexts:
            context.close()
        unexpected = [each for each in self.complaints if not any(words in each for words in self._expected)]
        missing = [
            f"expected, and missing: {words}"
            for words in self._expected
            if not any(words in each for each in self.complaints)
        ]
        return unexpected + missing

    def _complain(self, words: str) -> None:
        self.complaints.append(words)

    def _judge(self, url: str) -> None:
        scheme, host = urlsplit(url)[:2]
        if scheme not in ("data", "blob") and f"{scheme}://{host}" != self._origin:
            self._complain(f"request of another origin: {url}")


def violations(page: Page, axe: Path = AXE) -> list[str]:
    """Return every violation of accessibility rules that axe-core finds, an element a line.

    The debugging protocol evaluates axe-core, so that the page's own policy stays as strict as it is.
    """
    if not axe.is_file():
        skip("axe-core is not installed: make setup")
    page.evaluate(axe.read_text(encoding="utf-8"))
    options = "{ resultTypes: ['violations'] }"  # of other results one element each is looked into
    return list(_lines(page.evaluate(f"axe.run({options}).then((found) => found.violations)")))


def _lines(found: list[dict]) -> Iterator[str]:
    for rule in found:
        for node in rule["nodes"]:
            reason = " ".join(node["failureSummary"].split())
            yield f"{rule['id']} ({rule['impact']}): {node['html'][:150]}: {reason}"


def scrolls_sideways(page: Page) -> bool:
    """Say whether a page is wider than its window."""
    return page.evaluate("document.documentElement.scrollWidth > document.documentElement.clientWidth")
