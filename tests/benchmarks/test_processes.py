import os
import struct
import sys
import time

import pytest

from benchmarks import processes
from benchmarks.processes import Program
from tests.conftest import PROJECT

# Answers with the header of a picture, and has a child in a session of its own, as Ray's daemons may be.
SERVER = """
import http.server, struct, subprocess, sys
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"], start_new_session=True)
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        body = b"\\x89PNG\\r\\n\\x1a\\n" + b"\\0\\0\\0\\rIHDR" + struct.pack(">IIBB", 196, 84, 8, 0)
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def log_message(self, *_): pass
print("listening", flush=True)
http.server.HTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
"""


@pytest.mark.process
def test_a_server_is_weighed_and_ended_with_all_that_it_started():
    with processes.running(Program([sys.executable, "-c", SERVER, "{port}"])) as server:
        assert 0 < server.first_picture_seconds < 60
        members = server.processes()
        assert len(members) == 2
        assert 3 < server.pss_mib() < 200  # two interpreters
    for _ in range(100):
        if not any(os.path.exists(f"/proc/{pid}") for pid in members):  # noqa: PTH110
            return
        time.sleep(0.05)
    raise AssertionError("something is left")


@pytest.mark.process
def test_a_server_that_ends_is_reported_with_its_last_words():
    with (
        pytest.raises(RuntimeError, match="no luck"),
        processes.running(Program([sys.executable, "-c", "raise SystemExit('no luck')"])),
    ):
        pass


def test_a_grid_is_told_from_other_answers():
    header = processes.SIGNATURE + b"\0\0\0\rIHDR" + struct.pack(">IIBB", 196, 84, 8, 0)
    assert processes.is_grid(header, 7, 3)
    assert not processes.is_grid(header, 3, 7)
    assert not processes.is_grid(b'{"detail": "Not Found"}', 7, 3)


def test_post_carries_in_its_body_what_get_has_in_its_address():
    by_get = processes.Server(None, Program([]), 1, None)
    by_post = processes.Server(None, Program([], method="POST"), 1, None)
    assert (by_get.target(5, seed=3), by_get.body(5, seed=3)) == ("/samples?n=5&seed=3", None)
    assert (by_post.target(5, seed=3), by_post.body(5, seed=3)) == ("/samples", '{"n": 5, "seed": 3}')
    assert by_get.target() == "/samples?n=21"
    assert by_get.target(5, render="draw") == "/samples?n=5&render=draw"
    by_model = processes.Server(None, Program([], model="fashion-dense"), 1, None)
    assert by_model.target(5) == "/samples?n=5&model=fashion-dense"
    vitrine = processes.Server(None, processes.vitrine(), 1, None)  # draws what the peers draw
    assert vitrine.target(5, seed=3) == "/samples?n=5&seed=3&render=mean"
    assert vitrine.target(5, render="draw") == "/samples?n=5&render=draw"


def test_every_peer_has_its_program_and_its_pinned_requirements_with_hashes():
    folder = PROJECT / "benchmarks" / "peers"
    for name in ("naive", "litserve", "bentoml", "ray-serve"):
        text = (folder / f"{name}.txt").read_text()
        assert text.count("==") <= text.count("--hash=sha256:")
        assert "tensorflow-cpu==2.21" in text
        assert "://" not in text  # no registry is named
    text = (folder / "openvino.txt").read_text()
    assert text.count("==") <= text.count("--hash=sha256:")
    assert "openvino==2026.4" in text
    assert "://" not in text
    for program in processes.PROGRAMS.values():
        for word in program.command:
            if word.endswith(".py"):
                assert (program.folder / word).is_file()
