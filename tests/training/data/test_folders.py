import numpy as np
import pytest
from PIL import Image

from training.data import folders, shapes
from training.data.shapes import Fit
from training.errors import DataError


@pytest.fixture
def put(tmp_path):
    """Save a small picture of one level, or of noise, somewhere below a folder."""

    def put(name, level=None, size=(8, 8), mode="L"):
        path = tmp_path / "photos" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        rng = np.random.default_rng(abs(hash(name)) % 2**32)
        shape = size if mode == "L" else (*size, 3)
        levels = (
            rng.integers(0, 256, shape, dtype=np.uint8) if level is None else np.full(shape, level, np.uint8)
        )
        Image.fromarray(levels).save(path)
        return path

    put.folder = tmp_path / "photos"
    return put


def test_pictures_come_in_the_order_of_their_sorted_paths(put):
    for name, level in (("c.png", 3), ("a.png", 1), ("b/x.png", 2)):
        put(name, level)
    gathered = folders.gather(put.folder, Fit())
    assert gathered.pixels.shape == (3, 8, 8)
    assert gathered.pixels[:, 0, 0].tolist() == [1, 2, 3]
    assert gathered.num_files == 3


def test_the_first_subfolders_are_the_classes(put):
    for name in ("cats/a.png", "cats/old/deep/b.png", "dogs/c.png"):
        put(name)
    assert folders.gather(put.folder, Fit()).classes == ("cats", "cats", "dogs")


def test_a_folder_around_everything_is_looked_through(put):
    put("all/cats/a.png")
    put("all/dogs/b.png")
    assert folders.gather(put.folder, Fit()).classes == ("cats", "dogs")


def test_pictures_beside_the_subfolders_leave_no_classes_and_a_note(put):
    for name in ("cats/a.png", "dogs/b.png", "c.png"):
        put(name)
    gathered = folders.gather(put.folder, Fit())
    assert gathered.classes is None
    assert "no classes are used: 1 pictures lie in no subfolder" in gathered.notes


def test_folders_named_like_splits_are_the_splits(put):
    for name in ("Train/cats/a.png", "Train/dogs/b.png", "val/cats/c.png", "test/dogs/d.png", "e.png"):
        put(name)
    gathered = folders.gather(put.folder, Fit())
    assert gathered.splits == ("train", "train", "test", "validation")
    assert gathered.classes == ("cats", "dogs", "dogs", "cats")
    assert gathered.left_out == {"e.png": "not in one of the folders of the splits"}


def test_a_class_called_test_is_no_split_where_nothing_is_called_train(put):
    put("test/a.png")
    put("real/b.png")
    gathered = folders.gather(put.folder, Fit())
    assert gathered.splits == ("", "")
    assert gathered.classes == ("real", "test")


def test_mixed_sizes_are_fitted_to_one(put):
    for index, size in enumerate([(40, 50), (60, 30), (90, 100), (35, 32)]):
        put(f"{index}.png", size=size)
    gathered = folders.gather(put.folder, Fit(halvings=3))
    assert gathered.pixels.shape == (4, 32, 32)  # their squares are 40, 30, 90 and 32
    assert any("4 sizes from 35 x 32 to 90 x 100" in note for note in gathered.notes)
    assert folders.gather(put.folder, Fit(size=(16, 32))).pixels.shape == (4, 16, 32)


def test_pictures_are_grey_if_all_of_them_are_whatever_their_files_say(put):
    put("a.png", level=100, mode="RGB")
    put("b.png", level=50)
    assert folders.gather(put.folder, Fit()).pixels.shape == (2, 8, 8)
    assert folders.gather(put.folder, Fit(channels=3)).pixels.shape == (2, 8, 8, 3)
    put("c.png", mode="RGB")
    gathered = folders.gather(put.folder, Fit())
    assert gathered.pixels.shape == (3, 8, 8, 3)
    assert any("colour: 1 of 3 have colours" in note for note in gathered.notes)
    assert folders.gather(put.folder, Fit(channels=1)).pixels.shape == (3, 8, 8)


def test_files_that_cannot_be_used_are_listed_with_the_reason_and_the_rest_is_used(put):
    put("good.png")
    cut = put("cut.png", size=(64, 64))
    cut.write_bytes(cut.read_bytes()[:500])
    (put.folder / "notes.txt").write_text("no picture")
    (put.folder / ".hidden").write_text("not even opened")
    gathered = folders.gather(put.folder, Fit(size=(8, 8)))
    assert len(gathered.pixels) == gathered.num_files == 1
    assert list(gathered.left_out) == ["cut.png", "notes.txt", ".hidden"]
    assert gathered.left_out["notes.txt"].startswith("not a PNG")
    assert gathered.left_out["cut.png"].startswith("broken or cut off")
    assert gathered.left_out[".hidden"] == "hidden"


def test_of_an_animation_the_first_frame_is_used_and_that_is_said(put):
    put("a.png")
    frames = [Image.new("L", (8, 8), level) for level in (10, 200)]
    frames[0].save(put.folder / "b.gif", save_all=True, append_images=frames[1:])
    gathered = folders.gather(put.folder, Fit())
    assert (gathered.pixels[1] == 10).all()
    assert gathered.left_out == {"b.gif": "only its first frame is used"}


@pytest.mark.parametrize("content", [None, b"no picture"])
def test_a_folder_without_a_picture_is_refused(tmp_path, content):
    if content:
        (tmp_path / "a.jpg").write_bytes(content)
    with pytest.raises(DataError, match="holds no picture that can be used"):
        folders.gather(tmp_path, Fit())


def test_more_than_memory_holds_is_refused_before_anything_is_decoded(put, monkeypatch):
    put("a.png", mode="RGB")
    put("b.png", mode="RGB")
    monkeypatch.setattr(shapes, "MAX_ARRAY_BYTES", 4 * 2 * 8 * 8 * 3 - 1)
    monkeypatch.setattr(folders.pictures, "read_pixels", None)
    with pytest.raises(DataError, match=r"need .* GiB as float32"):
        folders.gather(put.folder, Fit())


@pytest.mark.parametrize(
    "beside", ["__MACOSX/._a.png", "README", "LICENSE", "README.md", ".DS_Store", "docs/a.txt", "empty/"]
)
def test_folders_around_everything_are_looked_through_whatever_lies_beside_them(put, beside):
    put("unpacked/cats/a.png")
    put("unpacked/dogs/b.png")
    path = put.folder / beside
    (path if beside.endswith("/") else path.parent).mkdir(parents=True, exist_ok=True)
    if not beside.endswith("/"):
        path.write_text("no picture")
    gathered = folders.gather(put.folder, Fit())
    assert gathered.classes == ("cats", "dogs")
    assert any(name.startswith(beside.partition("/")[0]) for name in gathered.left_out)


def test_classes_are_used_beside_a_readme_and_the_readme_is_named(put):
    put("cats/a.png")
    put("dogs/b.png")
    (put.folder / "README").write_text("from somewhere")
    gathered = folders.gather(put.folder, Fit())
    assert gathered.classes == ("cats", "dogs")
    assert gathered.left_out["README"].startswith("not a PNG")


def test_a_class_folder_may_be_a_link(put, tmp_path):
    put("cats/a.png", level=1)
    put("../kennel/deep/b.png", level=2)
    (put.folder / "dogs").symlink_to(tmp_path / "kennel")
    gathered = folders.gather(put.folder, Fit())
    assert gathered.classes == ("cats", "dogs")
    assert gathered.pixels[:, 0, 0].tolist() == [1, 2]
    assert gathered.left_out == {}


def test_a_class_of_which_no_picture_can_be_used_is_named(put):
    put("cats/a.png")
    put("dogs/b.png")
    (put("birds/c.png")).write_bytes(b"no picture")
    gathered = folders.gather(put.folder, Fit())
    assert gathered.classes == ("cats", "dogs")
    assert gathered.left_out["birds/"] == "holds no picture that can be used"
    assert "birds/c.png" in gathered.left_out


def test_a_class_called_train_is_no_split_beside_other_classes(put):
    for name in ("train", "Training", "cars", "ships"):
        put(f"{name}/a.png")
    gathered = folders.gather(put.folder, Fit())
    assert gathered.splits == ("",) * 4
    assert gathered.classes == ("Training", "cars", "ships", "train")


def test_every_entry_is_used_or_named(put):
    for name in (
        "cats/a.png",
        "cats/old/b.png",
        "dogs/c.png",
        "dogs/.d.png",
        "__MACOSX/x",
        "dogs/readme.txt",
    ):
        put(name) if name.endswith(".png") else put(name + ".png").rename(put.folder / name)
    (put.folder / "dogs" / "readme.txt").write_text("no picture")
    (put.folder / "birds").mkdir()
    gathered = folders.gather(put.folder, Fit())
    assert gathered.files == ("cats/a.png", "cats/old/b.png", "dogs/c.png")
    assert set(gathered.left_out) == {"dogs/.d.png", "__MACOSX/", "dogs/readme.txt", "birds/"}


@pytest.mark.parametrize("orders", [1, -1])
def test_the_order_in_which_a_file_system_lists_makes_no_difference(put, monkeypatch, orders):
    for level, name in enumerate(("1/a.png", "01/b.png", "001/c.png")):
        put(name, level=level)
    listed = folders.Path.iterdir
    monkeypatch.setattr(folders.Path, "iterdir", lambda path: sorted(listed(path))[::orders])
    gathered = folders.gather(put.folder, Fit())
    assert gathered.classes == ("001", "01", "1")
    assert gathered.pixels[:, 0, 0].tolist() == [2, 1, 0]


def test_pictures_are_decoded_within_bounds_of_threads_and_bytes(put, monkeypatch):
    for index in range(8):
        put(f"{index}.png", size=(40, 50))
    asked = []

    def spread(work, items, size_of=None):
        items = list(items)
        asked.append([size_of(item) for item in items])
        return map(work, items)

    monkeypatch.setattr(folders.threads, "spread", spread)
    folders.gather(put.folder, Fit(size=(8, 8)))
    assert asked == [[0] * 8, [16 * 40 * 50] * 8]  # headers are read without decoding
