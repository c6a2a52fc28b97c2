"""What two workers train beside what one does: the same batches of Fashion-MNIST, a few seeds.

    python -m benchmarks.workers --images 4000 --epochs 5 --seeds 3

Prints a row for each seed, with the bound on validation after the last epoch, and how far the two are apart
beside the standard deviation over seeds.
"""

import argparse
import dataclasses
import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from training import data, launching
from training.configs.load import load

CONFIG = Path(__file__).resolve().parents[1] / "training" / "configs" / "fashion-dense.toml"


def arguments() -> argparse.Namespace:
    """Return what the command line says; the last two are for the processes that it starts."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--images", type=int, default=4_000, help="of the training split")
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--cluster", help=argparse.SUPPRESS)
    parser.add_argument("--worker-index", type=int, default=0, help=argparse.SUPPRESS)
    return parser.parse_args()


def trained(asked: argparse.Namespace) -> list[dict[str, Any]]:
    """Train every seed, as one of the workers of a cluster or alone, and return what came of each."""
    from training.fitting import fit
    from training.fitting.workers import Workers

    whole = data.load("fashion-mnist")
    parts = {"train": whole.train[: asked.images], "validation": whole.validation[:1_000]}
    dataset = dataclasses.replace(whole, **parts, labels=None)
    workers = Workers(asked.cluster.split(","), asked.worker_index) if asked.cluster else None
    found = []
    for seed in range(1, asked.seeds + 1):
        config = load(CONFIG).replaced({"optimizer.epochs": asked.epochs, "seed": seed})
        if workers is not None and not workers.leads:
            fit.follow(config, dataset, workers)
            continue
        with tempfile.TemporaryDirectory() as folder:
            found.append(fit.fit(config, dataset, Path(folder) / "run", progress=False, workers=workers))
    return found


def by_processes(asked: argparse.Namespace, count: int) -> list[dict[str, Any]]:
    """Return what so many processes of this module found."""
    words = [f"--{name}={getattr(asked, name)}" for name in ("images", "epochs", "seeds")]
    addresses = [f"{launching.HOST}:{port}" for port in launching.free_ports(count)]
    words += [f"--cluster={','.join(addresses)}"] if count > 1 else ["--cluster="]
    command = [sys.executable, "-m", "benchmarks.workers", *words]
    started = [
        subprocess.Popen([*command, f"--worker-index={index}"], stdout=subprocess.PIPE, text=True)
        for index in range(count)
    ]
    said = [process.communicate()[0] for process in started]
    if any(process.returncode for process in started):
        sys.exit("a worker failed")
    return list(json.loads(said[0].splitlines()[-1]))


def main() -> None:
    """Compare one worker and several."""
    asked = arguments()
    if asked.cluster is not None:
        print(json.dumps(trained(asked)))
        return
    one, many = by_processes(asked, 1), by_processes(asked, asked.workers)
    print(f"| seed | loss, one | loss, {asked.workers} | val_loss, one | val_loss, {asked.workers} | apart |")
    print("|---|---|---|---|---|---|")
    apart = [abs(a["val_loss"] - b["val_loss"]) for a, b in zip(one, many, strict=True)]
    for seed, (a, b, distance) in enumerate(zip(one, many, apart, strict=True), 1):
        losses = " | ".join(f"{each[name]:.7f}" for name in ("loss", "val_loss") for each in (a, b))
        print(f"| {seed} | {losses} | {distance:.1e} |")
    if asked.seeds > 1:
        spread = statistics.stdev(each["val_loss"] for each in one)
        print(f"\nval_loss: standard deviation over seeds {spread:.1e}, furthest apart {max(apart):.1e}")


if __name__ == "__main__":
    main()
