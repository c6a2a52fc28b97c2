from ai_edge_litert import schema_py_generated as schema

from app.programs.operators import NAMES


def test_every_built_in_operation_has_the_number_that_litert_gives_it():
    known = {name: number for name, number in vars(schema.BuiltinOperator).items() if isinstance(number, int)}
    assert {name: number for number, name in enumerate(NAMES)} == known
