"""``vitrine sign-url``: addresses that need no API key."""

import re
import time

import click

from app.commands.exits import EXIT_USAGE, errors_leave, leave

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
_AS_THEY_ARE = "!$()*,/:;@~%"  # what an address may have as it is, and what no browser escapes; escapes stay


class Duration(click.ParamType[int]):
    """A time like 90s, 15m, 12h or 7d, as seconds."""

    name = "duration"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Return the seconds."""
        found = re.fullmatch(r"([1-9][0-9]{0,5})([smhd])", str(value))
        if not found:
            self.fail("expected a number with s, m, h or d behind it, like 7d", param, ctx)
        return int(found[1]) * _UNITS[found[2]]


@click.command("sign-url")
@click.argument("url")
@click.option(
    "--expires", "seconds", type=Duration(), default="7d", show_default=True, help="How long it is good."
)
@errors_leave()
def sign_url(url: str, seconds: int) -> None:
    """Sign an address by the secret of VITRINE_URL_KEY: whoever has it may ask it without a key.

    Only what is asked by GET can be signed. The host is not part of it.
    """
    from urllib.parse import quote, unquote, urlsplit

    from app.access import signing
    from app.access.files import AccessError, read
    from app.settings import load_settings, variable

    settings = load_settings()
    if settings.url_key is None:
        leave(EXIT_USAGE, f"set {variable('url_key')} to the file with the secret that the service has")
    address = urlsplit(url)
    query = quote(address.query, safe=f"{_AS_THEY_ARE}=&+")
    path = quote(address.path, safe=_AS_THEY_ARE)
    if not path.startswith(f"{settings.root_path}/"):
        leave(EXIT_USAGE, f"{url}: the path must begin with {settings.root_path}/")
    within = unquote(path.removeprefix(settings.root_path))
    try:
        secret = read(settings.url_key, signing.parse)[0]
        signed = signing.sign(secret, within, query, int(time.time()) + seconds)
    except AccessError as error:
        leave(EXIT_USAGE, f"{url}: {error}")
    click.echo(address._replace(path=path, query=signed, fragment="").geturl())
