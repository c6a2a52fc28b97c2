"""What a large service costs, computed from measured figures: the tables of docs/scale.md, "A plan on paper".

    .venv/bin/python -m benchmarks.plan                          prints the tables
    .venv/bin/python -m benchmarks.plan --write docs/scale.md    puts them in the place of those that it has
    .venv/bin/python -m benchmarks.plan --set hit_share=0.8 --set core_hour=0.06

Nothing is measured here. Each input says which document it was taken from, or that it is assumed.
"""

import argparse
import math
import re
import sys
from pathlib import Path
from typing import NamedTuple

from benchmarks.tables import markdown

HOURS_A_MONTH = 730
PICTURES = 1e9
REQUESTS_PER_SECOND = 1e5
MODELS = 1000
TUNING, BENCHMARKS, OPERATING = "docs/tuning.md", "benchmarks/README.md", "docs/operating.md"
ASSUMED = "assumed"
LINKS = {TUNING: "tuning.md", BENCHMARKS: "../benchmarks/README.md", OPERATING: "operating.md"}  # from docs/


class Input(NamedTuple):
    """A figure that the sums begin with.

    Args:
        value: the figure.
        unit: what it counts.
        source: the document that it was measured in; or ASSUMED.
        quoted: what stands there.
    """

    value: float
    unit: str
    source: str = ASSUMED
    quoted: str = ""


Inputs = dict[str, Input]

INPUTS: Inputs = {
    "pictures_machine": Input(
        1511, "pictures of 21 means a second, of 2 cores", BENCHMARKS, "| 21 | 64 | vitrine | mean | 1511 |"
    ),
    "machine_cores": Input(2, "cores of that machine", BENCHMARKS, "two cores of a virtual machine"),
    "draws_machine": Input(
        613, "pictures of 21 draws a second, of 2 cores", BENCHMARKS, "| 21 | 64 | vitrine | draw | 613 |"
    ),
    "picture_bytes": Input(
        11565,
        "bytes of a picture of 21 images",
        BENCHMARKS,
        "| 21 | Vitrine (ISA-L, level 1) | 0.082 | 11565 |",
    ),
    "model_mb": Input(43, "MB that an opened model adds", OPERATING, "| `fashion@8` | 28 x 28 | 43 MB |"),
    "service_mb": Input(
        204,
        "MB of a process beside its models: 70 itself, 34 kept, 100 under way",
        OPERATING,
        "Give a container 70 MB",
    ),
    "thread_mb": Input(
        17,
        "MB that each worker thread beyond the first adds to a model",
        TUNING,
        "| `fashion` 5 | 11.2 MB | 17.0 MB | 1.9 MB |",
    ),
    "cache_requests": Input(15000, "requests/s of a core of nginx or Varnish"),
    "hit_share": Input(0.95, "share of requests that a cache answers"),
    "popular": Input(1e7, "pictures that are asked for again"),
    "used": Input(0.6, "share of a core that may be busy"),
    "node_cores": Input(8, "cores of a machine"),
    "node_gb": Input(32, "GB of memory of a machine"),
    "node_gbits": Input(10, "Gbit/s of a machine's network"),
    "model_cores": Input(2, "cores of a process"),
    "active_models": Input(0.2, "share of models that are in use at the same time"),
    "copies": Input(2, "machines that have each model open"),
    "model_disk_mb": Input(9, "MB of a version's files"),
    "core_hour": Input(0.04, "USD for a core-hour, memory included"),
    "gb_month": Input(0.02, "USD for a GB-month of object storage"),
    "gb_out": Input(0.01, "USD for a GB sent to clients"),
}


class Plan:
    """The sums.

    Args:
        inputs: by name.
    """

    def __init__(self, inputs: Inputs) -> None:
        self.inputs = inputs
        self._ = {name: each.value for name, each in inputs.items()}

    def model_mb(self) -> float:
        """Return MB that a model takes in a process, whose cores have a worker thread each."""
        return self._["model_mb"] + (self._["model_cores"] - 1) * self._["thread_mb"]

    def pictures_per_core(self, render: str = "mean") -> float:
        """Return pictures of 21 images that a core draws in a second."""
        rate = self._["pictures_machine" if render == "mean" else "draws_machine"]
        return rate / self._["machine_cores"]

    def cores(self, per_second: float, of_one: float) -> float:
        """Return the cores for a rate of which one core has `of_one`, none busier than it may be."""
        return per_second / of_one / self._["used"]

    def month(self, cores: float) -> float:
        """Return USD a month for cores."""
        return cores * HOURS_A_MONTH * self._["core_hour"]

    def draw_all(self, render: str) -> tuple[float, float]:
        """Return core-hours and USD for drawing all pictures once."""
        hours = PICTURES / self.pictures_per_core(render) / 3600
        return hours, hours * self._["core_hour"]

    def store_all(self) -> tuple[float, float]:
        """Return terabytes and USD a month for keeping all pictures."""
        gigabytes = PICTURES * self._["picture_bytes"] / 1e9
        return gigabytes / 1e3, gigabytes * self._["gb_month"]

    def draws_worth_a_month(self) -> float:
        """Return how often a picture can be drawn for what keeping it costs in a month."""
        return self.store_all()[1] / self.draw_all("mean")[1]

    def traffic(self) -> tuple[float, float, float]:
        """Return Gbit/s, terabytes a month and USD a month of what clients are sent."""
        per_second = REQUESTS_PER_SECOND * self._["picture_bytes"]
        terabytes = per_second * HOURS_A_MONTH * 3600 / 1e12
        return per_second * 8 / 1e9, terabytes, terabytes * 1e3 * self._["gb_out"]

    def machines(self, cores: float, gigabytes: float = 0, gbits: float = 0) -> int:
        """Return the machines that have so many cores, so much memory and so much network."""
        parts = (
            cores / self._["node_cores"],
            gigabytes / self._["node_gb"],
            gbits / self._["node_gbits"] / self._["used"],
        )
        return max(1, *map(math.ceil, parts))


def _inputs(plan: Plan) -> list[list[str]]:
    rows = [["input", "value", "is", "from"]]
    for name, each in plan.inputs.items():
        source = each.source
        if source != ASSUMED:
            source = f"[{source}]({LINKS[source]})"
        rows.append([f"`{name}`", f"{each.value:,.10g}", each.unit, source])
    return rows


def _pictures(plan: Plan) -> list[list[str]]:
    rows = [["10^9 pictures of 21 images", "machines", "memory or disk", "cost, USD"]]
    cores = plan.inputs["node_cores"].value
    for render in ("mean", "draw"):
        hours, usd = plan.draw_all(render)
        days = hours / cores / 24
        disk = "none that stays"
        rows.append(
            [f"each {render} drawn once", f"1 of {cores:.0f} cores for {days:.1f} days", disk, f"{usd:,.0f}"]
        )
    terabytes, usd = plan.store_all()
    rows.append(["all kept as files", "none", f"{terabytes:,.1f} TB", f"{usd:,.0f} a month"])
    kept = plan.inputs["popular"].value
    gigabytes = kept * plan.inputs["picture_bytes"].value / 1e9
    monthly = gigabytes * plan.inputs["gb_month"].value
    rows.append(
        ["those kept that are asked for again", "none", f"{gigabytes:,.0f} GB", f"{monthly:,.0f} a month"]
    )
    return rows


def _requests(plan: Plan) -> list[list[str]]:
    rows = [["10^5 requests/s", "cores", "machines", "memory", "cost, USD a month"]]
    share = plan.inputs["hit_share"].value
    popular = plan.inputs["popular"].value * plan.inputs["picture_bytes"].value / 1e9
    gbits, terabytes, usd = plan.traffic()
    for name, missed in (("all drawn, no cache", 1.0), ("drawn behind caches", 1 - share)):
        cores = plan.cores(REQUESTS_PER_SECOND * missed, plan.pictures_per_core())
        count = plan.machines(cores, gbits=gbits * missed)
        processes = math.ceil(cores / plan.inputs["model_cores"].value)
        memory = processes * (plan.inputs["service_mb"].value + plan.model_mb()) / 1e3
        rows.append([name, f"{cores:,.0f}", f"{count}", f"{memory:,.1f} GB", f"{plan.month(cores):,.0f}"])
    cores = plan.cores(REQUESTS_PER_SECOND, plan.inputs["cache_requests"].value)
    count = plan.machines(cores, popular, gbits)
    paid = count * plan.inputs["node_cores"].value  # they are there for their memory and network
    rows.append(["the caches", f"{cores:,.0f}", f"{count}", f"{popular:,.0f} GB", f"{plan.month(paid):,.0f}"])
    rows.append(
        ["what clients are sent", "-", f"{gbits:,.1f} Gbit/s", f"{terabytes:,.0f} TB a month", f"{usd:,.0f}"]
    )
    return rows


def _models(plan: Plan) -> list[list[str]]:
    rows = [["1,000 models", "open in a process", "memory of a machine", "machines", "cost, USD a month"]]
    cores, copies = plan.inputs["node_cores"].value, plan.inputs["copies"].value
    has = plan.inputs["node_gb"].value
    processes = cores / plan.inputs["model_cores"].value
    base = processes * plan.inputs["service_mb"].value / 1e3
    of_model = processes * plan.model_mb() / 1e3  # GB of a machine whose processes all have it open
    active = MODELS * plan.inputs["active_models"].value
    least = max(copies, math.ceil(active * copies * of_model / (has - base)))
    for name, opened, machines in (
        ("all open in every process", float(MODELS), copies),
        ("those in use open in every process", active, copies),
        ("each machine has its part of those in use", active * copies / least, least),
    ):
        memory = base + opened * of_model
        sums = (
            (f"{machines:.0f}", f"{plan.month(machines * cores):,.0f}")
            if memory <= has
            else ("none has it", "-")
        )
        rows.append([name, f"{opened:,.0f}", f"{memory:,.0f} GB", *sums])
    disk = MODELS * plan.inputs["model_disk_mb"].value / 1e3
    cost = disk * plan.inputs["gb_month"].value
    return [*rows, ["their files", "-", f"{disk:,.0f} GB of disk", "-", f"{cost:,.2f}"]]


def tables(plan: Plan) -> list[str]:
    """Return the tables of the section, in Markdown: inputs, pictures, requests, models."""
    return [markdown(rows(plan)) for rows in (_inputs, _pictures, _requests, _models)]


def written(document: str, plan: Plan) -> str:
    """Return a document with its tables replaced by those of a plan; each is found by its header.

    Raises:
        ValueError: the document lacks one.
    """
    for table in tables(plan):
        header = re.escape(table.split("\n")[0])
        document, found = re.subn(
            rf"^{header}\n(?:\|.*\n)*", lambda _, new=table: f"{new}\n", document, flags=re.M
        )
        if found != 1:
            raise ValueError(
                f"expected one table that begins with {table.splitlines()[0]}. Received: {found}"
            )
    return document


def changed(words: list[str]) -> Inputs:
    """Return the inputs with some replaced, as ``name=value``.

    Raises:
        ValueError: there is no such input, or it is no number above 0.
    """
    inputs = dict(INPUTS)
    for word in words:
        name, _, value = word.partition("=")
        if name not in inputs or not float(value) > 0:
            raise ValueError(f"expected one of {', '.join(inputs)} and a number above 0. Received: {word}")
        inputs[name] = Input(float(value), inputs[name].unit)
    return inputs


def main() -> None:
    """Print the tables, or write them."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--write", type=Path, metavar="FILE", help="the document to write them into")
    parser.add_argument("--set", action="append", default=[], metavar="INPUT=VALUE", help="another input")
    given = parser.parse_args()
    try:
        plan = Plan(changed(given.set))
        if given.write:
            given.write.write_text(written(given.write.read_text(), plan))
        else:
            print("\n\n".join(tables(plan)))
            print(
                f"\nkeeping a picture for a month costs what {plan.draws_worth_a_month():.0f} drawings cost"
            )
    except ValueError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
