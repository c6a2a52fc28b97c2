import ast
from pathlib import Path


def numbered(folder):
    """The number in the name of every numbered test, in reading order."""
    for path in sorted(folder.glob("test_*.py")):
        for node in ast.parse(path.read_text()).body:
            if isinstance(node, ast.FunctionDef) and node.name.startswith("test_defect_"):
                yield int(node.name.split("_")[2]), node


def test_every_defect_of_the_list_has_a_test():
    assert {number for number, _ in numbered(Path(__file__).parent)} == set(range(1, 29))


def test_every_numbered_test_says_what_goes_wrong_elsewhere_and_has_a_sentence_for_a_name():
    for _, node in numbered(Path(__file__).parent):
        assert ast.get_docstring(node), node.name
        assert len(node.name.split("_")) > 6, node.name


def test_the_search_for_numbered_tests_sees_what_is_there_and_not_what_is_missing(tmp_path):
    (tmp_path / "test_one.py").write_text("def test_defect_07_x(): ...\ndef test_other(): ...\n")
    assert [number for number, _ in numbered(tmp_path)] == [7]
