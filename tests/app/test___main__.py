import subprocess
import sys

from tests.conftest import PROJECT


def test_python_runs_the_package_as_the_command():
    for arguments, said in (
        (["--version"], "vitrine, version"),
        (["samples", "--help"], "python -m app samples"),
    ):
        done = subprocess.run(
            [sys.executable, "-m", "app", *arguments], capture_output=True, text=True, cwd=PROJECT, check=True
        )
        assert said in done.stdout


def test_importing_it_runs_nothing():
    subprocess.run([sys.executable, "-c", "import app.__main__"], cwd=PROJECT, check=True, timeout=20)
