import json

import pytest

from app.manifest import Manifest
from app.programs.program import Program, RefusedProgram, Signature
from app.programs.shapes import DECODERS, ENCODERS, check
from tests.fakes import write_version

CODES, IMAGES = (-1, 2), (-1, 8, 8)
DECODE = Signature({"z": CODES}, {"image": IMAGES})
DRAW = Signature({"z": CODES, "noise": IMAGES}, {"image": IMAGES})
LOG_PROB = Signature({"z": CODES, "images": IMAGES}, {"log_prob": (-1,), "log_prob_per_pixel": IMAGES})
DECODER = {"decode": DECODE, "draw": DRAW, "log_prob": LOG_PROB}
ENCODE = Signature({"images": IMAGES}, {"z_mean": CODES, "z_log_var": CODES})
DRAWN_BY_US = {"name": "causal-logistic", "path": "examples/0.png", "noise_shape": [8, 8]}


@pytest.fixture
def manifest(tmp_path):
    return Manifest.model_validate(json.loads((write_version(tmp_path) / "manifest.json").read_text()))


def decoder(**changes):
    return Program(frozenset(), {**DECODER, **changes})


@pytest.mark.parametrize("path", DECODERS)
def test_signatures_as_the_manifest_says_pass(path, manifest):
    check(path, decoder(), manifest)
    check(path, decoder(other=Signature({}, {})), manifest)
    check(ENCODERS[0], Program(frozenset(), {"encode": ENCODE}), manifest)
    check("decoder/more.tflite", Program(frozenset(), {}), manifest)


def test_sizes_that_are_not_told_wait_for_the_opening(manifest):
    check(DECODERS[0], decoder(decode=Signature({"z": (-1, -1)}, {"image": None})), manifest)


def test_a_number_of_rows_is_no_matter_of_shape(manifest):
    check(DECODERS[1], decoder(decode=Signature({"z": (32, 2)}, {"image": (32, 8, 8)})), manifest)


@pytest.mark.fault(12)
@pytest.mark.parametrize(
    ("signature", "reason"),
    [
        (Signature({"z": (-1, 3)}, {"image": IMAGES}), "decode: z is (-1, 3); expected (rows, 2)"),
        (
            Signature({"z": CODES}, {"image": (-1, 8, 9)}),
            "decode: image is (-1, 8, 9); expected (rows, 8, 8)",
        ),
        (Signature({"z": CODES}, {"image": (-1, 8, 8, 3)}), "decode: image is (-1, 8, 8, 3)"),
        (Signature({"z": ()}, {"image": IMAGES}), "decode: z is ()"),
        (Signature({"codes": CODES}, {"image": IMAGES}), "decode: expected z; not codes"),
        (Signature({"z": CODES, "seed": ()}, {"image": IMAGES}), "decode: expected z; not seed"),
        (Signature({"z": CODES}, {"picture": IMAGES}), "decode: gives no image"),
    ],
)
def test_a_shape_that_is_another_is_named_with_the_expected_one(signature, reason, manifest):
    with pytest.raises(RefusedProgram) as caught:
        check(DECODERS[0], decoder(decode=signature), manifest)
    assert str(caught.value).startswith(f"decoder/saved_model.pb: {reason}")


@pytest.mark.fault(12)
def test_noise_and_codes_of_the_encoder_are_compared_too(manifest):
    noise = Signature({"z": CODES, "noise": (-1, 8, 8, 2)}, {"image": IMAGES})
    with pytest.raises(RefusedProgram, match=r"draw: noise is \(-1, 8, 8, 2\); expected \(rows, 8, 8\)"):
        check(DECODERS[1], decoder(draw=noise), manifest)
    encode = Signature({"images": IMAGES}, {"z_mean": CODES, "z_log_var": (-1, 4)})
    with pytest.raises(RefusedProgram, match=r"encode: z_log_var is \(-1, 4\); expected \(rows, 2\)"):
        check(ENCODERS[1], Program(frozenset(), {"encode": encode}), manifest)


def test_a_signature_that_is_needed_and_missing_is_named(manifest):
    for path, missing in ((ENCODERS[0], "encode"), (DECODERS[0], "decode")):
        with pytest.raises(RefusedProgram, match=f"{path}: no signature {missing}"):
            check(path, Program(frozenset(), {}), manifest)
    with pytest.raises(RefusedProgram, match="no signature draw"):
        check(DECODERS[1], Program(frozenset(), {"decode": DECODE}), manifest)


def test_a_version_that_a_service_draws_needs_its_parameters_of_any_number(tmp_path):
    folder = write_version(tmp_path, likelihood=DRAWN_BY_US)
    manifest = Manifest.model_validate(json.loads((folder / "manifest.json").read_text()))
    with pytest.raises(RefusedProgram, match="no signature parameters"):
        check(DECODERS[1], decoder(), manifest)
    check(DECODERS[1], decoder(parameters=Signature({"z": CODES}, {"parameters": (-1, 8, 8, 55)})), manifest)
    with pytest.raises(RefusedProgram, match=r"expected \(rows, 8, 8, any\)"):
        check(DECODERS[1], decoder(parameters=Signature({"z": CODES}, {"parameters": IMAGES})), manifest)
