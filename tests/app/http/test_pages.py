import time

import pytest

from app.http.assets import STATIC, vendor
from app.http.pages import keeping
from tests.conftest import skip

YEAR = "public, max-age=31536000, immutable"


@pytest.mark.parametrize("path", ["style.css", "icon.svg", "js/page.js", "js/explorer/row.js"])
def test_our_own_files_are_asked_for_again_and_not_sent_twice(client, path):
    answer = client.get(f"/static/{path}")
    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "no-cache"
    again = client.get(f"/static/{path}", headers={"If-None-Match": answer.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert again.headers["cache-control"] == "no-cache"
    assert again.headers["etag"] == answer.headers["etag"]


def test_files_of_other_projects_are_kept_for_good_as_their_folders_have_versions(client):
    address = vendor("openseadragon", "openseadragon.min.js")
    if address is None:
        skip("the files of other projects are not installed: make assets")
    assert client.get(f"/{address}").headers["cache-control"] == YEAR
    assert client.request("HEAD", f"/{address}").headers["cache-control"] == YEAR


def test_what_lies_beside_the_folders_with_versions_is_asked_for_again():
    assert keeping(STATIC / "vendor" / "viewer-1.2.3" / "dist" / "viewer.js") == YEAR
    assert keeping(STATIC / "vendor" / "MANIFEST.json") == "no-cache"
    assert keeping(STATIC / "js" / "vendor" / "own.js") == "no-cache"


def test_a_file_that_is_not_there_is_not_kept(client):
    assert client.get("/static/js/none.js").headers["cache-control"] == "no-store"


@pytest.mark.fault(21)
def test_a_file_that_cannot_be_opened_now_is_503_and_not_half_an_answer(client, monkeypatch):
    def fails(*_, **__):
        raise OSError(24, "Too many open files")

    assert client.get("/static/style.css").status_code == 200
    monkeypatch.setattr("anyio.open_file", fails)
    answer = client.get("/static/style.css")
    assert (answer.status_code, answer.json()["type"]) == (503, "/problems/out-of-resources")


@pytest.mark.bad_input(37)
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_bytes_that_a_file_has_not_are_refused_by_a_problem_with_its_size(client, method):
    size = len(client.get("/static/style.css").content)
    answer = client.request(method, "/static/style.css", headers={"Range": f"bytes={size}-"})
    assert (answer.status_code, answer.headers["content-range"]) == (416, f"bytes */{size}")
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["cache-control"] == "no-store"
    if method == "GET":
        assert answer.json()["type"] == "/problems/range-not-satisfiable"
        assert f"{size} bytes" in answer.json()["detail"]
    last = client.get("/static/style.css", headers={"Range": f"bytes={size - 1}-"})
    assert (last.status_code, len(last.content)) == (206, 1)


def test_a_range_that_cannot_be_read_is_a_problem_that_names_its_form(client):
    answer = client.get("/static/style.css", headers={"Range": "bytes=a-b"})
    assert (answer.status_code, answer.json()["type"]) == (400, "/problems/malformed-request")
    assert "bytes=FIRST-LAST" in answer.json()["detail"]
    assert answer.headers["cache-control"] == "no-store"


@pytest.mark.bad_input(37)
@pytest.mark.parametrize(
    "ranges",
    [
        "0-," * 4000 + "0-",
        ",".join(f"{start}-{start}" for start in range(4000)),
        "0-,0-,0-",
        "5-1",
        "-0",
        "a",
    ],
)
def test_a_range_of_many_parts_is_no_more_work_than_the_whole(client, ranges):
    whole = client.get("/static/comparison.css").content
    started = time.monotonic()
    answer = client.get("/static/comparison.css", headers={"Range": f"bytes={ranges}"})
    assert time.monotonic() - started < 2
    assert answer.status_code in (200, 206, 400, 416)
    assert len(answer.content) <= 2 * len(whole)
