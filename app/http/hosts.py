"""Which host names a request may be for.

A page of another site can have its own name lead to this machine (DNS rebinding), and its visitors' browsers
then ask a service that only listens on loopback. They send that name as ``Host``. It is a public name: an
address cannot be made to lead elsewhere, and a name without a dot is nobody's to register.
"""

import ipaddress
import re

from app.protocol_errors import HostNotAllowed, MalformedRequest
from app.settings import Settings

MAX_KEPT = 256  # values of the header that were found to be right

# A name, an address of IPv4, or one of IPv6 in brackets; and a port (RFC 9110, section 7.2).
_HOST = re.compile(rb"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._~!$&'()*+,;=%-]+)(:[0-9]{0,5})?")


class Hosts:
    """Says whether a request is for one of our names.

    Args:
        settings: ``allowed_hosts``, to which loopback is added; if that is not set, what is listened on
            decides, and whether there is a proxy, which passes its clients' names on.
    """

    def __init__(self, settings: Settings) -> None:
        named = [
            name.strip().lower().rstrip(".") for name in settings.allowed_hosts.split(",") if name.strip()
        ]
        self._names = {_without_brackets(name) for name in named}
        self._below = tuple(name[1:] for name in self._names if name.startswith("*."))
        behind_proxy = bool(settings.root_path or settings.origin or settings.forwarded_allow_ips)
        self._local_only = not named and not behind_proxy and _is_loopback(settings.host)
        self._any = "*" in self._names or not (named or self._local_only)
        self._known: set[bytes] = set()

    def check(self, headers: list[tuple[bytes, bytes]], version: str) -> None:
        """Refuse a request that is for another host, or does not say for which.

        Args:
            headers: of the request, names in lower case.
            version: of HTTP; 1.0 knows no Host.

        Raises:
            MalformedRequest: no Host, several, or one that is no host.
            HostNotAllowed: a name that is none of ours.
        """
        found = [value for name, value in headers if name == b"host"]
        if len(found) == 1 and found[0] in self._known:
            return
        if not found and version == "1.0":
            return
        if len(found) != 1:
            received = f"{len(found)} Host headers" if found else "no Host header"
            raise MalformedRequest(f"Expected one Host header (RFC 9112). Received: {received}.")
        parts = _HOST.fullmatch(found[0])
        if found[0] and parts is None:
            raise MalformedRequest("Host: expected a name or an address, and maybe a port.")
        name = _without_brackets(parts[1].decode().lower()) if parts else ""
        if not self._allows(name):
            raise HostNotAllowed(name)
        if len(self._known) < MAX_KEPT:
            self._known.add(found[0])

    def _allows(self, name: str) -> bool:
        bare = name.rstrip(".")
        if self._any or bare in self._names or bare.endswith(self._below) or _is_loopback(bare):
            return True
        return self._local_only and ("." not in bare or bare.endswith(".localhost") or _is_address(bare))


def _without_brackets(name: str) -> str:
    return name[1 : name.index("]")] if name.startswith("[") and "]" in name else name


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def _is_loopback(host: str) -> bool:
    return host == "localhost" or (_is_address(host) and ipaddress.ip_address(host).is_loopback)
