"""The Open Inference Protocol by Triton's and KServe's own clients, unchanged, in an environment of their own.

What they send is replayed without them in tests/app/http/test_inference.py.
"""

import re
import subprocess

import pytest

from app.settings import Settings
from tests.conftest import PROJECT, skip
from tests.serving import serving, serving_fakes

PYTHON = PROJECT / "benchmarks" / ".environments" / "inference-clients" / "bin" / "python"
PAGE = (PROJECT / "docs" / "inference-protocol.md").read_text()
EXAMPLES = re.findall(r"^```python\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)


def run(folder, *arguments):
    if not PYTHON.exists():
        skip("the clients are not installed: make inference-clients")
    return subprocess.run(
        [PYTHON, *arguments], cwd=folder, capture_output=True, text=True, timeout=120, check=False
    )


@pytest.mark.process
def test_both_clients_get_right_answers_and_their_own_errors(tmp_path, fake_store):
    with serving_fakes(Settings(model_store=fake_store, default_model="fake")) as port:
        done = run(tmp_path, PROJECT / "tests" / "ask_by_clients.py", f"127.0.0.1:{port}")
    assert done.stdout.endswith("every answer was right\n"), done.stdout + done.stderr
    assert done.returncode == 0


@pytest.mark.process
def test_the_examples_of_the_page_do_what_they_say(tmp_path):
    assert len(EXAMPLES) == 2
    with serving(tmp_path) as server:
        for example in EXAMPLES:
            code = example.replace("127.0.0.1:8000", server.url.removeprefix("http://"))
            for name, shape in re.findall(r"^(\w+) = .*# (\(.*\))$", example, re.MULTILINE):
                code += f"\nassert {name}.shape == {shape}, {name}.shape"
            if (
                "z_mean" in code
            ):  # the picture of a code is encoded near it: the posterior's width is 0.1 or less
                code += (
                    "\nassert z_mean.shape == z_log_var.shape == (2, 2)\nassert (abs(z_mean - z) < 0.5).all()"
                )
            assert "shape ==" in code
            done = run(tmp_path, "-c", code)
            assert done.returncode == 0, done.stderr


def test_the_clients_are_pinned_with_hashes_and_no_registry_is_named():
    text = (PROJECT / "benchmarks" / "peers" / "inference-clients.txt").read_text()
    assert re.search(r"^kserve==0\.", text, re.MULTILINE)
    assert re.search(r"^tritonclient==2\.", text, re.MULTILINE)
    assert text.count("==") <= text.count("--hash=sha256:")
    assert "://" not in text
