"""``vitrine-train import``: an encoder and a decoder from elsewhere -> a published version."""

import json
import re
from pathlib import Path
from typing import Any

import click

from training import output
from training.errors import ConfigError, DataError
from training.options import JSON_OPTION, PATH, STORE_OPTION, need_tensorflow

NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
SIZE = re.compile(r"(\d{1,4})x(\d{1,4})")


@click.command("import")
@click.argument("name")
@click.option("--encoder", type=PATH, required=True, help="A .keras file or a SavedModel's folder.")
@click.option("--decoder", type=PATH, required=True, help="A .keras file or a SavedModel's folder.")
@click.option(
    "--images",
    "pictures",
    type=PATH,
    required=True,
    help="A folder with some of the model's pictures, 50 or more; or an .npz, or idx files.",
)
@click.option(
    "--likelihood",
    type=click.Choice(["bernoulli", "continuous-bernoulli", "gaussian"]),
    help="p(x given z); if not given, bernoulli for black and white pictures, else gaussian.",
)
@click.option("--size", help="HEIGHTxWIDTH of images that the networks have flat; if not given, a square.")
@click.option("--trust", is_flag=True, help="Run code that the files bring: Lambda layers, access to files.")
@STORE_OPTION
@JSON_OPTION
def import_model(name: str, size: str | None, store: Path, as_json: bool, **asked: Any) -> None:
    """Publish an encoder and a decoder that were trained elsewhere as the next version of NAME.

    Shapes, scales of pixels, what the encoder's outputs are, polarity, KL and ranges of the axes are measured
    on the pictures. Files for LiteRT, manifest and card are written.
    """
    if not NAME.fullmatch(name):
        raise ConfigError(f"{name}: a name has lower-case letters, digits, '.', '_' and '-', at most 64")
    given = SIZE.fullmatch(size) if size is not None else None
    if size is not None and given is None:
        raise click.UsageError(f"--size: expected HEIGHTxWIDTH, like 28x28. Received: {size}")
    if not asked["pictures"].exists():  # better known before TensorFlow is loaded
        raise DataError(
            f"{asked['pictures']}: does not exist; name a folder with some of the model's pictures"
        )
    with output.result(as_json) as found:
        need_tensorflow()
        from training.publish.importing import publishing

        height_width = (int(given[1]), int(given[2])) if given else None
        imported = publishing.publish(publishing.Asked(name, size=height_width, **asked), store)
        version = imported.folder
        digest = json.loads((version / "manifest.json").read_text())["digest"]
        click.echo(f"published {version}")
        click.echo(f"serve it: VITRINE_DEFAULT_MODEL={name} vitrine serve --model-store {store}")
        found |= {"model": f"{name}@{version.name}", "folder": str(version), "digest": digest}
        found |= {"found": imported.findings, "notes": imported.told}
