import io
import json

import numpy as np
import pytest
from PIL import Image, PngImagePlugin

from tests.fakes import png_bytes


def inspected(client, content, verify=1):
    answer = client.post(f"/inspect?verify={verify}", files={"file": ("x", content)})
    assert answer.status_code == 200, answer.text
    assert answer.headers["cache-control"] == "no-store"
    return answer.json()


def with_packet(pixels, packet):
    text = PngImagePlugin.PngInfo()
    text.add_itxt("XML:com.adobe.xmp", packet)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG", pnginfo=text)
    return buffer.getvalue()


def opened(content):
    image = Image.open(io.BytesIO(content))
    image.load()
    return image


@pytest.mark.parametrize(
    "address",
    [
        "/samples?n=3",
        "/samples.webp?n=3&seed=tulip",
        "/samples.gif?n=3",
        "/samples.apng?n=3&render=draw&loop=bounce",
        "/interpolate.gif?steps=4&loop=bounce",
        "/decode?points=z:1,2;example:1&zoom=2",
        "/axes",
        "/manifold?columns=3&rows=2",
        "/directions?plus=z:1,0&minus=centre",
        "/compare?with=fake",
        "/reconstruct?show=error",
        "/score.png?k=4",
        "/score.webp?k=4",
        "/complete?n=1&k=4",
        "/axes.gif",
        "/axes.apng?steps=64",  # 128 frames and more
    ],
)
def test_a_picture_of_ours_is_drawn_again_and_agrees(client, address):
    answer = client.get(address)
    found = inspected(client, answer.content)
    assert found["generated"] is True
    assert found["recipe"]["address"] == answer.headers["content-location"]
    assert found["verification"]["verdict"] == "agrees"


def test_a_picture_saved_in_another_format_still_agrees(client):
    png = opened(client.get("/samples?n=2&seed=1").content)
    buffer = io.BytesIO()
    png.save(buffer, "WEBP", lossless=True, xmp=png.info["xmp"])
    assert inspected(client, buffer.getvalue())["verification"]["verdict"] == "agrees"


def test_a_single_image_out_of_a_zip_agrees_with_its_own(client):
    import zipfile

    with zipfile.ZipFile(io.BytesIO(client.get("/samples.zip?n=3&seed=4").content)) as archive:
        single = archive.read("0002.png")
    found = inspected(client, single)
    assert found["recipe"]["image"] == 2
    assert found["verification"] == {
        "verdict": "agrees",
        "reason": "Drawn again, every pixel is the same.",
        "pixels": 64,
    }


def test_a_changed_pixel_is_named(client):
    image = opened(client.get("/samples?n=2&seed=1").content)
    changed = np.asarray(image).copy()
    expected = int(changed[5, 11])
    changed[5, 11] = expected ^ 1  # by one level of grey
    found = inspected(client, with_packet(changed, image.info["xmp"].decode()))["verification"]
    assert (found["verdict"], found["differing"], found["box"]) == ("differs", 1, [11, 5, 11, 5])
    assert found["pixels"][0]["expected"][:3] == [expected] * 3


def test_a_recipe_that_was_changed_does_not_agree(client):
    image = opened(client.get("/samples?n=2&seed=1").content)
    packet = image.info["xmp"].decode().replace("seed=1", "seed=2")
    assert inspected(client, with_packet(np.asarray(image), packet))["verification"]["verdict"] == "differs"


def test_without_a_mark_nothing_is_known(client):
    found = inspected(client, png_bytes(np.zeros((8, 8), np.uint8)))
    assert (found["generated"], found["recipe"]) == (None, None)
    assert found["verification"]["verdict"] == "unknown"
    assert "says nothing" in found["verification"]["reason"]


def test_the_mark_of_another_program_is_told_and_not_judged(client):
    packet = '<x DigitalSourceType="http://cv.iptc.org/newscodes/digitalsourcetype/digitalCapture"/>'
    found = inspected(client, with_packet(np.zeros((8, 8), np.uint8), packet))
    assert found["source_type"].endswith("digitalCapture")
    assert found["generated"] is None
    assert found["verification"]["verdict"] == "unknown"


def test_a_reconstruction_of_an_upload_cannot_be_drawn_again_and_says_why(client):
    drawn = client.post("/reconstruct", files={"file": ("a.png", png_bytes(np.full((8, 8), 9, np.uint8)))})
    found = inspected(client, drawn.content)
    assert found["source_type"].endswith("compositeWithTrainedAlgorithmicMedia")
    assert found["verification"] == {
        "verdict": "unknown",
        "reason": "The picture was made of what was sent with the request, uploaded images for one, which is "
        "not kept: it cannot be drawn again.",
    }


@pytest.mark.parametrize(
    ("change", "word"),
    [
        (("fake@1-", "gone@1-"), "gone@1"),
        (('"digest": "', '"digest": "0'), "contradicts"),
        (("/samples?", "/livez?"), "contradicts"),
        (("n=2", "n=2000"), "n: expected"),
        (('{"address"', '{"address'), "cannot be read"),
    ],
)
def test_a_recipe_that_leads_nowhere_is_unknown_and_says_why(client, change, word):
    image = opened(client.get("/samples?n=2&seed=1").content)
    packet = image.info["xmp"].decode().replace(*change)
    found = inspected(client, with_packet(np.asarray(image), packet))["verification"]
    assert found["verdict"] == "unknown"
    assert word in found["reason"] or "no recipe" in found["reason"] or "cannot check" in found["reason"]


def test_without_verify_nothing_is_drawn(client):
    found = inspected(client, client.get("/samples?n=2").content, verify=0)
    assert "verification" not in found
    assert found["recipe"]["model"] == "fake@1"


@pytest.mark.parametrize(
    ("query", "parameter"), [("verify=2", "verify"), ("verify=yes", "verify"), ("n=1", "n")]
)
def test_a_bad_parameter_is_refused_by_name(client, query, parameter):
    answer = client.post(f"/inspect?{query}", files={"file": ("x", png_bytes(np.zeros((8, 8), np.uint8)))})
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["parameter"] == parameter


def test_what_is_no_picture_and_more_than_one_are_refused(client):
    assert client.post("/inspect", files={"file": ("x", b"PK\3\4 and more")}).status_code == 415
    picture = png_bytes(np.zeros((8, 8), np.uint8))
    answer = client.post("/inspect", files=[("file", ("a", picture)), ("file", ("b", picture))])
    assert answer.status_code == 422
    assert client.get("/inspect").status_code == 405


@pytest.mark.parametrize("image", [0, 5, True, -1, "0"])
def test_the_number_of_an_image_that_lies_in_no_archive_is_unknown(client, image):
    drawn = opened(client.get("/samples?n=2&seed=1").content)
    number = json.dumps(image)
    packet = drawn.info["xmp"].decode().replace('"model":', f'"image": {number}, "model":')
    found = inspected(client, with_packet(np.asarray(drawn), packet))["verification"]
    assert found == {
        "verdict": "unknown",
        "reason": "The recipe in the file cannot be read, or contradicts itself.",
    }


def test_a_recipe_that_lies_beside_a_true_address_does_not_agree(client):
    drawn = opened(client.get("/samples?n=2&seed=1").content)
    packet = drawn.info["xmp"].decode().replace('"model": "fake@1"', '"model": "another@7"')
    found = inspected(client, with_packet(np.asarray(drawn), packet))["verification"]
    assert found["verdict"] == "differs"
    assert "recipe" in found["reason"]
    assert found["recipe"]["model"] == "fake@1"


def test_what_agrees_is_generated_whatever_the_file_claims(client):
    drawn = opened(client.get("/samples?n=2&seed=1").content)
    packet = drawn.info["xmp"].decode().replace("trainedAlgorithmicMedia", "digitalCapture")
    found = inspected(client, with_packet(np.asarray(drawn), packet))
    assert (found["generated"], found["verification"]["verdict"]) == (True, "agrees")


def test_a_recipe_of_many_points_is_read(client):
    points = ";".join(f"0.06*seed:{10**15 + number}/{number}~0.01*centre" for number in range(150))
    drawn = client.get(f"/decode?points={points}")
    assert drawn.status_code == 200
    assert inspected(client, drawn.content)["verification"]["verdict"] == "agrees"


def test_points_that_were_sent_are_drawn_again(client):
    drawn = client.post("/decode", json={"points": ["seed:1/2", "z:0.5,1"]})
    found = inspected(client, drawn.content)
    assert found["recipe"]["parameters"]["points"] == "seed:1/2;z:0.5,1.0"
    assert found["verification"]["verdict"] == "agrees"


@pytest.mark.parametrize(
    ("address", "told"),
    [
        ("/interpolate?steps=3", {"from": "image:0", "to": "image:1", "steps": 3}),
        ("/directions?plus=image:0&minus=image:1", {"at": "image:1", "steps": 3}),
        ("/decode", {"points": "image:0"}),
    ],
)
def test_recipes_of_uploads_have_every_parameter_by_its_name(client, address, told):
    picture = png_bytes(np.full((8, 8), 99, np.uint8))
    drawn = client.post(address, files=[("file", ("a", picture)), ("file", ("b", picture))])
    parameters = inspected(client, drawn.content)["recipe"]["parameters"]
    assert told.items() <= parameters.items()
    assert "from_" not in parameters
