import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.programs.program import RefusedProgram, Signature
from app.programs.saved_model import read
from tests.conftest import FASHION_VERSION
from tests.messages import (
    SAVE,
    SAVER,
    USER_OBJECT,
    array,
    field,
    function,
    node,
    saved_model,
    signature,
)

DECODE = signature({"z": array("z:0", -1, 2)}, {"image": array("call:0", -1, 8, 8)})
CALL = node("call", "StatefulPartitionedCall", "z", calls="decode")
SAVING = node("saving", "StatefulPartitionedCall", calls="save")


def test_the_operations_and_signatures_of_a_graph_are_read():
    content = saved_model(
        (node("z", "Placeholder"), CALL, SAVING),
        (function("decode", node("a", "MatMul"), node("b", "Relu")), SAVE),
        callable_functions=("decode",),
        signatures={"decode": DECODE, "__saved_model_init_op": b""},
        rest=field(3, SAVER),
    )
    found = read(content)
    assert found.operations == {"Placeholder", "StatefulPartitionedCall", "MatMul", "Relu", "SaveV2"}
    assert found.signatures == {"decode": Signature({"z": (-1, 2)}, {"image": (-1, 8, 8)})}


@pytest.mark.parametrize(
    "operation",
    [
        "ReadFile",
        "WriteFile",
        "PyFunc",
        "EagerPyFunc",
        "While",
        "RandomUniform",
        "PrintV2",
        "MatchingFiles",
        "HashTableV2",
        "LoadLibrary",
        "",
    ],
)
@pytest.mark.parametrize("inside", [False, True], ids=["in the graph", "in a function"])
def test_an_operation_that_is_not_allowed_is_named(operation, inside):
    forbidden = node("x", operation)
    content = saved_model(() if inside else (forbidden,), (function("decode", forbidden),) if inside else ())
    with pytest.raises(RefusedProgram, match=rf"operation {operation or 'without a name'}.* is not allowed"):
        read(content)


def test_an_operation_is_found_behind_a_harmless_one_that_it_replaces():
    twice = node("x", "Relu") + field(2, "ReadFile")  # of a field that comes twice the last counts
    with pytest.raises(RefusedProgram, match="ReadFile"):
        read(saved_model((twice,)))
    split = saved_model((node("x", "Relu"),), rest=field(2, field(1, node("y", "ReadFile"))))
    with pytest.raises(RefusedProgram, match="ReadFile"):  # two graphs are merged
        read(split)


@pytest.mark.parametrize(
    "content",
    [
        saved_model((node("call", "StatefulPartitionedCall", calls="save"),), (SAVE,), rest=field(3, SAVER)),
        saved_model((SAVING, node("x", "Identity", "saving:0")), (SAVE,), rest=field(3, SAVER)),
        saved_model((SAVING, node("x", "NoOp", "^saving")), (SAVE,), rest=field(3, SAVER)),
        saved_model(
            (SAVING,), (SAVE, function("f", node("c", "PartitionedCall", calls="save"))), rest=field(3, SAVER)
        ),
        saved_model((SAVING,), (SAVE,), callable_functions=("save",), rest=field(3, SAVER)),
        saved_model(
            (SAVING,),
            (SAVE,),
            signatures={"decode": signature({}, {"image": array("saving:0")})},
            rest=field(3, SAVER),
        ),
        saved_model(
            (SAVING,),
            (SAVE,),
            signatures={"__saved_model_init_op": signature({}, {"x": array("saving")})},
            rest=field(3, SAVER),
        ),
    ],
    ids=[
        "another node calls it",
        "its result is used",
        "another node waits for it",
        "a function calls it",
        "an object calls it",
        "a signature gives it",
        "it runs at loading",
    ],
)
def test_files_are_written_and_read_by_the_saver_alone(content):
    with pytest.raises(RefusedProgram, match="SaveV2 in save is allowed where variables are saved alone"):
        read(content)


def test_a_file_operation_of_the_graph_itself_is_refused():
    with pytest.raises(RefusedProgram, match="operation SaveV2 is not allowed"):
        read(saved_model((node("saving", "SaveV2"),), rest=field(3, SAVER)))


def test_a_function_by_the_name_of_an_operation_is_refused():
    with pytest.raises(RefusedProgram, match="a function is called MatMul"):
        read(saved_model((), (function("MatMul", node("x", "Relu")),)))


@pytest.mark.parametrize(
    ("each", "what"),
    [
        (field(5, field(1, 0)), "an asset"),
        (field(9, field(1, "x")), "a constant"),
        (field(10, field(1, "/cpu")), "a resource"),
        (USER_OBJECT + field(11, field(1, "x")), "functions that restore it"),
        (USER_OBJECT + field(13, "a.class"), "a field 13"),
        (field(4, field(1, "_tf_keras_layer")), "the class _tf_keras_layer"),
    ],
)
def test_an_object_that_has_something_run_when_it_is_loaded_is_refused(each, what):
    with pytest.raises(RefusedProgram, match=what):
        read(saved_model(objects=(each,)))


def test_a_graph_without_its_objects_or_with_assets_is_refused():
    with pytest.raises(RefusedProgram, match="found none"):
        read(field(2, field(2, b"")))
    with pytest.raises(RefusedProgram, match="assets"):
        read(saved_model(rest=field(6, field(2, "words.txt"))))
    with pytest.raises(RefusedProgram, match="expected one graph; found 2"):
        read(saved_model() * 2)
    with pytest.raises(RefusedProgram, match="no function lost"):
        read(saved_model(callable_functions=("lost",)))


@pytest.mark.parametrize("shape", [field(3, 1), None], ids=["of any rank", "not told"])
def test_a_shape_that_is_not_told_is_none(shape):
    info = field(1, "x:0") + (b"" if shape is None else field(3, shape))
    found = read(saved_model(signatures={"decode": signature({"z": info}, {})}))
    assert found.signatures["decode"].inputs == {"z": None}


@given(st.data())
def test_a_changed_or_cut_saved_model_is_read_or_refused_and_nothing_else(data):
    content = bytearray((FASHION_VERSION / "encoder" / "saved_model.pb").read_bytes()[:20_000])
    for _ in range(data.draw(st.integers(1, 3))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    with pytest.raises(RefusedProgram):  # it is cut, whatever else
        read(bytes(content))
