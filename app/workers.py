"""Several server processes on the same sockets: started, watched, replaced and ended by their parent.

The first starts alone: what keeps it from serving would keep the others too, and is said once. A worker that
dies is replaced, later and later if its successors die young. Workers end with their parent, however that
ended, so that the port is free again.
"""

import contextlib
import logging
import os
import selectors
import signal
import socket
import time
from collections.abc import Callable
from multiprocessing import connection
from pathlib import Path

from prometheus_client import multiprocess
from uvicorn.config import STARTUP_FAILURE

from app.draining import ENDED_AT_ONCE, SPARE_SECONDS, DrainConfig, refuse_new
from app.hangup import has_terminal
from app.worker import LET_GO, PING_SECONDS, RETIRE, Worker

log = logging.getLogger("uvicorn.error")

FAILED = 1  # a process ended before it served, without a reason of ours
SILENT_SECONDS = 60.0  # that a worker may not answer: the import of TensorFlow keeps it from that for seconds
YOUNG_SECONDS = 10.0  # a worker that dies before is replaced later than the one before it
MAX_DELAY_SECONDS = 60.0  # until a worker is replaced


class Workers:
    """The server's processes.

    Args:
        config: uvicorn's; how many processes is one of its entries.
        sockets: that all of them listen on.
        counters: the folder in which they count together, if there is one.
        running: called when the first serves.
    """

    def __init__(
        self,
        config: DrainConfig,
        sockets: list[socket.socket],
        counters: Path | None,
        running: Callable[[], None],
    ) -> None:
        self._config = config
        self._sockets = sockets
        self._counters = counters
        self._running = running
        self._wanted = config.workers
        self._had_terminal = has_terminal()
        self._workers: list[Worker] = []
        self._delay = 0.0  # until the next one is started
        self._due = 0.0
        self._signals: list[int] = []
        self._ending = 0  # by which signal
        self._code: int | None = None  # why none can serve
        self._woken, self._wake = socket.socketpair()
        for each in (self._woken, self._wake):
            each.setblocking(False)

    def run(self) -> int:
        """Serve until a signal ends it, and return the exit code."""
        handled = [signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGTTIN, signal.SIGTTOU]
        before = {number: signal.signal(number, self._note) for number in handled}
        wakeup = signal.set_wakeup_fd(self._wake.fileno(), warn_on_full_buffer=False)
        try:
            log.info("Started parent process [%d]", os.getpid())
            self._start()
            while not self._ending and self._code is None:
                self._turn()
            if self._code is None:
                self._drain()
            return self._code or 0
        finally:
            self._kill_all()
            signal.set_wakeup_fd(wakeup)
            for number, handler in before.items():
                signal.signal(number, handler)
            self._woken.close()
            self._wake.close()

    def _note(self, number: int, _: object) -> None:
        self._signals.append(number)

    def _start(self) -> Worker:
        worker = Worker(self._config, self._sockets)
        worker.start()
        self._workers.append(worker)
        return worker

    # One turn.

    def _turn(self) -> None:
        """Wait for something to happen, and do what it asks for."""
        self._wait(0.1 if any(not worker.ready for worker in self._workers) else PING_SECONDS)
        for worker in list(self._workers):
            if worker.process.is_alive():
                was_ready = worker.ready
                worker.look()
                if worker.ready and not was_ready:
                    self._running()
                    self._running = _nothing
                if time.monotonic() > worker.heard + SILENT_SECONDS:
                    log.error("worker [%d] has not answered for %g s: killed", worker.pid, SILENT_SECONDS)
                    worker.process.kill()
                    worker.process.join()
            if not worker.process.is_alive():
                self._bury(worker)
        while self._may_start() and time.monotonic() >= self._due:
            self._start()
        while self._signals:
            self._obey(self._signals.pop(0))

    def _may_start(self) -> bool:
        """Say whether a worker is missing; the first, or the first after all died, serves before others."""
        served = not self._workers or any(worker.ready for worker in self._workers)
        return served and len(self._workers) < self._wanted

    def _wait(self, seconds: float) -> None:
        if self._may_start():
            seconds = max(0.0, min(seconds, self._due - time.monotonic()))
        with selectors.DefaultSelector() as selector:
            selector.register(self._woken, selectors.EVENT_READ)
            for worker in self._workers:
                selector.register(worker.process.sentinel, selectors.EVENT_READ)
                selector.register(worker.parent_conn, selectors.EVENT_READ)
            selector.select(seconds)
        with contextlib.suppress(BlockingIOError):
            self._woken.recv(4096)

    def _bury(self, worker: Worker) -> None:
        """Take note of a worker's end; if none is left that serves, this is the service's."""
        self._workers.remove(worker)
        worker.close()
        self._forget_gauges()
        code = worker.process.exitcode or 0
        if self._ending:
            return
        if not worker.ready and not any(each.ready for each in self._workers):
            if code != STARTUP_FAILURE:  # which has said why
                log.error(_ended(code))
            self._code = STARTUP_FAILURE if code == STARTUP_FAILURE else FAILED
            return
        young = time.monotonic() - worker.began < YOUNG_SECONDS
        self._delay = min(MAX_DELAY_SECONDS, max(0.5, 2 * self._delay)) if young else 0.0
        self._due = time.monotonic() + self._delay
        how = f"was ended by signal {-code}" if code < 0 else f"ended with {code}"
        log.warning("worker [%d] %s; another starts in %g s", worker.pid, how, self._delay)

    def _forget_gauges(self) -> None:
        """Count no more what waited in workers that are gone."""
        if self._counters is None:
            return
        living = {str(worker.pid) for worker in self._workers}
        for path in self._counters.glob("gauge_live*_*.db"):
            pid = path.stem.rpartition("_")[2]
            if pid not in living:
                multiprocess.mark_process_dead(pid, str(self._counters))  # type: ignore[no-untyped-call]

    # What signals ask for.

    def _obey(self, number: int) -> None:
        if number in (signal.SIGTERM, signal.SIGINT):
            self._end_by(number)
        elif number == signal.SIGTTIN:
            self._wanted += 1
        elif number == signal.SIGTTOU and self._wanted > 1:
            self._wanted -= 1
            self._retire(self._workers[-1])
        elif number == signal.SIGHUP:
            self._take_hangup()

    def _take_hangup(self) -> None:
        """Pass SIGHUP on to every worker, which reads the store again; see ``app.hangup`` for a terminal."""
        if self._had_terminal and not has_terminal():
            self._end_by(signal.SIGTERM)
            return
        for worker in self._workers:
            if (
                worker.ready and worker.pid is not None
            ):  # one that starts reads the store anyway, and does not listen yet
                with contextlib.suppress(ProcessLookupError):
                    os.kill(worker.pid, signal.SIGHUP)

    def _retire(self, worker: Worker) -> None:
        worker.tell(RETIRE)
        deadline = time.monotonic() + self._graceful() + SPARE_SECONDS
        while worker.process.is_alive() and time.monotonic() < deadline and not self._ending:
            worker.process.join(0.05)
            self._note_ending()
        if worker.process.is_alive() and not self._ending:
            worker.process.kill()
            worker.process.join()
        if not worker.process.is_alive() and worker in self._workers:
            self._workers.remove(worker)
            worker.close()
            self._forget_gauges()

    # The end.

    def _graceful(self) -> float:
        return float(self._config.timeout_graceful_shutdown or 0)

    def _note_ending(self) -> None:
        """Take note of a signal to end; leave the others for later."""
        for number in list(self._signals):
            if number in (signal.SIGTERM, signal.SIGINT):
                self._signals.remove(number)
                self._end_by(number)

    def _end_by(self, number: int) -> None:
        if self._ending and number == signal.SIGINT and self._code is None:
            log.warning("Stopped at once, requests under way are lost")
            self._code = ENDED_AT_ONCE
        self._ending = self._ending or number

    def _drain(self) -> None:
        """Have all workers end without losing a request; kill what does not in time."""
        accepting = self._config.drain_seconds if self._ending == signal.SIGTERM else 0.0
        begun = time.monotonic()
        log.info("Draining %d workers: no connection is accepted after %g s", len(self._workers), accepting)
        for worker in self._workers:
            worker.ask_to_end()
        accepting = min(accepting, self._graceful())
        self._watch_end(lambda: time.monotonic() < begun + accepting)
        refuse_new(self._sockets)
        for worker in self._workers:
            worker.tell(LET_GO)
        end = begun + self._graceful() + 2 * SPARE_SECONDS
        self._watch_end(lambda: time.monotonic() < end)

    def _watch_end(self, going_on: Callable[[], bool]) -> None:
        """Wait while workers live, as long as it is `going_on`, or until a second SIGINT."""
        while going_on() and self._code is None and any(w.process.is_alive() for w in self._workers):
            self._wait_for_end()
            self._note_ending()

    def _wait_for_end(self) -> None:
        alive = [worker.process.sentinel for worker in self._workers if worker.process.is_alive()]
        connection.wait([*alive, self._woken], timeout=0.05)

    def _kill_all(self) -> None:
        for worker in self._workers:
            worker.process.kill()
            worker.close()


def _nothing() -> None:
    pass


def _ended(exit_code: int) -> str:
    how = f"was ended by signal {-exit_code}" if exit_code < 0 else f"ended with {exit_code}"
    memory = "; too little memory ends it by signal 9: vitrine models --memory says what each takes"
    return f"the first worker {how} before it could serve{memory if exit_code == -9 else ''}"
