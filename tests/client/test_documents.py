"""The Python of docs/client.md and of the client's README runs as printed, from top to bottom."""

import re
import subprocess
import sys

import pytest

from tests.conftest import FASHION, PROJECT
from tests.fakes import pixels_of
from tests.serving import serving
from vitrine_client import clients

PAGE = (PROJECT / "docs" / "client.md").read_text()
README = (PROJECT / "client" / "README.md").read_text()


def program(text):
    """The blocks of a page as one program."""
    return "\n".join(re.findall(r"^```python\n(.*?)^```", text, re.MULTILINE | re.DOTALL))


@pytest.mark.process
def test_what_the_page_and_the_readme_show_works_as_printed(tmp_path):
    (tmp_path / "docs").symlink_to(PROJECT / "docs")
    with serving(tmp_path, VITRINE_DEFAULT_MODEL=FASHION) as server:
        for text in (PAGE, README):
            code = program(text)
            assert "http://127.0.0.1:8000" in code
            code = code.replace("http://127.0.0.1:8000", server.url)
            done = subprocess.run(
                [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False
            )
            assert done.returncode == 0, done.stderr
    assert pixels_of((tmp_path / "samples.png").read_bytes()).shape == (84, 196)
    assert pixels_of((tmp_path / "halfway.png").read_bytes()).shape == (28, 28)


def test_the_page_names_every_method():
    for name, method in vars(clients.Client).items():
        if callable(method) and not name.startswith("_") and name not in ("send", "close"):
            assert f"`{name}(" in PAGE, name
