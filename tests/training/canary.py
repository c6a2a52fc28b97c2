"""What each shipped experiment becomes after two short epochs: recorded, so that a change is noticed.

    python -m tests.training.canary    record anew, after a change of arithmetic that was meant

The record has the bound after every epoch, which rounding moves little wherever it is computed, and the
digest of the weights by kind of machine, which every change moves.
"""

import dataclasses
import hashlib
import json
import tempfile
from pathlib import Path

from training import data, runs
from training.configs.load import load
from training.fitting import fit as fitting

RECORD = Path(__file__).with_name("canary.json")
CONFIGS = Path(fitting.__file__).parents[1] / "configs"
EXPERIMENTS = tuple(
    path.stem for path in sorted(CONFIGS.glob("*.toml")) if "fashion-mnist" in path.read_text()
)
IMAGES = {"train": 2_000, "validation": 500}
CHANGES = {"optimizer.epochs": 2, "prior": {}}


def machine_kind() -> str:
    """What decides how arithmetic is rounded here, and the libraries', as one short digest."""
    of_libraries = [runs.library_version(name) for name in runs.LIBRARIES]
    told = json.dumps([runs.machine(), of_libraries], sort_keys=True)
    return hashlib.sha256(told.encode()).hexdigest()[:16]


def trained(name: str) -> dict[str, object]:
    """The bound of validation after each epoch in nats, its KL, and the digest of the weights."""
    whole = data.load("fashion-mnist")
    parts = {split: getattr(whole, split)[:count] for split, count in IMAGES.items()}
    dataset = dataclasses.replace(whole, **parts, labels=None)
    config = load(CONFIGS / f"{name}.toml")
    warmup = {"objective.kl_warmup_epochs": 1} if config.objective.kl_warmup_epochs > 1 else {}
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "run"
        numbers = fitting.fit(config.replaced(CHANGES | warmup), dataset, out, progress=False)
        history = runs.history(out)
    return {"val_loss": history["val_loss"], "val_kl": history["val_kl"], "sha256": numbers["weights_sha256"]}


def main() -> None:
    """Write the record anew."""
    known = json.loads(RECORD.read_text()) if RECORD.exists() else {}
    record = {}
    for name in EXPERIMENTS:
        found = trained(name)
        digest = found.pop("sha256")
        same = {key: known.get(name, {}).get(key) for key in found} == found
        # Digests of other machines are of the arithmetic that was.
        others = known[name]["sha256"] if same else {}
        record[name] = found | {"sha256": others | {machine_kind(): digest}}
        print(name, found, digest)  # noqa: T201
    RECORD.write_text(json.dumps(record, indent=2) + "\n")


if __name__ == "__main__":
    main()
