"""Who asks: what shares are counted by."""

import functools
import ipaddress
from collections.abc import Mapping
from typing import Any

from app.engine.shares import asking

NETWORK_BITS = 64  # of an address of IPv6: one customer has all addresses below


def client_of(scope: Mapping[str, Any]) -> str | None:
    """Return who sent a request: its address, of IPv6 its network; None: nobody knows.

    No header is believed: a client could then be as many as it likes.
    """
    peer = scope.get("client")
    return None if peer is None else of_address(peer[0])


def note_client(scope: Mapping[str, Any]) -> None:
    """Have what is submitted from here on count as the client's, unless it is said already whose it is."""
    if asking.get() is None:
        asking.set(client_of(scope))


def of_address(address: str) -> str:
    """Return whose address it is."""
    return _network(address) if ":" in address else address


def plain(address: str) -> str:
    """Return an address, one of IPv4 without the prefix that a socket of both kinds gives it."""
    try:
        mapped = ipaddress.ip_address(address).ipv4_mapped if ":" in address else None  # type: ignore[union-attr]
    except ValueError:
        mapped = None
    return address if mapped is None else str(mapped)


def trusted_by(networks: str) -> str:
    """Return proxies' addresses and networks, and with those of IPv4 what a socket of IPv6 calls them.

    Args:
        networks: with commas between them; each one that ``ipaddress`` reads.
    """
    found = []
    for each in filter(None, (part.strip() for part in networks.split(","))):
        found.append(each)
        network = ipaddress.ip_network(each)
        if network.version == 4:
            mapped = f"::ffff:{network.network_address}"
            found.append(f"{mapped}/{96 + network.prefixlen}" if "/" in each else mapped)
    return ",".join(found)


@functools.lru_cache(maxsize=4096)
def _network(address: str) -> str:
    address = plain(address)
    if ":" not in address:
        return address
    try:
        return str(ipaddress.ip_network((address.partition("%")[0], NETWORK_BITS), strict=False))
    except ValueError:
        return address
