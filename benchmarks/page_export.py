"""How fast an exported page is in Chromium: from a slider's event to the picture that the browser computes.

    .venv/bin/python -m benchmarks.page_export
    .venv/bin/python -m benchmarks.page_export --model fashion-dense --rounds 5

The page is exported, served as files, and its slider dragged as `benchmarks.page explorer` drags the
service's. Needs Playwright, a Chromium and LiteRT.js (make assets); nothing else should run on the machine.
"""

import argparse
import contextlib
import functools
import http.server
import os
import statistics
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

from benchmarks.page import STORE, dragged, percentile

VITRINE = Path(sys.executable).with_name("vitrine")


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


@contextlib.contextmanager
def exported(model: str) -> Iterator[str]:
    """Yield the address of the page of a model, served as files."""
    with tempfile.TemporaryDirectory() as folder:
        command = [VITRINE, "export-page", f"{folder}/page", "--model", model, "--model-store", str(STORE)]
        subprocess.run(command, check=True)
        handler = functools.partial(_Quiet, directory=f"{folder}/page")
        with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
            threading.Thread(target=server.serve_forever, daemon=True).start()
            yield f"http://127.0.0.1:{server.server_port}"
            server.shutdown()


def load(page: Page, url: str) -> float:
    """Open the explorer, and return the milliseconds from "Start" until the decoder runs."""
    page.goto(f"{url}/explorer.html")
    page.wait_for_selector("canvas[data-point]")
    took: float = page.evaluate(
        """async () => {
          const { start } = await import("./static/js/exported/decoder.js");
          const began = performance.now();
          await start();
          return performance.now() - began;
        }"""
    )
    page.wait_for_selector("[data-axis] .strip-frame:not([hidden])")
    page.wait_for_timeout(1500)
    return took


def main() -> None:
    """Measure and print what was found."""
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=raw)
    parser.add_argument("--chromium", default="/usr/bin/chromium", help="path of the browser")
    parser.add_argument("--model", default="fashion", help="model to export")
    parser.add_argument("--rounds", type=int, default=3, help="repeat, each time on a fresh page")
    parser.add_argument("--moves", type=int, default=200, help="moves of the slider in a round")
    parser.add_argument("--rate", type=float, default=20, help="moves a second")
    options = parser.parse_args()
    print(f"# load {os.getloadavg()[0]:.2f} on {os.cpu_count()} cores")
    with exported(options.model) as url, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=options.chromium, args=["--no-sandbox"])
        print(f"# Chromium {browser.version}, {vars(options)}")
        for number in range(options.rounds):
            page = browser.new_page(viewport={"width": 1280, "height": 900})
            began = load(page, url)
            found = dragged(page, options)
            took = found["milliseconds"]
            told = f"p50 {statistics.median(took):.1f} ms, p95 {percentile(took, 0.95):.1f} ms"
            told += f", most {max(took):.1f} ms; {found['moves']} moves, {found['left out']} left out"
            print(f"round {number + 1}: {told}; decoder loaded in {began:.0f} ms")
            page.close()
        browser.close()


if __name__ == "__main__":
    sys.exit(main())
