import hashlib

import pytest

from app.native import library


@pytest.fixture(autouse=True)
def _anew():
    library.library.cache_clear()
    yield
    library.library.cache_clear()


@pytest.mark.parametrize(
    ("system", "machine", "name"),
    [
        ("linux", "x86_64", "native-linux-x86_64-"),
        ("win32", "AMD64", "native-win32-x86_64-"),
        ("darwin", "arm64", "native-darwin-aarch64-"),
    ],
)
def test_a_file_is_called_by_its_machine_and_its_source(system, machine, name):
    contents = [(library.FOLDER / source).read_bytes() for source in ("causal.c", "noise.c")]
    digest = hashlib.sha256(b"".join(contents)).hexdigest()
    assert library.file_name(system, machine) == f"{name}{digest[:8]}.so"


def test_code_that_this_machine_cannot_load_is_said_and_passed_over(tmp_path, monkeypatch, caplog):
    (tmp_path / "causal.c").write_text("another source")
    monkeypatch.setattr(library, "FOLDER", tmp_path)
    assert library.library() is None
    assert "draws are made by NumPy, which takes long" in caplog.text
    assert "make native" in caplog.text
    (tmp_path / library.file_name()).write_bytes(b"no code")
    library.library.cache_clear()
    assert library.library() is None
