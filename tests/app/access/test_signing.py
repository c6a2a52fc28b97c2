import base64
import hmac
import random
from urllib.parse import unquote, urlsplit

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from app.access import signing
from app.access.files import AccessError
from app.access.refusals import SignatureExpired, SignatureInvalid
from tests.access import SECRET

NOW = 1_800_000_000
WRITTEN = st.from_regex(
    r"\A/[a-z]{1,9}\?[a-z]{1,5}=[A-Za-z0-9,.:%-]{0,9}(&[a-z]{1,5}=[A-Za-z0-9,.:-]{0,9}){0,3}\Z"
)


def signed(address, seconds=60, secret=SECRET):
    found = urlsplit(address)
    query = signing.sign(secret, unquote(found.path), found.query, NOW + seconds)
    return f"{found.path}?{query}"


def check(address, secrets=(SECRET,), now=NOW):
    """The query that is left of a signed address, and the seconds that it is good for; or its refusal."""
    found = urlsplit(address)
    rest, signature = signing.lift(found.query.encode())
    if signature is None:
        raise SignatureInvalid
    return rest.decode(), signing.verify(secrets, unquote(found.path), rest, signature, now)


@given(WRITTEN)
def test_what_was_signed_is_let_in_as_it_was_asked_for(address):
    assert check(signed(address)) == (urlsplit(address).query, 60)


@pytest.mark.parametrize(
    "address", ["/samples", "/manifold/fake;x=0;y=1/full/max/0/default.png", "/samples?", "/caf%C3%A9"]
)
def test_an_address_without_a_query_can_be_signed(address):
    assert check(signed(address)) == ("", 60)


@given(WRITTEN, st.data())
def test_any_altered_byte_is_refused(address, data):
    whole = signed(address)
    at = data.draw(st.integers(0, len(whole) - 1))
    other = data.draw(st.characters(min_codepoint=0x21, max_codepoint=0x7E))
    assume(other != whole[at])
    altered = whole[:at] + other + whole[at + 1 :]
    with pytest.raises((SignatureInvalid, SignatureExpired)):
        check(altered)


def test_every_other_byte_at_every_place_of_one_address_is_refused():
    whole = signed("/samples?n=3&seed=tulip&model=fashion@8")
    for at in range(len(whole)):
        for code in range(0x21, 0x7F):
            if chr(code) != whole[at]:
                with pytest.raises((SignatureInvalid, SignatureExpired)):
                    check(whole[:at] + chr(code) + whole[at + 1 :])


@given(WRITTEN, st.randoms(use_true_random=False))
def test_the_order_of_parameters_does_not_matter(address, chance):
    path, _, query = signed(address).partition("?")
    parts = query.split("&")
    chance.shuffle(parts)
    assert check(f"{path}?{'&'.join(parts)}")[1] == 60


@given(WRITTEN, st.from_regex(r"\A[a-z]{1,5}=[a-z0-9]{0,5}\Z"))
def test_a_parameter_more_or_less_is_refused(address, more):
    whole = signed(address)
    with pytest.raises(SignatureInvalid):
        check(f"{whole}&{more}")
    path, _, query = whole.partition("?")
    parts = query.split("&")
    for at in range(len(parts)):
        with pytest.raises(SignatureInvalid):
            check(f"{path}?{'&'.join(parts[:at] + parts[at + 1 :])}")


def test_an_address_is_good_until_it_expires_and_for_no_longer():
    whole = signed("/samples?n=1", 60)
    assert check(whole, now=NOW + 59.5)[1] == 0
    with pytest.raises(SignatureExpired):
        check(whole, now=NOW + 60)
    with pytest.raises(SignatureInvalid):  # which is told apart: nobody learns when a forged one would expire
        check(whole.replace("n=1", "n=2"), now=NOW + 60)


def test_signatures_given_twice_are_none():
    whole = signed("/samples?n=1")
    signature = whole.rpartition("&")[2]
    for more in (signature, "signature=", f"expires={NOW + 60}"):
        with pytest.raises(SignatureInvalid):
            check(f"{whole}&{more}")


def test_a_time_that_is_no_number_is_refused_though_it_was_signed():
    rest, found = signing.lift(signed("/samples").partition("?")[2].encode())
    for expires in (b"", b"never", b"-1", b"9" * 13, b"1e12", "\u0663".encode()):
        forged = found._replace(
            expires=expires, signature=signing._signature(SECRET, "/samples", rest, expires)
        )
        with pytest.raises(SignatureInvalid):
            signing.verify([SECRET], "/samples", rest, forged, NOW)


def test_secrets_change_without_an_address_becoming_void():
    new = b"f" * 32
    old = signed("/samples?n=1")
    assert check(old, (new, SECRET)) == ("n=1", 60)
    assert check(signed("/samples?n=1", secret=new), (new, SECRET)) == ("n=1", 60)
    with pytest.raises(SignatureInvalid):
        check(old, (new,))


def test_every_secret_is_tried_to_the_end(monkeypatch):
    compared = []
    monkeypatch.setattr(signing.hmac, "compare_digest", lambda a, b: compared.append(a) or a == b)
    secrets = (SECRET, b"f" * 32, b"g" * 32)
    check(signed("/samples"), secrets)
    assert len(compared) == 3


def test_what_is_signed_already_is_not_signed_again():
    with pytest.raises(AccessError, match="already"):
        signed(signed("/samples"))


def test_a_file_has_secrets_of_32_bytes_at_least():
    assert signing.parse(f"{'a' * 32}\n\n  {'b' * 40}\n") == (b"a" * 32, b"b" * 40)
    with pytest.raises(AccessError, match=r"^secret 2 has 31 bytes, at least 32 are needed$"):
        signing.parse(f"{'a' * 32}\n{'b' * 31}\n")
    with pytest.raises(AccessError, match=r"^has no secret"):
        signing.parse("\n")


def test_paths_and_queries_cannot_be_mistaken_for_one_another():
    chance = random.Random(1)  # noqa: S311
    seen = {}
    for _ in range(2000):
        path = "/" + "".join(chance.choices("a\n&=", k=chance.randrange(4)))
        query = b"&".join(bytes(chance.choices(b"a=", k=2)) for _ in range(chance.randrange(3)))
        told = (path, tuple(sorted(query.split(b"&"))) if query else ())
        assert seen.setdefault(signing._signature(SECRET, path, query, b"1"), told) == told


def test_a_program_that_signs_as_the_page_says_is_believed():
    told = b"vitrine-address-1\n/samples\nexpires=1800000060&n=3&seed=tulip"
    signature = base64.urlsafe_b64encode(hmac.new(SECRET, told, "sha256").digest()).decode().rstrip("=")
    address = f"/samples?seed=tulip&n=3&expires=1800000060&signature={signature}"
    assert check(address) == ("seed=tulip&n=3", 60)
