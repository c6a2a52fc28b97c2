import hashlib

import numpy as np
import pytest

from app.errors import DecoderUnavailable, InvalidParameter
from app.explore.scores import Draws, score
from app.importance import Posterior
from app.latent import posterior_noise
from app.settings import Settings
from app.tabulating import measuring
from app.tabulating.images import Image
from app.tabulating.measuring import TRIES, Measure
from tests.app.tabulating.conftest import FILES
from tests.fakes import png_bytes

LIMITS = Settings()


@pytest.fixture
def images(place):
    images = place.open()
    return list(images.read(range(images.count)))


def test_the_numbers_of_a_score_are_those_of_the_service_for_that_file_alone(job, model, images):
    rows = list(Measure(job, model, LIMITS).rows(images))
    assert [row["name"] for row in rows] == sorted(FILES)
    for row in rows:
        data = FILES[row["name"]]
        assert row["sha256"] == hashlib.sha256(data).hexdigest()
        if "error" not in row:
            alone = score(model, LIMITS, [("file", data)], "no", Draws(3, 5))().scores[0]
            assert {name: row[name] for name in alone.as_dict()} == alone.as_dict()
    assert {row["name"]: row["error"] for row in rows if "error" in row} == {
        "bags/broken.png": 'expected a PNG, JPEG, WebP, GIF or BMP image. Received: 8 bytes that begin with "no image".',
        "shirts/empty.gif": "expected an image. Received: an empty file.",
    }


def test_codes_are_the_posterior_and_its_kl(job, model, images):
    job = job.model_copy(update={"kind": "encode", "k": 0})
    row = next(row for row in Measure(job, model, LIMITS).rows(images) if row["name"] == "bags/a.png")
    level = np.float32(60) / np.float32(255)
    np.testing.assert_allclose(row["z_mean"], [(level - 0.5) * 10] * 2, rtol=1e-6)
    assert row["z_log_var"].tolist() == [0.0, 0.0]
    assert row["kl"] == pytest.approx(float((row["z_mean"].astype(float) ** 2).sum() / 2))
    assert row["kl"] == pytest.approx(row["kl_by_axis"].sum())
    assert "draws" not in row


def test_draws_follow_from_the_seed_and_the_bytes_of_the_file_alone(job, model, images):
    def draws_of(some, seed=5):
        asked = job.model_copy(update={"kind": "encode", "k": 4, "seed": seed})
        return {
            row["name"]: row["draws"] for row in Measure(asked, model, LIMITS).rows(some) if "draws" in row
        }

    all_of_them, alone = draws_of(images), draws_of(images[-1:])
    last = images[-1]
    assert np.array_equal(all_of_them[last.name], alone[last.name])
    assert not np.array_equal(draws_of([last], seed=6)[last.name], alone[last.name])
    digest = hashlib.sha256(last.data).hexdigest()
    own = int.from_bytes(hashlib.sha256(f"5/{digest}".encode()).digest()[:8], "big") >> 1
    (row,) = Measure(job.model_copy(update={"kind": "encode"}), model, LIMITS).rows([last])
    posterior = Posterior.of(np.stack([row["z_mean"], row["z_log_var"]]))
    assert np.array_equal(alone[last.name], posterior.draw(posterior_noise(own, 0, 4, 2)))


def test_notes_say_what_was_done_to_a_file(job, model, images):
    light = next(image for image in images if image.name.endswith("c.png"))
    (row,) = Measure(job, model, LIMITS).rows([light])
    assert "inverted? use invert=auto" in row["notes"]
    (row,) = Measure(job.model_copy(update={"invert": "auto"}), model, LIMITS).rows([light])
    assert row["notes"] == "inverted"


def test_notes_name_the_size_that_scores_hold_for(job, model):
    larger = np.zeros((9, 9), np.uint8)
    larger[4, 4] = 90
    (row,) = Measure(job, model, LIMITS).rows([Image(0, "a.png", None, png_bytes(larger))])
    assert row["notes"] == "scaled from 9 x 9: scores hold for 8 x 8"


def test_more_images_than_one_computation_has_keep_their_order(job, model):
    data = FILES["bags/a.png"]
    images = [Image(number, str(number), None, data if number % 3 else b"") for number in range(70)]
    rows = list(Measure(job, model, LIMITS).rows(images))
    assert [row["row"] for row in rows] == [*range(70)]
    assert [("error" in row) for row in rows] == [number % 3 == 0 for number in range(70)]


def test_where_positions_round_differently_each_file_is_encoded_as_if_alone(job, model, images):
    model.posterior.alike = (0, *[1] * 31)
    sizes = []
    encode = model.posterior.function
    model.posterior.function = lambda pixels: sizes.append(len(pixels)) or encode(pixels)
    list(Measure(job, model, LIMITS).rows(images))
    assert len(sizes) == 4


@pytest.mark.parametrize(("failures", "is_read"), [(TRIES - 1, True), (TRIES, False)])
def test_a_decoder_that_was_ended_by_the_system_is_asked_again(
    failures, is_read, job, model, images, monkeypatch
):
    left = [failures]
    read = measuring.reading.read_uploads

    def fail(*given, **options):
        left[0] -= 1
        if left[0] >= 0:
            raise DecoderUnavailable("What decodes uploads was ended: SIGKILL.")
        return read(*given, **options)

    monkeypatch.setattr(measuring.reading, "read_uploads", fail)
    (row,) = Measure(job, model, LIMITS).rows(images[:1])
    assert ("error" not in row) == is_read
    assert is_read or row["error"].startswith("What decodes uploads was ended: SIGKILL.")


def test_draws_beyond_the_limit_are_refused(job, model):
    with pytest.raises(InvalidParameter, match=r"k: expected 1\.\.10"):
        Measure(job.model_copy(update={"k": 11}), model, Settings(max_draws=10))
