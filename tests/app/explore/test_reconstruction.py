import json

import numpy as np
import pytest

from app.explore.images import Uploads
from app.explore.reconstruction import reconstruct, reconstruct_examples
from app.models import Model
from app.pictures.grids import GridStyle
from app.settings import Settings
from app.store import scan
from tests.app.explore.asking import ROW, context_of, faults
from tests.fakes import FakeRuntime, pixels_of, png_bytes, write_version


def test_originals_stand_above_their_reconstructions(model):
    files = [(f"file[{i}]", png_bytes(np.full((8, 8), value, np.uint8))) for i, value in enumerate((51, 204))]
    picture = reconstruct(context_of(model, ROW), Uploads(tuple(files)))()
    pixels = pixels_of(picture.content)
    assert pixels.shape == (16, 16)
    assert (pixels[:, :8] == 51).all()
    assert (pixels[:, 8:] == 204).all()
    assert dict(picture.facts)["grid"] == "2x2"


def test_the_lower_row_is_what_the_model_makes_of_the_upper(model):
    stripes = np.zeros((8, 8), np.uint8)
    stripes[:, ::2] = 204  # the mean of each half is 102, all that the fake model keeps
    files = [("file", png_bytes(stripes))]
    pixels = pixels_of(reconstruct(context_of(model, ROW), Uploads(tuple(files)))().content)
    assert np.array_equal(pixels[:8], stripes)
    assert set(pixels[8:].ravel().tolist()) == {102}


def test_more_images_than_columns_give_further_pairs_of_rows(model):
    files = [("file", png_bytes(np.full((8, 8), 20 * i, np.uint8))) for i in range(5)]
    pixels = pixels_of(
        reconstruct(context_of(model, GridStyle(2, 1, "light")), Uploads(tuple(files)))().content
    )
    assert pixels.shape == (6 * 8, 2 * 8)
    assert pixels[::8, 0].tolist() == [0, 0, 40, 40, 80, 80]
    assert pixels[::8, 8].tolist() == [20, 20, 60, 60, 0, 0]


def test_the_models_own_examples_are_reconstructed(model):
    pixels = pixels_of(reconstruct_examples(context_of(model, ROW))().content)
    assert pixels[::8, ::8].tolist() == [[51, 204], [51, 204]]


def test_a_version_without_examples_says_so(tmp_path):
    write_version(tmp_path, examples=[])
    model = Model(scan(tmp_path).find("fake"), FakeRuntime())
    assert faults(reconstruct_examples, context=context_of(model)).code == "no_examples"


@pytest.mark.parametrize(("count", "columns", "cells"), [(3, 4, 6), (3, None, 6), (26, 25, 100), (5, 2, 12)])
def test_a_reconstructions_pixels_are_counted_as_they_are_drawn(model, count, columns, cells):
    files = [("file", png_bytes(np.zeros((8, 8), np.uint8)))] * count
    for allowed in (cells, cells - 1):
        limits = Settings(max_pixels=64 * allowed)
        context = context_of(model, GridStyle(columns), limits)
        request = {"context": context, "sent": Uploads(tuple(files))}
        if allowed == cells:
            assert pixels_of(reconstruct(**request)().content).size == 64 * cells
        else:
            assert faults(reconstruct, **request).code == "too_many_pixels"


def test_what_was_done_to_an_upload_is_noted_beside_its_name(model):
    files = [(f"file[{k}]", png_bytes(np.full((8, 8), level, np.uint8))) for k, level in enumerate((250, 5))]
    answer = reconstruct(context_of(model, ROW), Uploads(tuple(files), "auto"))()
    assert answer.notes == ("file[0]: inverted",)


def test_the_error_is_the_third_row(model):
    stripes = np.zeros((8, 8), np.uint8)
    stripes[:, ::2] = 204
    sent = Uploads((("file", png_bytes(stripes)),))
    pixels = pixels_of(reconstruct(context_of(model, ROW), sent, "error")().content)
    assert pixels.shape == (24, 8)
    assert np.array_equal(pixels[16:], np.full((8, 8), 102))  # |204 - 102| and |0 - 102|


def test_how_close_reconstructions_are_is_told(model):
    stripes = np.zeros((8, 8), np.uint8)
    stripes[:, ::2] = 204
    sent = Uploads((("file", png_bytes(stripes)), ("file", png_bytes(np.full((8, 8), 51, np.uint8)))))
    answer = reconstruct(context_of(model, GridStyle(format="json")), sent)()
    first, second = json.loads(answer.content)["reconstructions"]
    assert first["mse"] == pytest.approx(0.16)  # 0.4 squared
    assert (second["mse"], second["psnr"]) == (0, None)  # an infinite PSNR is no JSON
    assert float(dict(answer.facts)["mse"]) == pytest.approx(0.08)
    assert "elbo" not in first


def test_the_elbo_and_its_terms_are_told_if_draws_are_asked_for(model):
    sent = Uploads((("file", png_bytes(np.full((8, 8), 51, np.uint8))),))
    answer = reconstruct(context_of(model, GridStyle(format="json")), sent, draws=32)()
    (found,) = json.loads(answer.content)["reconstructions"]
    assert found["elbo"] == pytest.approx(found["reconstruction"] - found["kl"])
    assert found["kl"] == pytest.approx(9, abs=1e-3)  # a code of -3 on both axes with variance 1
    assert {"elbo", "reconstruction", "kl"} <= dict(answer.facts).keys()
    assert faults(reconstruct, context_of(model), sent, draws=8193).parameter == "elbo"
