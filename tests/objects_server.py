"""An S3 server of this machine, moto's, behind a proxy with the faults that networks and stores have."""

import contextlib
import http.client
import logging
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

from moto.moto_server.threaded_moto_server import ThreadedMotoServer

from app.registry.objects import Objects

BUCKET = "pictures"
SLOW_SECONDS = 60.0  # that a body takes which is slow: longer than any test waits
PASSED_BY = {"connection", "transfer-encoding", "content-length", "date", "server"}


class ObjectsServer:
    """Serves a bucket; ``faults`` maps the end of a path to what goes wrong with each GET of it.

    Attributes:
        environment: that has S3's clients come here.
        asked: (method, path, query) of every request.
        faults: end of a path, without its query -> ``500``, ``truncated``, ``slow``, ``silent`` or ``dropped``.
            The empty end is that of every path.
    """

    def __init__(self):
        logging.getLogger("werkzeug").setLevel(logging.ERROR)
        self.faults, self.asked, self.ended = {}, [], threading.Event()
        self._moto = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
        self._moto.start()
        self.store = self._moto.get_host_and_port()
        handler = type("Bound", (Handler,), {"objects": self})
        self._proxy = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._proxy.daemon_threads = True
        self._thread = threading.Thread(target=self._proxy.serve_forever, args=(0.05,))
        self._thread.start()
        self.environment = {
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{self._proxy.server_port}",
            "AWS_ACCESS_KEY_ID": "somebody",
            "AWS_SECRET_ACCESS_KEY": "secret",
            "AWS_DEFAULT_REGION": "us-east-1",
        }

    def make_bucket(self):
        """Make the bucket; the environment must lead here."""
        files = Objects(f"s3://{BUCKET}")._files
        files.mkdir(BUCKET)

    def address(self, prefix):
        return f"s3://{BUCKET}/{prefix}"

    def times(self, end, method="GET"):
        return sum(asked[0] == method and asked[1].endswith(end) for asked in self.asked)

    def close(self):
        self.ended.set()
        self._proxy.shutdown()
        self._thread.join()
        self._proxy.server_close()
        self._moto.stop()


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    objects: ObjectsServer
    disable_nagle_algorithm = True  # a head and its body are written one after the other

    def log_message(self, *arguments):
        pass

    def _answer(self):
        path = urlsplit(self.path).path
        self.objects.asked.append((self.command, path, urlsplit(self.path).query))
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        fault = next((fault for end, fault in self.objects.faults.items() if path.endswith(end)), None)
        if self.command in ("GET", "HEAD") and fault is not None:
            self._fail(fault, body)
        else:
            self._give(*self._asked(body))

    def do_GET(self):
        self._answer()

    def do_HEAD(self):
        self._answer()

    def do_PUT(self):
        self._answer()

    def do_POST(self):
        self._answer()

    def do_DELETE(self):
        self._answer()

    def _asked(self, body):
        """Return the store's own status, headers and body."""
        store = http.client.HTTPConnection(*self.objects.store, timeout=60)
        with contextlib.closing(store):
            store.request(self.command, self.path, body, dict(self.headers))
            answer = store.getresponse()
            return answer.status, answer.getheaders(), answer.read()

    def _give(self, status, headers, content, size=None):
        self.send_response(status)
        for name, value in headers:
            if name.lower() not in PASSED_BY:
                self.send_header(name, value)
        length = (
            dict(headers).get("Content-Length", "0") if self.command == "HEAD" else str(size or len(content))
        )
        self.send_header("Content-Length", length)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def _fail(self, fault, body):
        self.close_connection = True
        if fault == "500":
            said = b"<Error><Code>InternalError</Code><Message>We had a bad day.</Message></Error>"
            self._give(500, [("Content-Type", "application/xml")], said)
        elif fault == "truncated":
            status, headers, content = self._asked(body)
            self._give(status, headers, content[: len(content) // 2], size=len(content))
        elif fault == "slow":
            status, headers, content = self._asked(body)
            self._give(status, headers, content[:1], size=len(content))
            with contextlib.suppress(OSError):  # who asked is gone
                for at in range(1, len(content)):
                    if self.objects.ended.wait(SLOW_SECONDS / len(content)):
                        return
                    self.wfile.write(content[at : at + 1])
        elif fault == "silent":
            self.objects.ended.wait(SLOW_SECONDS)
        else:
            assert fault == "dropped"
