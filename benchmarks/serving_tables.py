"""The tables and the plot of ``benchmarks.serving``, made of the rows of its bursts."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks import client
from benchmarks.load import Traffic
from benchmarks.processes import RUNTIMES
from benchmarks.tables import Row, chosen, markdown, median, ratio, values, without

RENDERS = ("mean", "draw")


def is_vitrine(server: str) -> bool:
    """Say whether a server's name is one of Vitrine's."""
    return server.startswith("vitrine")


def tables(rows: list[Row]) -> list[str]:
    """Return the medians as Markdown tables: one for each kind that was measured."""
    makers: dict[str, Callable[[list[Row]], list[list[str]]]] = {
        "throughput": throughput_table,
        "startup": resources_table,
        "alone": alone_table,
        "livez": livez_table,
        "models": models_table,
    }
    kinds = {row["kind"] for row in rows}
    return [markdown(make(rows)) for kind, make in makers.items() if kind in kinds]


def loads(rows: list[Row], kind: str) -> list[Traffic]:
    """Return the loads of the rows of a kind, by connections, then by images."""
    found = {Traffic(row["n"], row["connections"]) for row in rows if row["kind"] == kind}
    return sorted(found, key=lambda load: (load.connections, load.n))


def failed(found: list[Row]) -> str:
    """Return how many requests were refused or broken off."""
    return str(sum(row["refused"] + row["broken"] for row in found))


def latencies(found: list[Row]) -> list[str]:
    """Return the medians of p50 and p99."""
    return [f"{median(found, name):.2f}" for name in ("p50_ms", "p99_ms")]


def of_means(rows: list[Row], at: Row) -> str:
    """Return what a picture of these rows takes, of the time that one of means takes."""
    by_mean = chosen(rows, **(at | {"render": "mean"}))
    return ratio(by_mean, chosen(rows, **at), "rate") if at["render"] != "mean" else "1.00"


def throughput_table(rows: list[Row]) -> list[list[str]]:
    """Requests a second, beside the naive service and beside the loop without one."""
    header = ["n", "connections", "server", "render", "requests/s", "of naive", "of bare loop"]
    header += ["p50, ms", "p99, ms", "p99 of naive's", "time of means", "failed"]
    lines = [header]
    for load in loads(rows, "throughput"):
        loaded = {"kind": "throughput"} | load._asdict()
        naive = chosen(rows, server="naive", **loaded)
        for name in values(rows, "throughput", "server"):
            for render in RENDERS:
                at = loaded | {"server": name, "render": render}
                if not (found := chosen(rows, **at)):
                    continue
                runtime = "litert" if name == "vitrine" else "tensorflow"
                loop = {"kind": "bare", "runtime": runtime, "render": render, "n": load.n}
                rate, bound = median(found, "rate"), median(rows, "pictures_per_second", **loop)
                line = [str(load.n), str(load.connections), name, render, f"{rate:.0f}"]
                line += [beside(found, naive, "rate"), f"{rate / bound:.2f}", *latencies(found)]
                lines.append([*line, beside(found, naive, "p99_ms"), of_means(rows, at), failed(found)])
    drawn = any(row.get("render") == "draw" for row in rows if row["kind"] == "throughput")
    return lines if drawn else without(lines, "render", "time of means")


def beside(found: list[Row], naive: list[Row], value: str) -> str:
    """Return a value beside the naive service's; its own is 1."""
    return "1.00" if found == naive else ratio(found, naive, value)


def resources_table(rows: list[Row]) -> list[list[str]]:
    """Seconds to the first picture, and memory."""
    lines = [["server", "first picture, s", "PSS at start, MiB", "under load, MiB", "processes"]]
    for name in values(rows, "startup", "server"):
        weighed = {"kind": "memory", "server": name}
        lines.append(
            [
                name,
                f"{median(rows, 'seconds', kind='startup', server=name):.2f}",
                f"{median(rows, 'started_mib', **weighed):.0f}",
                f"{median(rows, 'loaded_mib', **weighed):.0f}",
                f"{median(rows, 'processes', **weighed):.0f}",
            ]
        )
    return lines


def alone_table(rows: list[Row]) -> list[list[str]]:
    """Vitrine by itself: sizes of pictures, runtimes, workers."""
    header = ["runtime", "workers", "n", "requests/s", "images/s", "of bare loop"]
    lines = [[*header, "p50, ms", "p99, ms", "failed"]]
    for runtime in RUNTIMES:
        for workers in values(rows, "alone", "workers"):
            for n in values(rows, "alone", "n"):
                found = chosen(rows, kind="alone", runtime=runtime, workers=workers, n=n)
                rate = median(found, "rate")
                loop = {"kind": "bare", "runtime": runtime, "render": "mean", "n": n}
                bound = median(rows, "pictures_per_second", **loop)
                line = [runtime, str(workers), str(n), f"{rate:.1f}", f"{n * rate:.0f}"]
                lines.append([*line, f"{rate / bound:.2f}", *latencies(found), failed(found)])
    return lines


def livez_table(rows: list[Row]) -> list[list[str]]:
    """How soon /livez is answered: over all rounds together."""
    lines = [["runtime", "under load of", "probes", "p50, ms", "p99, ms", "max, ms", "failed"]]
    found = chosen(rows, kind="livez")
    for runtime in RUNTIMES:
        for connections, n in dict.fromkeys((row["connections"], row["n"]) for row in found):
            those = chosen(found, runtime=runtime, connections=connections, n=n)
            seconds = [value for row in those for value in row["seconds"]]
            load = f"{connections} connections, n = {n}" if connections else "nothing"
            shown = [f"{value:.2f}" for value in client.percentiles(seconds).values()]
            lines.append([runtime, load, str(len(seconds)), *shown, str(sum(row["failed"] for row in those))])
    return lines


def models_table(rows: list[Row]) -> list[list[str]]:
    """Every model of the store, means and draws, beside its own loop without a service."""
    header = ["model", "n", "connections", "render", "requests/s", "images/s", "time of means"]
    header += ["bare pictures/s", "of bare loop", "cores", "p50, ms", "p99, ms", "failed"]
    lines = [header]
    for model in values(rows, "models", "model"):
        for load in loads(rows, "models"):
            for render in RENDERS:
                at = {"kind": "models", "model": model, "render": render} | load._asdict()
                found = chosen(rows, **at)
                rate = median(found, "rate")
                loop = {"kind": "models-bare", "model": model, "render": render}
                bound = median(rows, "pictures_per_second", **loop)
                line = [model, str(load.n), str(load.connections), render, f"{rate:.1f}"]
                line += [f"{load.n * rate:.0f}", of_means(rows, at), f"{bound:.1f}", f"{rate / bound:.2f}"]
                lines.append([*line, f"{median(found, 'cores'):.2f}", *latencies(found), failed(found)])
    return lines


def plot(rows: list[Row], path: Path) -> None:
    """Draw requests a second, and the slowest hundredth, of every server under every load."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(1, 2, figsize=(11, 4.2), layout="constrained")
    shown = loads(rows, "throughput")
    for name in values(rows, "throughput", "server"):
        for render in RENDERS:
            at: dict[str, Any] = {"kind": "throughput", "server": name, "render": render}
            if not chosen(rows, **at):
                continue
            label = name if render == "mean" else f"{name}, draws"
            for axis, value in zip(axes, ("rate", "p99_ms"), strict=True):
                heights = [median(rows, value, **at, **load._asdict()) for load in shown]
                axis.plot(range(len(shown)), heights, marker="o", label=label)
    for axis, title in zip(axes, ("requests/s", "p99, ms"), strict=True):
        axis.set(title=f"GET /samples: {title}", xlabel="images x connections")
        axis.set_xticks(range(len(shown)), [str(load) for load in shown])
        axis.grid(alpha=0.3)
    axes[0].set_ylim(bottom=0)
    axes[1].set_yscale("log")
    axes[1].legend(loc="upper left")
    figure.savefig(path, dpi=120, metadata={"Software": None})
