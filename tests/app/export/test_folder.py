from pathlib import Path

import pytest

from app.export.folder import MARK, Refused, check, write

FILES = {"index.html": b"<p>", "static/js/site.js": b"1", MARK: b"{}"}


def listed(folder):
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()
    }


@pytest.mark.parametrize("is_there", [False, True])
def test_files_are_written_into_a_new_folder_or_an_empty_one(tmp_path, is_there):
    out = tmp_path / "page"
    if is_there:
        out.mkdir()
    write(out, FILES, force=False)
    assert listed(out) == FILES
    assert list(tmp_path.iterdir()) == [out]


def test_a_folder_with_other_files_is_never_replaced(tmp_path):
    (tmp_path / "thesis.tex").write_text("years")
    for force in (False, True):
        with pytest.raises(Refused, match=r"is not empty, and no page of ours\. Name a new folder\."):
            write(tmp_path, FILES, force=force)
    assert listed(tmp_path) == {"thesis.tex": b"years"}


def test_an_earlier_page_is_replaced_if_that_is_asked_for(tmp_path):
    out = tmp_path / "page"
    write(out, FILES | {"static/js/old.js": b""}, force=False)
    with pytest.raises(Refused, match="replace it by --force"):
        check(out, force=False)
    write(out, FILES, force=True)
    assert listed(out) == FILES
    assert list(tmp_path.iterdir()) == [out]


def test_a_page_beside_which_others_keep_files_is_not_replaced(tmp_path):
    out = tmp_path / "page"
    write(out, FILES, force=False)
    (out / ".git").mkdir()
    (out / "CNAME").write_text("vae.example")
    with pytest.raises(Refused, match=r"more than a page: \.git, CNAME"):
        write(out, FILES, force=True)
    assert (out / "CNAME").read_text() == "vae.example"


def test_a_file_in_the_place_is_refused(tmp_path):
    out = tmp_path / "page"
    out.write_text("")
    with pytest.raises(Refused, match="is a file"):
        check(out, force=True)


def test_a_place_in_no_folder_is_refused(tmp_path):
    with pytest.raises(Refused, match="is no folder"):
        check(tmp_path / "there" / "page", force=False)


def test_what_cannot_be_written_leaves_the_earlier_page_as_it_was(tmp_path):
    out = tmp_path / "page"
    write(out, FILES, force=False)
    with pytest.raises(OSError, match="File name too long"):
        write(out, FILES | {"index.html": b"new", "x" * 300: b""}, force=True)
    assert listed(out) == FILES
    assert list(tmp_path.iterdir()) == [out]


@pytest.mark.parametrize("at", [1, 2])
def test_an_interruption_at_either_rename_leaves_the_earlier_page_as_it_was(tmp_path, monkeypatch, at):
    out = tmp_path / "page"
    write(out, FILES, force=False)
    renamed = []

    def rename(path, target):
        renamed.append(path)
        if len(renamed) == at:
            raise KeyboardInterrupt
        path.replace(target)

    monkeypatch.setattr(Path, "rename", rename)
    with pytest.raises(KeyboardInterrupt):
        write(out, FILES | {"index.html": b"new"}, force=True)
    assert listed(out) == FILES
    assert list(tmp_path.iterdir()) == [out]
