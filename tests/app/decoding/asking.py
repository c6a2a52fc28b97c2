"""Pools of decoders for tests, pictures for them, and decoders whose words a test has chosen."""

import contextlib
from pathlib import Path

import numpy as np

from app.decoding import decoder
from app.decoding.decoder import Allowance
from app.decoding.pool import Pool
from tests.fakes import png_bytes

ALLOWANCE = Allowance(memory=700_000_000, seconds=5, idle_seconds=60)
LEVELS = (np.arange(784) % 256).astype(np.uint8).reshape(28, 28)
PNG = png_bytes(LEVELS)
WORDS = {
    "task": "uploads",
    "shape": (28, 28),
    "limits": (25_000_000, 12_000),
    "given": {"invert": "no", "polarity": None, "on_white": True},
}


@contextlib.contextmanager
def decoders(processes=1, **allowance):
    pool = Pool(processes, ALLOWANCE._replace(**allowance))
    try:
        yield pool
    finally:
        pool.end()


def ask(pool, data=PNG, *, large=False, name="file"):
    return pool.ask(WORDS, [(name, data)], large, 784)


# What a decoder does with an upload whose bytes begin with these words: as it would if its code had gone wrong.
FAULTS = {
    b"crash": "ctypes.string_at(0)",
    b"abort": "os.abort()",
    b"kill": "os.kill(os.getpid(), signal.SIGKILL)",
    b"leave": "os._exit(7)",
    b"spin": "while True: pass",
    b"sleep": "time.sleep(600)",
    b"stop": "os.kill(os.getpid(), signal.SIGSTOP)",
    b"garbage": "connection.sendall(b'not a message of ours, and longer than its head')",
    b"memory": "bytearray(2_000_000_000)",
    b"raise": "raise KeyError('a mistake of ours')",
    b"long": "connection.sendall(b'D' + bytes(4) + b'\\x7f' * 8)",
}

_START = f"""
import ctypes, json, os, signal, socket, sys, time
given = json.loads(sys.argv[1])
sys.path[:] = given["path"]
from app.decoding import child
connection = socket.socket(fileno=os.dup(given["descriptor"]))
read = child.uploads.read_uploads
def faulty(files, *others, **named):
    for word, does in {FAULTS!r}.items():
        if files[0][1].startswith(word):
            exec(does)
    return read(files, *others, **named)
child.uploads.read_uploads = faulty
child.main(given["descriptor"], child.Bounds(**given["bounds"]))
"""


def make_decoders_faulty(monkeypatch):
    """Have every decoder that is started from now on do what ``FAULTS`` says."""
    monkeypatch.setattr(decoder, "_START", _START)


def is_alive(number):
    """Whether a process of this number runs, and is no mere entry of one that ended."""
    try:
        return Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False
