import json
import logging
import logging.config
import os
import subprocess
import sys
import threading
import time

import pytest

from app import logs


def record(text, *arguments, error=None, **fields):
    info = (type(error), error, error.__traceback__) if error else None
    made = logging.LogRecord("vitrine", logging.WARNING, "", 0, text, arguments, info)
    made.fields = fields
    return made


@pytest.fixture
def pipe():
    ends = os.pipe()
    yield ends
    for end in ends:
        os.close(end)


@pytest.fixture
def handler():
    made = logging.Handler()
    made.setFormatter(logs.Text())
    return made


def failed():
    try:
        raise ValueError("one\nINFO:     two\x1b[2J")
    except ValueError as error:
        return error


def test_a_line_of_text_has_the_level_and_the_message():
    assert logs.Text().format(record("serving %s", "fashion")) == "WARNING:  serving fashion"


def test_what_a_client_sent_begins_no_line_and_moves_no_cursor():
    line = logs.Text().format(record("path %s", "/a\nINFO:     forged\r\x1b[2J\x85\u2028\x00end"))
    assert line == "WARNING:  path /a\\x0aINFO:     forged\\x0d\\x1b[2J\\x85\\u2028\\x00end"
    traceback = logs.Text().format(record("failed", error=failed()))
    assert traceback.splitlines()[0] == "WARNING:  failed"
    assert all(line.startswith("    ") for line in traceback.splitlines()[1:])
    assert "    INFO:     two\\x1b[2J" in traceback.splitlines()


def test_a_line_of_json_has_the_time_in_utc_the_level_the_message_and_the_requests_id():
    made = record("one\ntwo %d", 3, error=failed(), request_id="0123")
    made.created = 1.5
    line = logs.Json().format(made)
    assert "\n" not in line
    found = json.loads(line)
    assert found.pop("traceback").startswith("Traceback (most recent call last)")
    assert found == {
        "time": "1970-01-01T00:00:01.500Z",
        "level": "warning",
        "message": "one\ntwo 3",
        "logger": "vitrine",
        "process": os.getpid(),
        "request_id": "0123",
    }


@pytest.mark.fault(29)
def test_a_pipe_that_nobody_reads_holds_up_nobody_and_what_was_dropped_is_counted(pipe, handler):
    reading, writing = pipe
    writer = logs.Writer(writing, max_lines=10)
    started = time.monotonic()
    for _ in range(1000):
        writer.write("x" * 100_000, handler)  # more than a pipe holds
    assert time.monotonic() - started < 5
    assert not writer.flush(0.05)  # it waits for a reader
    dropped = writer.dropped
    assert 900 < dropped < 1000
    received = bytearray()

    def read():
        while received.count(b"\n") < 1000 - dropped + 1:
            received.extend(os.read(reading, 65_536))

    thread = threading.Thread(target=read)
    thread.start()
    thread.join(30)
    assert f"WARNING:  {dropped} lines of the log were dropped: nobody read them".encode() in received
    assert writer.flush(5)
    assert writer.dropped == 0


@pytest.mark.fault(16, 29)
def test_lines_that_a_full_disk_does_not_take_are_counted_and_serving_goes_on(handler):
    with open("/dev/full", "w") as full:  # noqa: PTH123
        writer = logs.Writer(full.fileno())
        writer.write("one", handler)
        writer.write("two", handler)
        assert writer.flush(5)
        assert writer.dropped == 2


def test_a_stream_that_does_not_wait_takes_every_line_once_it_is_read(pipe, handler):
    reading, writing = pipe
    os.set_blocking(writing, False)
    writer = logs.Writer(writing)
    for number in range(200):
        writer.write(f"{number:04}" + "x" * 1000, handler)
    received = b""
    while received.count(b"\n") < 200:
        received += os.read(reading, 65_536)
    assert [int(line[:4]) for line in received.splitlines()] == list(range(200))
    assert writer.dropped == 0


def test_the_loggers_of_the_service_write_to_standard_error_and_requests_to_standard_output(capfd):
    code = (
        "import logging, logging.config; from app import logs;"
        "logging.config.dictConfig(logs.configuration('json'));"
        "logging.getLogger('vitrine').info('ours'); logging.getLogger('uvicorn.error').error('theirs');"
        "logging.getLogger('vitrine.requests').info('asked')"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
    out, err = capfd.readouterr()
    assert [json.loads(line)["message"] for line in err.splitlines()] == ["ours", "theirs"]
    assert [json.loads(line)["message"] for line in out.splitlines()] == ["asked"]


def test_a_message_whose_arguments_do_not_fit_is_no_error_of_who_logs_it(monkeypatch):
    monkeypatch.setattr(logging, "raiseExceptions", False)
    handler = logs.Lines(2)
    handler.setFormatter(logs.Text())
    handler.emit(record("%d", "no number"))


@pytest.mark.fault(29)
def test_streams_that_were_closed_are_opened_on_nothing():
    code = (
        "import os, sys; os.closerange(0, 3); sys.stdin = sys.stdout = sys.stderr = None;"
        "from app import logs; logs.reserve_streams();"
        "os._exit(0 if {os.readlink(f'/proc/self/fd/{n}') for n in range(3)} == {os.devnull}"
        " and print('x', file=sys.stderr) is None else 1)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
