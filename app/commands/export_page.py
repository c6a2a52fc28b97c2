"""``vitrine export-page``: a page that needs no service."""

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from app.commands.exits import EXIT_FAILURE, EXIT_USAGE, errors_leave, leave

if TYPE_CHECKING:
    from app.export.page import Page


@click.command("export-page")
@click.argument("out", type=click.Path(path_type=Path))
@click.option("--model", help="NAME, NAME@VERSION or NAME@VERSION-DIGEST; the default model if not given.")
@click.option("--model-store", type=click.Path(), help="Folder with the models.")
@click.option("--force", is_flag=True, help="Replace an earlier page.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@errors_leave()
def export_page(out: Path, model: str | None, model_store: str | None, force: bool, as_json: bool) -> None:
    """Write gallery and explorer into the folder OUT, for any file host.

    The decoder runs in the browser, by LiteRT.js. It shows the pictures of the service, each level within
    one of the service's, which is checked before anything is written.
    """
    from app.export import folder
    from app.export.litertjs import NotInstalled
    from app.export.page import opened, page_of
    from app.settings import load_settings

    out = out.absolute()
    given = {"default_model": model, "model_store": model_store}
    settings = load_settings(**{name: value for name, value in given.items() if value is not None})
    try:
        folder.check(out, force=force)
        source, model_opened = opened(settings)
        page = page_of(source, model_opened)
        folder.write(out, page.files, force=force)
    except folder.Refused as error:
        leave(EXIT_USAGE, str(error))
    except NotInstalled as error:
        leave(EXIT_FAILURE, str(error))
    except OSError as error:
        leave(EXIT_FAILURE, f"{out}: {error.strerror or error}")
    _tell(out, model_opened.version.pinned, page, as_json)


def _tell(out: Path, model: str, page: "Page", as_json: bool) -> None:
    """Print what was written."""
    if as_json:
        told = {"folder": str(out), "model": model, "files": len(page.files), "bytes": page.num_bytes}
        told |= {"on_demand_bytes": page.on_demand, "compared": page.difference._asdict()}
        click.echo(json.dumps(told, indent=2))
        return
    points, levels, differ, most = page.difference
    click.echo(
        f"{out}: {model}, {len(page.files)} files, {page.num_bytes / 1e6:.1f} MB, "
        f"of which {page.on_demand / 1e6:.1f} MB are loaded when the first picture is computed"
    )
    compared = f"{differ} of {levels} levels differ, by {most} at most"
    click.echo(f"{points} points compared with the service: {compared}")
    click.echo(f"to look at it: python -m http.server --directory {out}")
