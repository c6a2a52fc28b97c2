import pytest

from training.data.names import MAX_CHARACTERS, class_name, cut, shown, text_of


@pytest.mark.parametrize(
    ("name", "text"),
    [
        (b"caf\xe9", r"caf\xe9"),  # Latin-1 in an array
        ("caf\udce9", r"caf\xe9"),  # the same as a file's name
        ("\udcc3\udc89", "\u00c9"),  # UTF-8, where the locale says ASCII
        (b"\xc3\x89", "\u00c9"),
        ("\ud800x", r"\ud800x"),  # no bytes at all
    ],
)
def test_bytes_that_are_no_text_become_their_escapes(name, text):
    assert text_of(name) == text
    assert text_of(name).encode().decode() == text


@pytest.mark.parametrize(
    ("name", "read"),
    [
        ("E\u0301te\u0301", "\u00c9t\u00e9"),
        ("two  words\n", "two words"),
        ("no\u00a0break\u3000wide", "no break wide"),
        ("cats\u200f", "cats"),
        ("\u202egpj.exe", "gpj.exe"),
        ("\ufeffbom", "bom"),
        ("bell\x07\x1b[31m", r"bell\x07\x1b[31m"),
        (
            "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645",
            "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645",
        ),
        ("\U0001f469\u200d\U0001f680", "\U0001f469\u200d\U0001f680"),
        ("", "(blank)"),
        ("\u200b \u200b", "(blank)"),
        ("001", "001"),
    ],
)
def test_a_class_is_called_what_is_seen_of_its_name(name, read):
    assert class_name(name) == read
    assert class_name(read) == read


def test_a_long_name_is_cut_to_what_a_label_may_have_and_stays_another_than_its_neighbours():
    long, other = "\u00e9" * 120 + "a", "\u00e9" * 120 + "b"
    assert len(class_name(long)) == len(class_name(other)) == MAX_CHARACTERS
    assert class_name(long) != class_name(other)
    assert class_name(class_name(long)) == class_name(long)
    assert class_name("x" * MAX_CHARACTERS) == "x" * MAX_CHARACTERS


def test_a_path_is_shown_in_one_line_that_no_terminal_obeys():
    assert shown("a\nb/\x1b[2J\u202ec/caf\udce9") == r"a\nb/\x1b[2J\u202ec/caf\xe9"
    assert shown("\u00c9t\u00e9/a b.png") == "\u00c9t\u00e9/a b.png"
    assert len(shown("x" * 5000)) == 5000
    assert cut("a" * 5000 + "/b.png") == "a" * 100 + "..." + "a" * 94 + "/b.png"


def test_marks_that_nobody_sees_keep_no_letter_from_being_composed():
    assert class_name("e\u200b\u0301") == "\u00e9"
    assert class_name("cat\u200d") == class_name("cat") == "cat"
