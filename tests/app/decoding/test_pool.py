import os
import signal
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from app.decoding import decoder, messages
from app.errors import DecoderUnavailable, UndecodableUpload
from tests.app.decoding.asking import LEVELS, ask, decoders, is_alive, make_decoders_faulty
from tests.fakes import png_bytes

SMALL = png_bytes(np.zeros((9, 9), np.uint8))


def assert_answers(pool):
    answer = ask(pool)
    assert (answer.kind, bytes(answer.content)) == (messages.DONE, LEVELS.tobytes())


def test_one_decoder_answers_one_upload_after_the_other_with_its_pixels():
    with decoders() as pool:
        assert pool.numbers == []  # none is started before it is needed
        for _ in range(3):
            assert_answers(pool)
        (number,) = pool.numbers
        assert_answers(pool)
        assert pool.numbers == [number]
    assert not is_alive(number)


@pytest.mark.parametrize(
    ("word", "error", "code", "reason"),
    [
        (b"crash", UndecodableUpload, "decoder_crashed", "ended it (SIGSEGV)"),
        (b"abort", UndecodableUpload, "decoder_crashed", "ended it (SIGABRT)"),
        (b"leave", UndecodableUpload, "decoder_crashed", "ended it (exit status 7)"),
        (b"spin", UndecodableUpload, "decoder_time", "that take longer"),
        (b"kill", DecoderUnavailable, None, "was ended: SIGKILL."),
        (b"sleep", DecoderUnavailable, None, "was ended: no answer within 1 s."),
        (b"stop", DecoderUnavailable, None, "was ended: no answer within 1 s."),
        (b"garbage", DecoderUnavailable, None, "was ended: an answer that is none"),
        (b"long", DecoderUnavailable, None, "was ended: an answer that is none"),
    ],
)
def test_a_decoder_that_fails_takes_one_upload_with_it_and_another_takes_its_place(
    monkeypatch, caplog, word, error, code, reason
):
    make_decoders_faulty(monkeypatch)
    if word == b"spin":  # on a busy machine that takes longer by the clock
        monkeypatch.setattr(decoder, "BY_THE_CLOCK", 100)
    with decoders(seconds=0.5) as pool:
        assert_answers(pool)
        (before,) = pool.numbers
        with pytest.raises(error) as caught:
            ask(pool, word)
        assert reason in caught.value.detail
        if code is not None:
            assert [fault.code for fault in caught.value.faults] == [code]
            assert caught.value.faults[0].remedy
        else:
            assert caught.value.headers == {"Retry-After": "2"}
        assert sum(pool.failures.values()) == 1
        assert not is_alive(before)
        assert "a decoder ended at an upload of" in caplog.text
        assert_answers(pool)
        assert pool.numbers != [before]


def test_uploads_that_waited_behind_a_crash_are_answered(monkeypatch):
    make_decoders_faulty(monkeypatch)
    answers = []
    with decoders(seconds=1) as pool:

        def crash():
            with pytest.raises(DecoderUnavailable):
                ask(pool, b"sleep")
            answers.append("refused")

        first = threading.Thread(target=crash)
        first.start()
        while not pool.uploads:
            time.sleep(0.01)
        others = [threading.Thread(target=lambda: answers.append(bytes(ask(pool).content))) for _ in range(5)]
        for each in others:
            each.start()
        for each in (first, *others):
            each.join()
    assert sorted(answers, key=str) == [*[LEVELS.tobytes()] * 5, "refused"]
    assert (pool.uploads, pool.upload_bytes) == (0, 0)


class Tally:
    """Remembers what it is told."""

    def __init__(self):
        self.told = []

    def set_uploads_in_progress(self, uploads, num_bytes):
        self.told.append((uploads, num_bytes))

    def count_decoder_failure(self, reason):
        self.told.append(reason)


def test_who_counts_is_told_of_each_upload_its_size_and_the_reason_of_a_failure(monkeypatch):
    make_decoders_faulty(monkeypatch)
    with decoders(seconds=0.5) as pool:
        pool.tally = tally = Tally()
        assert_answers(pool)
        size = tally.told[0][1]
        assert size > 0
        assert tally.told == [(1, size), (0, 0)]
        with pytest.raises(DecoderUnavailable):
            ask(pool, b"sleep")
        assert tally.told[2:] == [(1, 5), "stuck", (0, 0)]


def test_a_decoder_that_was_killed_while_nobody_asked_is_replaced_without_a_word():
    with decoders() as pool:
        assert_answers(pool)
        (number,) = pool.numbers
        os.kill(number, signal.SIGKILL)
        while is_alive(number):
            time.sleep(0.01)
        assert_answers(pool)
        assert pool.failures == {}


def test_a_decoder_that_nobody_needs_ends_and_the_next_upload_has_one_again():
    with decoders(idle_seconds=0.2) as pool:
        assert_answers(pool)
        (number,) = pool.numbers
        deadline = time.monotonic() + 20
        while Path(f"/proc/{number}").exists():  # not even its entry stays
            assert time.monotonic() < deadline
            time.sleep(0.02)
        assert pool.numbers == []
        assert_answers(pool)


def test_uploads_that_come_just_when_decoders_end_are_answered():
    with decoders(idle_seconds=0.02) as pool:
        for wait in range(20):
            time.sleep(wait / 1000 + 0.01)
            assert_answers(pool)
        assert pool.failures == {}


def test_of_many_files_there_may_be_more_to_say(monkeypatch):
    monkeypatch.setattr(messages, "MAX_WORDS", 64)
    with decoders() as pool:
        given = {"invert": None, "polarity": "dark", "on_white": True}
        words = {"task": "uploads", "shape": (28, 28), "limits": (10_000, 1_000), "given": given}
        files = [(f"file[{number}]", SMALL) for number in range(20)]
        answer = pool.ask(words, files, False, 20 * 784)
    assert answer.words["notes"] == [["scaled from 9 x 9: scores hold for 28 x 28"]] * 20


def test_an_upload_that_comes_when_all_idle_decoders_end_is_no_crash(monkeypatch):
    with decoders(2, idle_seconds=0.5) as pool:
        threads = [threading.Thread(target=assert_answers, args=(pool,)) for _ in range(2)]
        for each in threads:
            each.start()
        for each in threads:
            each.join()
        idle = pool.numbers
        while any(map(is_alive, idle)):
            time.sleep(0.01)
        monkeypatch.setattr(decoder.Decoder, "has_ended", False)  # nobody knows yet
        assert_answers(pool)
        assert pool.failures == {}
        assert not set(pool.numbers) & set(idle)


def test_there_are_never_more_decoders_than_were_set_and_large_uploads_leave_one_free(monkeypatch):
    make_decoders_faulty(monkeypatch)
    with decoders(2, seconds=1) as pool:
        waiting = [threading.Thread(target=refused, args=(pool,)) for _ in range(2)]
        for each in waiting:
            each.start()
        time.sleep(0.2)
        assert (pool.uploads, pool.upload_bytes) == (2, 10)
        for _ in range(5):  # beside a large one that is stuck, and another one that waits for it
            assert_answers(pool)
        assert len(pool.numbers) == 1
        for each in waiting:
            each.join()
        assert pool.failures == {"stuck": 2}


def refused(pool):
    with pytest.raises(DecoderUnavailable):
        ask(pool, b"sleep", large=True)


def test_memory_that_an_upload_may_not_have_is_refused_to_its_decoder_alone(monkeypatch):
    make_decoders_faulty(monkeypatch)
    with decoders(memory=50_000_000) as pool:
        answer = ask(pool, b"memory")
        assert (answer.kind, answer.words) == (messages.NO_MEMORY, {})
        (number,) = pool.numbers
        assert_answers(pool)
        assert pool.numbers == [number]


def test_a_mistake_of_ours_in_a_decoder_is_told_with_its_trace(monkeypatch):
    make_decoders_faulty(monkeypatch)
    with decoders() as pool:
        answer = ask(pool, b"raise")
        assert answer.kind == messages.FAILED
        assert "KeyError: 'a mistake of ours'" in answer.words["trace"]
        assert_answers(pool)
