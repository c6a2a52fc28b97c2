import base64
import io
import json
import subprocess
import sys

import numpy as np
import pytest

from tests.conftest import PROJECT
from tests.fakes import pixels_of, png_bytes
from vitrine_client import Picture

LEVELS = np.arange(48, dtype=np.uint8).reshape(6, 8)
PNG = Picture(png_bytes(LEVELS), "image/png", "http://x/samples?a=1&b=2", "fake@1", 42)


def test_a_picture_is_saved_as_it_came(tmp_path):
    path = PNG.save(tmp_path / "out.png")
    assert path.read_bytes() == PNG.content


def test_a_picture_gives_its_pixels():
    assert np.array_equal(PNG.array(), LEVELS)
    assert np.array_equal(np.asarray(PNG.image()), LEVELS)


def test_numpys_formats_give_single_images():
    images = np.zeros((3, 2, 2), np.uint8)
    one, several = io.BytesIO(), io.BytesIO()
    np.save(one, images)
    np.savez(several, images=images)
    assert Picture(one.getvalue(), "application/octet-stream").array().shape == (3, 2, 2)
    assert Picture(several.getvalue(), "application/zip").array().shape == (3, 2, 2)


def test_surprise_has_nats():
    nats, file = np.array([[[-1.5, 0.25]]], np.float32), io.BytesIO()
    np.save(file, nats)
    found = Picture(file.getvalue(), "application/octet-stream").array()
    assert (found.dtype, found.tolist()) == (np.float32, nats.tolist())


def test_what_a_format_does_not_hold_is_refused_with_one_that_does():
    table = Picture(b"image,z0\n", "text/csv")
    with pytest.raises(ValueError, match='format="npy"'):
        table.array()
    with pytest.raises(ValueError, match='format="png"'):
        table.image()
    with pytest.raises(ValueError, match='format="json"'):
        table.json()
    assert Picture(b'{"a": 1}', "application/json").json() == {"a": 1}


def test_a_png_shows_itself_in_a_notebook():
    bundle = PNG._repr_mimebundle_()
    assert set(bundle) == {"text/plain", "text/html", "image/png"}
    assert np.array_equal(pixels_of(base64.b64decode(bundle["image/png"])), LEVELS)
    assert PNG._repr_png_() == PNG.content
    assert "fake@1, seed 42" in bundle["text/plain"]
    assert 'href="http://x/samples?a=1&amp;b=2"' in bundle["text/html"]
    assert f"data:image/png;base64,{base64.b64encode(PNG.content).decode()}" in bundle["text/html"]
    json.dumps(bundle)  # as a notebook is saved
    assert set(PNG._repr_mimebundle_(include=["image/png", "text/plain"], exclude=["text/plain"])) == {
        "image/png"
    }


def test_other_formats_show_themselves_as_html():
    animation = Picture(b"GIF89a", "image/gif")
    assert animation._repr_png_() is None
    assert "data:image/gif;base64,R0lGODlh" in animation._repr_html_()
    assert "<img" not in Picture(b"", "application/zip")._repr_html_()
    assert set(animation._repr_mimebundle_()) == {"text/plain", "text/html"}


def test_nothing_that_a_service_says_is_html_in_a_notebook():
    text = Picture(b"", 'image/<script>"', '"><script>', "<script>")._repr_html_()
    assert "<script" not in text
    assert text.count("<img") == 1


WITHOUT = """
import sys
sys.modules["{module}"] = None
from vitrine_client import Picture
try: Picture(b"", "image/png").{method}()
except ImportError as error: print(error)
"""


@pytest.mark.parametrize(
    ("module", "method", "said"),
    [("numpy", "array", "needs NumPy"), ("PIL", "array", "needs Pillow"), ("PIL", "image", "needs Pillow")],
)
def test_without_numpy_or_pillow_an_error_says_what_to_install(module, method, said):
    code = WITHOUT.format(module=module, method=method)
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=PROJECT / "client"
    )
    assert said in done.stdout
    assert "pip install" in done.stdout
