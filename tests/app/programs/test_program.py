import pytest

from app.programs.program import printable


@pytest.mark.parametrize(
    ("name", "shown"),
    [(b"ReadFile", "ReadFile"), (b"\xff\n", "\\\\xff\\n"), (b"x" * 300, "x" * 100), (b"", "")],
)
def test_a_name_that_is_not_trusted_is_shown_in_a_line_of_ascii(name, shown):
    assert printable(name) == shown
