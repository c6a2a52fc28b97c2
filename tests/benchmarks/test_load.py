import pytest

from benchmarks.load import Traffic, command, parsed
from benchmarks.processes import Program, Server

OUTPUT = """Running 2s test @ http://127.0.0.1:1/samples
  2 threads and 4 connections
{"requests": 1000, "seconds": 2.000000, "refused": 100, "broken": 3, "p50_ms": 2.5, "p99_ms": 7.25, "max_ms": 9.0}
"""


def test_wrk_asks_for_the_render_that_is_wanted_and_for_none_unless_told():
    server = Server(None, Program([]), 80, None)
    assert "http://127.0.0.1:80/samples?n=21&render=draw" in command(server, 16, 4, 21, "draw")
    assert "http://127.0.0.1:80/samples?n=21" in command(server, 16, 4, 21)


def test_no_answer_can_be_a_picture_that_is_kept():
    # One of a seed may be answered out of a store of finished pictures; without a seed each is drawn.
    for method in ("GET", "POST"):
        words = command(Server(None, Program([], method=method), 80, None), 16, 4, 21)
        assert "seed" not in " ".join(words)


def test_a_load_is_read_as_images_by_connections():
    assert Traffic.parse("21x16") == Traffic(n=21, connections=16)
    assert str(Traffic.parse("100x1")) == "100x1"


@pytest.mark.parametrize("text", ["21", "21x", "0x1", "1x0", "1x2x3", "-1x1", "axb"])
def test_what_is_no_load_is_refused(text):
    with pytest.raises(ValueError, match=r"."):
        Traffic.parse(text)


def test_the_rate_counts_only_answers_that_are_not_refusals():
    found = parsed(OUTPUT)
    assert found.rate == pytest.approx(450)
    assert (found.refused, found.broken, found.p99_ms) == (100, 3, 7.25)
