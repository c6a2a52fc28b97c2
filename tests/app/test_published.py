import json
import os

import pytest

from app import published
from app.store import scan
from tests.conftest import SHIPPED_STORE
from tests.fakes import write_version

DIGEST, OTHER = "0" * 63 + "1", "f" * 64


def line(model="fake", version=1, digest=DIGEST, **more):
    return json.dumps({"model": model, "version": version, "digest": digest} | more) + "\n"


def written(folder, content):
    (folder / published.PUBLISHED).write_bytes(content if isinstance(content, bytes) else content.encode())
    return published.read(folder)


def test_a_store_from_before_the_file_remembers_nothing_and_warns_of_nothing(tmp_path):
    assert published.read(tmp_path) == published.Published({}, "")


def test_every_digest_of_a_number_is_remembered_once_the_earliest_first(tmp_path):
    found = written(tmp_path, line() + line(digest=OTHER) + line() + line("other", 7, by="somebody"))
    assert found.digests == {"fake": {1: (DIGEST, OTHER)}, "other": {7: (DIGEST,)}}
    assert found.of("other", 7) == (DIGEST,)
    assert found.of("other", 8) == found.of("another", 7) == ()
    assert found.warning == ""


@pytest.mark.parametrize(
    "malformed",
    [
        "{",
        "[]",
        "null",
        "\x00",
        "[" * 100_000,
        line(model="../x"),
        line(model=1),
        line(version=0),
        line(version=True),
        line(version="1"),
        line(version=1.0),
        line(version=10**9),
        line(digest=DIGEST[:12]),
        line(digest=OTHER.upper()),
        line(digest=None),
        '{"model": "fake", "version": 1}',
        b"\xff\xfe",
    ],
    ids=lambda content: repr(content)[:40],
)
def test_a_line_that_is_no_record_hides_no_other_and_is_named_once(tmp_path, malformed):
    torn = malformed.rstrip("\n").encode() if isinstance(malformed, str) else malformed
    found = written(tmp_path, line("a").encode() + torn + b"\n" + torn + b"\n" + line("b", 2).encode())
    assert found.digests == {"a": {1: (DIGEST,)}, "b": {2: (DIGEST,)}}
    assert found.warning == (
        f"{tmp_path / 'published.jsonl'}: line 2 and 1 more: no record of a version, passed over"
    )


@pytest.mark.parametrize("length", [1, 30, len(line()) - 2])
def test_a_torn_last_line_loses_that_line_alone(tmp_path, length):
    found = written(tmp_path, line("a") + line()[:length])
    assert found.digests == {"a": {1: (DIGEST,)}}
    assert "line 2: no record" in found.warning


def test_a_last_line_that_lacks_its_line_feed_alone_is_whole(tmp_path):
    assert written(tmp_path, line().rstrip()) == published.Published({"fake": {1: (DIGEST,)}}, "")


def make_link(path):
    target = path.with_name("elsewhere")
    target.write_text(line())
    path.symlink_to(target)


@pytest.mark.parametrize(
    ("make", "word"),
    [
        (make_link, "symbolic link"),
        (os.mkdir, "no file"),
        (os.mkfifo, "no file"),  # which would be waited for
        (lambda path: path.write_bytes(b"\n" * 4_194_305), "over 4194304 bytes"),
    ],
)
def test_what_is_no_file_of_bounded_size_is_not_read_and_keeps_nothing_from_being_served(
    tmp_path, make, word
):
    write_version(tmp_path)
    make(tmp_path / published.PUBLISHED)
    found = scan(tmp_path)
    assert found.find("fake@1").number == 1
    assert found.gone == {}
    assert word in found.warning


def test_the_shipped_store_remembers_every_version_that_is_or_was_in_it():
    found = published.read(SHIPPED_STORE)
    assert found.warning == ""
    for path in SHIPPED_STORE.glob("*/*/manifest.json"):
        digest = json.loads(path.read_text())["digest"]
        assert digest in found.of(path.parent.parent.name, int(path.parent.name))
    for name, newest in (("fashion", 5), ("fashion-dense", 7), ("fashion-map", 5)):
        assert set(found.digests[name]) >= set(range(1, newest + 1))
    # fashion 3, whose card is still read in the history of this repository.
    assert found.of("fashion", 3) == ("0720d171dac09130a474b61b7a052437f8f0861c36ce171b69eb049a233d0627",)
