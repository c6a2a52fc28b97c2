"""``vitrine keygen`` and ``vitrine sign``: who made a version."""

from pathlib import Path

import click

from app.commands.exits import EXIT_FAILURE, EXIT_USAGE, errors_leave, leave
from app.commands.models import changed_in


@click.command("keygen")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
def keygen(file: Path) -> None:
    """Make a key that signs versions: the private one in FILE, the public one in FILE.pub."""
    from app import signing

    try:
        public = signing.new_key(file)
    except signing.SigningUnavailable as error:
        leave(EXIT_FAILURE, f"keygen: {error}")
    except FileExistsError as error:
        leave(EXIT_FAILURE, f"{error.filename or file}: is there already, and stays; name another file")
    except OSError as error:
        leave(EXIT_FAILURE, f"{error.filename or file}: {error.strerror or error}")
    click.echo(public)


@click.command("sign")
@click.argument("version")
@click.option("--key", "key_file", required=True, type=click.Path(path_type=Path), help="As keygen wrote it.")
@click.option("--model-store", type=click.Path(), help="Folder to look in.")
@errors_leave()
def sign(version: str, key_file: Path, model_store: str | None) -> None:
    """Sign VERSION, NAME@VERSION or NAME@VERSION-DIGEST, whose files are checked before."""
    from app import signing, store
    from app.settings import load_settings

    try:
        key = signing.read_key(key_file)
    except signing.SigningUnavailable as error:
        leave(EXIT_FAILURE, f"sign: {error}")
    except (OSError, ValueError) as error:
        leave(EXIT_USAGE, f"{key_file}: {getattr(error, 'strerror', None) or error}")
    settings = load_settings(**({} if model_store is None else {"model_store": model_store}))
    # Whoever signed it before: it may be somebody whose key is trusted no more.
    found = store.scan(changed_in(settings), trusted=frozenset()).find(version)
    try:
        manifest = (found.folder / "manifest.json").read_bytes()
        public = signing.sign(found.folder, manifest, key)
    except OSError as error:
        leave(EXIT_FAILURE, f"{found.folder}: cannot be signed ({error.strerror or error})")
    click.echo(f"{found.pinned}: signed by {public}")
