"""The command ``sweep``: configurations by seeds, each a run of its own; several machines share a folder."""

import sys
from pathlib import Path
from typing import Any

import click

from training import output
from training.configs.load import load
from training.errors import Interrupted, RunError
from training.options import DATA_OPTION, FOLDER, JSON_OPTION, PATH


class Seeds(click.ParamType[range]):
    """``A..B``, both and all between, or one number."""

    name = "A..B"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the seeds, each from 0."""
        if not isinstance(value, str):
            return value
        first, _, last = value.partition("..")
        if not first.isdecimal() or not (last or first).isdecimal() or int(first) > int(last or first):
            self.fail(f"{value!r}: expected two whole numbers in order, like 1..3", param, ctx)
        return range(int(first), int(last or first) + 1)


@click.command()
@click.argument("configs", type=PATH, nargs=-1, required=True)
@click.option("--seeds", type=Seeds(), required=True, help="Seeds of every CONFIG, as 1..3.")
@DATA_OPTION
@click.option(
    "--out",
    type=FOLDER,
    default=Path("runs"),
    show_default=True,
    help="Folder of the run folders NAME-seedN, which several machines may share.",
)
@click.option(
    "--processes",
    type=click.IntRange(1, 256),
    default=1,
    show_default=True,
    help="Runs at the same time on this machine.",
)
@JSON_OPTION
def sweep(
    configs: tuple[Path, ...],
    seeds: range,
    data_folder: Path | None,
    out: Path,
    processes: int,
    as_json: bool,
) -> None:
    """Train every CONFIG with every seed, and compare them in a table.

    Finished runs are left alone, interrupted ones are resumed: the same command goes on. Started on several
    machines with one --out, each takes runs that nobody else is at.
    """
    from training import runs, trials

    jobs = [
        trials.Job(config, experiment.name, seed, out / f"{experiment.name}-seed{seed}")
        for config in configs
        for experiment in (load(config),)
        for seed in seeds
    ]
    if len({job.run for job in jobs}) < len(jobs):
        raise click.UsageError("CONFIG: two of them have one name; give each a name of its own")
    trials.refuse_other_experiments(jobs)
    with output.result(as_json) as found:
        with runs.writing(out):
            out.mkdir(parents=True, exist_ok=True)
        options = [] if data_folder is None else ["--data", str(data_folder)]
        try:
            with trials.interruptible():
                failed = trials.train(jobs, options, processes)
        except Interrupted as error:
            click.echo(f"vitrine-train: {error}; the same command goes on", err=True)
            sys.exit(128 + error.signal)
        table = trials.table_of(jobs)
        runs.write_json(out / trials.TABLE, table)
        trials.show(table)
        found |= table
        if failed:
            told = ", ".join(f"{job.run} ({job.run}.{trials.LOG})" for job in failed)
            raise RunError(
                f"{len(failed)} of {len(jobs)} runs failed: {told}; the same command tries them again"
            )
