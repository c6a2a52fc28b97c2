"""Types of the pages' modules, which are comments there: TypeScript checks them."""

import shutil
import subprocess

import pytest

from tests.conftest import PROJECT, skip

TSC = PROJECT / "front-end" / "node_modules" / "typescript" / "bin" / "tsc"


def check(*arguments):
    if shutil.which("node") is None or not TSC.is_file():
        skip("TypeScript cannot run here: install Node.js, and make setup")
    return subprocess.run(["node", TSC, *arguments], capture_output=True, text=True, check=False)


def test_the_modules_have_no_type_error():
    done = check("--project", PROJECT / "front-end")
    assert done.returncode == 0, done.stdout


def test_every_module_is_checked():
    listed = check("--project", PROJECT / "front-end", "--listFilesOnly").stdout.splitlines()
    modules = {str(path) for path in (PROJECT / "app/static/js").rglob("*.js")}
    assert modules
    assert modules <= set(listed)


@pytest.mark.parametrize(
    ("source", "error"),
    [
        ("/** @param {number} x */\nexport function f(x) {}\nf('1');\n", "TS2345"),
        ("export function f(x) {}\n", "TS7006"),  # strict: a parameter has a type
        ("document.querySelector('a').remove();\n", "TS2531"),  # strict: there may be none
    ],
)
def test_an_error_would_be_found(tmp_path, source, error):
    (tmp_path / "wrong.js").write_text(source)
    extended = {"extends": str(PROJECT / "front-end/tsconfig.json"), "include": ["*.js"]}
    (tmp_path / "tsconfig.json").write_text(str(extended).replace("'", '"'))
    done = check("--project", tmp_path)
    assert done.returncode != 0
    assert error in done.stdout
