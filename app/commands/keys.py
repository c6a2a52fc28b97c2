"""``vitrine keys``: API keys for whoever may ask."""

import json

import click

from app.commands.exits import EXIT_USAGE, errors_leave, leave


@click.group("keys")
def keys() -> None:
    """Make API keys for VITRINE_API_KEYS."""


@keys.command("new")
@click.argument("name")
@click.option(
    "--images-per-minute",
    type=click.IntRange(1, 999_999_999),
    help="Images that may be computed in a minute; without a bound if not given.",
)
@click.option("--model", "models", multiple=True, metavar="NAME", help="Its only model; repeatable.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@errors_leave()
def new(name: str, images_per_minute: int | None, models: tuple[str, ...], as_json: bool) -> None:
    """Make a key for NAME, and print it this one time.

    The second line that is printed is for the file that VITRINE_API_KEYS names. It has the key's hash alone:
    who has lost the key makes a new one.
    """
    from app.access.files import AccessError
    from app.access.keys import new as make

    try:
        secret, key = make(name, images_per_minute, models)
    except AccessError as error:
        leave(EXIT_USAGE, f"{name}: {error}")
    if as_json:
        click.echo(json.dumps({"key": secret, "line": key.line}, indent=2))
        return
    click.echo(f"key:  {secret}")
    click.echo(f"line: {key.line}")
