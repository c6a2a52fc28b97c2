"""Which processor this is, and how many of its cores the process may use: by affinity and quota."""

import math
import os
import platform
from pathlib import Path

SYSTEM = Path("/")


def available_cores(system: Path = SYSTEM) -> int:
    """Return the cores that the process may keep busy, at least one.

    A container with half a core gets 1, with three and a half 4: a thread more than the quota only takes
    turns. The root of the file system is `system`.
    """
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else (os.cpu_count() or 1)
    return max(1, math.ceil(min(cores, _quota(system))))


def processor_name(system: Path = SYSTEM) -> str:
    """Return what the processor calls itself, or its architecture."""
    for line in _lines(system / "proc" / "cpuinfo"):  # which only Linux has
        key, _, value = line.partition(":")
        if key.strip() == "model name" and value.strip():
            return value.strip()
    return platform.processor() or platform.machine()


def _quota(system: Path) -> float:
    """Return the least quota, in cores, of the process' control group and those above it."""
    groups = system / "sys" / "fs" / "cgroup"
    quotas = [math.inf]
    for line in _lines(system / "proc" / "self" / "cgroup"):
        _, controllers, path = line.split(":", 2)
        if not controllers:  # version 2: one tree
            for folder in _upwards(groups, path):
                quotas += _cores(_lines(folder / "cpu.max"))
        elif "cpu" in controllers.split(","):  # version 1: a tree for each controller
            for folder in _upwards(groups / "cpu", path):
                texts = _lines(folder / "cpu.cfs_quota_us") + _lines(folder / "cpu.cfs_period_us")
                quotas += _cores([" ".join(texts)])
    return min(quotas)


def _upwards(root: Path, path: str) -> list[Path]:
    """Return the folder of a group and those above it; in a container `path` may be from outside."""
    folder = root / path.strip("/")
    return [folder, *(above for above in folder.parents if above.is_relative_to(root))]


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text().splitlines()
    except OSError:  # no such controller, or not Linux
        return []


def _cores(lines: list[str]) -> list[float]:
    """Read ``QUOTA PERIOD``, both in microseconds; ``max`` or -1 is no quota."""
    for line in lines:
        match line.split():
            case [quota, period] if quota.isdecimal() and period.isdecimal() and int(period) > 0:
                return [int(quota) / int(period)]
    return []
