"""An HTTP server of a folder's files, with the faults that servers have."""

import contextlib
import re
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class FileServer:
    """Serves a folder; ``faults`` maps the end of a path to what goes wrong there, as often as its number says.

    Attributes:
        asked: (method, path, range) of every request.
        faults: end of a path -> [kind, how often]; kinds are those of ``Handler._fault``.
    """

    def __init__(self, folder):
        self.folder, self.faults, self.asked = folder, {}, []
        handler = type("Bound", (Handler,), {"store": self})
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))
        self._thread.start()

    def close(self):
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def times(self, end, method="GET"):
        return sum(asked[0] == method and asked[1].endswith(end) for asked in self.asked)


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    store: FileServer

    def log_message(self, *arguments):
        pass

    def do_GET(self):
        self.store.asked.append(("GET", self.path, self.headers.get("Range")))
        for end, fault in self.store.faults.items():
            if self.path.endswith(end) and fault[1] > 0:
                fault[1] -= 1
                return self._fault(fault[0])
        return self._give()

    def do_PUT(self):
        self.store.asked.append(("PUT", self.path, None))
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if any(self.path.endswith(end) for end in self.store.faults):
            return self._answer(507, b"")
        target = self.store.folder / self.path.lstrip("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(body)
        return self._answer(201, b"")

    def _content(self):
        path = self.store.folder / self.path.lstrip("/")
        return path.read_bytes() if path.is_file() else None

    def _give(self):
        content = self._content()
        if content is None:
            return self._answer(404, b"")
        first = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range") or "")
        if first is None:
            return self._answer(200, content)
        start = int(first[1])
        whole = f"bytes {start}-{len(content) - 1}/{len(content)}"
        return self._answer(206, content[start:], {"Content-Range": whole})

    def _fault(self, kind):
        content = self._content() or b""
        if kind == "500":
            self._answer(500, b"no")
        elif kind == "403":
            self._answer(403, b"no")
        elif kind == "wrong":
            self._answer(200, bytes(len(content)))
        elif kind == "longer":
            self._answer(200, content + b"more")
        elif kind == "loop":
            self._answer(302, b"", {"Location": self.path})
        elif kind == "elsewhere":
            self._answer(302, b"", {"Location": self.path + "?moved"})
        elif kind in ("truncated", "slow"):
            self.send_response(200)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content[: len(content) // 2])
            if kind == "slow":
                with contextlib.suppress(OSError):
                    for byte in content[len(content) // 2 :]:
                        time.sleep(0.05)
                        self.wfile.write(bytes([byte]))
                        self.wfile.flush()
            self.close_connection = True

    def _answer(self, status, body, headers=None):
        self.send_response(status)
        for name, value in ({"Content-Length": str(len(body))} | (headers or {})).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)
