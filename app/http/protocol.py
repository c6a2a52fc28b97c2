"""HTTP over a connection: uvicorn's protocol, where a real client or a slow way there needs more of it.

- uvicorn writes an answer's head and body one after the other, and each write is a call of the system. Here
  what one turn of the event loop writes to a connection leaves together, at its end.
- An offer to speak another protocol (``Upgrade``) is a hop's own matter and changes nothing of a request. The
  parser takes what follows such a head for the other protocol: the head is read again without the offer.
- A connection that is closed while its client still sends is closed for writing first (``Leftovers``): else
  the system resets it, and with what was not read the answer is lost.
- A client may close its side behind a request (a half-closed connection), and is answered. One that is gone
  looks the same, until something is written to it.
- A head has an end, which the parser would collect without one in memory, and a Host (``hosts.py``).
- Of requests that are sent together, one is read ahead. The others wait where they are: in the network.
- A request that is refused before there is an endpoint for it passes the middleware like any other.
- Clients that are late, or too many, or send too much at once: ``connections.py``.
"""

import asyncio
from collections import deque
from typing import Any

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from app.errors import VitrineError
from app.http import writing
from app.http.clients import client_of
from app.http.connections import Connections, Stage, connections_of
from app.http.heads import PIECE_BYTES, FirstLine, check_head, is_too_large, refusing, too_large, unreadable
from app.http.middleware import new_request_id
from app.http.refusals import Kept
from app.http.writing import Flow, JoinedWrites
from app.metrics import Metrics
from app.settings import Settings

HALF_CLOSED_SECONDS = 1.0  # that a picture may take before a half-closed client is asked for a sign of life
LOOK_SECONDS = 0.25  # between two looks whether it is still there

_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"  # which a client of HTTP/1.1 passes over, asked for or not


class VitrineProtocol(HttpToolsProtocol):
    """uvicorn's protocol with what stands above; httptools, as h11 lets two lengths of a body through.

    Attributes:
        received: bytes of bodies, ever.
    """

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin."""
        self._offered = False  # the head that is being read offers another protocol
        self._broken = False  # what was received is not HTTP
        self._last: Any = None  # the request whose answer is the last, as the server is to end
        self._head_bytes: int | None = None  # received of a head that has not ended; None: none is being read
        self._line = b""  # received of a head that has no address yet
        self._rest = b""  # received, and not read yet
        self._refusal: VitrineError | None = None  # why the parser was stopped
        self._bodies: deque[list[Any]] = deque()  # of requests that are not answered, each with its bytes
        self.received = 0
        if "connections" not in self.app_state:  # another application than ours
            self.app_state["connections"] = connections_of(Settings(), Metrics())
        self.shared: Connections = self.app_state["connections"]
        lost = lambda: self.connection_lost(None)  # noqa: E731
        self._joined = JoinedWrites(transport, self.loop, lost, self._is_unread, self.shared.closed)
        super().connection_made(self._joined)  # type: ignore[arg-type]
        self.flow = Flow(self._joined, lambda: bool(self.pipeline or self._rest))  # type: ignore[arg-type]
        self.has_place = self.shared.opened(self)
        if self.shared.is_crowded:
            self._refuse(self.shared.no_place())
            self._broken = False  # nothing is waited for

    def connection_lost(self, exc: Exception | None) -> None:
        """End, and give back what was held."""
        super().connection_lost(exc)
        self.shared.forget(self)
        self._give_back(self._bodies)
        self._rest = b""
        if not self._joined.lingers:
            self.shared.closed()

    def drain(self) -> None:
        """Make the answer that is under way the connection's last; or the next one, if it has begun."""
        cycle = self.cycle  # the newest: of several that were sent together the last
        if cycle is not None and not cycle.response_started and cycle.keep_alive:
            cycle.keep_alive, self._last = False, cycle

    def is_silent(self) -> bool:
        """Say whether no request is under way, nor a part of one."""
        answered = self.cycle is None or (self.cycle.response_complete and not self.cycle.more_body)
        return answered and self._head_bytes is None and not self.pipeline and not self._rest

    def _is_unread(self) -> bool:
        return self._broken or (self.cycle is not None and self.cycle.more_body)

    def data_received(self, data: bytes) -> None:
        """Read requests; see ``HttpToolsProtocol``."""
        self._unset_keepalive_if_required()
        if self._rest:
            self._rest += data
        else:
            self._read(data)

    def _read(self, data: bytes) -> None:
        """Read what was received, until a request waits for the answer to another."""
        start = 0
        while start < len(data) and self.parser is not None:
            if self.pipeline:
                self._rest = data[start:]
                return
            piece = data[start : start + PIECE_BYTES]
            start += len(piece)
            try:
                self.parser.feed_data(piece)
                if self._head_bytes is not None:
                    if not self.url:  # a head that began in this piece may stand behind another one
                        begun = piece[piece.rfind(b"\n") + 1 :]
                        self._line = self._line + piece if self._head_bytes else begun
                    self._head_bytes += len(piece)
                    if is_too_large(self.shared.limits, self._head_bytes, self.url):
                        self._refuse(too_large(self.shared.limits, self.url))
            except httptools.HttpParserUpgrade as offer:
                if not self._offered:  # CONNECT: what follows is not HTTP
                    self._broken, self.parser = True, None  # type: ignore[assignment]
                    return
                data, start = self._without_offer() + piece[offer.args[0] :] + data[start:], 0
            except httptools.HttpParserInvalidMethodError as error:
                if isinstance(self.parser, FirstLine):
                    self._refuse(unreadable(self.parser.line, error))
                else:  # once more, up to the end of the line
                    self.parser = FirstLine(self._line if self._head_bytes else b"", error)  # type: ignore[assignment]
                    start -= len(piece)
            except httptools.HttpParserError as error:
                self._refuse(self._refusal or unreadable(piece, error))

    def on_message_begin(self) -> None:
        """Begin to read a head."""
        self._head_bytes = 0
        super().on_message_begin()

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a header; the parser makes an error of its own of what is raised."""
        super().on_header(name, value)
        if len(self.headers) > self.shared.limits.max_headers:
            self._stop(too_large(self.shared.limits, self.url))

    def _stop(self, refusal: VitrineError) -> None:
        """Stop the parser, from within it."""
        self._refusal = refusal
        raise refusal

    def _check_head(self) -> None:
        try:
            check_head(self, self._head_bytes or 0)
        except VitrineError as refusal:
            self._stop(refusal)

    def _refuse(self, refusal: VitrineError) -> None:
        """Answer with a refusal what is being received, and end; what is being answered is then the last."""
        self._broken, self.parser = True, None  # type: ignore[assignment]
        late, self._rest = self.cycle, b""
        if late is not None and not late.response_complete:
            if not late.more_body:
                late.keep_alive = False
                return
            late.disconnected = True  # its body will never be complete
            late.message_event.set()
            if late.response_started:
                self.transport.abort()
                return
        self.cycle = refusing(self, refusal)
        answer: Any = self.shared.refuse
        if self.pipeline and self.pipeline[0][0] is late:
            self.pipeline[0] = (self.cycle, answer)
        else:
            self._start_asgi_task(self.cycle, answer)

    def _without_offer(self) -> bytes:
        """Return the head that was read, without the offer; a new parser is to read it."""
        self.parser = httptools.HttpRequestParser(self)
        self.parser.set_dangerous_leniencies(lenient_data_after_close=True)
        self._offered = False
        version = self.scope["http_version"].encode()
        lines = [b"%s %s HTTP/%s" % (self.scope["method"].encode(), self.url, version)]
        lines += [b"%s: %s" % header for header in self.headers if header[0] != b"upgrade"]
        return b"\r\n".join([*lines, b"\r\n"])

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        """Answer a request: at once, if the queue has just refused others like it."""
        self._unset_keepalive_if_required()  # as one that was sent together with it may be answered already
        kept = None
        if app is self.app and "draining" not in self.app_state:
            kept = self.shared.refusals.find(cycle.scope, self.loop.time())
        if kept is None:
            super()._start_asgi_task(cycle, app)
            return
        cycle.more_body = False
        delay = self.shared.returning.delay(self.client, kept.retry_after_seconds)
        if delay:
            self.loop.call_later(delay, self._refuse_like_others, cycle, kept, delay)
        else:
            self._refuse_like_others(cycle, kept, 0.0)

    def _refuse_like_others(self, cycle: RequestResponseCycle, kept: Kept, seconds: float) -> None:
        if cycle.disconnected or self.transport.is_closing():
            return
        cycle.response_started = cycle.response_complete = True
        own = [*self.server_state.default_headers]
        if not cycle.keep_alive:
            own.append((b"connection", b"close"))
        request_id = cycle.scope["state"]["request_id"] = new_request_id()
        self.transport.write(kept.written(request_id.encode(), own))
        kept.tell(cycle.scope, seconds)
        if not cycle.keep_alive:
            self.transport.close()
        cycle.on_response()

    def on_headers_complete(self) -> None:
        """Begin to answer, unless the head is to be read again."""
        if not self.parser.should_upgrade():
            self._check_head()
            self._head_bytes = None
            super().on_headers_complete()
            if not self.has_place:
                self.cycle.keep_alive = False
            if self.expect_100_continue:  # if it is refused, the body may come all the same, or never
                self.cycle.keep_alive = False
            if "draining" in self.app_state:
                if self._last is not None and not self._last.response_started:
                    self._last.keep_alive = True  # this one came behind it
                self.drain()
            return
        self._head_bytes = None
        method = self.scope["method"] = self.parser.get_method().decode("ascii")
        self.scope["http_version"] = self.parser.get_http_version()
        self._offered = method != "CONNECT"
        if not self._offered:
            self._check_head()
            super().on_headers_complete()
            self.cycle.keep_alive = False

    def on_body(self, body: bytes) -> None:
        """Take a part of a body, which counts until the request is answered."""
        cycle = self.cycle
        super().on_body(body)
        if cycle.response_complete:
            return
        self.received += len(body)
        if not self._bodies or self._bodies[-1][0] is not cycle:
            self._bodies.append([cycle, 0])
        self._bodies[-1][1] += len(body)
        refusal = self.shared.hold(client_of(cycle.scope), len(body))
        if refusal is not None:
            self.shared.give_back(client_of(cycle.scope), self._bodies.pop()[1])  # a place for who sends too
            self._stop(refusal)

    def _give_back(self, bodies: deque[list[Any]], answered: bool = False) -> None:
        """Count bodies out, those of requests that are answered or all."""
        while bodies and (bodies[0][0].response_complete or not answered):
            cycle, num_bytes = bodies.popleft()
            self.shared.give_back(client_of(cycle.scope), num_bytes)

    def on_message_complete(self) -> None:
        """End a request's body."""
        if not self._offered:
            super().on_message_complete()
            self.cycle.more_body = False  # of one that has been answered too

    def on_response_complete(self) -> None:
        """Go on with the next request; one whose body never ends is not waited for."""
        cycle = self.cycle
        super().on_response_complete()
        if self._bodies:
            self._give_back(self._bodies, answered=True)
        if self.flow.read_paused and not self.transport.is_closing():
            self._read_on()
        if cycle.response_complete and cycle.more_body and not self.transport.is_closing():
            self.loop.call_later(writing.LINGER_SECONDS, self._end_unread, cycle)

    def _read_on(self) -> None:
        """Read what was received before, then what comes."""
        if self._rest and not self.pipeline:
            rest, self._rest = self._rest, b""
            self._read(rest)
        self.flow.resume_reading()

    def is_idle(self) -> bool:
        """Say whether the connection is kept for a next request that has not begun."""
        return self.timeout_keep_alive_task is not None and self._head_bytes is None

    def stage(self) -> tuple[Stage, Any]:
        """Return what the connection waits for, and which such thing, if there can be several."""
        if unsent := self.transport.get_write_buffer_size():
            return Stage.READER, unsent
        cycle = self.cycle
        if self.parser is None or self.is_idle():
            return Stage.NOTHING, None
        if self.flow.read_paused:
            return Stage.PAUSED, None
        if self._head_bytes is not None:
            return Stage.HEAD, self.headers
        if cycle is None or (cycle.response_complete and not cycle.more_body):
            return Stage.HEAD, cycle
        if cycle.more_body and not cycle.response_complete:
            return Stage.BODY, cycle
        return Stage.NOTHING, None

    def too_late(self, refusal: VitrineError) -> None:
        """End: with an answer if a request has begun, and whatever the client still sends."""
        if self.stage()[0] is Stage.HEAD and self._head_bytes is None:
            self.transport.close()  # it never sent anything, and expects nothing
            return
        self._refuse(refusal)
        self._broken = False  # who was slow until now is not waited for
        if self.cycle is not None:
            self.cycle.more_body = False

    def _end_unread(self, cycle: Any) -> None:
        if cycle is self.cycle and cycle.more_body:
            self.transport.abort()

    def eof_received(self) -> bool:  # type: ignore[override]
        """Answer what was asked before the client closed its side; keep the connection open for that."""
        self._joined.flush()  # an answer may be complete, and wait for the end of the loop's turn
        cycle = self.cycle
        if cycle is None or cycle.response_complete or cycle.more_body:
            return False
        cycle.keep_alive = False  # it is the newest: nothing comes behind it
        look = self._look_for_client if cycle.scope["http_version"] == "1.1" else self._give_up
        self.loop.call_later(HALF_CLOSED_SECONDS, look)
        return True

    def _give_up(self) -> None:
        """Close a half-closed connection of HTTP/1.0, which has nothing to ask by, if no answer began."""
        if not self.cycle.response_started:
            self.transport.abort()

    def _look_for_client(self, speak: bool = True) -> None:
        """Close a half-closed connection whose client is gone: what is written to it, it resets."""
        if self.cycle.response_complete or self.transport.is_closing():
            return
        if speak and not self.cycle.response_started and not self.pipeline:
            self.transport.write(_CONTINUE)
        elif writing.was_reset(self.transport):
            self.transport.abort()
            return
        self.loop.call_later(LOOK_SECONDS, self._look_for_client, False)
