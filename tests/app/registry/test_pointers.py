import json

import pytest

from app.registry import pointers
from app.registry.pointers import Listed, Pointer
from app.registry.refusals import Refused

DIGEST, OTHER = "a" * 64, "b" * 64
POINTER = Pointer(model="fake", versions=(Listed(version=2, digest=DIGEST),))


def test_a_pointer_names_versions_by_their_digests_in_rising_order():
    more = POINTER.with_version(1, OTHER)
    assert list(more.digests.items()) == [(1, OTHER), (2, DIGEST)]
    assert pointers.parse(more.as_json(), "fake", "here") == more
    assert json.loads(POINTER.as_json()) == {
        "format": 1,
        "model": "fake",
        "versions": [{"version": 2, "digest": DIGEST}],
    }


def said(**changes):
    return json.dumps(json.loads(POINTER.as_json()) | changes).encode()


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "JSON"),
        (POINTER.as_json()[:20], "JSON"),
        (b"[]", "object"),
        (said(format=2), "format"),
        (said(model="other"), "expected fake; found other"),
        (said(model="../x"), "model"),
        (said(versions=[]), "versions"),
        (said(versions=[{"version": "1/../..", "digest": DIGEST}]), "versions.0.version"),
        (said(versions=[{"version": 0, "digest": DIGEST}]), "versions.0.version"),
        (said(versions=[{"version": 1, "digest": "../../x"}]), "versions.0.digest"),
        (said(versions=2 * [{"version": 1, "digest": DIGEST}]), "twice"),
    ],
)
def test_what_is_no_pointer_is_refused_with_the_reason(content, reason):
    with pytest.raises(Refused, match=f"^here: .*{reason}"):
        pointers.parse(content, "fake", "here")


def test_keys_that_nobody_knows_yet_are_left_alone():
    assert pointers.parse(said(since="today"), "fake", "here") == POINTER
