import multiprocessing

import pytest

from app.bench.apart import memory_of, opened_apart
from app.engine.engine import Engine
from tests.fakes import FakeRuntime, open_fake


def broken(folder, threads):
    raise ValueError


def test_the_memory_of_a_model_that_cannot_be_opened_is_not_known(settings):
    assert memory_of(settings, "fake", open_fake) >= 0
    assert memory_of(settings, "fake", broken) is None


def test_memory_is_what_opening_adds_in_a_process_of_its_own(settings):
    def large(folder, threads):
        runtime = FakeRuntime()
        runtime.weights = bytearray(b"x") * 50_000_000
        return runtime

    assert 40e6 < memory_of(settings, "fake", large) < 120e6


def test_a_model_apart_decodes_as_many_rows_as_it_is_asked_for_with_the_threads_of_the_settings(
    settings, monkeypatch, tmp_path
):
    """What happens in the other process, it writes down."""
    noted = tmp_path / "noted"

    class Noting(Engine):
        def __init__(self, worker_threads, *arguments, **options):
            super().__init__(worker_threads, *arguments, **options)
            self.threads = worker_threads

        async def run(self, work):
            images = await super().run(work)
            with noted.open("a") as file:
                file.write(f"{self.threads} {work.count} {images.shape}\n")
            return images

    monkeypatch.setattr("app.bench.apart.Engine", Noting)
    with opened_apart(settings, "fake", open_fake) as model:
        assert all(model.decode(rows) > 0 for rows in (1, 7, 100))
    assert noted.read_text().splitlines() == ["2 1 (1, 8, 8)", "2 7 (7, 8, 8)", "2 100 (100, 8, 8)"]


def test_the_process_ends_with_the_block_and_an_error_in_it_is_the_callers(settings):
    with pytest.raises(ZeroDivisionError), opened_apart(settings, "fake", open_fake):
        _ = len(multiprocessing.active_children()) / 0
    assert multiprocessing.active_children() == []
