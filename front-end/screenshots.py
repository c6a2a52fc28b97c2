"""Take the screenshots of every view that docs/pages.md shows: ``make screenshots``.

A service with the project's models runs for as long as it takes. Chromium is looked for on PATH.
"""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from PIL import Image
from playwright.sync_api import Browser, sync_playwright

PROJECT = Path(__file__).resolve().parent.parent
IMAGES = PROJECT / "docs" / "images"
WIDTH, HEIGHT = 1280, 860
FREQUENT = 32  # colours that a screenshot has exactly
SETTLED = 1500  # milliseconds: pictures that follow the page are there by then

# By name of the picture: the address, and the scheme of colours.
VIEWS = {
    "page-gallery": ("/", "light"),
    "page-gallery-dark": ("/?label=Bag&temperature=1.2", "dark"),
    "page-explorer": ("/explorer?at=seed:42/0", "light"),
    "page-way": ("/explorer?at=seed:42/1&to=seed:42/4", "dark"),
    "page-reconstructions": ("/reconstructions", "light"),
    "page-completions": ("/completions", "light"),
    "page-map": ("/test-set", "dark"),
    "page-plane": ("/plane?model=fashion-map&place=0.373,0.5", "light"),
    "page-comparison": ("/comparison", "light"),
    "page-model": ("/models/fashion", "light"),
    "page-reference": ("/docs", "dark"),
}
NARROW = {"page-narrow": ("/explorer?at=seed:42/0", "light")}


@contextmanager
def service() -> Iterator[str]:
    """Run the service on a free port and yield its address."""
    process = subprocess.Popen(
        [Path(sys.executable).with_name("vitrine"), "serve", "--port", "0"],
        cwd=PROJECT,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "VITRINE_DEFAULT_MODEL": "fashion"},
    )
    try:
        yield _address(process)
    finally:
        process.terminate()
        process.wait(30)


def _address(process: "subprocess.Popen[str]") -> str:
    for line in process.stderr or ():
        if found := re.search(r"running on (http://\S+)", line):
            return found[1]
    raise SystemExit("the service did not start")


def take(browser: Browser, url: str, scheme: str, width: int, path: Path) -> None:
    """Write one screenshot, with a palette: pages have few colours, and the file a third of the bytes."""
    page = browser.new_page(viewport={"width": width, "height": HEIGHT}, color_scheme=scheme)  # type: ignore[arg-type]
    page.goto(url)
    page.wait_for_load_state("networkidle")
    page.wait_for_timeout(SETTLED)
    page.screenshot(path=path)
    page.close()
    with Image.open(path) as image:
        with_palette(image).save(path, optimize=True)
    print(f"{path.relative_to(PROJECT)}: {path.stat().st_size // 1000} kB")


def with_palette(image: Image.Image) -> Image.Image:
    """Return a screenshot in 256 colours: the most frequent ones, and more that no rare one is far from.

    Links are rare on a page of many greys, and would be grey by a median cut.
    """
    image = image.convert("RGB")
    pixels = np.asarray(image).reshape(-1, 3)
    found, where, counts = np.unique(pixels, axis=0, return_inverse=True, return_counts=True)
    covering = image.quantize(256 - FREQUENT, method=Image.Quantize.MAXCOVERAGE).getpalette() or []
    palette = np.vstack([found[np.argsort(-counts)[:FREQUENT]], np.reshape(covering, (-1, 3))])[:256]
    # Pillow itself gives colours that are near each other one place of a palette.
    distances = ((found[:, None].astype(int) - palette[None].astype(int)) ** 2).sum(axis=-1)
    indices = distances.argmin(axis=1)[where].astype(np.uint8)
    shown = Image.fromarray(indices.reshape(image.height, image.width))
    shown.putpalette(palette.astype(np.uint8).tobytes())
    return shown


def main() -> None:
    """Take all of them, or those whose names are given."""
    chosen = set(sys.argv[1:]) or {*VIEWS, *NARROW}
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    with service() as url, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        for views, width in ((VIEWS, WIDTH), (NARROW, 320)):
            for name, (address, scheme) in views.items():
                if name in chosen:
                    take(browser, f"{url}{address}", scheme, width, IMAGES / f"{name}.png")
        browser.close()


if __name__ == "__main__":
    main()
