"""The decoder in the browser: LiteRT.js, as it is installed, computes what the service's own runtime computes.

A page that runs it needs WebAssembly, which the service's own policy does not allow: it is served apart.
"""

import functools
import re
import threading
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import flatbuffers
import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema

from app.http.assets import STATIC, vendor
from app.runtimes.litert import LiteRTRuntime
from tests.browser.chromium import Pages
from tests.conftest import SHIPPED_VERSION, skip

POLICY = "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; connect-src 'self'; img-src data:"
BUILD = "litert_wasm_compat_internal.js"
DECODE = """
async ({ module, build, model, z }) => {
  const { loadLiteRt, loadAndCompile, Tensor } = await import(module);
  self.Module = { printErr() {} }; // which else notes on the console what it registers
  await loadLiteRt(build);
  const compiled = await loadAndCompile(model, { accelerator: "wasm" });
  const images = [];
  for (const code of z) {
    const { image } = await compiled.run("decode", { z: new Tensor(new Float32Array(code), [1, code.length]) });
    images.push([...image.toTypedArray()]);
  }
  return images;
}
"""


def for_one_row(flatbuffer):
    """A flatbuffer whose every tensor has one row: LiteRT.js takes none for any number of rows."""
    model = schema.ModelT.InitFromPackedBuf(flatbuffer, 0)
    for tensor in (tensor for subgraph in model.subgraphs for tensor in subgraph.tensors):
        tensor.shapeSignature = None
    builder = flatbuffers.Builder(len(flatbuffer))
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


class Handler(SimpleHTTPRequestHandler):
    """Serves a folder with the policy that a page with a decoder needs, and no more."""

    def end_headers(self):
        self.send_header("Content-Security-Policy", POLICY)
        super().end_headers()

    def log_message(self, *_):
        pass


@pytest.fixture
def origin(tmp_path):
    """Address of a page beside the installed files and a decoder."""
    if vendor("@litertjs/core", "index.js") is None:
        skip("the files of other projects are not installed: make assets")
    (tmp_path / "static").symlink_to(STATIC)
    decoder = (SHIPPED_VERSION / "decoder/assets.extra/decoder.tflite").read_bytes()
    (tmp_path / "decoder.tflite").write_bytes(for_one_row(decoder))
    (tmp_path / "page.html").write_text("<!doctype html><link rel=icon href=data:,><title>decoder</title>")
    server = ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Handler, directory=tmp_path))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@pytest.fixture
def decoded_in_the_browser(browser, origin):
    """A function that decodes codes in a page which must not complain."""
    pages = Pages(browser, origin)

    def decode(z):
        page = pages.open("/page.html")
        asked = {
            "module": f"/{vendor('@litertjs/core', 'index.js')}",
            "build": f"/{vendor('@litertjs/core', BUILD)}",
            "model": "/decoder.tflite",
            "z": z.tolist(),
        }
        found = page.evaluate(DECODE, asked)
        assert not page.evaluate("crossOriginIsolated")
        return np.array(found, np.float32).reshape(len(z), 28, 28)

    yield decode
    # LiteRT.js looks for a GPU first, and warns where there is none; it has no option that keeps it from that.
    assert [
        each for each in pages.close() if not re.search("WebGPU device|No available adapters", each)
    ] == []


def test_a_decoder_in_the_browser_computes_the_images_of_the_service(decoded_in_the_browser):
    z = np.random.default_rng(42).standard_normal((32, 10), np.float32)
    expected = LiteRTRuntime(SHIPPED_VERSION, threads=1).decode(z)
    found = decoded_in_the_browser(z)
    assert found.shape == expected.shape
    assert np.ptp(expected) > 0.9  # images, from dark to white
    # Sums of at most 150 float32 products in another order: 150 * 2**-24 of values near 1, and two layers of it.
    assert np.abs(found - expected).max() < 1e-4
