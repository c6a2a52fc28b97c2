import re

from app.programs.allowed import BUILT_IN, COMPUTING, SAVING
from app.programs.operators import NAMES


def test_nothing_that_computes_touches_files_python_chance_or_the_network():
    suspicious = re.compile(
        r"File|Py|Random|Read(?!VariableOp|$)|Write|Print|Table|Queue|Rpc|Save|Restore|Assign"
    )
    assert [name for name in COMPUTING if suspicious.search(name)] == []
    assert {name for name in COMPUTING | SAVING if suspicious.search(name)} == {
        "AssignVariableOp",
        "RestoreV2",
        "SaveV2",
    } | {"ShardedFilename"}
    assert not COMPUTING & SAVING


def test_every_allowed_built_in_operation_is_one_of_litert_and_none_is_custom_or_calls():
    assert set(NAMES) >= BUILT_IN
    assert not BUILT_IN & {"CUSTOM", "CALL", "CALL_ONCE", "DELEGATE", "WHILE", "IF", "RANDOM_UNIFORM"}
