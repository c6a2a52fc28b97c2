import json
import socket
import threading

import numpy as np
import pytest

from tests.fakes import pixels_of, png_bytes

FLAT = png_bytes(np.full((8, 8), 204, np.uint8))


def test_a_picture_of_a_service_goes_to_standard_output(run):
    done = run("samples", "-n", "4", "--columns", "2", "--seed", "tulip")
    assert (done.exit_code, done.stderr) == (0, "")
    assert pixels_of(done.stdout_bytes).shape == (16, 16)


def test_the_store_itself_gives_the_same_bytes_as_a_service(run, here):
    asked = ("samples", "-n", "3", "--seed", "5", "--zoom", "2")
    assert run(*asked, "--local").stdout_bytes == run(*asked).stdout_bytes


def test_a_folder_may_be_named_for_the_local_store(run, here, store, monkeypatch):
    monkeypatch.delenv("VITRINE_MODEL_STORE")
    done = run("samples", "--seed", "1", "--local", "--model-store", str(store))
    assert done.stdout_bytes == run("samples", "--seed", "1").stdout_bytes


def test_files_are_sent(run, tmp_path):
    (tmp_path / "flat.png").write_bytes(FLAT)
    shown = pixels_of(run("reconstruct", "flat.png", "--ink", "light").stdout_bytes).astype(int)
    assert shown.shape == (16, 8)
    assert np.abs(shown - 204).max() <= 1  # the fake model reconstructs flat halves; levels are rounded
    assert pixels_of(run("reconstruct", "flat.png", "flat.png").stdout_bytes).shape == (16, 16)


def test_a_file_may_come_by_standard_input(run):
    done = run("reconstruct", "-", "--ink", "light", sent=FLAT)
    assert np.abs(pixels_of(done.stdout_bytes).astype(int) - 204).max() <= 1


def test_points_and_codes_may_come_in_a_file(run, tmp_path):
    np.save(tmp_path / "codes.npy", np.array([[1, 1], [-1, -1]], np.float32))
    (tmp_path / "points.json").write_text('{"points": ["z:1,1", "z:-1,-1"]}')
    by_option = run("decode", "--points", "z:1,1;z:-1,-1").stdout_bytes
    for file in ("codes.npy", "points.json"):
        done = run("decode", file)
        assert np.array_equal(pixels_of(done.stdout_bytes), pixels_of(by_option)), done.stderr


def test_images_are_encoded_and_scored_as_numbers_or_as_a_picture(run, here, tmp_path):
    (tmp_path / "flat.png").write_bytes(FLAT)
    for whom in ((), ("--local",)):
        (encoded,) = json.loads(run("encode", "flat.png", *whom).stdout)["images"]
        assert encoded["z_mean"] == pytest.approx([3, 3], abs=1e-5)  # 0.8 of the scale; a tenth of it a unit
        (scored,) = json.loads(run("score", "flat.png", "-k", "8", *whom).stdout)["images"]
        assert scored["k"] == 8
    table = run("score", "flat.png", "flat.png", "--format", "csv").stdout.splitlines()
    assert table[0].startswith("image,corrected,corrected_percentile,log_p_x")
    assert len(table) == 3
    assert run("score", "flat.png", "-o", "surprise.png", "--ink", "light").exit_code == 0
    shown = pixels_of((tmp_path / "surprise.png").read_bytes())
    assert (shown[:8] == 204).all()
    assert shown.shape == (16, 8)
    assert len(json.loads(run("score").stdout)["images"]) == 2  # the model's own
    said = json.loads(run("encode", "flat.png", "--json").stdout)
    assert said["data"]["images"][0] == encoded
    assert "border is light" in said["notes"]


def test_masks_are_sent_beside_their_images(run, tmp_path):
    mask = np.zeros((8, 8), np.uint8)
    mask[4:] = 255
    (tmp_path / "flat.png").write_bytes(FLAT)
    (tmp_path / "lower.png").write_bytes(png_bytes(mask))
    (tmp_path / "upper.png").write_bytes(png_bytes(255 - mask))
    masks = ("--mask", "lower.png", "--mask", "upper.png")
    done = run("complete", "flat.png", "flat.png", *masks, "-n", "1", "--ink", "light")
    shown = pixels_of(done.stdout_bytes)
    assert shown.shape == (16, 24)  # a row each: what was seen, the mean, a completion
    assert (shown[:4] == 204).all()
    assert (shown[4:8, :8] == 128).all()  # grey where nothing was seen
    assert (shown[8:12, :8] == 128).all()
    assert (shown[12:] == 204).all()
    by_hand = run("complete", "flat.png", "--mask", "-", "-n", "1", "--ink", "light", sent=png_bytes(mask))
    assert np.array_equal(pixels_of(by_hand.stdout_bytes), shown[:8])
    half = run("complete", "flat.png", "--hide", "lower", "-n", "1", "--ink", "light")
    assert np.array_equal(pixels_of(half.stdout_bytes), shown[:8])
    assert pixels_of(run("complete", "-n", "2").stdout_bytes).shape == (16, 32)  # the model's own


def test_every_address_can_be_rendered(run, tmp_path):
    assert (
        run("render", "/samples?seed=1&n=4").stdout_bytes
        == run("samples", "--seed", "1", "-n", "4").stdout_bytes
    )
    assert json.loads(run("render", "/version").stdout)["default_model"] == "fake@1"
    (tmp_path / "flat.png").write_bytes(FLAT)
    assert pixels_of(run("render", "/reconstruct?show=error", "flat.png").stdout_bytes).shape == (24, 8)


def test_a_picture_is_inspected(run, here, tmp_path):
    (tmp_path / "mine.png").write_bytes(run("samples", "--seed", "1").stdout_bytes)
    for whom in ((), ("--local",)):
        found = json.loads(run("inspect", "mine.png", "--verify", *whom).stdout)
        assert found["verification"]["verdict"] == "agrees"
    assert "verification" not in json.loads(run("inspect", "mine.png", "--json").stdout)


def test_json_says_where_the_picture_is_for_good(run, here):
    for whom, base in (((), True), (("--local",), False)):
        said = json.loads(run("samples", "-n", "2", "--seed", "tulip", "--json", *whom).stdout)
        assert said["model"] == "fake@1"
        assert said["data"]["images"][0]["point"].startswith("z:")
        assert said["facts"]["grid"] == "2x1"
        assert said["address"].startswith("http://127.0.0.1:") is base
        assert f"seed={said['seed']}" in said["address"]
        rendered = run("render", said["address"], *whom)
        assert json.loads(rendered.stdout)["images"] == said["data"]["images"]


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("samples", "-n", "0"), 2, "Use 1 to 400."),
        (("samples", "--model", "nothing"), 3, "Name one of these"),
        (("compare", "--with", "fake@9"), 3, "fake@1"),
        (("render", "/nowhere"), 2, "/docs"),
        (("render", "http://elsewhere/samples"), 2, "no address of"),
        (("decode",), 2, "points"),
        (("decode", "--points", "sed:1"), 2, "seed:42/3"),
        (("score", "-k", "0"), 2, "k"),
        (("render", "/manifold/default;q=1/info.json"), 2, "x, y, at"),
        (("samples", "--url", "localhost"), 2, "http://127.0.0.1:8000"),
        (("samples", "--url", "http://127.0.0.1:1"), 4, "--local"),
    ],
)
def test_what_is_refused_ends_in_one_line_with_the_remedy_and_nothing_written(
    run, tmp_path, arguments, code, said
):
    done = run(*arguments, "-o", "out.png")
    assert done.exit_code == code, done.stderr
    assert said in done.stderr
    assert done.stderr.startswith("vitrine: ")
    assert len(done.stderr.splitlines()) == 1
    assert list(tmp_path.iterdir()) == []


@pytest.mark.bad_input(75)
@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("complete", "flat.png"), "hide=lower"),
        (("complete", "flat.png", "--mask", "flat.png", "--mask", "flat.png"), "one for each image"),
    ],
)
def test_files_that_are_refused_are_named_with_the_remedy(run, tmp_path, arguments, said):
    (tmp_path / "flat.png").write_bytes(FLAT)
    done = run(*arguments, "-o", "out.png")
    assert done.exit_code == 2
    assert said in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert not (tmp_path / "out.png").exists()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("samples", "--url", "http://h", "--local"), "--url or --local"),
        (("samples", "--model-store", "."), "goes with --local"),
        (("reconstruct", "--invert", "auto"), "--invert goes with files"),
        (("interpolate", "flat.png", "--fsp", "3"), "--fps"),
        (("reconstruct", "nothing.png"), "does not exist"),
        (("reconstruct", "."), "is a directory"),
        (("samples", "--render", "sketch"), "draw"),
        (("inspect",), "FILE"),
        (("encode",), "FILE"),
        (("encode", "flat.png", "--format", "png"), "csv"),
        (("score", "--invert", "auto"), "--invert goes with files"),
        (("complete", "--mask", "flat.png"), "--mask goes with files"),
        (("complete", "flat.png", "--mask", "nothing.png"), "does not exist"),
        (("reconstruct", "flat.png", "--mask", "flat.png"), "--mask"),
    ],
)
def test_options_that_cannot_be_meant_are_refused_before_anybody_is_asked(run, tmp_path, arguments, said):
    (tmp_path / "flat.png").write_bytes(FLAT)
    done = run(*arguments)
    assert done.exit_code == 2
    assert said in done.stderr
    assert done.stdout == ""


@pytest.mark.bad_input(75)
def test_a_file_that_is_empty_or_no_image_is_refused(run, tmp_path):
    (tmp_path / "empty.png").touch()
    (tmp_path / "text.png").write_text("hello")
    for arguments, sent, said in (
        (("reconstruct", "-"), b"", "standard input is empty"),
        (("reconstruct", "empty.png"), None, "empty.png is empty"),
        (("reconstruct", "text.png"), None, "expected"),
    ):
        done = run(*arguments, sent=sent)
        assert (done.exit_code, done.stdout_bytes) == (2, b"")
        assert said in done.stderr
        assert len(done.stderr.splitlines()) == 1


def test_a_store_that_has_no_model_ends_by_3_and_a_bad_setting_by_2(run, here, tmp_path, monkeypatch):
    (tmp_path / "empty").mkdir()
    done = run("samples", "--local", "--model-store", "empty")
    assert done.exit_code == 3
    assert "vitrine-train" in done.stderr
    monkeypatch.setenv("VITRINE_MAX_IMAGES", "many")
    done = run("samples", "--local")
    assert done.exit_code == 2
    assert "VITRINE_MAX_IMAGES" in done.stderr


def test_whatever_else_listens_ends_by_4_in_one_line_without_control_characters(run):
    def serve():
        connection, _ = listening.accept()
        with connection:
            connection.recv(10_000)
            page = b"\x1b[2J<html>"
            head = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: %d\r\n\r\n" % len(page)
            connection.sendall(head + page)

    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=serve)
        thread.start()
        port = listening.getsockname()[1]
        done = run("decode", "--points", "centre", "--url", f"http://127.0.0.1:{port}")
        thread.join()
    assert done.exit_code == 4
    assert "no Vitrine" in done.stderr
    assert "\x1b" not in done.stderr
    assert len(done.stderr.splitlines()) == 1
