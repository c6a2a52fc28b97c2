"""``vitrine export-page``: a page that needs no service."""

import json
from pathlib import Path

import click

from app.commands.exits import EXIT_FAILURE, EXIT_USAGE, errors_leave, leave


@click.command("export-page")
@click.argument("out", type=click.Path(path_type=Path))
@click.option("--model", help="NAME, NAME@VERSION or NAME@VERSION-DIGEST; the default model if not given.")
@click.option("--model-store", type=click.Path(), help="Folder with the models.")
@click.option(
    "--litertjs",
    type=click.Path(path_type=Path),
    help="Folder of LiteRT.js, like node_modules/@litertjs; the installation's own if not given.",
)
@click.option("--force", is_flag=True, help="Replace an earlier page.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@errors_leave()
def export_page(
    out: Path, model: str | None, model_store: str | None, litertjs: Path | None, force: bool, as_json: bool
) -> None:
    """Write gallery and explorer into the folder OUT, for any file host.

    The decoder runs in the browser, by LiteRT.js. It shows the pictures of the service, each level within
    one of the service's, which is checked before anything is written.
    """
    from app import store
    from app.export import folder
    from app.export.litertjs import NotInstalled
    from app.export.page import STATIC, Source, page_of
    from app.models import Models
    from app.runtimes import opener
    from app.settings import load_settings

    out = out.absolute()
    given = {"default_model": model, "model_store": model_store}
    settings = load_settings(**{name: value for name, value in given.items() if value is not None})
    try:
        folder.check(out, force=force)
        stored = store.scan(settings.model_store)
        settings = settings.for_store(stored.names)
        models = Models(stored, opener(settings.runtime), settings.inference_threads)
        found = models.find(settings.default_model)
        source = Source(settings, models)
        page = page_of(source, models.get(found), litertjs or STATIC / "vendor" / "@litertjs")
        folder.write(out, page.files, force=force)
    except folder.Refused as error:
        leave(EXIT_USAGE, str(error))
    except NotInstalled as error:
        leave(EXIT_FAILURE, str(error))
    except OSError as error:
        leave(EXIT_FAILURE, f"{out}: {error.strerror or error}")
    if as_json:
        told = {"folder": str(out), "model": found.pinned, "files": len(page.files), "bytes": page.num_bytes}
        told |= {"on_demand_bytes": page.on_demand, "compared": page.difference._asdict()}
        click.echo(json.dumps(told, indent=2))
        return
    points, levels, differ, most = page.difference
    click.echo(
        f"{out}: {found.reference}, {len(page.files)} files, {page.num_bytes / 1e6:.1f} MB, "
        f"of which {page.on_demand / 1e6:.1f} MB are loaded when the first picture is computed"
    )
    compared = f"{differ} of {levels} levels differ, by {most} at most"
    click.echo(f"{points} points compared with the service: {compared}")
    click.echo(f"to look at it: python -m http.server --directory {out}")
