"""The options and arguments that several commands of ``vitrine-train`` have."""

import importlib.util
from pathlib import Path

import click

from training.errors import RunError

PATH = click.Path(path_type=Path)
FOLDER = click.Path(path_type=Path, file_okay=False)
DATA_OPTION = click.option(
    "--data",
    "data_folder",
    type=PATH,
    envvar="VITRINE_DATA",
    help="Fashion-MNIST's folder, or your own images: a folder of pictures, an .npz or idx files; or set "
    "VITRINE_DATA. If neither is given: where the run found them; for fit of Fashion-MNIST, Keras' cache, "
    "Debian's package folder, Keras' download.",
)
JSON_OPTION = click.option(
    "--json",
    "as_json",
    is_flag=True,
    help="Print the result as one JSON document; everything else goes to standard error.",
)
MAP_OPTION = click.option("--map-images", type=click.IntRange(1), help="On the map; 2,000 if not given.")
RUN_ARGUMENT = click.argument("run", type=PATH)
STORE_OPTION = click.option(
    "--store",
    type=FOLDER,
    envvar="VITRINE_MODEL_STORE",
    default=Path("model_store"),
    show_default=True,
    help="Model store to publish to.",
)


def need_tensorflow() -> None:
    """Refuse to go on without the packages that training needs, before anything of theirs is imported."""
    for name in ("tensorflow", "keras"):
        if importlib.util.find_spec(name) is None:
            raise ModuleNotFoundError(name=name)


def need_mlflow() -> None:
    """Refuse, by a RunError, to send numbers to MLflow without its library."""
    if importlib.util.find_spec("mlflow") is None:
        raise RunError("--mlflow: needs MLflow's client: pip install 'vitrine-vae[mlflow]'")
