"""Ask a service what its API documentation promises, and much that it refuses, and check every answer.

``python -m tests.fuzzing`` does it in full; ``tests/test_fuzzing.py`` in part.
"""

import argparse
import math
import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from app.settings import Settings
from tests.conftest import PROJECT
from tests.fakes import CARD, MAP, MIXTURE, write_version
from tests.reliability import command_of, tell
from tests.serving import serving_fakes

SCHEMATHESIS = Path(sys.executable).with_name("schemathesis")
CASES = 5_000
BOUNDARIES = 3_500  # of these are made whatever the number: examples and boundaries of the document
ADDRESSES = 25  # that take parameters, at least
_TOLD = re.compile(r"(\d+) generated, (\d+) passed")


def run(
    folder: Path, examples: int, phases: str = "examples,coverage,fuzzing,stateful", seed: int = 1
) -> tuple[int, str]:
    """Return the number of requests that were made, or 0 if an answer was wrong, and what is told of them.

    Args:
        folder: an empty one.
        examples: random requests to each address.
        phases: of Schemathesis: examples and boundaries of the document, random requests, and their sequences.
        seed: of the random requests.
    """
    for number in (1, 2):
        write_version(folder / "store", number=number, mixture=MIXTURE, card=CARD, mapped=MAP)
    settings = Settings(model_store=folder / "store", default_model="fake", worker_threads=2)
    asked = ["--phases", phases, "--max-examples", str(examples), "--checks", "all", "--seed", str(seed)]
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
    """Make as many requests as are asked for, or more, and tell what was found."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--requests", type=int, default=CASES)
    parser.add_argument("--seed", type=int, default=1, help="of the random requests")
    parser.add_argument(
        "--out", type=Path, help="write what was found as JSON, for tests.reliability --record"
    )
    asked = parser.parse_args()
    started = time.monotonic()
    examples = max(15, math.ceil((asked.requests - BOUNDARIES) / ADDRESSES))
    with tempfile.TemporaryDirectory() as folder:
        made, told = run(Path(folder), examples, seed=asked.seed)
    sys.stdout.write(told)
    if made:
        minutes = round((time.monotonic() - started) / 60, 1)
        figures = {"requests": made, "wrong answers": 0, "minutes": minutes}
        tell(figures, [], command_of("tests.fuzzing", asked), asked.out)
    sys.exit(made < asked.requests)


if __name__ == "__main__":
    main()
