"""How fast the pages are in a real browser: Chromium, on the machine that serves them.

    .venv/bin/python -m benchmarks.page explorer
    .venv/bin/python -m benchmarks.page explorer --model fashion-dense --rounds 5
    .venv/bin/python -m benchmarks.page first-load
    .venv/bin/python -m benchmarks.page --model-store STORE map --zoom 4

A subcommand a view. Needs Playwright and a Chromium; nothing else should run on the machine.
"""

import argparse
import contextlib
import itertools
import os
import statistics
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from playwright.sync_api import Page, Request, sync_playwright

from tests.serving import serving

STORE = Path(__file__).resolve().parent.parent / "model_store"

# Every `input` event of a slider, and every picture: the canvas names the point that it shows once drawn.
# The task after the next animation frame begins when that frame has been painted.
WATCH = """
() => {
  const canvas = document.querySelector("canvas[data-picture]");
  window.moves = [];
  window.painted = [];
  addEventListener("input", (event) => {
    window.moves.push({ at: event.timeStamp, value: event.target.value });
  }, true);
  new MutationObserver(() => {
    const point = canvas.dataset.point;
    requestAnimationFrame(() => {
      const { port1, port2 } = new MessageChannel();
      port1.onmessage = () => window.painted.push({ at: performance.now(), point });
      port2.postMessage(null);
    });
  }).observe(canvas, { attributes: true, attributeFilter: ["data-point"] });
}
"""


def explorer(page: Page, options: argparse.Namespace) -> dict[str, Any]:
    """Return milliseconds from a slider's event to its picture on the screen, and pictures left out.

    A pointer drags the slider of the most informative axis to and fro, `rate` moves a second. A move whose
    picture is left out, because a newer one was there already, ends with the first newer picture.
    """
    page.goto(f"{options.url}/explorer?model={options.model}")
    page.wait_for_selector("canvas[data-point]")
    page.wait_for_timeout(1500)  # strips are there
    return dragged(page, options)


def dragged(page: Page, options: argparse.Namespace) -> dict[str, Any]:
    """Return what ``explorer`` does, on a page that shows it."""
    page.evaluate(WATCH)
    slider = page.locator("[data-active-axes] input[type=range]").first
    axis = int(slider.evaluate("slider => slider.closest('[data-axis]').dataset.axis"))
    box = slider.bounding_box()
    if box is None:
        raise RuntimeError("expected a slider that is seen")
    middle = box["y"] + box["height"] / 2

    def place(move: int) -> float:
        along = abs(move * 0.0317 % 2 - 1)  # to and fro, by steps that are no whole part of the slider
        return box["x"] + 10 + along * (box["width"] - 20)

    page.mouse.move(place(0), middle)
    page.mouse.down()
    for move in range(options.moves):
        page.mouse.move(place(move), middle)
        page.wait_for_timeout(1000 / options.rate)
    page.wait_for_timeout(500)
    page.mouse.up()
    moves, painted = page.evaluate("[window.moves, window.painted]")
    return latencies(moves, painted, axis)


def latencies(moves: list[dict[str, Any]], painted: list[dict[str, Any]], axis: int) -> dict[str, Any]:
    """Return what each move took until a picture as new as it was painted."""
    shown: list[tuple[float, int]] = []
    newest = 0
    for picture in painted:
        value = float(picture["point"].removeprefix("z:").split(",")[axis])
        # Values come again as the slider goes to and fro: the next move with this value is the one.
        newest = next(k for k in range(newest, len(moves)) if abs(float(moves[k]["value"]) - value) < 1e-3)
        shown.append((picture["at"], newest))
    took = []
    for number, move in enumerate(moves):
        took.append(next(at for at, newest in shown if newest >= number) - move["at"])
    left_out = len(moves) - len({newest for _, newest in shown})
    return {"milliseconds": took, "moves": len(moves), "left out": left_out}


# The page is usable once its module has run and the images in sight are there.
USABLE = """
() => {
  const first = [...document.querySelectorAll("[data-samples] img")].slice(0, 21);
  const isThere = first.length === 21 && first.every((image) => image.complete && image.naturalWidth > 0);
  return isThere && !document.querySelector("[data-others]").hidden ? performance.now() : null;
}
"""


def first_load(page: Page, options: argparse.Namespace) -> dict[str, Any]:
    """Return milliseconds from the beginning of a visit with an empty cache until the gallery is usable."""
    browser = page.context.browser
    if browser is None:
        raise RuntimeError("expected a page of a browser")
    took, weights, others = [], [], set()
    for _ in range(options.visits):
        visit = browser.new_page(viewport={"width": 1280, "height": 900})
        sizes: list[int] = []
        visit.on("requestfinished", lambda request, sizes=sizes: sizes.append(_bytes_of(request)))
        visit.on(
            "request", lambda request: others.add(request.url) if options.url not in request.url else None
        )
        visit.goto(f"{options.url}/")
        took.append(float(visit.wait_for_function(USABLE, polling=5).json_value()))
        visit.wait_for_load_state("networkidle")
        weights.append(sum(sizes))
        visit.close()
    return {"milliseconds": took, "kB": round(max(weights) / 1000, 1), "requests elsewhere": len(others)}


def _bytes_of(request: Request) -> int:
    sizes = request.sizes()
    return sizes["responseBodySize"] + sizes["responseHeadersSize"]


# A pointer that drags the map to and fro, an event a frame, and when each frame began.
PAN = """
(seconds) => new Promise((resolve) => {
  const canvas = document.querySelector("canvas[data-map]");
  canvas.setPointerCapture = () => {};  // there is no such pointer
  const box = canvas.getBoundingClientRect();
  const frames = [];
  let [x, y, right, down] = [box.width / 2, box.height / 2, 9, 4];
  const send = (type) => canvas.dispatchEvent(new PointerEvent(type, {
    pointerId: 7, pointerType: "mouse", button: type === "pointermove" ? -1 : 0,
    clientX: box.left + x, clientY: box.top + y, bubbles: true }));
  const step = (at) => {
    frames.push(at);
    if (at - frames[0] > seconds * 1000) {
      resolve(frames);
      return;
    }
    right = x + right < 0.1 * box.width || x + right > 0.9 * box.width ? -right : right;
    down = y + down < 0.1 * box.height || y + down > 0.9 * box.height ? -down : down;
    [x, y] = [x + right, y + down];
    send("pointermove");
    requestAnimationFrame(step);
  };
  send("pointerdown");
  requestAnimationFrame(step);
})
"""


def pan(page: Page, options: argparse.Namespace) -> dict[str, Any]:
    """Return milliseconds from each frame to the next while a pointer drags the map, 9 pixels a frame."""
    page.goto(f"{options.url}/test-set?model={options.model}&zoom={options.zoom}")
    page.wait_for_selector("canvas[data-drawn]")
    page.wait_for_timeout(1500)  # nothing else is loading
    frames = page.evaluate(PAN, options.seconds)
    took = [after - before for before, after in itertools.pairwise(frames)]
    return {"milliseconds": took, "frames": len(took)}


VIEWS: dict[str, Callable[[Page, argparse.Namespace], dict[str, Any]]] = {
    "explorer": explorer,
    "first-load": first_load,
    "map": pan,
}


@contextlib.contextmanager
def _served(url: str | None, store: Path, model: str) -> Iterator[str]:
    """Yield the address of a service: one that runs, or a fresh one with a store, and its usual model."""
    if url is not None:
        yield url.rstrip("/")
        return
    with (
        tempfile.TemporaryDirectory() as folder,
        serving(Path(folder), "--model-store", str(store), VITRINE_DEFAULT_MODEL=model) as server,
    ):
        yield server.url


def percentile(numbers: list[float], share: float) -> float:
    """Return the number that a share of `numbers` lies below, between the two beside it."""
    return statistics.quantiles(numbers, n=100, method="inclusive")[round(share * 100) - 1]


def _parsed() -> argparse.Namespace:
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=raw)
    parser.add_argument("--chromium", default="/usr/bin/chromium", help="path of the browser")
    parser.add_argument("--url", help="a service that runs; a fresh one if not given")
    parser.add_argument("--model-store", type=Path, default=STORE, help="models of a fresh service")
    parser.add_argument("--rounds", type=int, default=3, help="repeat, each time on a fresh page")
    views = parser.add_subparsers(dest="view", required=True)
    part = views.add_parser("explorer", help="from a slider's event to the picture")
    part.add_argument("--model", default="fashion", help="model to explore")
    part.add_argument("--moves", type=int, default=200, help="moves of the slider in a round")
    part.add_argument("--rate", type=float, default=20, help="moves a second")
    first = views.add_parser(
        "first-load", help="a first visit of the gallery: until it is usable, and its bytes"
    )
    first.add_argument("--model", default="fashion", help="model of the gallery")
    first.add_argument("--visits", type=int, default=10, help="visits in a round, each with an empty cache")
    part = views.add_parser("map", help="frames while the map is dragged")
    part.add_argument("--model", default="fashion-map", help="model whose map it is")
    part.add_argument("--zoom", type=float, default=1, help="1: the whole map is seen when it begins")
    part.add_argument("--seconds", type=float, default=5, help="of a round")
    return parser.parse_args()


def main() -> None:
    """Measure a view and print what was found."""
    options = _parsed()
    print(f"# load {os.getloadavg()[0]:.2f} on {os.cpu_count()} cores")
    with _served(options.url, options.model_store, options.model) as url, sync_playwright() as playwright:
        options.url = url
        browser = playwright.chromium.launch(executable_path=options.chromium, args=["--no-sandbox"])
        print(f"# Chromium {browser.version}, {vars(options)}")
        for number in range(options.rounds):
            page = browser.new_page(viewport={"width": 1280, "height": 900})
            found = VIEWS[options.view](page, options)
            took = found.pop("milliseconds")
            told = ", ".join(f"{name} {value}" for name, value in found.items())
            print(
                f"round {number + 1}: p50 {statistics.median(took):.1f} ms, "
                f"p95 {percentile(took, 0.95):.1f} ms, most {max(took):.1f} ms; {told}"
            )
            page.close()
        browser.close()


if __name__ == "__main__":
    sys.exit(main())
