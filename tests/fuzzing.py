"""Ask a service what its API documentation promises, and much that it refuses, and check every answer.

``python -m tests.fuzzing`` does it in full; ``tests/test_fuzzing.py`` in part.
"""

import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from app.settings import Settings
from tests.conftest import PROJECT
from tests.fakes import CARD, MIXTURE, write_version
from tests.serving import serving_fakes

SCHEMATHESIS = Path(sys.executable).with_name("schemathesis")
CASES = 5_000
_TOLD = re.compile(r"(\d+) generated, (\d+) passed")


def run(folder: Path, examples: int, phases: str = "examples,coverage,fuzzing,stateful") -> tuple[int, str]:
    """Return the number of requests that were made, or 0 if an answer was wrong, and what is told of them.

    Args:
        folder: an empty one.
        examples: random requests to each address.
        phases: of Schemathesis: examples and boundaries of the document, random requests, and their sequences.
    """
    for number in (1, 2):
        write_version(folder / "store", number=number, mixture=MIXTURE, card=CARD)
    settings = Settings(model_store=folder / "store", default_model="fake", worker_threads=2)
    asked = ["--phases", phases, "--max-examples", str(examples), "--checks", "all", "--seed", "1"]
    with serving_fakes(settings) as port:
        done = subprocess.run(
            [
                *(SCHEMATHESIS, "--config-file", PROJECT / "tests" / "schemathesis.toml"),
                *("run", f"http://127.0.0.1:{port}/openapi.json", *asked),
            ],
            cwd=folder,
            env=os.environ | {"PYTHONPATH": str(PROJECT)},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
    told = _TOLD.search(done.stdout)
    right = done.returncode == 0 and told is not None and told[1] == told[2]
    # Requests that are told of may be as long as addresses can be.
    lines = (line[:400] for line in done.stdout.splitlines(keepends=False))
    return (int(told[1]) if right and told else 0), "\n".join(lines) + "\n"


def main() -> None:
    """Make CASES requests or more, and tell what was found."""
    with tempfile.TemporaryDirectory() as folder:
        made, told = run(Path(folder), examples=60)
    sys.stdout.write(told)
    sys.exit(made < CASES)


if __name__ == "__main__":
    main()
