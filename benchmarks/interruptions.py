"""Kills training at random moments, and fills the disk at every file that a command writes.

    python -m benchmarks.interruptions          # as root, on Linux: it mounts a small file system
    python -m benchmarks.interruptions --kills 10

A run that was killed (SIGKILL) must end, resumed, with the weights of one that was not, bit for bit. A full
disk must give one line that names the file, exit code 1 and no traceback; with space again the same command,
with --resume for fit, must come to the same end. Exits with 1 if any of that does not hold.
"""

import argparse
import contextlib
import io
import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

EPOCHS = 8
CONFIG = f"""\
name = "tiny"
seed = 3
[data]
name = "images"
[network]
kind = "dense"
latent_dim = 2
encoder_units = [8]
decoder_units = [8]
[likelihood]
name = "gaussian"
variance = 0.5
[objective]
name = "elbo"
[prior]
components = [2]
[optimizer]
name = "nadam"
learning_rate = 0.01
epochs = {EPOCHS}
batch_size = 16
ema_momentum = 0.9
keep = "best"
"""
EVERY_EPOCH = ("best.npz", "history.json", "curves.png", "axes.png", "samples.png", "tensorboard", "last.npz")
OF_FIT = ("config.json", "data.json", *EVERY_EPOCH, "weights.weights.h5", "environment.json")
OF_EVALUATE = ("prior.npz", "prior.json", "bounds.png", "spectrum.png", "sheet.png", "report.json", "card.md")
OF_EXPORT = ("encoder", "encoder.tflite", "decoder", "decoder.tflite", "0.png", "axes.png", "manifold.png",
             "map.npz", "map.png",
             "prior.npz", "card.md", "manifest.json")  # fmt: skip
FILESYSTEM = 8_000_000  # bytes; a run takes some 300,000, a version 600,000


def write_inputs(folder: Path) -> list[str]:
    """Write images and a configuration; return the command that trains, but for its run folder."""
    centres = np.random.default_rng(0).uniform(1, 4, (200, 2, 1, 1))
    rows, columns = np.mgrid[:6, :5]
    squares = np.exp(-((rows - centres[:, 0]) ** 2) - (columns - centres[:, 1]) ** 2)
    np.savez(folder / "squares.npz", images=squares.astype(np.float32))
    (folder / "tiny.toml").write_text(CONFIG)
    return ["fit", str(folder / "tiny.toml"), "--data", str(folder / "squares.npz"), "--tensorboard"]


def start(arguments: list[str], output: Path, prepare: Callable[[], None] = lambda: None) -> int:
    """Run ``vitrine-train`` in a child that has TensorFlow imported already; return its process id."""
    child = os.fork()
    if child:
        return child
    status = 70
    try:
        with output.open("wb", buffering=0) as file:
            for descriptor in (1, 2):
                os.dup2(file.fileno(), descriptor)
        from training import cli

        prepare()
        sys.argv = ["vitrine-train", *arguments]
        cli.main()
        status = 0
    except SystemExit as ending:
        status = ending.code if isinstance(ending.code, int) else int(ending.code is not None)
    except BaseException:
        import traceback

        traceback.print_exc()
    finally:
        with contextlib.suppress(Exception):
            sys.stdout.flush()
        os._exit(status)


def run(arguments: list[str], output: Path, prepare: Callable[[], None] = lambda: None) -> int:
    """Run ``vitrine-train`` to its end; return its exit code, negative if a signal ended it."""
    return os.waitstatus_to_exitcode(os.waitpid(start(arguments, output, prepare), 0)[1])


def digest(run_folder: Path) -> str | None:
    """Return the digest of a run's weights, which its file of weights must have; None: it is not finished."""
    with contextlib.suppress(FileNotFoundError):
        return str(json.loads((run_folder / "environment.json").read_text())["weights_sha256"])
    return None


def arrays(run_folder: Path) -> list[bytes]:
    """Return the weights that a run's file holds, as bytes."""
    import h5py

    found: list[bytes] = []
    with h5py.File(run_folder / "weights.weights.h5") as file:
        file.visititems(lambda name, item: found.append(item[()].tobytes()) if "layers/" in name and
                        isinstance(item, h5py.Dataset) else None)  # fmt: skip
    return found


def train_whole(fit: list[str], folder: Path) -> tuple[float, float]:
    """Train without a disturbance; return how long it took to the first file of an epoch, and from there."""
    began = time.time()
    child = start([*fit, "--out", str(folder / "whole")], folder / "output")
    first = wait_for_epoch(child, folder / "whole", began)
    os.waitpid(child, 0)
    if digest(folder / "whole") is None:
        sys.exit((folder / "output").read_text())
    return first - began, time.time() - first


def wait_for_epoch(child: int, out: Path, began: float) -> float:
    """Wait until a run writes the first file of an epoch, or ends; return the time."""
    while os.waitid(os.P_PID, child, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
        written = [path for path in out.glob("*.*") if path.name.split(".")[0] not in ("config", "data")]
        with contextlib.suppress(FileNotFoundError):  # renamed meanwhile
            if any(path.stat().st_mtime > began for path in written):
                break
        time.sleep(0.002)
    return time.time()


def kill_at_random(fit: list[str], folder: Path, number: int) -> bool:
    """Kill runs, each up to four times, resume them and compare.

    Three of four moments lie after the first epoch: until then a run of this size hardly does but compile.
    """
    until, after = train_whole(fit, folder)
    print(f"{until:.1f} s until the first epoch ends, {after:.1f} s from there to the end")
    rng, moments, lost, count = random.Random(0), Counter[str](), 0, 0  # noqa: S311
    while count < number:
        out = folder / f"killed-{count}"
        for _ in range(min(4, number - count)):
            began = time.time()
            child = start(
                [*fit, "--out", str(out), *(["--resume"] if out.exists() else [])], folder / "output"
            )
            if count % 4:
                wait_for_epoch(child, out, began)
            time.sleep(rng.random() * (after if count % 4 else until))
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
            moments[moment_of(out)] += 1
            count += 1
            if digest(out):
                break
        if digest(out) is None:
            run([*fit, "--out", str(out), *(["--resume"] if out.exists() else [])], folder / "output")
        if digest(out) != digest(folder / "whole") or arrays(out) != arrays(folder / "whole"):
            lost += 1
            print((folder / "output").read_text())
        print(f"  {count} kills, {lost} runs lost", flush=True)
        shutil.rmtree(out)
    for moment, times in sorted(moments.items()):
        print(f"  {times:3} {moment}")
    return not lost


def moment_of(out: Path) -> str:
    """Say what a killed run had done, by its files."""
    if (out / "environment.json").exists():
        return "after the end"
    with contextlib.suppress(FileNotFoundError), np.load(out / "last.npz") as last:
        epoch = json.loads(last["described"].tobytes())["progress"]["epoch"]
        return f"after epoch {epoch}" if epoch < EPOCHS else "between the last checkpoint and the end"
    return "in the first epoch" if out.exists() else "before its folder was made"


@contextlib.contextmanager
def small_filesystem(folder: Path) -> Iterator[Path]:
    """Mount a small file system that is in memory."""
    place = folder / "small"
    place.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={FILESYSTEM}", "tmpfs", place], check=True)
    try:
        yield place
    finally:
        subprocess.run(["umount", place], check=True)


def fill(place: Path) -> None:
    """Take all the space that there is."""
    with contextlib.suppress(OSError), (place / "filler").open("wb", buffering=0) as file:
        while file.write(bytes(4096)):
            pass


def filling(place: Path, name: str) -> Callable[[], None]:
    """Return what makes a command, in its own process, find the disk full when it writes the file `name`."""

    def prepare() -> None:
        import tensorflow as tf

        plain_open, plain_save = Path.open, tf.saved_model.save

        def open_full(path: Path, mode: str = "r", *rest: Any, **options: Any) -> io.IOBase:
            if "w" in mode and path.name == f"{name}.tmp":
                fill(place)
            return plain_open(path, mode, *rest, **options)

        def save_full(module: Any, path: str, **options: Any) -> None:
            if Path(path).name == name:
                fill(place)
            plain_save(module, path, **options)

        class FullWriter(tf.io.TFRecordWriter):  # type: ignore[misc]
            def flush(self) -> None:
                fill(place)
                super().flush()

        Path.open = open_full  # type: ignore[method-assign,assignment]
        tf.saved_model.save = save_full
        if name == "tensorboard":
            tf.io.TFRecordWriter = FullWriter

    return prepare


def check_full(place: Path, name: str, arguments: list[str], output: Path) -> str:
    """Run a command on a disk that is full when it comes to one file; return what is wrong, or nothing."""
    status, told = run(arguments, output, filling(place, name)), output.read_text()
    (place / "filler").unlink(missing_ok=True)
    lines = [line for line in told.splitlines() if line.startswith("vitrine-train: ")]
    if status != 1 or len(lines) != 1 or "Traceback" in told or "Exception ignored" in told:
        return f"exit code {status}: {told}"
    if not re.search(rf"{re.escape(name)}\S*: cannot be written \(No space left on device\)", lines[0]):
        return f"does not name the file and the reason: {lines[0]}"
    return ""


def sweep(fit: list[str], folder: Path, place: Path) -> bool:
    """Fill the disk at every file of every command; each must go on to the same end afterwards."""
    output, out, store, wrong = folder / "output", place / "run", place / "store", 0
    data = fit[2:4]
    commands = {
        "fit": (OF_FIT, [*fit, "--out", str(out)]),
        "evaluate": (OF_EVALUATE, ["evaluate", str(out), *data]),
        "export": (OF_EXPORT, ["export", str(out), *data, "--store", str(store)]),
    }
    for command, (names, arguments) in commands.items():
        for name in names:
            resumed = ["--resume"] if command == "fit" and out.exists() else []
            failed = check_full(place, name, [*arguments, *resumed], output)
            failed = failed or ("something is left in the store" if list(store.glob("tiny/*")) else "")
            failed = failed or ("a run is finished that is not" if command == "fit" and digest(out) else "")
            print(f"  {command}, full at {name}: {failed or 'one line'}", flush=True)
            wrong += bool(failed)
        resumed = ["--resume"] if command == "fit" else []
        status = run([*arguments, *resumed], output)
        if status != 0 or digest(out) != digest(folder / "whole"):
            print(f"  {command}, again, with space: exit code {status}: {output.read_text()}")
            wrong += 1
    versions = sorted(path.name for path in store.glob("tiny/*"))
    print(f"  {wrong} went wrong; in the store: {versions}")
    return not wrong and versions == ["1"]


def main() -> None:
    """Print what was found; exit with 1 if a run was lost."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=40)
    asked = parser.parse_args()
    import training.evaluation.evaluate
    import training.figures
    import training.fitting.fit
    import training.publish.export  # noqa: F401  once, before any child

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        fit = write_inputs(folder)
        right = kill_at_random(fit, folder, asked.kills)
        with small_filesystem(folder) as place:
            print("the disk is full")
            right = sweep(fit, folder, place) and right
    sys.exit(not right)


if __name__ == "__main__":
    main()
