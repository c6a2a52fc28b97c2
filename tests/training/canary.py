"""What each shipped experiment becomes after two short epochs: recorded, so that a change is noticed.

    python -m tests.training.canary           record anew, after a change of arithmetic that was meant
    python -m tests.training.canary -         print what each experiment that standard input names becomes, as JSON

The record has the bound after every epoch, which rounding moves little wherever it is computed, and the
digest of the weights by kind of machine, which every change moves.
"""

import dataclasses
import hashlib
import json
import math
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.tiny import drawn_plainly
from training import data, runs
from training.configs.load import load
from training.fitting import fit as fitting

RECORD = Path(__file__).with_name("canary.json")
CONFIGS = Path(fitting.__file__).parents[1] / "configs"
EXPERIMENTS = tuple(
    path.stem for path in sorted(CONFIGS.glob("*.toml")) if "fashion-mnist" in path.read_text()
)
NUMBERS = ("val_loss", "val_kl")  # after each epoch
IMAGES = {"train": 2_000, "validation": 500}
CHANGES = {"optimizer.epochs": 2, "prior": {}}
# Other kernels (TF_ENABLE_ONEDNN_OPTS=0) and one core in place of two moved these numbers by 5e-5 at most.
# One changed line moves them by far more: the averages' rule (11 for 10) by 0.021, KL by one part in a hundred by 0.008.
RELATIVE = 2e-4


def machine_kind() -> str:
    """What decides how arithmetic is rounded here, and the libraries', as one short digest."""
    of_libraries = [runs.library_version(name) for name in runs.LIBRARIES]
    told = json.dumps([runs.machine(), of_libraries], sort_keys=True)
    return hashlib.sha256(told.encode()).hexdigest()[:16]


def trained(name: str) -> dict[str, Any]:
    """The bound of validation after each epoch in nats, its KL, and the digest of the weights."""
    whole = data.load("fashion-mnist")
    parts = {split: getattr(whole, split)[:count] for split, count in IMAGES.items()}
    dataset = dataclasses.replace(whole, **parts, labels=None)
    config = load(CONFIGS / f"{name}.toml")
    warmup = {"objective.kl_warmup_epochs": 1} if config.objective.kl_warmup_epochs > 1 else {}
    with tempfile.TemporaryDirectory() as folder, drawn_plainly():
        out = Path(folder) / "run"
        numbers = fitting.fit(config.replaced(CHANGES | warmup), dataset, out, progress=False)
        history = runs.history(out)
    return {key: history[key] for key in NUMBERS} | {"sha256": numbers["weights_sha256"]}


def agree(found: Mapping[str, Any], recorded: Mapping[str, Any]) -> bool:
    """Whether the numbers of two trainings, all but the digest, differ by no more than rounding."""
    return all(
        len(found[key]) == len(recorded.get(key, ()))
        and all(
            math.isclose(one, other, rel_tol=RELATIVE)
            for one, other in zip(found[key], recorded[key], strict=True)
        )
        for key in NUMBERS
    )


def entry(found: Mapping[str, Any], known: Mapping[str, Any]) -> dict[str, Any]:
    """What is recorded of a training here, beside what is known of the experiment; nothing may be known.

    Numbers and digests of other machines stay where nothing speaks against them: the numbers agree, and this
    machine, if it was recorded, computes the same weights. Else they are of an arithmetic that is no more.
    """
    here = {machine_kind(): found["sha256"]}
    if agree(found, known) and known["sha256"].get(machine_kind(), found["sha256"]) == found["sha256"]:
        return dict(known) | {"sha256": known["sha256"] | here}
    return {key: found[key] for key in NUMBERS} | {"sha256": here}


def main() -> None:
    """Write the record anew, or print what experiments become, a line for each that is asked for."""
    if sys.argv[1:]:
        for line in sys.stdin:
            print(json.dumps(trained(line.strip())), flush=True)  # noqa: T201
        return
    known = json.loads(RECORD.read_text()) if RECORD.exists() else {}
    record = {}
    for name in EXPERIMENTS:
        found = trained(name)
        record[name] = entry(found, known.get(name, {}))
        print(name, found)  # noqa: T201
    RECORD.write_text(json.dumps(record, indent=2) + "\n")


if __name__ == "__main__":
    main()
