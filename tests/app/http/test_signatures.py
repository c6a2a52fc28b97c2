import numpy as np
import pytest

from app import latent
from app.http.signatures import HIGHEST_NOISE, LOWEST_NOISE, PARTS, names_of, split_name
from app.models import Model
from app.store import scan
from tests.fakes import FakeRuntime, write_version


@pytest.fixture
def model(tmp_path):
    write_version(tmp_path, shape=(8, 8, 3))
    return Model(scan(tmp_path).find("fake"), FakeRuntime((8, 8, 3)))


def test_names_of_the_protocol_lead_back_to_one_model_of_the_store():
    stored = ["fashion", "fashion.decoder", "fashion.decoder.draw", "a"]
    names = [name for each in stored for name in names_of(each)]
    assert len(set(names)) == len(names) == 12
    assert [split_name(name)[0] for name in names] == [each for each in stored for _ in range(3)]
    for name in ("fashion", "decoder", "fashion.", "fashion.Decoder", "fashion@6.decoder", ""):
        assert split_name(name) is None


def test_noise_is_within_what_the_services_own_draws_use():
    assert 0 < LOWEST_NOISE < 1e-37
    assert np.float32(HIGHEST_NOISE) == np.nextafter(np.float32(1), np.float32(0))
    noise = latent.uniform_noise(7, 0, 100, (28, 28))
    assert noise.min() >= LOWEST_NOISE
    assert noise.max() <= HIGHEST_NOISE


@pytest.mark.parametrize("part", PARTS)
def test_a_signature_describes_what_its_operation_takes_and_gives(model, part):
    signature = PARTS[part](model)
    rows = [np.full((3, *tensor.row), 0.25, np.float32) for tensor in signature.inputs]
    for tensor in signature.inputs:
        assert tensor.low <= 0.25 <= tensor.high
    results = signature.split(signature.operation.whole(*rows))
    assert len(results) == len(signature.outputs)
    for tensor, result in zip(signature.outputs, results, strict=True):
        assert result.dtype == np.float32
        assert result.shape == (3, *tensor.row)
        assert tensor.describe() == {"name": tensor.name, "datatype": "FP32", "shape": [-1, *tensor.row]}
        assert tensor.numbers == result[0].size


def test_requests_of_one_model_share_their_operation_and_pictures_have_another(model):
    """Else no batch would hold rows of two requests."""
    assert PARTS["decoder"](model).operation is PARTS["decoder"](model).operation is not model.decoding
