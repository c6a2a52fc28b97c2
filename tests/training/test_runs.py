import ast
import json
import math

import pytest

from tests.conftest import PROJECT
from tests.full_disk import fill_at
from training import runs
from training.errors import NotWritten, RunError


@pytest.mark.fault(31)
def test_json_is_written_whole_or_not_at_all(tmp_path):
    path = tmp_path / "report.json"
    runs.write_json(path, {"loss": 1.5})
    with pytest.raises(ValueError, match="not JSON compliant"):
        runs.write_json(path, {"loss": math.nan})
    assert json.loads(path.read_text()) == {"loss": 1.5}
    assert [found.name for found in tmp_path.iterdir()] == ["report.json"]


@pytest.mark.fault(17)
def test_a_full_disk_leaves_what_was_there_and_names_the_file_and_the_reason(tmp_path, monkeypatch):
    path = tmp_path / "report.json"
    runs.write_json(path, {"loss": 1.5})
    fill_at(monkeypatch, "report.json")
    with pytest.raises(NotWritten) as caught:
        runs.write_json(path, {"loss": 0.5})
    assert str(caught.value) == f"{path}: cannot be written (No space left on device)"
    assert json.loads(path.read_text()) == {"loss": 1.5}
    # The half is gone, and its space free.
    assert [found.name for found in tmp_path.iterdir()] == ["report.json"]


def test_what_is_interrupted_while_it_is_made_replaces_nothing(tmp_path):
    (tmp_path / "card.md").write_text("before")

    def killed():
        with runs.replacing(tmp_path / "card.md") as file:
            file.write(b"after")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        killed()
    assert [path.read_text() for path in tmp_path.iterdir()] == ["before"]


def writes(source):
    """Names of the calls in a source that write a file by themselves, or rename one into its place."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            modes = [part.value for part in node.args if isinstance(part, ast.Constant)]
            opens = node.func.attr == "open" and any(mode in ("w", "wb", "a", "x") for mode in modes)
            if node.func.attr in ("write_text", "write_bytes", "tofile") or opens:
                yield node.func.attr


def test_the_history_of_a_run_has_six_digits_and_is_empty_where_it_is_gone(tmp_path):
    (tmp_path / runs.HISTORY).write_text('{"loss": [0.123456789, 1234567.8]}')
    assert runs.history(tmp_path) == {"loss": [0.123457, 1234570.0]}
    assert runs.history(tmp_path / "other") == {}


def test_training_has_one_writer_of_files():
    found = {
        path.relative_to(PROJECT).as_posix(): calls
        for path in (PROJECT / "training").rglob("*.py")
        if (calls := list(writes(path.read_text())))
    }
    assert found == {"training/runs.py": ["open"]}


@pytest.mark.tensorflow
def test_a_file_that_tensorflow_cannot_write_is_named_with_its_reason(tmp_path):
    import tensorflow as tf

    (tmp_path / "file").write_text("")
    written = runs.written_by_tensorflow(tmp_path / "decoder")
    with pytest.raises(NotWritten, match=r"decoder: cannot be written \(Not a directory\)$"), written:
        tf.io.write_file(str(tmp_path / "file" / "decoder"), b"weights")
    told = "/store/decoder/variables; No space left on device\n\tCould not flush"
    written = runs.written_by_tensorflow(tmp_path / "decoder")
    with pytest.raises(NotWritten, match=r"decoder: cannot be written \(No space left on device\)$"), written:
        raise tf.errors.ResourceExhaustedError(None, None, told)


def test_a_run_that_was_ended_before_its_first_file_can_be_resumed_and_a_mistyped_folder_not(tmp_path):
    (tmp_path / "run").mkdir()
    assert runs.check_folder(tmp_path / "run", resume=True) is False
    (tmp_path / "run" / "config.json.tmp").write_text("{")
    assert runs.check_folder(tmp_path / "run", resume=True) is False
    (tmp_path / "run" / "letter.txt").write_text("Dear")
    for folder in ("run", "rnu"):
        with pytest.raises(RunError, match="nothing to resume; leave --resume out to begin"):
            runs.check_folder(tmp_path / folder, resume=True)


def test_a_folder_that_cannot_be_is_one_line(tmp_path):
    with pytest.raises(RunError, match="cannot be used"):
        runs.check_folder(tmp_path / ("x" * 300), resume=False)
