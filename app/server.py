"""The address to listen on, and the server behind it: uvicorn in one process or in several."""

import contextlib
import errno
import logging
import os
import socket
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from uvicorn import Config
from uvicorn.config import STARTUP_FAILURE

from app import logs
from app.draining import DrainConfig, DrainingServer
from app.http.clients import trusted_by
from app.http.protocol import VitrineProtocol
from app.metrics import FILES
from app.settings import COUNTERS, Settings
from app.workers import Workers

log = logging.getLogger("uvicorn.error")

_REMEDIES: dict[int | None, str] = {
    errno.EADDRINUSE: "Another program listens there: choose another port by VITRINE_PORT or --port.",
    errno.EACCES: "This user may not: choose a port from 1024 on by VITRINE_PORT or --port.",
}
_ELSEWHERE = "Name an address of this machine by VITRINE_HOST or --host."
_NOT_HERE = (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT)  # an address of a family that this machine lacks


class ListenError(Exception):
    """The address cannot be listened on; with the remedy."""


class CountersError(Exception):
    """The worker processes have no place to count in; with the remedy."""


def listen(host: str, port: int) -> list[socket.socket]:
    """Return a socket bound to each address of `host`; all have one port. They take connections later.

    An address that is taken is known before a model is loaded, and once it is ours nobody can take it.

    Raises:
        ListenError: the address is taken, forbidden or unknown.
    """
    bound: list[socket.socket] = []
    refusal: OSError | None = None
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        for family, kind, protocol, _, address in dict.fromkeys(found):
            try:
                bound.append(_bind(family, kind, protocol, (address[0], port, *address[2:])))
            except OSError as error:
                if error.errno not in _NOT_HERE:
                    raise
                refusal = error
            else:
                port = bound[0].getsockname()[1]
        if refusal is not None and not bound:
            raise refusal
    except (OSError, UnicodeError) as error:  # a name that is too long is a UnicodeError
        for each in bound:
            each.close()
        raise _refusal(host, port, error) from error
    return bound


def _refusal(host: str, port: int, error: Exception) -> ListenError:
    """Return what to say of an address that the system refuses."""
    reason = getattr(error, "strerror", None) or error
    remedy = _REMEDIES.get(getattr(error, "errno", None), _ELSEWHERE)
    return ListenError(f"{address_of(host, port)}: {reason}. {remedy}")


def _bind(family: int, kind: int, protocol: int, address: tuple[object, ...]) -> socket.socket:
    bound = socket.socket(family, kind, protocol)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:  # as asyncio: IPv4 has a socket of its own
            bound.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        bound.bind(address)
        bound.set_inheritable(True)
    except BaseException:
        bound.close()
        raise
    return bound


def address_of(host: str, port: int) -> str:
    """Return host and port as an address has them."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def configuration(settings: Settings) -> DrainConfig:
    """Return how uvicorn serves by our settings."""
    config = DrainConfig(
        "app.main:app",
        host=settings.host,
        port=settings.port,
        workers=settings.workers,
        http=VitrineProtocol,
        ws="none",
        access_log=False,  # the middleware writes it, with the request's id
        log_config=logs.configuration(settings.log_format),
        server_header=False,
        proxy_headers=bool(settings.forwarded_allow_ips),  # else nobody's: a client could send them too
        forwarded_allow_ips=trusted_by(settings.forwarded_allow_ips),
        timeout_keep_alive=settings.keep_alive_seconds,
        timeout_graceful_shutdown=settings.graceful_seconds,
    )
    config.drain_seconds = settings.drain_seconds
    return config


def run(config: DrainConfig, sockets: list[socket.socket]) -> int:
    """Serve until a signal ends it, and return the exit code.

    Args:
        config: uvicorn's; how many processes is one of its entries.
        sockets: what ``listen`` returned.

    Raises:
        ListenError: another process began to listen there in the meantime.
        CountersError: the temporary folder is full.
    """
    if config.workers > 1:
        with _counters(config.workers) as counters:
            return Workers(config, sockets, counters, lambda: _say_running(config, sockets)).run()
    server = _Alone(config)
    server.run(sockets)
    return 0 if server.started else STARTUP_FAILURE


@contextlib.contextmanager
def _counters(workers: int) -> Iterator[Path | None]:
    """Make the folder in which worker processes count together, for as long as they run.

    Its files are mapped into memory: a page for which there is no place ends whoever writes to it. Where no
    temporary folder can be written to, as in a container that is read-only, shared memory will do. Where
    there is none either, serving goes on without ``/metrics``.

    Raises:
        CountersError: the folder is full.
    """
    with contextlib.ExitStack() as stack:
        folder = None
        for parent in (None, "/dev/shm"):  # noqa: S108
            with contextlib.suppress(OSError):
                made = tempfile.TemporaryDirectory(
                    prefix="vitrine-metrics-", dir=parent, ignore_cleanup_errors=True
                )
                folder = stack.enter_context(made)
                break
        if folder is not None:
            _check_space(Path(folder), workers * sum(FILES.values()))
        if folder is None:
            log.warning(
                "no temporary folder can be written to: /metrics answers 503; set TMPDIR to one that can"
            )
        os.environ.update({COUNTERS: folder or ""})
        yield Path(folder) if folder else None


def _check_space(folder: Path, size: int) -> None:
    """Raise CountersError if `size` bytes have no space in a folder."""
    try:
        with tempfile.TemporaryFile(dir=folder) as file:
            if hasattr(os, "posix_fallocate"):
                os.posix_fallocate(file.fileno(), 0, size)
    except OSError as error:
        raise CountersError(
            f"{folder.parent}: {error.strerror}: the files in which workers count, {size} bytes in all, have "
            "no place there. Make space, or set TMPDIR to another folder."
        ) from None


def _say_running(config: Config, sockets: Sequence[socket.socket]) -> None:
    address = address_of(config.host, sockets[0].getsockname()[1])
    log.info("Uvicorn running on http://%s (Press CTRL+C to quit)", address)


class _Alone(DrainingServer):
    """The server of one process, which says where it listens once it does."""

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start the service, then listen."""
        assert sockets  # noqa: S101  for the type checker
        try:
            await super().startup(sockets)
        except OSError as error:
            await self.lifespan.shutdown()
            raise _refusal(self.config.host, self.config.port, error) from error
        _say_running(self.config, sockets)
