"""The compiler is a stand-in here, but for what was compiled already by make native."""

import subprocess
import sys

import pytest

from app.native import build
from app.native.library import file_name

# Does what a compiler does, and writes how it was called.
COMPILER = """
import pathlib, sys
if "{fails}":
    sys.exit("causal.c:1: error")
pathlib.Path(sys.argv[sys.argv.index("-o") + 1]).write_text(" ".join(sys.argv[1:]))
"""
LINUX, MAC = ("linux", "x86_64"), ("darwin", "aarch64")


def compiler(tmp_path, fails=""):
    script = tmp_path / "compiler.py"
    script.write_text(COMPILER.format(fails=fails))
    return [sys.executable, str(script)]


def test_code_is_compiled_for_each_machine_and_that_of_another_source_goes(tmp_path):
    (tmp_path / "native-linux-x86_64-00000000.so").write_text("old")
    written = build.compile_for([LINUX, MAC], compiler(tmp_path), tmp_path)
    assert [path.name for path in written] == [file_name(*LINUX), file_name(*MAC)]
    assert sorted(tmp_path.glob("*.so")) == sorted(written)
    linux, mac = (path.read_text() for path in written)
    assert "-target x86_64-linux-musl" in linux
    assert "-nostdlib" in linux  # it runs beside any C library
    assert "-target aarch64-macos" in mac
    for call in linux, mac:
        assert "-ffp-contract=off" in call  # or two machines would round otherwise
    assert not list(tmp_path.glob(".native-*"))


def test_a_compilers_error_is_told_and_leaves_what_was_there(tmp_path):
    kept = tmp_path / file_name(*LINUX)
    kept.write_text("kept")
    with pytest.raises(build.BuildError, match=r"cannot be compiled for linux-x86_64:\ncausal.c:1: error"):
        build.compile_for([LINUX], compiler(tmp_path, "yes"), tmp_path)
    assert kept.read_text() == "kept"


def test_a_machine_that_nobody_compiled_for_is_told_what_draws_there(tmp_path):
    with pytest.raises(build.BuildError, match="no compiled code for sunos-sparc: draws are made by NumPy"):
        build.compile_for([("sunos", "sparc")], compiler(tmp_path), tmp_path)


def test_it_runs_as_a_file_and_has_nothing_to_do_when_all_is_there():
    if build.missing([build.host(), *build.IN_WHEEL]):
        pytest.skip("make native")
    done = subprocess.run(
        [sys.executable, "-S", build.__file__], capture_output=True, text=True, check=False, cwd="/"
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_a_compiler_that_cannot_be_installed_is_one_line_and_exit_code_1(monkeypatch, capsys, tmp_path):
    monkeypatch.setattr(build, "missing", lambda machines: [LINUX])
    monkeypatch.setattr(build, "PINNED", tmp_path / "none.txt")
    monkeypatch.setattr(sys, "argv", ["build.py"])
    assert build.main() == 1
    assert "the compiler cannot be installed" in capsys.readouterr().err
