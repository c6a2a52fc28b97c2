"""The address to listen on, and the server behind it: uvicorn in one process or in several."""

import contextlib
import errno
import logging
import os
import socket
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from prometheus_client import multiprocess
from uvicorn import Config, Server
from uvicorn.config import STARTUP_FAILURE
from uvicorn.supervisors import Multiprocess
from uvicorn.supervisors.multiprocess import Process

from app.http.protocol import VitrineProtocol
from app.settings import COUNTERS, Settings

log = logging.getLogger("uvicorn.error")

FAILED = 1  # a process ended before it served, without a reason of ours

_REMEDIES: dict[int | None, str] = {
    errno.EADDRINUSE: "Another program listens there: choose another port by VITRINE_PORT or --port.",
    errno.EACCES: "This user may not: choose a port from 1024 on by VITRINE_PORT or --port.",
}
_ELSEWHERE = "Name an address of this machine by VITRINE_HOST or --host."
_NOT_HERE = (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT)  # an address of a family that this machine lacks


class ListenError(Exception):
    """The address cannot be listened on; with the remedy."""


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


def configuration(settings: Settings, log_config: dict[str, Any]) -> Config:
    """Return how uvicorn serves by our settings."""
    return Config(
        "app.main:app",
        host=settings.host,
        port=settings.port,
        workers=settings.workers,
        http=VitrineProtocol,
        ws="none",
        access_log=settings.access_log,
        log_config=log_config,
        server_header=False,
        proxy_headers=bool(settings.forwarded_allow_ips),  # else nobody's: a client could send them too
        forwarded_allow_ips=settings.forwarded_allow_ips,
        timeout_keep_alive=settings.keep_alive_seconds,
        timeout_graceful_shutdown=settings.graceful_seconds,
        timeout_worker_healthcheck=60,  # a worker that imports TensorFlow is silent for longer than 5 s
    )


def run(config: Config, sockets: list[socket.socket]) -> int:
    """Serve until a signal ends it, and return the exit code.

    Args:
        config: uvicorn's; how many processes is one of its entries.
        sockets: what ``listen`` returned.

    Raises:
        ListenError: another process began to listen there in the meantime.
    """
    try:
        if config.workers > 1:
            with _counters() as counters:
                workers = Workers(config, sockets, counters)
                workers.run()
            return workers.exit_code
        server = _Alone(config)
        server.run(sockets)
        return 0 if server.started else STARTUP_FAILURE
    except KeyboardInterrupt:
        return 0


@contextlib.contextmanager
def _counters() -> Iterator[Path | None]:
    """Make the folder in which worker processes count together, for as long as they run.

    Its files are mapped into memory. Where no temporary folder can be written to, as in a container that is
    read-only, shared memory will do. Where there is none either, serving goes on without ``/metrics``.
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
        if folder is None:
            log.warning(
                "no temporary folder can be written to: /metrics answers 503; set TMPDIR to one that can"
            )
        os.environ.update({COUNTERS: folder or ""})
        yield Path(folder) if folder else None


def _say_running(config: Config, sockets: Sequence[socket.socket]) -> None:
    address = address_of(config.host, sockets[0].getsockname()[1])
    log.info("Uvicorn running on http://%s (Press CTRL+C to quit)", address)


class _Alone(Server):
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


class Workers(Multiprocess):
    """The server's processes; uvicorn starts another for each that dies.

    The first starts alone. What keeps it from serving would keep the others too, and is said once.

    Args:
        config: uvicorn's.
        sockets: that all of them listen on.
        counters: the folder in which they count together, if there is one.
    """

    def __init__(self, config: Config, sockets: list[socket.socket], counters: Path | None) -> None:
        super().__init__(config, sockets)
        self._counters = counters
        self._failed = False

    def init_processes(self) -> None:
        """Start the first worker, and the others when it is ready."""
        self._start_one()
        first = self.processes[0]
        while first.process.is_alive() and not self.should_exit.is_set():
            if first.is_ready(timeout=1):
                for _ in range(self.processes_num - len(self.processes)):  # SIGTTIN may have come
                    self._start_one()
                _say_running(self.config, self.sockets)
                return
            time.sleep(0.05)
            self.handle_signals()
        if not self.should_exit.is_set():
            first.process.join()
            self._failed = True
            if first.exitcode != STARTUP_FAILURE:  # which has said why
                log.error(_ended(first.exitcode or 0))
            self.should_exit.set()

    def _start_one(self) -> None:
        process = Process(self.config, self.sockets)
        process.start()
        self.processes.append(process)

    def keep_subprocess_alive(self) -> None:
        """Start another worker for one that died, and count no more what waited in that one."""
        super().keep_subprocess_alive()
        if self._counters is not None:
            living = {str(process.pid) for process in self.processes}
            for path in self._counters.glob("gauge_live*_*.db"):
                pid = path.stem.rpartition("_")[2]
                if pid not in living:
                    multiprocess.mark_process_dead(pid, str(self._counters))  # type: ignore[no-untyped-call]

    @property
    def exit_code(self) -> int:
        """0, or why no process could serve."""
        if any(process.exitcode == STARTUP_FAILURE for process in self.processes):
            return STARTUP_FAILURE
        return FAILED if self._failed else 0


def _ended(exit_code: int) -> str:
    how = f"was ended by signal {-exit_code}" if exit_code < 0 else f"ended with {exit_code}"
    memory = "; too little memory ends it by signal 9: vitrine models --memory says what each takes"
    return f"the first worker {how} before it could serve{memory if exit_code == -9 else ''}"
