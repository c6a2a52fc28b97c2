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


@functools.lru_cache(maxsize=4096)
def _network(address: str) -> str:
    try:
        return str(ipaddress.ip_network((address.partition("%")[0], NETWORK_BITS), strict=False))
    except ValueError:
        return address
