"""Which runtime serves and why, and the table of both."""

import pytest

from app.bench import runtimes
from app.bench.runtimes import ROWS, RuntimeRate, compare, lines, reason, unavailable
from app.runtimes import LITERT_DECODER, LITERT_ENCODER
from tests.fakes import FakeRuntime, open_fake


@pytest.fixture
def installed(monkeypatch):
    """Say which runtimes are installed."""

    def say(*modules):
        monkeypatch.setattr("importlib.util.find_spec", lambda name: name if name in modules else None)

    return say


@pytest.fixture
def converted(tmp_path):
    """A version's folder with flatbuffers."""
    for path in (LITERT_ENCODER, LITERT_DECODER):
        (tmp_path / path).parent.mkdir(parents=True)
        (tmp_path / path).touch()
    return tmp_path


@pytest.mark.parametrize(
    ("choice", "runtime", "said"),
    [
        ("auto", "litert", "litert, as the version carries LiteRT's flatbuffers (VITRINE_RUNTIME=auto)"),
        ("auto", "tensorflow", "tensorflow, as the version carries no flatbuffers for LiteRT (VITRINE_RUNTIME=auto)"),
        ("tensorflow", "tensorflow", "tensorflow, as VITRINE_RUNTIME=tensorflow says"),
        ("litert", "litert", "litert, as VITRINE_RUNTIME=litert says"),
    ],
)  # fmt: skip
def test_the_reason_for_a_runtime_names_the_setting_or_the_files(choice, runtime, said):
    assert reason(choice, runtime) == said


def test_a_runtime_is_unavailable_if_it_or_its_files_are_missing(installed, converted, fake_store):
    installed("ai_edge_litert", "tensorflow")
    assert unavailable(converted) == {}
    assert list(unavailable(fake_store / "fake" / "1")) == ["litert"]
    installed("ai_edge_litert")
    assert list(unavailable(converted)) == ["tensorflow"]
    assert unavailable(converted)["tensorflow"].startswith("needs tensorflow, which is not installed: ")


def test_one_line_says_why_there_is_no_table(installed, converted):
    installed("ai_edge_litert")
    said = list(lines("litert, as ...", "mine@2", unavailable(converted), []))
    assert said[0] == "served by litert, as ..."
    assert len(said) == 2
    assert said[1].startswith("runtimes not compared: mine@2 needs tensorflow, which is not installed: ")


def test_the_table_has_milliseconds_by_rows_and_memory_for_each_runtime():
    rates = [
        RuntimeRate("litert", {1: 0.5, 7: 4, 21: 9.25, 100: 33}, 48_400_000),
        RuntimeRate("tensorflow", {1: 16, 7: 16, 21: 16, 100: 57.546}, 670_000_000),
    ]
    _, title, columns, *rows = lines("litert, as ...", "mine@2", {}, rates)
    assert "ms to decode n rows" in title
    assert columns.split() == ["1", "7", "21", "100", "memory"]
    assert [row.split() for row in rows] == [
        ["litert", "0.50", "4.00", "9.25", "33.00", "48", "MB"],
        ["tensorflow", "16.00", "16.00", "16.00", "57.55", "670", "MB"],
    ]
    assert len({len(line) for line in (columns, *rows)}) == 1


def test_each_runtime_is_opened_in_a_process_of_its_own_and_measured_at_every_count(settings):
    here = []

    def opener_of(name):
        def open_version(folder, threads):
            here.append(name)
            return open_fake(folder, threads)

        return open_version

    rates = compare(settings, "fake@1", 0, opener_of)
    assert here == []  # not in this one
    assert [rate.runtime for rate in rates] == ["litert", "tensorflow"]
    for rate in rates:
        assert tuple(rate.milliseconds) == ROWS
        assert min(rate.milliseconds.values()) > 0
        assert rate.memory_bytes >= 0


def test_the_slower_runtime_is_shown_to_be_slower(settings, monkeypatch):
    """The numbers stand in the row of the runtime that they are of."""
    took = {"litert": 0.001, "tensorflow": 0.004}

    class Opened:
        memory_bytes = 5

        def __init__(self, name):
            self.name = name

        def __enter__(self):
            return self

        def __exit__(self, *_):
            pass

        def decode(self, rows):
            return took[self.name] * rows

    monkeypatch.setattr(runtimes, "opened_apart", lambda settings, reference, name: Opened(name))
    litert, tensorflow = compare(settings, "fake@1", 0, lambda name: name)
    assert litert.milliseconds == pytest.approx({1: 1, 7: 7, 21: 21, 100: 100})
    assert tensorflow.milliseconds == pytest.approx({1: 4, 7: 28, 21: 84, 100: 400})


def test_a_runtime_that_cannot_open_the_model_is_left_out(settings):
    class Broken(FakeRuntime):
        def decode(self, z):
            raise ValueError

    openers = {"litert": open_fake, "tensorflow": lambda folder, threads: Broken()}
    assert [rate.runtime for rate in compare(settings, "fake@1", 0, openers.get)] == ["litert"]
