import os
import socket

import pytest

from training.data import entries


@pytest.fixture
def put(tmp_path):
    """Write an empty file somewhere below a folder."""

    def put(name):
        path = tmp_path / "photos" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
        return path

    put.folder = tmp_path / "photos"
    return put


def found(folder):
    """Names of the files that may be pictures, and the reasons for all else."""
    files, left_out = entries.walk(folder)
    return [file.relative_to(folder).as_posix() for file in files], entries.named(left_out, folder)


@pytest.mark.parametrize("name", [".DS_Store", "._a.png", ".git/config", ".hidden/deep/a.png"])
def test_what_is_hidden_is_left_out_by_name(put, name):
    put("a.png")
    put(name)
    first = name.partition("/")[0] + "/" * ("/" in name)
    assert found(put.folder) == (["a.png"], {first: "hidden"})


@pytest.mark.parametrize("name", ["Thumbs.db", "desktop.ini", "Desktop.ini", "__MACOSX/._a.png", "Icon\r"])
def test_what_an_operating_system_leaves_behind_is_left_out_by_name(put, name):
    put("a.png")
    put(name)
    first = name.partition("/")[0].replace("\r", r"\r") + "/" * ("/" in name)
    assert found(put.folder) == (["a.png"], {first: "made by the operating system"})


def test_empty_folders_are_named(put):
    put("cats/a.png")
    (put.folder / "dogs" / "old").mkdir(parents=True)
    assert found(put.folder) == (["cats/a.png"], {"dogs/old/": "empty"})


def test_links_to_folders_and_files_elsewhere_are_followed(put, tmp_path):
    outside = put("../elsewhere/deep/a.png").parent.parent
    put.folder.mkdir(exist_ok=True)
    (put.folder / "cats").symlink_to(outside)
    (put.folder / "b.png").symlink_to(outside / "deep" / "a.png")
    assert found(put.folder) == (["b.png", "cats/deep/a.png"], {})
    assert found(tmp_path / "photos")[0] == found(put.folder)[0]


def test_a_folder_is_read_once_and_where_it_lies_rather_than_through_a_link(put):
    put("cats/a.png")
    (put.folder / "all").symlink_to("cats")
    assert found(put.folder) == (["cats/a.png"], {"all/": "a link to a folder that is read already"})


def test_of_two_links_to_one_folder_the_first_is_read(put):
    put("../elsewhere/a.png")
    put.folder.mkdir(exist_ok=True)
    for name in ("b", "a"):
        (put.folder / name).symlink_to("../elsewhere")
    assert found(put.folder) == (["a/a.png"], {"b/": "a link to a folder that is read already"})


def test_a_link_to_a_hidden_folder_of_the_same_place_is_read(put):
    put(".pool/a.png")
    (put.folder / "cats").symlink_to(".pool")
    assert found(put.folder) == (["cats/a.png"], {".pool/": "hidden"})


@pytest.mark.parametrize(
    ("target", "reason"),
    [
        (".", "a link to a folder around it"),
        ("..", "a link to a folder around it"),
        ("/", "a link to a folder around it"),
        ("nowhere", "a link to nothing"),
        ("loop", "a link to nothing"),
    ],
)
def test_a_link_that_leads_nowhere_or_around_is_named_and_not_followed(put, target, reason):
    put("cats/a.png")
    (put.folder / "loop").symlink_to(target)
    files, left_out = found(put.folder)
    assert files == ["cats/a.png"]
    assert [why for name, why in left_out.items() if name.startswith("loop")] == [reason]


def test_two_linked_folders_that_lead_to_each_other_are_read_once(put):
    for name, other in (("../one/a.png", "two"), ("../two/b.png", "one")):
        (put(name).parent / other).symlink_to(f"../{other}")
    put.folder.mkdir(exist_ok=True)
    (put.folder / "cats").symlink_to("../one")
    files, left_out = found(put.folder)
    assert files == ["cats/a.png", "cats/two/b.png"]
    assert left_out == {"cats/two/one/": "a link to a folder that is read already"}


def test_pipes_and_sockets_are_never_opened(put):
    put("a.png")
    os.mkfifo(put.folder / "pipe.png")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(put.folder / "socket"))
        reason = "neither a file nor a folder"
        assert found(put.folder) == (["a.png"], {"pipe.png": reason, "socket": reason})


def test_what_may_not_be_read_is_named(put, monkeypatch):
    put("a.png")
    put("secret.png")
    put("locked/b.png")
    refused = {put.folder / "secret.png", put.folder / "locked"}
    monkeypatch.setattr(os, "access", lambda path, mode: path not in refused)  # root may read everything
    reason = "cannot be read (Permission denied)"
    assert found(put.folder) == (["a.png"], {"locked/": reason, "secret.png": reason})


def test_names_that_are_no_text_are_shown_with_escapes(put):
    put("a.png")
    put(b".caf\xe9\x1b".decode("utf-8", "surrogateescape"))
    assert found(put.folder)[1] == {r".caf\xe9\x1b": "hidden"}


def test_the_uppermost_folder_of_which_nothing_is_used_is_named(put):
    used, unused = (
        put("cats/a.png"),
        [put("dogs/old/b.txt"), put("dogs/c.txt"), put("cats/d.txt"), put("e.txt")],
    )
    assert list(entries.without_pictures(put.folder, [used], unused)) == [put.folder / "dogs"]


def test_the_odd_ones_are_told_first_and_a_long_list_is_cut_short():
    folder = entries.Path("photos")
    left_out = {folder / f".{number}": entries.HIDDEN for number in range(30)}
    named = entries.named(left_out | {folder / "z.txt": "no picture"}, folder)
    told = entries.told(named)
    assert told[:2] == ["left out: 31 entries", "  z.txt: no picture"]
    assert len(told) == entries.TOLD + 2
    assert "and 11 more, which data.json of the run names; the commonest reason, 30 times: hidden" in told[-1]


def test_what_systems_leave_beside_pictures_is_what_tables_of_images_pass_over():
    assert {
        "__macosx", "thumbs.db", "ehthumbs.db", "desktop.ini", "icon\r", "$recycle.bin", "@eadir", "lost+found",
        "system volume information",
    } == entries._SYSTEM_NAMES  # fmt: skip
