import threading
import time

import numpy as np

from app.pictures import uploads
from app.pictures.turns import FREE_PIXELS, TURNS, PixelTurns
from app.settings import Settings
from tests.fakes import png_bytes

LARGE = FREE_PIXELS + 1


def in_threads(count, task):
    threads = [threading.Thread(target=task) for _ in range(count)]
    for thread in threads:
        thread.start()
    return threads


def test_no_more_pixels_are_decoded_at_once_than_one_upload_may_have():
    turns, peaks, go_on = PixelTurns(), [], threading.Event()

    def decode():
        with turns.turn(LARGE, 2 * LARGE + 1):
            peaks.append(turns.pixels)
            go_on.wait(10)

    threads = in_threads(6, decode)
    deadline = time.monotonic() + 5
    while len(peaks) < 2 and time.monotonic() < deadline:
        time.sleep(0.01)
    time.sleep(0.05)
    assert sorted(peaks) == [LARGE, 2 * LARGE]
    with turns.turn(FREE_PIXELS, 1):  # a small one waits for nobody
        pass
    go_on.set()
    for thread in threads:
        thread.join(10)
    assert len(peaks) == 6
    assert max(peaks) <= 2 * LARGE
    assert turns.pixels == 0


def test_one_that_is_alone_is_decoded_however_large_and_gives_its_turn_back_when_it_fails():
    turns = PixelTurns()
    for _ in range(2):
        try:
            with turns.turn(10 * LARGE, LARGE):
                raise ValueError
        except ValueError:
            pass
    assert turns.pixels == 0


def test_reading_an_upload_takes_a_turn(monkeypatch):
    monkeypatch.setattr("app.pictures.turns.FREE_PIXELS", 10)
    seen, read = [], uploads._read
    monkeypatch.setattr(uploads, "_read", lambda *each: seen.append(TURNS.pixels) or read(*each))
    file = png_bytes(np.zeros((8, 8), np.uint8))
    uploads.read_uploads([("a", file), ("b", file)], (8, 8), "no", Settings())
    assert seen == [128, 128]
    assert TURNS.pixels == 0
