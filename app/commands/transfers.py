"""``vitrine models pull`` and ``push``: versions from and to other stores."""

import click

from app.commands.columns import size_in_words
from app.commands.models import changed_in, read_from, refusals_leave, settings_for, tell, with_store

MAX_BYTES = 4_294_967_296


@click.command()
@click.argument("source")
@click.argument("reference", metavar="[NAME[@VERSION]]", required=False)
@click.option(
    "--max-bytes", type=click.IntRange(1), default=MAX_BYTES, show_default=True, help="Of one version."
)
@with_store
@refusals_leave()
def pull(source: str, reference: str | None, max_bytes: int, model_store: str | None, as_json: bool) -> None:
    """Take a version from SOURCE into the store, under its own number, every file verified.

    SOURCE is a store: a folder, file://, http(s)://, hf://owner/repo[@revision] or an address
    that fsspec knows, like s3://bucket/prefix. A pull that was broken off goes on where it ended.
    A model file is a program: pull only from whom you trust.
    """
    from app.registry import pulling, sources

    settings = settings_for(model_store)
    folder = changed_in(settings)
    done = pulling.pull(sources.opened(source), reference, folder, max_bytes, settings.trusted)
    _tell("is here already" if done.was_there else "pulled", done._asdict(), as_json)


@click.command()
@click.argument("reference", metavar="NAME[@VERSION]")
@click.argument("destination")
@with_store
@refusals_leave()
def push(reference: str, destination: str, model_store: str | None, as_json: bool) -> None:
    """Give a version to the store at DESTINATION, under its own number; labels stay here.

    DESTINATION is a folder, file://, http(s):// of a server that takes PUT, hf://owner/repo[@revision], or an
    address that fsspec knows, like s3://bucket/prefix.
    """
    from app import store
    from app.registry import catalogue, pushing

    settings = settings_for(model_store)
    folder = read_from(settings)
    found = store.scan(folder, trusted=settings.trusted)
    version = catalogue.newest_or_named(found, reference)
    done = pushing.push(version, folder, destination)
    _tell("is there already" if done.was_there else "pushed", done._asdict(), as_json)


def _tell(what: str, done: dict[str, object], as_json: bool) -> None:
    """Print what was transferred."""
    size = size_in_words(int(str(done["bytes"])))
    tell(done, [f"{done['model']} {what}, digest {done['digest']}, {size}"], as_json)
