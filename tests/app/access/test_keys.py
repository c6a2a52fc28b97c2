import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.access import keys
from app.access.files import AccessError
from app.access.keys import Key, parse, parse_line

HEX = "ab" * 32


def test_a_new_key_has_256_random_bits_and_the_file_its_hash_alone():
    (secret, key), (other, _) = keys.new("press"), keys.new("press")
    assert secret != other
    assert len(secret) == len("vitrine_") + 43  # 32 bytes in base64, without padding
    assert key.digest == hashlib.sha256(secret.encode()).digest()
    assert key.line == f"press sha256:{hashlib.sha256(secret.encode()).hexdigest()}"
    assert secret.removeprefix("vitrine_") not in key.line


@given(
    st.from_regex(r"\A[A-Za-z0-9][A-Za-z0-9._-]{0,63}\Z"),
    st.none() | st.integers(1, 999_999_999),
    st.lists(st.from_regex(r"\A[a-z0-9][a-z0-9._-]{0,9}\Z"), max_size=4),
)
def test_what_is_written_of_a_key_is_read_again(name, images, models):
    _, key = keys.new(name, images, models)
    assert parse_line(key.line) == key


def test_a_file_has_a_key_a_line_between_comments():
    text = f"# of the press\n\npress sha256:{HEX} models=b,a images-per-minute=60\n  all sha256:{'cd' * 32}\n"
    press, everybody = parse(text)
    assert press == Key("press", bytes.fromhex(HEX), 60, frozenset({"a", "b"}))
    assert everybody == Key("all", bytes.fromhex("cd" * 32), None, None)


@pytest.mark.parametrize(
    "line",
    [
        "press",
        "sha256:" + HEX,
        f"press sha1:{HEX}",
        f"press sha256:{HEX[:-1]}",
        f"press sha256:{HEX.upper()}",
        f"press sha256:{HEX} images-per-minute=0",
        f"press sha256:{HEX} images-per-minute=many",
        f"press sha256:{HEX} images-per-minute=1 images-per-minute=2",
        f"press sha256:{HEX} models=",
        f"press sha256:{HEX} models=A",
        f"press sha256:{HEX} colour=red",
        f"two words sha256:{HEX}",
    ],
)
def test_a_line_that_is_no_key_is_refused_by_its_number_and_not_repeated(line):
    with pytest.raises(AccessError, match=r"^line 2: expected ") as refusal:
        parse(f"first sha256:{'cd' * 32}\n{line}")
    assert HEX[:8] not in str(refusal.value)


def test_a_key_in_the_place_of_its_hash_is_not_repeated():
    secret, _ = keys.new("press")
    with pytest.raises(AccessError) as refusal:
        parse(f"press {secret}")
    assert secret[8:] not in str(refusal.value)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (f"a sha256:{HEX}\na sha256:{'cd' * 32}", "line 2: the name a is there already"),
        (f"a sha256:{HEX}\nb sha256:{HEX}", "line 2: the key of b is there already"),
        ("# nobody yet\n", "has no key; make one: vitrine keys new NAME"),
        ("", "has no key; make one: vitrine keys new NAME"),
    ],
)
def test_a_file_in_which_keys_cannot_be_told_apart_is_refused(text, reason):
    with pytest.raises(AccessError) as refusal:
        parse(text)
    assert str(refusal.value) == reason


@pytest.mark.parametrize("name", ["", "two words", "é", "x" * 65, "#press"])
def test_a_name_that_the_file_could_not_hold_gets_no_key(name):
    with pytest.raises(AccessError):
        keys.new(name)


def test_a_key_is_found_by_itself_and_by_nothing_near_it():
    made = [keys.new(f"k{number}") for number in range(5)]
    known = [key for _, key in made]
    for secret, key in made:
        presented = secret.encode()
        assert keys.find(known, presented) is key
        for wrong in (presented[:-1], presented + b"x", presented.swapcase(), key.digest, key.line.encode()):
            assert keys.find(known, wrong) is None
    assert keys.find(known, b"") is None
    assert keys.find(known, bytes(10_000)) is None


def test_every_digest_is_compared_to_its_end_whichever_it_is(monkeypatch):
    compared = []
    monkeypatch.setattr(keys.hmac, "compare_digest", lambda a, b: compared.append(a) or a == b)
    made = [keys.new(f"k{number}") for number in range(3)]
    known = [key for _, key in made]
    for presented in (made[0][0], made[2][0], "none of them"):
        compared.clear()
        keys.find(known, presented.encode())
        assert compared == [key.digest for key in known]


@pytest.mark.parametrize(
    ("name", "models", "reason"),
    [
        ("bad name", [], "a name begins with a letter or digit, and has up to 64 of these"),
        ("press", ["fashion", "BAD"], "--model 'BAD': expected a model's name"),
        ("press", ["a,b"], "--model 'a,b': expected a model's name"),
    ],
)
def test_a_new_key_whose_line_could_not_be_read_is_refused_by_what_is_wrong(name, models, reason):
    with pytest.raises(AccessError) as refusal:
        keys.new(name, None, models)
    assert str(refusal.value).startswith(reason)
