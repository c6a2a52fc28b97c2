"""`vitrine render` as a process that is watched and killed, and its files beside those of another run."""

import contextlib
import json
import os
import random
import signal
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.memory import growth
from benchmarks.processes import PROJECT, family, pss_mib

FLAT = 1.05  # the median of the last quarter, at most this many times that of the second; so its highest
CHUNK = 1 << 20
PART = ".part-"  # what the names of files begin with that were never finished
HOW = (
    "command",
    "all",
    "worker",
)  # what SIGKILL ends: the command alone, all its processes, or one that draws
END_SECONDS = 120


class Asked(NamedTuple):
    """What is drawn.

    Args:
        images: of the seeds from 0 on.
        shard_images: in each shard.
        model: None: the default model.
        cluster: address of a Ray cluster; None: processes of this machine.
    """

    images: int
    shard_images: int
    model: str | None = None
    cluster: str | None = None

    def start(self, out: Path) -> subprocess.Popen[str]:
        """Start the command, as leader of a session of its own."""
        words = [sys.executable, "-m", "app", "render", "--json", "--out", str(out)]
        words += ["--seeds", f"0..{self.images - 1}", "--shard-images", str(self.shard_images)]
        words += ["--model", self.model] if self.model else []
        words += ["--ray", self.cluster] if self.cluster else []
        log = out.with_suffix(".log").open("w")
        return subprocess.Popen(
            words, cwd=PROJECT, stdout=subprocess.PIPE, stderr=log, text=True, start_new_session=True
        )

    def done(self, out: Path) -> int:
        """Return how many images are in recorded shards."""
        return min(self.images, self.shard_images * len([*(out / "records").glob("[!.]*.json")]))


class Sample(NamedTuple):
    """What processes held at a moment.

    Args:
        seconds: since the start.
        images: in recorded shards.
        pss_mib, rss_mib: of all processes; pages that several share are divided, or counted by each.
        processes: how many there are.
    """

    seconds: float
    images: int
    pss_mib: float
    rss_mib: float
    processes: int


class Watch:
    """Weighs processes every so often, in a thread, until ``end``.

    Args:
        members: returns their numbers.
        done: returns how many images are there.
        every: seconds between two samples.
    """

    def __init__(self, members: Callable[[], Iterable[int]], done: Callable[[], int], every: float) -> None:
        self._members, self._done, self._every = members, done, every
        self._ended = threading.Event()
        self._started = time.monotonic()
        self.samples: list[Sample] = []
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def _watch(self) -> None:
        while not self._ended.wait(self._every):
            pids = [*self._members()]
            seconds = round(time.monotonic() - self._started, 1)
            pss, rss = round(pss_mib(pids), 1), round(sum(map(rss_mib, pids)), 1)
            self.samples.append(Sample(seconds, self._done(), pss, rss, len(pids)))

    def end(self) -> list[Sample]:
        """Return the samples."""
        self._ended.set()
        self._thread.join()
        return self.samples


def rss_mib(pid: int) -> float:
    """Return what a process holds in memory, in MiB; 0 if it is gone."""
    with contextlib.suppress(OSError):
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE") / 2**20
    return 0.0


def memory(samples: list[Sample]) -> dict[str, Any]:
    """Return PSS and RSS by quarters of the time from the first shard on, and whether flat.

    Flat is what the medians say, and that the last quarter's highest was reached before. How high a sample is
    depends on how many shards were being written at its moment, so it says little alone.
    """
    working = [sample for sample in samples if sample.images]
    quarters = [working[len(working) * k // 4 : len(working) * (k + 1) // 4] for k in range(4)]
    if not all(quarters):
        return {"flat": None, "reason": "too few samples: more images, or a smaller --every"}
    middles = [statistics.median(sample.pss_mib for sample in quarter) for quarter in quarters]
    highest = [max(sample.pss_mib for sample in quarter) for quarter in quarters]
    slope = growth([(sample.images, sample.pss_mib) for sample in working])
    return {
        "flat": middles[3] <= FLAT * middles[1] and highest[3] <= FLAT * max(highest[:3]),
        "pss_mib_by_quarter": [round(middle, 1) for middle in middles],
        "highest_pss_mib_by_quarter": highest,
        "highest_rss_mib_by_quarter": [max(sample.rss_mib for sample in quarter) for quarter in quarters],
        "pss_mib_per_100000_images": round(slope, 2),
        "processes": max(sample.processes for sample in working),
        "samples": len(working),
    }


def undisturbed(
    asked: Asked, out: Path, every: float, members: Callable[[], Iterable[int]] | None = None
) -> dict[str, Any]:
    """Draw all without a disturbance and return how fast, and what memory that took.

    Args:
        asked: what.
        out: where, a new folder.
        every: seconds between two samples of the memory.
        members: whose memory; None: the command's and its workers'.

    Raises:
        RuntimeError: it failed.
    """
    started = time.monotonic()
    process = asked.start(out)
    watch = Watch(members or (lambda: family(process.pid)), lambda: asked.done(out), every)
    told, _ = process.communicate()
    seconds = time.monotonic() - started
    samples = watch.end()
    if process.returncode:
        raise RuntimeError(out.with_suffix(".log").read_text()[-2000:])
    return {
        "seconds": round(seconds, 1),
        "images_per_second": round(asked.images / seconds, 1),
        "images_per_second_told": json.loads(told)["images_per_second"],
        "bytes": json.loads(told)["bytes"],
        "memory": memory(samples),
        "samples": [sample._asdict() for sample in samples],
    }


def kill(process: subprocess.Popen[str], how: str, rng: random.Random) -> str:
    """Kill a command, or one of its processes, by SIGKILL and wait for its end; return what was killed."""
    workers = [pid for pid in family(process.pid) if pid != process.pid and _draws(pid)]
    if how == "worker" and workers:
        os.kill(rng.choice(workers), signal.SIGKILL)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.communicate(timeout=END_SECONDS)
            return how
    elif how == "all":
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        return how
    process.kill()
    process.wait()  # its workers notice a moment later: the next run begins beside them
    return "command"


def _draws(pid: int) -> bool:
    with contextlib.suppress(OSError):
        return b"spawn_main" in Path(f"/proc/{pid}/cmdline").read_bytes()
    return False


def compared(whole: Path, other: Path) -> dict[str, Any]:
    """Return which files of two runs differ, byte for byte, and what was left unfinished."""
    ours, theirs = _files(whole), _files(other)
    both = sorted(ours & theirs)
    differing = [name for name in both if not same(whole / name, other / name)]
    return {
        "files": len(both),
        "bytes": sum((other / name).stat().st_size for name in both),
        "missing": sorted(ours - theirs),
        "more": sorted(theirs - ours),
        "differing": differing,
        "unfinished": len([path for path in other.rglob(f"{PART}*") if path.is_file()]),
        "identical": ours == theirs and not differing,
    }


def _files(folder: Path) -> set[str]:
    paths = (path for path in folder.rglob("*") if path.is_file() and not path.name.startswith(PART))
    return {str(path.relative_to(folder)) for path in paths}


def same(one: Path, other: Path) -> bool:
    """Say whether two files have the same bytes."""
    with one.open("rb") as first, other.open("rb") as second:
        while (content := first.read(CHUNK)) == second.read(CHUNK):
            if not content:
                return True
    return False
