"""One change to a model at a time."""

import subprocess
import sys
import threading
from pathlib import Path

import pytest

from app.registry.locks import LOCK, changing, fsync, locked
from app.registry.refusals import NotThere, Refused
from tests.conftest import PROJECT

HOLDS = """
import sys
from pathlib import Path
from app.registry.locks import locked
with locked(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_whoever_comes_second_waits_until_the_first_process_has_ended(tmp_path: Path) -> None:
    entered = threading.Event()

    def second() -> None:
        with locked(tmp_path):
            entered.set()

    words = [sys.executable, "-c", HOLDS, str(tmp_path)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen(words, cwd=PROJECT, **pipes) as first:  # type: ignore[call-overload]
        assert first.stdout.readline() == b"held\n"
        waiting = threading.Thread(target=second)
        waiting.start()
        assert not entered.wait(0.3)
        first.kill()  # a lock dies with its process
        assert entered.wait(20)
        waiting.join()


DELETES = """
import sys
from pathlib import Path
from app.registry.locks import LOCK, locked
with locked(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.readline()
    (Path(sys.argv[1]) / LOCK).unlink()
"""


def test_who_waited_for_a_lock_file_that_was_deleted_still_holds_others_off(tmp_path: Path) -> None:
    entered, third, leave = threading.Event(), threading.Event(), threading.Event()

    def hold(inside: threading.Event) -> None:
        with locked(tmp_path):
            inside.set()
            assert leave.wait(20)

    words = [sys.executable, "-c", DELETES, str(tmp_path)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen(words, cwd=PROJECT, **pipes) as first:  # type: ignore[call-overload]
        assert first.stdout.readline() == b"held\n"
        waiting = threading.Thread(target=hold, args=(entered,))
        waiting.start()
        assert not entered.wait(0.3)
        first.stdin.write(b"\n")
        first.stdin.flush()
        assert entered.wait(20)
        another = threading.Thread(target=hold, args=(third,))
        another.start()
        assert not third.wait(0.3)
        leave.set()
        assert third.wait(20)
        waiting.join()
        another.join()


def test_a_folder_that_cannot_be_written_is_named_in_one_line(tmp_path: Path) -> None:
    (tmp_path / LOCK).mkdir()
    with pytest.raises(Refused, match=r"\.lock: cannot be written \(Is a directory\)$"), changing(tmp_path):
        pass


def test_a_model_that_is_removed_while_somebody_waits_for_it_is_said_not_to_be_there(tmp_path: Path) -> None:
    model = tmp_path / "fashion"
    model.mkdir()
    words: list[str] = []

    def wait() -> None:
        try:
            with changing(model):
                words.append("entered")
        except NotThere as error:
            words.append(str(error))

    with locked(model):
        waiting = threading.Thread(target=wait)
        waiting.start()
        waiting.join(0.3)
        assert waiting.is_alive()
        (model / LOCK).unlink()
        model.rmdir()
    waiting.join()
    assert words == [f"{model}: no such folder; it may have been removed a moment ago"]


def test_files_and_folders_are_flushed(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("kept")
    fsync(tmp_path / "file")
    fsync(tmp_path)
