import numpy as np
import pytest

from app.decoding import child, messages
from tests.app.decoding.asking import LEVELS, PNG, WORDS


def answered(data, **words):
    asked = messages.Message(messages.ASK, WORDS | {"files": [("file", len(data))]} | words, bytearray(data))
    kind, words, contents = child._answer(asked)
    assert asked.content == b""  # nothing of an upload is held while its answer is sent
    return kind, words, b"".join(contents)


def test_pixels_are_told_with_their_notes():
    assert answered(PNG) == (messages.DONE, {"notes": [()]}, LEVELS.tobytes())
    assert answered(PNG, task="seen") == (messages.DONE, {}, b"\1" * 784)
    assert answered(PNG, task="masks")[2] == (LEVELS < 128).tobytes()
    frames = np.dstack([LEVELS] * 3 + [np.full_like(LEVELS, 255)])
    assert answered(PNG, task="frames") == (messages.DONE, {"shape": (1, 28, 28, 4)}, frames.tobytes())


def test_a_refusal_is_told_part_by_part():
    kind, words, content = answered(b"")
    assert (kind, content) == (messages.REFUSED, b"")
    assert words == {
        "error": "UploadError",
        "faults": [["file", "an image", "an empty file", "Send the file's content.", "empty_file"]],
    }


@pytest.mark.parametrize(("error", "kind"), [(MemoryError, b"M"), (KeyError, b"F"), (RecursionError, b"F")])
def test_whatever_else_happens_has_an_answer(monkeypatch, error, kind):
    def fail(*given, **named):
        raise error

    monkeypatch.setattr(child.uploads, "read_uploads", fail)
    found, words, _ = answered(PNG)
    assert bytes([found]) == kind
    assert (error.__name__ in words.get("trace", "")) == (kind == b"F")


def test_address_space_is_counted_from_what_is_taken():
    assert 10_000_000 < child._address_space() < 1 << 45
