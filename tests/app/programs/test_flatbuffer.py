import contextlib

import flatbuffers
import pytest
from ai_edge_litert import schema_py_generated as schema
from hypothesis import given
from hypothesis import strategies as st

from app.programs.flatbuffer import read
from app.programs.program import RefusedProgram, Signature
from tests.conftest import SHIPPED_VERSION

ENCODER = (SHIPPED_VERSION / "encoder" / "assets.extra" / "encoder.tflite").read_bytes()
DECODER = (SHIPPED_VERSION / "decoder" / "assets.extra" / "decoder.tflite").read_bytes()


def changed(change):
    """The shipped encoder's flatbuffer with something else in it."""
    model = schema.ModelT.InitFromObj(schema.Model.GetRootAs(ENCODER, 0))
    change(model)
    builder = flatbuffers.Builder(len(ENCODER))
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def test_the_operations_and_signatures_of_a_flatbuffer_are_read():
    found = read(ENCODER)
    assert found.operations == {"FULLY_CONNECTED", "RESHAPE"}
    shape = {"z_mean": (-1, 10), "z_log_var": (-1, 10)}
    assert found.signatures == {"encode": Signature({"images": (-1, 28, 28)}, shape)}
    assert read(DECODER).signatures["draw"].inputs == {"z": (-1, 10), "noise": (-1, 28, 28)}
    assert read(changed(lambda model: None)) == found


@pytest.mark.parametrize("name", ["CALL_ONCE", "WHILE", "RANDOM_UNIFORM", "VAR_HANDLE", "HASHTABLE"])
def test_a_built_in_operation_that_is_not_allowed_is_named(name):
    def change(model):
        model.operatorCodes[0].builtinCode = getattr(schema.BuiltinOperator, name)

    with pytest.raises(RefusedProgram, match=f"operation {name} is not allowed"):
        read(changed(change))


@pytest.mark.parametrize("custom", ["FlexReadFile", "Mine"])
def test_an_operation_of_somebody_elses_is_named(custom):
    def change(model):
        code = model.operatorCodes[0]
        code.builtinCode = code.deprecatedBuiltinCode = schema.BuiltinOperator.CUSTOM
        code.customCode = custom

    with pytest.raises(RefusedProgram, match=f"operation CUSTOM {custom} is not allowed"):
        read(changed(change))


def test_the_greater_of_two_numbers_counts_as_for_litert():
    def change(model):
        model.operatorCodes[0].deprecatedBuiltinCode = schema.BuiltinOperator.WHILE

    with pytest.raises(RefusedProgram, match="WHILE"):
        read(changed(change))


def test_an_operation_that_this_list_does_not_know_is_refused_by_its_number():
    def change(model):
        model.operatorCodes[0].builtinCode = 400

    with pytest.raises(RefusedProgram, match="number 400"):
        read(changed(change))


def test_arrays_in_another_file_are_refused():
    def change(model):
        model.subgraphs[0].tensors[0].externalBuffer = 1

    with pytest.raises(RefusedProgram, match="in another file"):
        read(changed(change))

    def grouped(model):
        group = schema.ExternalBufferGroupT()
        group.name = "/etc/passwd"
        model.externalBufferGroups = [group]

    with pytest.raises(RefusedProgram, match="in another file"):
        read(changed(grouped))


def test_a_signature_of_what_is_not_there_is_refused():
    def graph(model):
        model.signatureDefs[0].subgraphIndex = 9

    def tensor(model):
        model.signatureDefs[0].inputs[0].tensorIndex = 9_999

    for change in (graph, tensor):
        with pytest.raises(RefusedProgram, match="a signature of"):
            read(changed(change))


@pytest.mark.parametrize("content", [b"", b"TFL3", bytes(4) + b"TFL3", b"\xff" * 4 + b"TFL3" + bytes(64)])
def test_what_is_no_flatbuffer_is_refused(content):
    with pytest.raises(RefusedProgram, match="not a flatbuffer"):
        read(content)


def test_a_vector_that_leads_to_itself_many_times_ends(monkeypatch):
    monkeypatch.setattr("app.programs.flatbuffer.MAX_TABLES", 3)
    with pytest.raises(RefusedProgram, match="over 3 tables"):
        read(DECODER)


@given(st.data())
def test_a_changed_or_cut_flatbuffer_is_read_or_refused_and_nothing_else(data):
    content = bytearray(ENCODER[: data.draw(st.sampled_from([2_000, len(ENCODER)]))])
    for _ in range(data.draw(st.integers(1, 3))):
        # Half of the changes hit the tables, which stand at both ends.
        at = data.draw(st.one_of(st.integers(0, 1_000), st.integers(0, len(content) - 1)))
        content[at] = data.draw(st.integers(0, 255))
    with contextlib.suppress(RefusedProgram):
        read(bytes(content))
