"""A connection that breaks, at any byte of an upload, costs nothing that stays."""

import contextlib
import gc
import os
import socket
import struct
import threading
import time
from pathlib import Path

import httpx
import numpy as np
import pytest

from app.main import create_app
from app.settings import Settings
from tests.fakes import open_fake, png_bytes, write_version
from tests.serving import serving_in_a_thread

PICTURE = png_bytes(np.full((8, 8), 100, np.uint8))
FORM = (
    b'--b\r\nContent-Disposition: form-data; name="file"; filename="a.png"\r\nContent-Type: image/png\r\n\r\n'
    + PICTURE
    + b"\r\n--b--\r\n"
)
HEAD = b"POST /reconstruct HTTP/1.1\r\nHost: a\r\nContent-Type: multipart/form-data; boundary=b\r\n"
WHOLE = HEAD + b"Content-Length: %d\r\n\r\n" % len(FORM) + FORM
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + b"%x\r\n%s\r\n0\r\n\r\n" % (len(FORM), FORM)


def break_at(port, sent):
    """Send the beginning of an upload, and have the connection reset."""
    with socket.create_connection(("127.0.0.1", port)) as client:
        client.sendall(sent)
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def open_files():
    return len(list(Path("/proc/self/fd").iterdir()))


def settled(condition):
    for _ in range(500):
        if condition():
            return True
        time.sleep(0.02)
    return False


@pytest.mark.process
@pytest.mark.fault(26)
@pytest.mark.bad_input(44)
@pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="needs /proc")  # noqa: PTH112
@pytest.mark.parametrize("upload", [WHOLE, CHUNKED], ids=["with a length", "in chunks"])
def test_an_upload_that_breaks_at_any_byte_leaves_nothing_behind(tmp_path, upload, caplog):
    write_version(tmp_path)
    app = create_app(Settings(model_store=tmp_path, default_model="fake", worker_threads=1), open_fake)
    with serving_in_a_thread(app) as port, httpx.Client(base_url=f"http://127.0.0.1:{port}") as client:
        assert client.get("/samples?n=1").status_code == 200
        for _ in range(20):  # whatever is opened once
            break_at(port, upload[:100])
        gc.collect()
        assert settled(lambda: app.service.engine.waiting == 0)
        time.sleep(0.2)
        files, threads = open_files(), threading.active_count()
        for length in range(len(upload)):
            break_at(port, upload[:length])
        assert settled(lambda: app.service.engine.waiting == 0 and open_files() <= files + 2), open_files()
        assert threading.active_count() <= threads + 3  # those that decode are started with their first file
        answer = client.post("/reconstruct", files={"file": ("a.png", PICTURE, "image/png")})
        assert answer.status_code == 200
        with contextlib.closing(socket.create_connection(("127.0.0.1", port))) as other:
            other.sendall(upload)
            assert other.recv(100).startswith(b"HTTP/1.1 200 OK")
    assert [record.message for record in caplog.records if record.levelname == "ERROR"] == []
