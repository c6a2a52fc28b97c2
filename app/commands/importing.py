"""``vitrine models import``: runs ``vitrine-train import``, which has TensorFlow, in a process of its own."""

import importlib.util
import signal
import subprocess
import sys
from typing import Any

import click

from app.commands.exits import EXIT_FAILURE, EXIT_USAGE, leave
from app.commands.models import with_store

NEEDED = ("tensorflow", "keras", "training")
REMEDY = (
    "import it where the training side is installed (pip install 'vitrine-vae[train]', or make setup in the "
    "project's folder); the store that it writes is served anywhere, and vitrine models pull brings it here"
)


@click.command("import")
@click.argument("name")
@click.option(
    "--encoder", required=True, type=click.Path(exists=True), help="A .keras file or a SavedModel's folder."
)
@click.option(
    "--decoder", required=True, type=click.Path(exists=True), help="A .keras file or a SavedModel's folder."
)
@click.option(
    "--images", required=True, help="A folder with some of the model's pictures; or an .npz, or idx files."
)
@click.option(
    "--likelihood", help="bernoulli, continuous-bernoulli or gaussian; if not given, chosen and said."
)
@click.option("--size", help="HEIGHTxWIDTH of images that the networks have flat; if not given, a square.")
@click.option("--trust", is_flag=True, help="Run code that the files bring: Lambda layers, access to files.")
@with_store
def import_model(name: str, model_store: str | None, as_json: bool, **asked: Any) -> None:
    """Publish an encoder and a decoder that were trained elsewhere as the next version of NAME.

    All else is measured on the pictures: shapes, scales, outputs, polarity, KL and ranges of the axes. It
    needs TensorFlow, and runs vitrine-train import.
    """
    missing = [module for module in NEEDED if importlib.util.find_spec(module) is None]
    if missing:
        leave(EXIT_FAILURE, f"importing needs {' and '.join(missing)}: {REMEDY}")
    given = click.get_current_context().find_object(dict) or {}
    words = [name]
    for option, value in asked.items():
        words += [f"--{option}"] if value is True else [f"--{option}", value] if value else []
    if store := model_store or given.get("model_store"):
        if "://" in store:
            leave(
                EXIT_USAGE,
                f"{store}: import into a folder, then vitrine models push",
            )
        words += ["--store", store]
    if as_json or given.get("as_json"):
        words.append("--json")
    command = [sys.executable, "-m", "training.cli", "import", *words]
    code = subprocess.run(command, check=False).returncode  # noqa: S603  this very Python
    if code < 0:
        why = "; its memory may not have sufficed" if -code == signal.SIGKILL else ""
        leave(EXIT_FAILURE, f"vitrine-train import was ended by signal {_name_of(-code)}{why}")
    sys.exit(code)


def _name_of(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:  # one without a name, like those of real time
        return str(number)
