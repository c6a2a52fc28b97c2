import json
import socket
import struct
import threading
import time

import pytest

from app.decoding import messages


@pytest.fixture
def ends():
    ours, theirs = socket.socketpair()
    with ours, theirs:
        yield ours, theirs


@pytest.mark.parametrize("sizes", [(), (0,), (3, 70_000), (2_000_000,)], ids=str)
def test_a_message_arrives_as_it_was_sent(ends, sizes):
    ours, theirs = ends
    contents = [bytes([7 + index]) * size for index, size in enumerate(sizes)]
    sending = threading.Thread(target=messages.send, args=(ours, messages.ASK, {"shape": [2, "é"]}, contents))
    sending.start()
    found = messages.receive(theirs, 3_000_000)
    sending.join()
    assert found == (messages.ASK, {"shape": [2, "é"]}, bytearray(b"".join(contents)))


HEAD = struct.Struct(">BIQ")


@pytest.mark.parametrize(
    "sent",
    [
        b"\0" * 13,
        b"garbage, as a decoder writes that was taken over",
        HEAD.pack(messages.DONE, messages.MAX_WORDS + 1, 0),
        HEAD.pack(messages.DONE, 2, 11) + b"{}",
        HEAD.pack(messages.DONE, 2, 2**63) + b"{}",
        HEAD.pack(messages.DONE, 4, 0) + b"[1,]",
        HEAD.pack(messages.DONE, 2, 0) + b"[]",
        HEAD.pack(messages.DONE, 3, 0) + b"{}\xff",
        HEAD.pack(messages.DONE, 2, 0) + b"{}" + b"more",
        HEAD.pack(messages.DONE, 200_000, 0) + b"[" * 200_000,
    ],
)
def test_what_is_no_message_is_not_believed(ends, sent):
    ours, theirs = ends
    sending = threading.Thread(target=ours.sendall, args=(sent,))
    sending.start()
    with pytest.raises(messages.GarbledError):
        messages.receive(theirs, 10)
    theirs.close()
    sending.join()


@pytest.mark.parametrize("size", [0, 5, 13, 20])
def test_an_end_inside_a_message_is_an_end(ends, size):
    ours, theirs = ends
    words = json.dumps({}).encode()
    ours.sendall((HEAD.pack(messages.DONE, len(words), 10) + words)[:size])
    ours.close()
    with pytest.raises(EOFError):
        messages.receive(theirs, 10)


def test_nobody_waits_for_longer_than_was_said(ends):
    ours, theirs = ends
    with pytest.raises(TimeoutError):
        messages.receive(ours, 10, time.monotonic() + 0.05)
    theirs.sendall(HEAD.pack(messages.DONE, 2, 10) + b"{}12345")
    with pytest.raises(TimeoutError):
        messages.receive(ours, 10, time.monotonic() + 0.05)
    with pytest.raises(TimeoutError):
        messages.send(ours, messages.ASK, {}, [bytes(50_000_000)], time.monotonic() + 0.05)
