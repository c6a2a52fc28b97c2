"""Bodies of the Open Inference Protocol: what is read of them, what is refused and where, what is written."""

import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.engine.work import Operation
from app.errors import InvalidInference
from app.http.signatures import Signature, Tensor
from app.http.tensors import InferenceRequest, read_request, write_answer
from app.settings import Settings

LIMITS = Settings(max_images=5, max_pixels=1000)
OPERATION = Operation("double", lambda a, b: a)
A = Tensor("a", (2, 3), -8, 8, "numbers from -8 to 8")
B = Tensor("b", (1,), 0, 1, "numbers from 0 to 1")
ONE = Signature((A,), (Tensor("x", (2,)), Tensor("y", (1,))), OPERATION, lambda r: (r[:, :2], r[:, 2:]))
TWO = Signature((A, B), (Tensor("x", (2,)),), OPERATION, lambda r: (r,))
FLAT = [0.5, -1, 0, 1e-3, 2, 8]


def tensor(**changes):
    entry = {"name": "a", "shape": [1, 2, 3], "datatype": "FP32", "data": FLAT} | changes
    return {key: value for key, value in entry.items() if value is not None}


def body(*inputs, **more):
    return json.dumps({"inputs": list(inputs)} | more).encode()


def read(content, json_bytes=None, signature=ONE):
    return read_request(content, json_bytes, signature, LIMITS)


def refusal(content, json_bytes=None, signature=ONE):
    with pytest.raises(InvalidInference) as caught:
        read(content, json_bytes, signature)
    assert caught.value.status == 400
    return caught.value.detail


EXPECTED = np.array(FLAT, np.float32).reshape(1, 2, 3)


@pytest.mark.parametrize("data", [FLAT, [[FLAT[:3], FLAT[3:]]]])
def test_numbers_are_read_nested_or_in_one_list(data):
    request = read(body(tensor(data=data), id="é"))
    np.testing.assert_array_equal(request.inputs[0], EXPECTED)
    assert (request.inputs[0].dtype, request.id, request.rows) == (np.float32, "é", 1)
    assert request.outputs == ((0, False), (1, False))


def test_bytes_behind_the_json_are_read_in_the_order_of_the_inputs():
    a, b = np.arange(12, dtype="<f4") / 2, np.array([0.25, 0.75], "<f4")
    text = body(
        tensor(name="b", shape=[2, 1], data=None, parameters={"binary_data_size": 8}),
        tensor(shape=[2, 2, 3], data=None, parameters={"binary_data_size": 48}),
    )
    request = read(text + b.tobytes() + a.tobytes(), len(text), TWO)
    np.testing.assert_array_equal(request.inputs[0], a.reshape(2, 2, 3))
    np.testing.assert_array_equal(request.inputs[1], b.reshape(2, 1))


def test_one_tensor_may_be_bytes_and_the_other_json():
    text = body(
        tensor(name="b", shape=[1, 1], data=[1]), tensor(data=None, parameters={"binary_data_size": 24})
    )
    request = read(text + EXPECTED.tobytes(), len(text), TWO)
    np.testing.assert_array_equal(request.inputs[0], EXPECTED)
    assert request.inputs[1].tolist() == [[1.0]]


def test_a_body_without_json_is_the_only_inputs_rows_and_is_answered_in_bytes():
    rows = np.linspace(-8, 8, 18, dtype="<f4").reshape(3, 2, 3)
    request = read(rows.tobytes(), 0)
    np.testing.assert_array_equal(request.inputs[0], rows)
    assert request.outputs == ((0, True), (1, True))


@given(
    st.lists(st.floats(-8, 8, width=32), min_size=6, max_size=30).filter(lambda found: len(found) % 6 == 0)
)
def test_every_float32_arrives_as_it_was_sent_by_json_and_by_bytes(values):
    rows = np.array(values, np.float32).reshape(-1, 2, 3)
    by_json = read(body(tensor(shape=list(rows.shape), data=rows.tolist()))).inputs[0]
    assert by_json.tobytes() == rows.tobytes() == read(rows.tobytes(), 0).inputs[0].tobytes()


@pytest.mark.parametrize(
    ("outputs", "binary", "expected"),
    [
        ([{"name": "y"}], None, ((1, False),)),
        ([{"name": "y"}, {"name": "x"}], True, ((1, True), (0, True))),
        ([{"name": "y", "parameters": {"binary_data": False}}, {"name": "x"}], True, ((1, False), (0, True))),
        ([], True, ((0, True), (1, True))),
        (None, False, ((0, False), (1, False))),
    ],
)
def test_outputs_are_those_asked_for_in_their_order(outputs, binary, expected):
    more = {} if outputs is None else {"outputs": outputs}
    more |= {} if binary is None else {"parameters": {"binary_data_output": binary}}
    assert read(body(tensor(), **more)).outputs == expected


def test_null_counts_as_left_out_and_unknown_members_and_parameters_have_no_effect():
    entry = tensor(parameters={"note": "x", "n": 1.5}) | {"extra": [1]}
    content = body(entry, id=None, outputs=None, parameters=None, model_name="a", extra={})
    assert read(content).id is None


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        (tensor(name="c"), "inputs[0].name: expected one of a. Received: c."),
        (tensor(name=None), "inputs[0].name: expected text. Received: nothing."),
        (tensor(name=3), "inputs[0].name: expected text. Received: 3."),
        (tensor(datatype="FP64"), "inputs[0].datatype: expected FP32. Received: FP64. Send a as float32."),
        (tensor(datatype="fp32"), "inputs[0].datatype: expected FP32."),
        (tensor(shape=[2, 3]), "inputs[0].shape: expected [rows, 2, 3]. Received: [2, 3]."),
        (tensor(shape=[1, 3, 2]), "inputs[0].shape: expected [rows, 2, 3]."),
        (tensor(shape=[]), "inputs[0].shape: expected [rows, 2, 3]. Received: []."),
        (tensor(shape=[1.0, 2, 3]), "inputs[0].shape: expected [rows, 2, 3]."),
        (tensor(shape=[True, 2, 3]), "inputs[0].shape: expected [rows, 2, 3]."),
        (tensor(shape="1"), "inputs[0].shape: expected a list. Received: 1."),
        (tensor(shape=[0, 2, 3], data=[]), "inputs[0].shape[0]: expected 1..5 (VITRINE_MAX_IMAGES)"),
        (tensor(shape=[-1, 2, 3]), "inputs[0].shape[0]: expected 1..5"),
        (tensor(shape=[6, 2, 3]), "inputs[0].shape[0]: expected 1..5"),
        (tensor(shape=[10**30, 2, 3]), "inputs[0].shape[0]: expected 1..5"),
        (tensor(data=FLAT[1:]), "a: expected 6 numbers. Received: 5."),
        (tensor(data=[*FLAT, 1]), "a: expected 6 numbers. Received: 7."),
        (tensor(data=[]), "a: expected 6 numbers. Received: 0."),
        (tensor(data=[FLAT]), "a[0]: expected a list of 2. Received: a list of 6."),
        (tensor(data=[[FLAT[:3], FLAT[3:5]]]), "a[0,1]: expected a list of 3. Received: a list of 2."),
        (tensor(data=[[FLAT[:3], 5]]), "a[0,1]: expected a list of 3. Received: 5."),
        (tensor(data=[[FLAT[:3], FLAT[3:]], 1]), "a: expected a list of 1. Received: a list of 2."),
        (tensor(data=[0, 0, 0, 0, 0, True]), "a[0,1,2]: expected a number. Received: true."),
        (tensor(data=[0, 0, 0, 0, "1", 0]), "a[0,1,1]: expected a number. Received: 1."),
        (tensor(data=[0, 0, 0, None, 0, 0]), "a[0,1,0]: expected a number. Received: null."),
        (tensor(data=[0, 0, [0], 0, 0, 0]), "a[0,0,2]: expected a number. Received: a list of 1."),
        (tensor(data=[0, 0, 0, 0, 0, 8.1]), "a[0,1,2]: expected numbers from -8 to 8. Received: 8.1."),
        (tensor(data=[0, -9, 0, 0, 0, 0]), "a[0,0,1]: expected numbers from -8 to 8. Received: -9."),
        (tensor(data=[0, 0, 1e39, 0, 0, 0]), "a[0,0,2]: expected a finite number. Received: inf."),
        (tensor(data=[0, 0, -(10**400), 0, 0, 0]), "a[0,0,2]: expected a finite number. Received: -inf."),
        (tensor(data={}), "inputs[0].data: expected a list. Received: an object."),
        (tensor(data=None), "inputs[0].data: expected a list. Received: nothing."),
        (tensor(parameters=[1]), "inputs[0].parameters: expected an object. Received: a list of 1."),
        (tensor(parameters={"x": [1]}), "inputs[0].parameters: expected text, numbers, true or false."),
        (tensor(parameters={"shared_memory_region": "r"}), "does not offer it"),
        (tensor(parameters={"binary_data_size": 24}), "inputs[0]: expected data or binary_data_size."),
        (
            tensor(data=None, parameters={"binary_data_size": 24}),
            "inputs[0].parameters.binary_data_size: expected 24 bytes behind the JSON. Received: 0 left.",
        ),
        (
            tensor(data=None, parameters={"binary_data_size": 48}),
            "binary_data_size: expected 24, 4 bytes for each number",
        ),
        (tensor(data=None, parameters={"binary_data_size": "24"}), "expected a whole number. Received: 24."),
        (3, "inputs[0]: expected an object. Received: 3."),
    ],
)
def test_an_input_that_does_not_fit_is_refused_with_its_place(entry, said):
    assert said in refusal(body(entry))


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "body: expected JSON"),
        (b"[]", "body: expected a JSON object. Received: a list of 0."),
        (b"{}", "inputs: expected a list. Received: nothing."),
        (b'{"inputs":{}}', "inputs: expected a list. Received: an object."),
        (b'{"inputs":[]}', "inputs: expected a. Received: no a."),
        (body(tensor())[:-1], "body: expected JSON"),
        (body(tensor()) + b"x", "body: expected JSON"),
        (b"[" * 10_000 + b"]" * 10_000, "no more than 200 levels deep"),
        (body(tensor(data=[math.nan] * 6)), "body: expected JSON, numbers finite"),
        (body(tensor(data=[math.inf] * 6)), "body: expected JSON, numbers finite"),
        (body(tensor()).replace(b"-1", b"1e999"), "a[0,0,1]: expected a finite number. Received: inf."),
        (b'{"inputs":[],"id":"\\ud800"}', "body: expected JSON"),
        (b'{"inputs":[],"id":"\xff"}', "body: expected JSON"),
        (body(tensor(), tensor()), "inputs[1].name: expected each input once. Received: a twice."),
        (body(tensor(), id=3), "id: expected text. Received: 3."),
        (
            body(tensor(), parameters={"binary_data_output": 1}),
            "parameters.binary_data_output: expected true",
        ),
        (body(tensor(), outputs=[{"name": "z"}]), "outputs[0].name: expected one of x, y. Received: z."),
        (
            body(tensor(), outputs=[{"name": "x"}, {"name": "x"}]),
            "outputs[1].name: expected each output once",
        ),
        (body(tensor(), outputs=["x"]), "outputs[0]: expected an object. Received: x."),
        (
            body(tensor(), outputs=[{"name": "x", "parameters": {"classification": 2}}]),
            "outputs[0].parameters: expected parameters of the binary data extension. Received: classification.",
        ),
    ],
)
def test_a_request_that_does_not_fit_is_refused_with_its_place(content, said):
    assert said in refusal(content)


@pytest.mark.parametrize(
    ("cut", "said"),
    [
        (-1, "expected 24 bytes behind the JSON. Received: 23 left."),
        (24, "no bytes behind the last tensor. Received: 24 more."),
    ],
)
def test_bytes_that_are_missing_or_left_over_are_refused(cut, said):
    text = body(tensor(data=None, parameters={"binary_data_size": 24}))
    sent = (EXPECTED.tobytes() * 2)[: 24 + cut]
    assert said in refusal(text + sent, len(text))


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("place", [(0, 0, 0), (1, 0, 2), (2, 1, 1)])
def test_a_number_that_is_not_finite_is_refused_with_its_place(value, place):
    rows = np.zeros((3, 2, 3), np.float32)
    rows[place] = value
    said = refusal(rows.tobytes(), 0)
    assert f"a[{','.join(map(str, place))}]: expected a finite number. Received: {value:g}." in said


@pytest.mark.parametrize("length", [0, 23, 25, 6 * 24])
def test_a_body_without_json_has_whole_rows_and_no_more_than_the_limit(length):
    assert refusal(bytes(length), 0).startswith(
        ("body: expected a multiple of 24", "rows of a: expected 1..5")
    )


def test_a_body_without_json_is_for_models_of_one_input():
    assert "the model has 2 inputs" in refusal(EXPECTED.tobytes(), 0, TWO)


def test_all_inputs_have_as_many_rows():
    said = refusal(body(tensor(), tensor(name="b", shape=[2, 1], data=[0, 1])), None, TWO)
    assert "inputs: expected as many rows of each. Received: 1 of a, 2 of b." in said
    assert "inputs: expected a, b. Received: no b." in refusal(body(tensor()), None, TWO)


def test_an_answer_over_the_limits_is_refused_before_it_is_computed():
    large = Signature((A,), (Tensor("x", (1000, 1000)),), OPERATION, lambda r: (r,))
    one, two = body(tensor()), body(tensor(shape=[2, 2, 3], data=FLAT * 2))
    limits = Settings(max_pixels=1_999_999)
    assert read_request(one, None, large, limits).rows == 1
    with pytest.raises(InvalidInference, match=r"at most 1999999 numbers \(VITRINE_MAX_PIXELS\)"):
        read_request(two, None, large, limits)
    limits = Settings(max_pixels=2_000_000)
    with pytest.raises(InvalidInference, match=r"at most 1000000 numbers as JSON\. Received: 2000000"):
        read_request(two, None, large, limits)
    binary = body(tensor(shape=[2, 2, 3], data=FLAT * 2), parameters={"binary_data_output": True})
    assert read_request(binary, None, large, limits).rows == 2


def test_an_answer_as_json_is_flat_and_reads_back_to_the_bit():
    result = np.array([[0.1, -0.0, 1e-42], [1 / 3, 2, 3]], np.float32)
    request = InferenceRequest("7", (), ((1, False), (0, False)))
    headers, content = write_answer({"model_name": "m"}, request, ONE, result)
    assert headers == [(b"content-type", b"application/json")]
    answer = json.loads(content)
    assert answer["outputs"][0].keys() == {"name", "datatype", "shape", "data"}
    assert [(each["name"], each["shape"]) for each in answer["outputs"]] == [("y", [2, 1]), ("x", [2, 2])]
    assert (answer["model_name"], answer["id"]) == ("m", "7")
    read_back = np.array(answer["outputs"][1]["data"], np.float32)
    assert read_back.tobytes() == result[:, :2].tobytes()


def test_an_answer_in_bytes_follows_the_json_whose_length_the_header_says():
    result = np.array([[0.1, 0.2, 0.3]], np.float32)
    request = InferenceRequest(None, (), ((0, False), (1, True)))
    headers, content = write_answer({}, request, ONE, result)
    named = dict(headers)
    length = int(named[b"inference-header-content-length"])
    assert named[b"content-type"] == b"application/octet-stream"
    x, y = json.loads(content[:length])["outputs"]
    assert ("parameters" in x, "data" in y, y["parameters"]) == (False, False, {"binary_data_size": 4})
    assert content[length:] == np.array([0.3], "<f4").tobytes()
    assert b'"id"' not in content[:length]
