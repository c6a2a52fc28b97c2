"""/encode, /score and /complete over HTTP."""

import io
import json

import numpy as np
import pytest
from PIL import Image

from tests.app.http.test_pictures import assert_problem
from tests.fakes import pixels_of, png_bytes

GREY = png_bytes(np.full((8, 8), 102, np.uint8))


def posted(client, address, *files, masks=()):
    parts = [("file", (f"{k}.png", each)) for k, each in enumerate(files)]
    parts += [("mask", (f"{k}.png", each)) for k, each in enumerate(masks)]
    return client.post(address, files=parts)


def test_the_codes_of_images_are_given_in_every_format(client):
    answer = posted(client, "/encode", GREY, GREY)
    images = answer.json()["images"]
    assert images[0]["z_mean"] == pytest.approx([-1, -1], abs=1e-5)
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["cache-control"] == "no-store"
    assert np.load(io.BytesIO(posted(client, "/encode.npy", GREY).content)).shape == (1, 2)
    with np.load(io.BytesIO(posted(client, "/encode?format=npz", GREY).content)) as arrays:
        assert set(arrays.files) == {"z_mean", "z_log_var", "kl"}
    assert posted(client, "/encode.csv", GREY).text.splitlines()[0].startswith("image,point,kl,kl_by_axis0")


def test_the_code_that_is_named_decodes_to_the_reconstruction(client):
    point = posted(client, "/encode", GREY).json()["images"][0]["point"]
    decoded = pixels_of(client.get(f"/decode?points={point}&ink=light").content)
    assert set(decoded.ravel().tolist()) == {102}


def test_a_format_that_numbers_do_not_have_is_406(client):
    assert posted(client, "/encode.png", GREY).status_code == 406
    assert posted(client, "/score.gif", GREY).status_code == 406


def test_a_score_is_the_same_whatever_is_uploaded_beside_it(client):
    alone = posted(client, "/score?k=16", GREY).json()["images"][0]
    beside = posted(client, "/score?k=16", png_bytes(np.zeros((8, 8), np.uint8)), GREY).json()["images"][1]
    alone.pop("surprise"), beside.pop("surprise")  # drawn on one scale for all of an answer
    assert alone == beside
    assert alone["k"] == 16


def test_a_scaled_picture_has_its_own_scores_or_a_note_that_they_hold_for_another_size(client):
    pixels = np.random.default_rng(5).integers(0, 100, (8, 8), dtype=np.uint8)
    doubled = pixels.repeat(2, axis=0).repeat(2, axis=1)
    alone = posted(client, "/score?k=4", png_bytes(pixels))
    same = posted(client, "/score?k=4", png_bytes(doubled))
    assert same.json()["images"] == alone.json()["images"]
    assert "x-notes" not in same.headers
    doubled[0, 0] += 1
    noted = posted(client, "/score?k=4", png_bytes(doubled))
    assert noted.headers["x-notes"] == "file: scaled from 16 x 16: scores hold for 8 x 8"


def test_the_examples_scores_have_a_permanent_address(client):
    answer = client.get("/score?k=8&seed=tulip")
    location = answer.headers["content-location"]
    assert "format" not in location  # numbers are what the address gives
    assert client.get(location).content == answer.content
    assert client.get(location, headers={"If-None-Match": answer.headers["etag"]}).status_code == 304


def test_the_surprise_of_each_pixel_is_a_picture(client):
    assert pixels_of(posted(client, "/score.png?k=8", GREY, GREY).content).shape == (16, 16)


@pytest.mark.parametrize(
    ("query", "parameter", "word"),
    [
        ("k=0", "k", "1.."),
        ("k=8193", "k", "VITRINE_MAX_DRAWS"),
        ("seed=1.5", "seed", "word"),
        ("n=3", "n", "Unknown parameter"),
        ("format=gif", "format", ""),
    ],
)
def test_a_bad_parameter_of_score_is_refused_by_name(client, query, parameter, word):
    answer = posted(client, f"/score?{query}", GREY)
    assert answer.status_code in (406, 422)
    fault = answer.json()["errors"][0]
    assert fault["parameter"] == parameter
    assert word in json.dumps(fault)


def transparent(visible):
    """A picture whose lower part, from a row on, is transparent."""
    pixels = np.full((8, 8, 4), 255, np.uint8)
    pixels[..., :3] = 102
    pixels[visible:, :, 3] = 0
    return png_bytes(pixels)


MASK = png_bytes(np.where(np.arange(8)[:, None] < 5, 0, 255).astype(np.uint8).repeat(8, axis=1))


def test_missing_is_what_is_transparent_masked_or_hidden(client):
    plain = posted(client, "/complete?n=2&k=16&ink=light", transparent(5)).content
    masked = posted(client, "/complete?n=2&k=16&ink=light", GREY, masks=[MASK]).content
    pixels = pixels_of(plain)
    assert pixels.shape == (8, 4 * 8)
    assert np.array_equal(pixels, pixels_of(masked))
    assert (pixels[:5] == 102).all()  # what was seen
    assert (pixels[5:, :8] == 128).all()  # what is missing
    hidden = pixels_of(posted(client, "/complete?n=2&k=16&ink=light&hide=right", GREY).content)
    assert (hidden[:, :4] == 102).all()
    assert (hidden[:, 4:8] == 128).all()


def test_hidden_and_transparent_pixels_are_missing_together(client):
    pixels = pixels_of(posted(client, "/complete?n=1&k=4&ink=light&hide=left", transparent(6)).content)
    assert (pixels[:, :8] == 128).sum() == 64 - 6 * 4


def test_a_larger_picture_and_its_mask_are_fitted_alike(client):
    large = png_bytes(np.full((32, 16), 102, np.uint8))  # fitted into the middle four columns
    mask = np.zeros((32, 16), np.uint8)
    mask[20:] = 255
    pixels = pixels_of(posted(client, "/complete?n=1&k=4&ink=light", large, masks=[png_bytes(mask)]).content)
    assert (pixels[5:, 2:6] == 128).all()
    assert (pixels[:5, :8] == 102).all()
    assert (pixels[5:, :2] == 102).all()  # padding is the border's, not missing


def test_a_pixel_that_is_missing_in_part_is_missing(client):
    alpha = np.full((16, 16, 4), 255, np.uint8)
    alpha[..., :3] = 102
    alpha[9:, :, 3] = 0  # a row and a half of a pixel of the model's
    pixels = pixels_of(posted(client, "/complete?n=1&k=4&ink=light", png_bytes(alpha)).content)
    assert (pixels[4:, :8] == 128).all()
    assert (pixels[:4, :8] == 102).all()


def test_examples_are_completed_at_a_permanent_address(client):
    answer = client.get("/complete?n=1&k=4")
    assert answer.headers["x-grid"] == "3x2"
    assert client.get(answer.headers["content-location"]).content == answer.content
    assert len(answer.headers["x-effective-sample-size"].split(",")) == 2


def test_the_same_seed_gives_the_same_completions(client):
    first, second, other = (
        posted(client, f"/complete?n=3&k=16&render=draw&seed={seed}", transparent(4)).content
        for seed in (1, 1, 2)
    )
    assert np.array_equal(pixels_of(first), pixels_of(second))
    assert not np.array_equal(pixels_of(first), pixels_of(other))


@pytest.mark.parametrize(
    "address", ["/score", "/reconstruct", "/encode", "/complete", "/decode", "/inspect", "/score.csv"]
)
@pytest.mark.parametrize(
    ("name", "sent", "words"),
    [
        ("invert", (None, "auto"), "?invert=auto"),
        ("model", (None, "a b&c"), "?model=a+b%26c"),
        ("masks", ("m.png", GREY), "The field's name must be file"),
        ("image", ("a.png", GREY), "The field's name must be file"),
        ("note", (None, ""), "?note="),
    ],
)
def test_a_field_that_a_form_cannot_have_is_refused_by_name(client, address, name, sent, words):
    answer = client.post(address, files=[("file", ("a.png", GREY)), (name, sent)])
    assert_problem(answer, 422, name, words)
    assert [fault["code"] for fault in answer.json()["errors"]] == ["unknown_field"]


def test_every_field_too_many_is_named_once_and_a_mask_only_completes(client):
    sent = [("file", ("a.png", GREY)), ("k", (None, "4")), ("seed", (None, "5")), ("k", (None, "6"))]
    assert [fault["parameter"] for fault in client.post("/score", files=sent).json()["errors"]] == [
        "k",
        "seed",
    ]
    assert_problem(posted(client, "/score", GREY, masks=[GREY]), 422, "mask", "a field called file")


def test_a_forms_own_field_for_its_encoding_is_no_parameter(client):
    answer = client.post("/encode", files=[("file", ("a.png", GREY)), ("_charset_", (None, "utf-8"))])
    assert len(answer.json()["images"]) == 1


def test_an_image_of_which_nothing_is_missing_is_refused_with_what_to_do(client):
    assert_problem(posted(client, "/complete", GREY), 422, "file", "hide")


def test_masks_must_be_as_many_as_images(client):
    answer = posted(client, "/complete", GREY, GREY, masks=[MASK])
    assert_problem(answer, 422, "mask", "2 of them")


def test_a_broken_mask_is_refused_by_its_name(client):
    assert_problem(posted(client, "/complete", GREY, masks=[MASK[:40]]), 422, "mask[0]", "")


def test_an_images_orientation_holds_for_its_transparency_too(client):
    image = Image.fromarray(np.full((8, 8, 4), 102, np.uint8), "RGBA")
    image.putalpha(
        Image.fromarray(np.where(np.arange(8) < 4, 255, 0).astype(np.uint8)[None].repeat(8, axis=0))
    )
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned a quarter to the right: what is on the right comes below
    buffer = io.BytesIO()
    image.save(buffer, "PNG", exif=exif)
    pixels = pixels_of(posted(client, "/complete?n=1&k=4&ink=light", buffer.getvalue()).content)
    assert (pixels[4:, :8] == 128).all()
    assert (pixels[:4, :8] != 128).all()


@pytest.mark.parametrize(
    ("query", "parameter"),
    [
        *(("n=0", "n"), ("n=401", "n"), ("n=-2", "n"), ("n=-99", "n"), ("n=9999999999999999999", "n")),
        *(("k=0", "k"), ("hide=middle", "hide"), ("render=sharp", "render")),
    ],
)
def test_a_bad_parameter_of_complete_is_refused_by_name(client, query, parameter):
    assert_problem(
        posted(client, f"/complete?hide=lower&{query}".replace("hide=lower&hide", "hide"), GREY),
        422,
        parameter,
        "",
    )
    assert client.get(f"/complete?{query}").json()["errors"][0]["parameter"] == parameter


@pytest.mark.parametrize("name", ["json", "csv", "npz", "npy", "png", "webp"])
def test_the_address_of_a_score_gives_it_again_in_its_format(client, name):
    answer = client.get(f"/score.{name}?k=4")
    again = client.get(answer.headers["content-location"])
    assert again.content == answer.content
    assert again.headers["etag"] == answer.headers["etag"]
    assert again.headers["content-type"] == answer.headers["content-type"]


def test_an_input_for_a_mask_that_was_left_empty_is_passed_over_everywhere(client):
    """A browser sends it all the same, without a file's name."""
    head = b'--b\r\nContent-Disposition: form-data; name="%s"; filename="%s"\r\n\r\n%s\r\n'
    body = head % (b"file", b"a.png", GREY) + head % (b"mask", b"", b"") + b"--b--\r\n"
    kind = {"Content-Type": "multipart/form-data; boundary=b"}
    for address in ("/reconstruct", "/complete?k=4&hide=left"):
        answer = client.post(address, content=body, headers=kind)
        assert answer.status_code == 200
        assert np.array_equal(pixels_of(answer.content), pixels_of(posted(client, address, GREY).content))
