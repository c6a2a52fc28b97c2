import hashlib
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.explore.seeds import MAX_WORD_CHARACTERS, check_seed, read_seed, read_whole
from tests.app.explore.asking import faults


@given(st.integers(-(10**100) + 1, 10**100 - 1))
def test_a_whole_number_is_itself(number):
    assert read_seed(str(number)) == number


def test_zeros_in_front_of_a_number_change_nothing():
    assert read_seed("007") == read_seed("7") == 7


@pytest.mark.parametrize(
    ("word", "seed"),
    [
        ("tulip", 3744287162613761),
        ("Tulip", 372979821576115),
        ("red tulip", 6410605576908441),
        ("\u00e9t\u00e9", 6649990416065918),
        ("\U0001f337", 2474488596405489),
    ],
    ids=ascii,
)
def test_a_word_stands_for_its_number_for_good(word, seed):
    """Addresses hang on it: the numbers are written here once, and were computed by `sha256sum`."""
    assert read_seed(word) == seed


@given(
    st.text("abcdefghijklmnopqrstuvwxyz\u00e4\u0416\u6f22 ", min_size=1, max_size=64).filter(
        lambda t: t.strip()
    )
)
def test_a_word_is_the_upper_53_bits_of_its_sha_256(word):
    digest = hashlib.sha256(" ".join(word.split()).encode()).hexdigest()
    try:
        float(word)
    except ValueError:
        assert read_seed(word) == int(digest, 16) >> (256 - 53) < 2**53


@pytest.mark.parametrize("word", ["\u00c5ngstr\u00f6m", "caf\u00e9 cr\u00e8me", "\ud55c\uad6d"], ids=ascii)
def test_a_word_is_the_same_from_whatever_keyboard(word):
    forms = {unicodedata.normalize(form, word) for form in ("NFC", "NFD")}
    assert len(forms) == 2
    variants = [*forms, f"  {word}\u00a0", word.replace(" ", "   "), f"\u200f{word}", f"{word}\ufeff"]
    assert {read_seed(each) for each in variants} == {read_seed(word)}


def test_words_that_differ_in_case_differ():
    assert len({read_seed(word) for word in ("tulip", "Tulip", "TULIP")}) == 3


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "\u200b",
        "\u200d",
        "\u200f \u2060",
        "1.5",
        "21.0",
        "1e2",
        "+5",
        "1,5",
        ".5",
        "1_000",
        "0x15",
        "0b1",
        "-0o7",
        "nan",
        "NaN",
        "inf",
        "-infinity",
        "\u0662\u0661",
        "\uff12\uff11",
        "a\x00b",
        "a\tb",
        "tulip\n",
        "\x7f",
        "a\udc80",
        "\ufffd",
        "a\ue000",
        "a\U000e0fff",
        "x" * 65,
        "e\u0301" * 65,
        "\u200b" * 300 + "x",
    ],
    ids=ascii,
)
def test_what_is_another_kind_of_number_or_no_word_is_refused(text):
    with pytest.raises(ValueError):  # noqa: PT011  it is told by who calls, with the parameter's name
        read_seed(text)


@pytest.mark.parametrize(
    "word",
    ["x" * 64, "e\u0301" * 64, "\u200f" + "x" * 64, "\U0001f468\u200d\U0001f469\u200d\U0001f467"],
    ids=ascii,
)
def test_the_length_of_a_word_is_that_of_what_is_read(word):
    assert 0 <= read_seed(word) < 2**53
    assert MAX_WORD_CHARACTERS == 64


@given(st.text())
def test_any_text_is_a_number_a_word_or_refused(text):
    try:
        seed = read_seed(text)
    except ValueError:
        return
    assert 0 <= seed < 2**53 or str(abs(seed)) == text.lstrip("-").lstrip("0")


@pytest.mark.parametrize("seed", [-1, 2**63])
def test_a_number_beyond_63_bits_is_refused_by_name(seed):
    fault = faults(check_seed, seed)
    assert (fault.parameter, fault.expected, fault.received) == ("seed", "0..2^63-1", str(seed))


@pytest.mark.parametrize("seed", [0, 2**63 - 1])
def test_a_number_of_63_bits_is_a_seed(seed):
    check_seed(seed)


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("-" + "0" * 5000 + "7", -7),
        ("-0", 0),
        ("9" * 101, 10**100 - 1),
        ("-1" + "0" * 9000, -(10**99)),
        *((text, None) for text in ("", "-", "--1", "+1", "1 ", "1\n", "1.0", "\u0662", "tulip")),
    ],
    ids=lambda value: ascii(value)[:12],
)
def test_of_a_number_of_more_than_100_digits_the_first_are_read(text, number):
    assert read_whole(text) == number
