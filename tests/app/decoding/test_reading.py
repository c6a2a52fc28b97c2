import base64
import functools
import json

import numpy as np
import pytest
from PIL import Image

from app.decoding import messages, reading
from app.decoding.pool import Pool
from app.errors import DecoderUnavailable, UndecodableUpload, UploadError
from app.main import create_app
from app.settings import Settings
from tests.app.decoding.asking import LEVELS, PNG, make_decoders_faulty
from tests.conftest import Client
from tests.fakes import open_fake, png_bytes
from tests.picture_files import encoded, gif_in_part, jpeg_and_png, lossless_jpeg, webp_in_part

APART = Settings()
HERE = Settings(decode="thread")
COLOURS = np.stack([LEVELS, LEVELS.T, 255 - LEVELS], axis=-1)


def turned(orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    return encoded(Image.fromarray(COLOURS[:20]), "JPEG", exif=exif, quality=95)


def holed(kind):
    opacity = np.where(LEVELS < 100, 0, 255).astype(np.uint8)
    return encoded(Image.fromarray(np.dstack([COLOURS, opacity])), kind, lossless=True)


PICTURES = {
    "PNG": PNG,
    "PNG of colours": png_bytes(COLOURS),
    "PNG of 16 bits": encoded(Image.fromarray(LEVELS.astype(np.uint16) * 257)),
    "PNG of 1 bit": encoded(Image.fromarray(LEVELS).convert("1")),
    "PNG with a palette": encoded(Image.fromarray(COLOURS).quantize(16)),
    "PNG with holes": holed("PNG"),
    "WebP with holes": holed("WEBP"),
    "WebP": encoded(Image.fromarray(COLOURS), "WEBP"),
    "WebP in part": webp_in_part((40, 40), Image.fromarray(COLOURS), (2, 4)),
    "GIF": encoded(Image.fromarray(LEVELS), "GIF"),
    "GIF in part": gif_in_part((40, 40), Image.fromarray(COLOURS).quantize(16), (3, 5), transparent=1),
    "GIF of two frames": encoded(
        Image.fromarray(LEVELS), "GIF", save_all=True, append_images=[Image.fromarray(LEVELS.T)]
    ),
    "BMP": encoded(Image.fromarray(COLOURS), "BMP"),
    "JPEG, progressive": encoded(Image.fromarray(COLOURS), "JPEG", progressive=True),
    "JPEG, lossless": lossless_jpeg(LEVELS),
    "JPEG, CMYK": encoded(Image.fromarray(COLOURS).convert("CMYK"), "JPEG"),
    "JPEG, large": jpeg_and_png(3, longest=900)[0],
    **{f"JPEG, orientation {each}": turned(each) for each in range(1, 9)},
}


@pytest.mark.parametrize("data", PICTURES.values(), ids=PICTURES)
@pytest.mark.parametrize("shape", [(28, 28), (20, 32, 3)], ids=["grey", "colour"])
def test_a_picture_is_the_same_wherever_it_is_decoded(data, shape):
    files = [("file[0]", data), ("file[1]", PNG)]
    there, here = (reading.read_uploads(files, shape, "auto", each, "dark") for each in (APART, HERE))
    assert [(each.name, each.notes) for each in there] == [(each.name, each.notes) for each in here]
    for one, other in zip(there, here, strict=True):
        assert one.pixels.shape == shape
        assert np.array_equal(one.pixels, other.pixels)


@pytest.mark.parametrize("data", [holed("PNG"), holed("WEBP"), PNG], ids=["PNG", "WebP", "opaque"])
def test_masks_holes_and_frames_are_the_same_wherever_they_are_read(data):
    files = [("file", data)]
    for read in (reading.read_seen, reading.read_masks):
        there, here = (read(files, (20, 30), each) for each in (APART, HERE))
        assert there[0].dtype == here[0].dtype == bool
        assert np.array_equal(there, here)
    there, here = (reading.read_uploads(files, (9, 9), "no", each, on_white=False) for each in (APART, HERE))
    assert np.array_equal(there[0].pixels, here[0].pixels)
    there, here = (reading.read_frames(data, "file", each) for each in (APART, HERE))
    assert there.shape == (1, 28, 28, 4)
    assert np.array_equal(there, here)


BOMB = png_bytes(np.zeros((4, 4), np.uint8)).replace(b"\0\0\0\4\0\0\0\4", b"\0\0\x36\xb0\0\0\x36\xb0")
REFUSED = {
    "empty": b"",
    "no picture": b"%PDF-1.7",
    "base64": base64.b64encode(PNG),
    "cut off": PNG[:60],
    "broken": PNG.replace(b"IDAT", b"IDAt"),
    "12-bit JPEG": turned(1).replace(b"\xff\xc0\0\x11\x08", b"\xff\xc0\0\x11\x0c"),
    "too narrow": png_bytes(np.zeros((1, 400), np.uint8)),
    "too large": BOMB,
    "many scans": turned(1)[:-2] + b"\xff\xda\x00\x08\x01" * 200 + b"\xff\xd9",
    "many chunks": PNG[:33] + b"\0\0\0\0abcd\0\0\0\0" * 100_001 + PNG[33:],
}


@pytest.mark.parametrize("data", REFUSED.values(), ids=REFUSED)
def test_a_refusal_is_the_same_byte_for_byte_wherever_it_is_made(data):
    def refusal(limits):
        with pytest.raises(UploadError) as caught:
            reading.read_uploads([("file[3]", data)], (28, 28), "no", limits)
        return type(caught.value), caught.value.status, caught.value.as_json("/reconstruct", "abc")

    assert refusal(APART) == refusal(HERE)


def test_the_refusal_of_frames_passes_too():
    with pytest.raises(UploadError) as caught:
        reading.read_frames(PNG[:60], "file", APART)
    assert caught.value.faults[0].code == "image_corrupt"


def test_no_decoder_is_started_where_threads_of_the_service_decode(monkeypatch):
    monkeypatch.setattr(Pool, "ask", None)
    assert np.array_equal(reading.read_uploads([("f", PNG)], (28, 28), "no", HERE)[0].pixels, LEVELS)


@pytest.mark.parametrize(
    "words",
    [
        {"error": "SystemExit", "faults": []},
        {"error": "UploadError", "faults": 3},
        {"error": "UploadError", "faults": [["too", "few"]]},
        {"error": ["UploadError"], "faults": []},
        {},
    ],
)
def test_a_refusal_that_is_none_of_ours_is_not_believed(monkeypatch, words):
    assert_not_believed(monkeypatch, messages.Message(messages.REFUSED, words, bytearray()))


@pytest.mark.parametrize(
    "message",
    [
        messages.Message(messages.DONE, {"notes": [[]]}, bytearray(783)),
        messages.Message(messages.DONE, {"notes": []}, bytearray(784)),
        messages.Message(messages.DONE, {"notes": [7]}, bytearray(784)),
        messages.Message(messages.DONE, {"notes": ["text"]}, bytearray(784)),
        messages.Message(messages.DONE, {"notes": [[7]]}, bytearray(784)),
        messages.Message(messages.DONE, {"notes": [["a note\r\nset-cookie: a=b"]]}, bytearray(784)),
        messages.Message(messages.DONE, {"notes": [["\u4e00"]]}, bytearray(784)),
        messages.Message(messages.DONE, {}, bytearray(784)),
    ],
)
def test_an_answer_of_another_size_or_with_other_notes_is_not_believed(monkeypatch, message):
    assert_not_believed(monkeypatch, message)


def assert_not_believed(monkeypatch, message):
    monkeypatch.setattr(Pool, "ask", lambda *_: message)
    with pytest.raises(DecoderUnavailable, match="gave an answer that is none"):
        reading.read_uploads([("f", PNG)], (28, 28), "no", APART)


@pytest.mark.parametrize(
    "shape", [None, [1, 2, 3], [1, 28, 28, 3], [-1, -28, 28, 4], [1, 28.0, 28, 4], [2, 28, 28, 4]]
)
def test_frames_of_another_shape_than_their_bytes_are_not_believed(monkeypatch, shape):
    answer = messages.Message(messages.DONE, {"shape": shape}, bytearray(28 * 28 * 4))
    monkeypatch.setattr(Pool, "ask", lambda *_: answer)
    with pytest.raises(DecoderUnavailable):
        reading.read_frames(PNG, "f", APART)


def test_what_a_decoder_may_take_follows_from_what_may_be_uploaded():
    small = Settings(max_upload_pixels=1_000_000, max_upload_bytes=1_000_000, decode_seconds=3)
    allowance = reading.pool_of(small)._allowance
    assert allowance.memory == 28_000_000 + 4_000_000 + 67_108_864
    assert allowance.seconds == 3
    assert reading.pool_of(small) is reading.pool_of(small)


@pytest.mark.parametrize(
    ("data", "large"),
    [
        (PNG, False),
        (PNG + bytes(300_000), True),
        (encoded(Image.new("1", (2000, 2000))), True),
        (encoded(Image.new("P", (2000, 2000)), "GIF"), True),
        (gif_in_part((9, 9), Image.new("P", (2000, 2000)), (0, 0)), True),
        (encoded(Image.new("L", (2000, 2000)), "WEBP", lossless=True), True),
        (encoded(Image.new("L", (2000, 2000)), "WEBP"), True),
    ],
)
def test_large_uploads_are_those_of_many_bytes_or_many_announced_pixels(monkeypatch, data, large):
    seen = []

    def ask(pool, words, files, large, most):
        seen.append(large)
        return messages.Message(messages.DONE, {"notes": [[]]}, bytearray(784))

    monkeypatch.setattr(Pool, "ask", ask)
    reading.read_uploads([("f", data)], (28, 28), "no", APART)
    assert seen == [large]


def test_the_size_of_files_that_announce_many_pixels_is_that_of_files_that_take_as_long():
    flat = encoded(Image.new("1", (5000, 5000)))
    assert len(flat) < reading.LARGE_BYTES
    assert reading.size_of([("f", flat)]) == 3_276_800
    assert reading.size_of([("f", flat), ("g", flat)]) == 2 * 3_276_800
    assert reading.size_of([("f", PNG), ("g", bytes(300_000))]) == len(PNG) + 300_000
    assert reading.size_of([("f", BOMB)]) <= reading.MOST_PIXELS


@pytest.fixture
def faulty(monkeypatch, client):
    """A service whose decoders have faults."""
    make_decoders_faulty(monkeypatch)
    monkeypatch.setattr(reading, "_pool", functools.cache(Pool))
    reading.count_by(client.app.service.settings, client.app.service.metrics)
    yield client
    reading.end(client.app.service.settings)


def test_a_crash_of_a_decoder_is_answered_and_samples_go_on(faulty):
    answer = faulty.post("/reconstruct", content=b"crash", headers={"content-type": "image/png"})
    assert answer.status_code == 422
    problem = answer.json()
    assert problem["type"] == "/problems/undecodable-upload"
    assert [each["code"] for each in problem["errors"]] == ["decoder_crashed"]
    assert problem["errors"][0]["remedy"].startswith("Open the picture in another program")
    assert faulty.get("/samples?seed=1&n=1").status_code == 200
    assert faulty.post("/reconstruct", content=PNG, headers={"content-type": "image/png"}).status_code == 200
    told = faulty.get("/metrics").text.splitlines()
    assert 'vitrine_decoder_failures_total{reason="crash"} 1.0' in told
    assert "vitrine_uploads_in_progress 0.0" in told


def test_uploads_that_are_being_decoded_are_told_with_their_size_while_that_lasts(client):
    settings, seen = client.app.service.settings, []
    pool = reading.pool_of(settings)
    take = pool._take

    def take_and_look():
        seen.extend(client.app.service.metrics.exposition()[0].decode().splitlines())
        return take()

    pool._take = take_and_look
    try:
        answer = client.post("/reconstruct", content=PNG, headers={"content-type": "image/png"})
    finally:
        del pool._take
    assert answer.status_code == 200
    assert "vitrine_uploads_in_progress 1.0" in seen
    assert f"vitrine_uploads_in_progress_bytes {len(PNG):.1f}" in seen
    told = client.get("/metrics").text.splitlines()
    assert "vitrine_uploads_in_progress 0.0" in told
    assert "vitrine_uploads_in_progress_bytes 0.0" in told


def test_a_decoder_that_the_system_ended_is_answered_with_a_time_to_try_again(faulty):
    answer = faulty.post("/encode", content=b"kill", headers={"content-type": "image/png"})
    assert answer.status_code == 503
    assert answer.headers["retry-after"] == "2"
    assert answer.json()["type"] == "/problems/decoder-unavailable"


def test_a_mistake_of_ours_in_a_decoder_shows_nothing_of_itself_to_the_client(faulty, caplog):
    answer = faulty.post("/reconstruct", content=b"raise", headers={"content-type": "image/png"})
    assert answer.status_code == 500
    assert "KeyError" not in json.dumps(answer.json())
    assert "KeyError: 'a mistake of ours'" in caplog.text


def test_a_decoder_without_memory_for_a_picture_says_so(monkeypatch):
    answer = messages.Message(messages.NO_MEMORY, {}, bytearray())
    monkeypatch.setattr(Pool, "ask", lambda *_: answer)
    with pytest.raises(UndecodableUpload) as caught:
        reading.read_uploads([("file", PNG)], (28, 28), "no", APART)
    assert caught.value.faults[0].code == "decoder_memory"


def test_the_decoders_end_with_the_service(settings):
    client = Client(create_app(settings, open_fake))
    assert client.post("/reconstruct", content=PNG, headers={"content-type": "image/png"}).status_code == 200
    pool = reading.pool_of(client.app.service.settings)
    assert len(pool.numbers) == 1
    client.close()
    assert pool.numbers == []
