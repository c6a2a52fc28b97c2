import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.programs.program import RefusedProgram
from app.programs.wire import VARINT, fields, varint
from tests import messages


def whole(data):
    return 0, len(data)


@given(st.lists(st.tuples(st.integers(1, (1 << 29) - 1), st.binary(max_size=300))))
def test_every_field_is_found_where_it_was_written(written):
    data = b"".join(messages.field(number, value) for number, value in written)
    found = [(number, data[start:end]) for number, start, end in fields(data, whole(data))]
    assert found == written


@given(st.integers(0, (1 << 64) - 1))
def test_a_whole_number_is_read_as_it_was_written(value):
    data = messages.field(3, value)
    ((number, start, end),) = fields(data, whole(data), VARINT)
    assert (number, varint(data, start, end)) == (3, (value, len(data)))


def test_numbers_of_fixed_width_are_passed_over():
    data = b"\x0d" + bytes(4) + b"\x11" + bytes(8) + messages.field(3, b"x")
    assert [number for number, _, _ in fields(data, whole(data))] == [3]


@pytest.mark.parametrize(
    "data",
    [
        b"\x0a",  # no length
        b"\x0a\x02x",  # longer than what is there
        b"\x08",  # no number
        b"\x0d\x00\x00",  # half a number
        b"\x0b\x0c",  # a group
        b"\x0e\x00",  # no such type
        b"\x02\x00",  # field 0
        b"\x8a\x00\x00",  # a number in more bytes than it needs
        b"\x08" + b"\xff" * 11,  # a number that does not end
        b"\x82\x80\x80\x80\x10\x00",  # field 2**29
    ],
    ids=lambda data: data[:4].hex(),
)
def test_what_no_writer_gives_is_refused(data):
    with pytest.raises(RefusedProgram, match="not a message"):
        list(fields(data, whole(data)))


@given(st.binary(max_size=200))
def test_no_bytes_end_in_another_error(data):
    with contextlib.suppress(RefusedProgram):
        for _, start, end in fields(data, whole(data)):
            assert 0 < start <= end <= len(data)
