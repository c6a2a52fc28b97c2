import pytest

from app.tabulating.images import SYSTEM_NAMES, as_text, fingerprint_of, is_passed_over, is_picture, too_large


@pytest.mark.parametrize(
    ("name", "is_one"), [("a.png", True), ("A.JPG", True), ("x.tiff", True), ("a.csv", False)]
)
def test_a_picture_is_known_by_the_end_of_its_name(name, is_one):
    assert is_picture(name) == is_one


def test_a_name_of_bytes_that_are_no_utf8_becomes_text_that_is():
    assert as_text(b"caf\xe9.png".decode("utf-8", "surrogateescape")) == r"caf\xe9.png"
    assert as_text("café.png") == "café.png"


def test_the_fingerprint_is_of_names_and_sizes_in_their_order():
    given = [("a", 1), ("b", 2)]
    assert fingerprint_of(given) == fingerprint_of(iter(given))
    others = ([("a", 1)], [("b", 2), ("a", 1)], [("a", 1), ("b", 3)], [("a", 1), ("c", 2)])
    assert fingerprint_of(given) not in map(fingerprint_of, others)


def test_a_file_is_too_large_beyond_the_limit_and_both_sizes_are_told():
    assert too_large(10, 10) == ""
    assert too_large(11, 10) == "expected at most 10 bytes (VITRINE_MAX_UPLOAD_BYTES). Received: 11 bytes."


def test_what_systems_leave_beside_pictures_is_what_training_passes_over():
    assert {
        "__macosx", "thumbs.db", "ehthumbs.db", "desktop.ini", "icon\r", "$recycle.bin", "@eadir", "lost+found",
        "system volume information",
    } == SYSTEM_NAMES  # fmt: skip


@pytest.mark.parametrize(
    ("path", "is_so"),
    [
        (".git/a.png", True), ("x/.cache/a.png", True), (".a.png", True), ("__MACOSX/b.png", True),
        ("x/Thumbs.db", True), ("./a.png", False), ("../x/a.png", False), ("x/a.b.png", False),
    ],
)  # fmt: skip
def test_hidden_files_and_folders_are_passed_over_at_any_depth(path, is_so):
    assert is_passed_over(path) == is_so
