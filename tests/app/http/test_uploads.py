import asyncio
import base64
import contextlib
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.requests import Request

from app.errors import MalformedUpload, UnsupportedUpload, UploadError
from app.http.uploads import Part, parse_form, read_json, read_masked
from app.settings import Settings

TYPE = "multipart/form-data; boundary=frontier"


def body(*parts):
    return (
        b"".join(b"--frontier\r\n" + head + b"\r\n\r\n" + data + b"\r\n" for head, data in parts)
        + b"--frontier--\r\n"
    )


FILE = b'Content-Disposition: form-data; name="file"; filename="a.png"'
EMPTY = b'Content-Disposition: form-data; name="file"; filename=""'
FIELD = b'Content-Disposition: form-data; name="note"'


@given(st.lists(st.tuples(st.booleans(), st.binary(max_size=200)), max_size=8))
def test_parts_come_back_in_their_order_byte_for_byte(contents):
    contents = [(is_file, data.replace(b"--frontier", b"")) for is_file, data in contents]
    found = parse_form(body(*[(FILE if f else FIELD, data) for f, data in contents]), TYPE, max_files=9)
    assert found == [Part("file" if f else "note", f, data) for f, data in contents]


@given(st.binary(max_size=400))
def test_any_bytes_parse_or_are_refused(noise):
    with contextlib.suppress(MalformedUpload):  # any other error is a failure
        parts = parse_form(b"--frontier\r\n" + noise + b"\r\n--frontier--", TYPE, max_files=2)
        assert all(part.name for part in parts)


def test_every_prefix_of_a_form_is_refused():
    whole = body((FILE, b"content"), (FIELD, b"text")).rstrip()
    for length in range(len(whole)):
        with pytest.raises(MalformedUpload):
            parse_form(whole[:length], TYPE, max_files=2)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (body((FILE, b"")).rstrip() + b"more", "text in the line of the closing boundary"),
        (body((FILE, b"")) + body((FILE, b"")), "a boundary after the closing boundary"),
        (body((FILE, b"")) + b"x" * 4097, "more than 4096 bytes after the closing boundary"),
        (b"--frontier\r\n" + FILE + b"\r\n\r\nDATA--frontier--", "no closing boundary"),
        (body((FILE + b";" * 51, b"x")), "more than 50 options"),
        (body((b"Content-Type: image/png", b"x")), "without a name"),
        (body((b'Content-Disposition: attachment; name="file"', b"x")), "without a name"),
        (body(*[(FIELD, b"x")] * 17), "more than 16 fields"),
        (body((FIELD, b"x" * 1025)), "more than 1024 bytes"),
        (b"x" * 4097 + b"\r\n" + body((FILE, b"x")), "no boundary within the first 4096 bytes"),
        (b"no end of line" + body((FILE, b"x")), "a first boundary that does not begin a line"),
        (body(*[(EMPTY, b"")] * 17), "more than 16 fields"),
    ],
)
def test_what_breaks_the_rules_is_refused_with_the_rule(content, reason):
    with pytest.raises(MalformedUpload, match=reason):
        parse_form(content, TYPE, max_files=2)


@pytest.mark.parametrize(
    ("files", "masks", "refused"), [(2, 2, False), (2, 0, False), (3, 0, True), (4, 0, True), (2, 3, True)]
)
def test_masks_beside_them_let_no_more_images_in_than_the_limit(files, masks, refused):
    mask = b'Content-Disposition: form-data; name="mask"; filename="m.png"'
    content = body(*[(FILE, b"image")] * files, *[(mask, b"mask")] * masks)

    async def receive():
        return {"type": "http.request", "body": content, "more_body": False}

    request = Request({"type": "http", "headers": [(b"content-type", TYPE.encode())]}, receive)
    reading = read_masked(request, Settings(max_upload_images=2))
    if refused:
        with pytest.raises(UploadError, match="at most 2 images") as caught:
            asyncio.run(reading)
        assert [fault.code for fault in caught.value.faults] == ["too_many_files"]
    else:
        images, hidden = asyncio.run(reading)
        assert (len(images), len(hidden)) == (files, masks)


def test_too_many_files_are_refused_with_the_limit():
    with pytest.raises(UploadError, match="VITRINE_MAX_UPLOAD_IMAGES") as caught:
        parse_form(body((FILE, b"x"), (FILE, b"y"), (FILE, b"z")), TYPE, max_files=2)
    assert (caught.value.status, caught.value.faults[0].parameter) == (422, "file")


def test_an_empty_form_has_no_parts():
    assert parse_form(b"--frontier--\r\n", TYPE, max_files=1) == []


def test_a_content_type_without_a_boundary_is_refused():
    with pytest.raises(MalformedUpload, match="no boundary"):
        parse_form(body(), "multipart/form-data", max_files=1)


@pytest.mark.parametrize(
    "preamble",
    [
        b"This is a multi-part message in MIME format.\r\n",
        b"\r\n",
        b"\n",
        b"lines\nthat end\nin their own way\n",
        b"a line -- with hyphens\r\n--front\r\n",
        b"x" * 4000 + b"\r\n",
    ],
)
def test_text_before_the_first_boundary_is_passed_over(preamble):
    found = parse_form(preamble + body((FILE, b"one"), (FILE, b"two")), TYPE, max_files=2)
    assert found == [Part("file", True, b"one"), Part("file", True, b"two")]


@pytest.mark.parametrize(
    "epilogue", [b"The end.", b"\r\n\r\n", b"-- lines\nof\r\nit\n", b"x" * 4096, b" " * 9999]
)
def test_text_after_the_closing_boundary_is_passed_over(epilogue):
    found = parse_form(body((FILE, b"one"), (FILE, b"two")) + epilogue, TYPE, max_files=2)
    assert found == [Part("file", True, b"one"), Part("file", True, b"two")]


@pytest.mark.parametrize(
    "options",
    [
        b"filename*=UTF-8''shirt.png",
        b"filename*=UTF-8''%e2%82%ac%20rates.png; size=3",
        b"FILENAME* = utf-8'en'a.png",
        b"filename*0=long; filename*1=name.png",
    ],
)
def test_a_name_in_the_extended_form_alone_makes_a_part_a_file(options):
    head = b'Content-Disposition: form-data; name="file"; ' + options
    assert parse_form(body((head, b"content")), TYPE, max_files=1) == [Part("file", True, b"content")]


@pytest.mark.parametrize("kind", [b"image/png", b"IMAGE/x-any; q=1"])
def test_a_part_whose_type_is_an_image_is_a_file_without_a_name(kind):
    head = b'Content-Disposition: form-data; name="file"\r\nContent-Type: ' + kind
    assert parse_form(body((head, b"content")), TYPE, max_files=1) == [Part("file", True, b"content")]
    with pytest.raises(UploadError, match="at most 1 images"):
        parse_form(body((head, b"one"), (head, b"two")), TYPE, max_files=1)


def test_a_part_whose_type_is_a_text_is_no_file():
    head = b'Content-Disposition: form-data; name="file"\r\nContent-Type: text/plain'
    assert not parse_form(body((head, b"content")), TYPE, max_files=1)[0].is_file


@pytest.mark.bad_input(72)
@pytest.mark.parametrize(
    ("text", "most"),
    [
        (b"[" + b",".join([b"1"] * 1_000_002) + b"]", "1000000 values"),
        (b"[" + b",".join([b"[1]"] * 30_000) + b"]", "30000 lists"),
        (b"[" + b",".join([b"{}"] * 30_001) + b"]", "30000 objects"),
        (b"[" * 10_000_000, "30000 lists"),
    ],
    ids=["values", "lists", "objects", "depth"],
)
def test_json_that_would_keep_everything_else_waiting_is_not_parsed(text, most):
    started = time.perf_counter()
    with pytest.raises(ValueError, match=f"more than {most}"):
        read_json(text)
    # To parse it takes up to a second. To count takes 10 ms, and ten times as long on a busy machine.
    assert time.perf_counter() - started < 0.2


@pytest.mark.parametrize(
    "text", [b"", b"NaN", b"[1e999, -Infinity]", b"[" * 300 + b"]" * 300, b'"\xff"', b"9" * 5000]
)
def test_what_is_no_json_is_refused(text):
    with pytest.raises(ValueError, match="line 1"):
        read_json(text)


def test_a_field_whose_name_holds_the_words_of_a_file_is_none():
    head = b'Content-Disposition: form-data; name="a; filename*=b"'
    assert not parse_form(body((head, b"text")), TYPE, max_files=1)[0].is_file


def test_an_input_that_was_left_empty_is_no_file():
    parts = parse_form(body((EMPTY, b""), (FILE, b"x"), (EMPTY, b"y")), TYPE, max_files=2)
    assert [part.left_empty for part in parts] == [True, False, False]


def test_inputs_that_were_left_empty_do_not_count_as_files():
    assert len(parse_form(body(*[(EMPTY, b"")] * 16, (FILE, b"x")), TYPE, max_files=1)) == 17


@pytest.mark.parametrize(
    ("head", "content", "received"),
    [
        (FILE + b"\r\nContent-Transfer-Encoding: base64", base64.b64encode(b"GIF89a" * 40), "base64"),
        (FILE + b"\r\ncontent-transfer-encoding:  BASE64", b"R0lGODlh", "base64"),
        (FILE + b"\r\nContent-Transfer-Encoding: quoted-printable", b"=89PNG=0D=0A", "quoted-printable"),
        (
            b'Content-Disposition: form-data; name="file"',
            b"data:image/png;base64,iVBORw0KGgo" * 99,
            "a data: URL",
        ),
        (b'Content-Disposition: form-data; name="file"', base64.b64encode(b"GIF89a" * 999), "base64 text"),
    ],
)
def test_a_picture_that_was_made_into_text_is_to_be_decoded_first(head, content, received):
    with pytest.raises(UnsupportedUpload, match="Decode it first") as caught:
        parse_form(body((head, content)), TYPE, max_files=1)
    fault = caught.value.faults[0]
    assert (fault.parameter, fault.code, fault.received) == ("file", "encoded_image", received)


@pytest.mark.parametrize("encoding", [b"binary", b"8bit", b"7bit", b"base64"])
def test_what_a_part_says_of_its_encoding_does_not_matter_if_it_is_a_picture(encoding):
    head = FILE + b"\r\nContent-Transfer-Encoding: " + encoding
    assert parse_form(body((head, b"GIF89a")), TYPE, max_files=1) == [Part("file", True, b"GIF89a")]
