import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter

from app.runtimes import LITERT_DECODER
from app.runtimes.litert import LiteRTRuntime
from app.runtimes.one_row import decode_one_by_one, one_row_decoder
from tests.conftest import FASHION_AXES, FASHION_VERSION

CODES = np.random.default_rng(0).standard_normal((20, FASHION_AXES)).astype(np.float32)


@pytest.fixture(scope="module")
def flatbuffer():
    return one_row_decoder(FASHION_VERSION)


def test_it_has_one_signature_that_takes_one_row_and_leaves_nothing_open(flatbuffer):
    interpreter = Interpreter(model_content=flatbuffer)
    assert interpreter.get_signature_list() == {"decode": {"inputs": ["z"], "outputs": ["image"]}}
    runner = interpreter.get_signature_runner("decode")
    (z,), (image,) = runner.get_input_details().values(), runner.get_output_details().values()
    assert (z["shape"].tolist(), z["shape_signature"].tolist()) == ([1, FASHION_AXES], [1, FASHION_AXES])
    assert (image["shape"].tolist(), image["shape_signature"].tolist()) == ([1, 28, 28], [1, 28, 28])


def test_it_computes_what_the_version_computes_to_the_bit(flatbuffer):
    served = LiteRTRuntime(FASHION_VERSION, 1).decode(CODES)
    np.testing.assert_array_equal(decode_one_by_one(flatbuffer, CODES), served)


def test_what_only_draws_and_scores_need_is_left_out(flatbuffer):
    whole = (FASHION_VERSION / LITERT_DECODER).stat().st_size
    # A last layer of 28 channels into four pixels' 21 parameters, float32, of which a mean needs one each.
    assert whole - len(flatbuffer) > 28 * 4 * 20 * 4
