import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.errors import MalformedUpload, UploadError
from app.http.uploads import Part, parse_form

TYPE = "multipart/form-data; boundary=frontier"


def body(*parts):
    return (
        b"".join(b"--frontier\r\n" + head + b"\r\n\r\n" + data + b"\r\n" for head, data in parts)
        + b"--frontier--\r\n"
    )


FILE = b'Content-Disposition: form-data; name="file"; filename="a.png"'
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
        (body((FILE, b"")) + b"more", "text after the closing boundary"),
        (body((FILE, b"")) + body((FILE, b"")), "text after the closing boundary"),
        (b"--frontier\r\n" + FILE + b"\r\n\r\nDATA--frontier--", "no closing boundary"),
        (body((FILE + b";" * 51, b"x")), "more than 50 options"),
        (body((b"Content-Type: image/png", b"x")), "without a name"),
        (body((b'Content-Disposition: attachment; name="file"', b"x")), "without a name"),
        (body(*[(FIELD, b"x")] * 17), "more than 16 fields"),
        (body((FIELD, b"x" * 1025)), "more than 1024 bytes"),
    ],
)
def test_what_breaks_the_rules_is_refused_with_the_rule(content, reason):
    with pytest.raises(MalformedUpload, match=reason):
        parse_form(content, TYPE, max_files=2)


def test_too_many_files_are_refused_with_the_limit():
    with pytest.raises(UploadError, match="VITRINE_MAX_UPLOAD_IMAGES") as caught:
        parse_form(body((FILE, b"x"), (FILE, b"y"), (FILE, b"z")), TYPE, max_files=2)
    assert (caught.value.status, caught.value.faults[0].parameter) == (422, "file")


def test_an_empty_form_has_no_parts():
    assert parse_form(b"--frontier--\r\n", TYPE, max_files=1) == []


def test_a_content_type_without_a_boundary_is_refused():
    with pytest.raises(MalformedUpload, match="no boundary"):
        parse_form(body(), "multipart/form-data", max_files=1)
