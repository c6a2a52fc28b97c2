"""Stores that versions are pulled from."""

from pathlib import Path

import httpx
import pytest

from app.registry import sources
from app.registry.refusals import Refused, Unreachable
from tests.file_server import FileServer


def test_each_word_for_a_store_means_its_place(tmp_path: Path) -> None:
    assert sources.opened(str(tmp_path)).name == str(tmp_path)
    assert sources.opened(f"file://{tmp_path}").name == str(tmp_path)
    assert sources.opened("hf://owner/repo").name == "https://huggingface.co/owner/repo/resolve/main"
    assert sources.opened("hf://owner/repo@v1/x").name == "https://huggingface.co/owner/repo/resolve/v1%2Fx"
    assert sources.opened("https://me:secret@host/store").name == "https://host/store"


@pytest.mark.parametrize("word", ["hf://owner", "hf://a/b/c", "http://"])
def test_other_words_are_refused(word: str) -> None:
    with pytest.raises(Refused, match="expected"):
        sources.opened(word)


def test_an_address_that_nobody_knows_is_refused() -> None:
    with pytest.raises(Refused, match="nosuch://host/x"):
        sources.opened("nosuch://host/x")


def test_a_folder_that_is_not_there_is_unreachable(tmp_path: Path) -> None:
    with pytest.raises(Unreachable, match="no such folder"):
        sources.opened(str(tmp_path / "none"))


def test_small_files_are_read_missing_ones_are_none_and_large_ones_refused(server: FileServer) -> None:
    for source in (sources.opened(server.url), sources.opened(str(server.folder))):
        assert source.read("fake/1/decoder/weights", 7) == b"decoder"
        assert source.read("fake/9/manifest.json", 7) is None
        with pytest.raises(Refused, match="over 6 bytes"):
            source.read("fake/1/decoder/weights", 6)


def test_a_server_that_fails_for_a_moment_is_asked_again(server: FileServer) -> None:
    server.faults["weights"] = ["500", sources.ATTEMPTS - 1]
    assert sources.opened(server.url).read("fake/1/decoder/weights", 7) == b"decoder"
    assert server.times("weights") == sources.ATTEMPTS


@pytest.mark.parametrize(
    ("kind", "said", "times"),
    [
        ("500", "status 500; tried 4 times", 4),
        ("403", "answered with status 403", 1),
        ("loop", "5 redirects", 6),
    ],
)
def test_a_server_that_goes_on_failing_is_given_up(
    server: FileServer, kind: str, said: str, times: int
) -> None:
    server.faults["weights"] = [kind, 99]
    with pytest.raises(Unreachable, match=said):
        sources.opened(server.url).read("fake/1/decoder/weights", 7)
    assert server.times("weights") == times


def test_nobody_listening_is_unreachable_in_one_line(server: FileServer) -> None:
    server.close()
    with pytest.raises(Unreachable) as refused:
        sources.opened(server.url).read("published.jsonl", 100)
    assert "\n" not in str(refused.value)


def test_a_way_from_https_to_http_is_not_followed() -> None:
    source = sources.Web("https://host/store")
    source._stays_secure(httpx.Request("GET", "https://elsewhere/x"))
    with pytest.raises(Unreachable, match="leads from https to http"):
        source._stays_secure(httpx.Request("GET", "http://elsewhere/x"))


def test_a_file_is_gone_on_with_where_it_ended(server: FileServer, tmp_path: Path) -> None:
    content = bytes(range(256)) * 8
    (server.folder / "large").write_bytes(content)
    part = tmp_path / "part"
    part.write_bytes(content[:1000])
    sources.opened(server.url).fetch("large", part, len(content))
    assert part.read_bytes() == content
    assert server.asked == [("GET", "/large", "bytes=1000-")]
    part.write_bytes(content[:1000])
    sources.opened(str(server.folder)).fetch("large", part, len(content))
    assert part.read_bytes() == content


def test_a_body_that_hardly_moves_is_given_up(
    server: FileServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sources, "STALLED_SECONDS", 0.2)
    monkeypatch.setattr(sources, "ATTEMPTS", 1)
    (server.folder / "large").write_bytes(bytes(4000))
    server.faults["large"] = ["slow", 9]
    with pytest.raises(Unreachable, match="bytes in 0 s"):
        sources.opened(server.url).fetch("large", tmp_path / "part", 4000)


def test_of_a_file_that_is_too_long_one_byte_too_many_is_kept_at_most(
    server: FileServer, tmp_path: Path
) -> None:
    (server.folder / "large").write_bytes(bytes(4000))
    for source in (sources.opened(server.url), sources.opened(str(server.folder))):
        part = tmp_path / "part"
        part.unlink(missing_ok=True)
        source.fetch("large", part, 100)
        assert part.stat().st_size == 101
