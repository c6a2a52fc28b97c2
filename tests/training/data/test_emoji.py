import numpy as np
import pytest

from tests.conftest import skip
from training import data
from training.data import emoji
from training.errors import DataError

LISTED = """# group: Smileys & Emotion

# subgroup: face-smiling
1F600 ; fully-qualified # 😀 E1.0 grinning face
263A FE0F ; fully-qualified # ☺️ E0.6 smiling face
263A ; unqualified # ☺ E0.6 smiling face

# group: People & Body
1F44B ; fully-qualified # 👋 E0.6 waving hand
1F44B 1F3FB ; fully-qualified # 👋🏻 E1.0 waving hand: light skin tone
1F469 200D 1F680 ; fully-qualified # 👩‍🚀 E4.0 woman astronaut
1F469 1F3FF 200D 1F680 ; fully-qualified # 👩🏿‍🚀 E4.0 woman astronaut: dark skin tone

# group: Component
1F3FB ; component # 🏻 E1.0 light skin tone
"""


@pytest.fixture
def listed(monkeypatch, tmp_path):
    path = tmp_path / "emoji-test.txt"
    path.write_text(LISTED, encoding="utf-8")
    monkeypatch.setattr(emoji, "LIST", path)
    return path


@pytest.fixture(scope="module")
def shipped():
    if not (emoji.FOLDER / emoji.FONT).exists() or not emoji.LIST.exists():
        skip("Debian's fonts-noto-color-emoji and unicode-data are not installed")
    return data.load("emoji")


def test_the_list_is_of_fully_qualified_emoji_without_a_skin_tone_by_group(listed):
    assert emoji._listed() == {
        "\U0001f600": ("Smileys & Emotion", "grinning face"),
        "\u263a\ufe0f": ("Smileys & Emotion", "smiling face"),
        "\U0001f44b": ("People & Body", "waving hand"),
        "\U0001f469\u200d\U0001f680": ("People & Body", "woman astronaut"),
    }


def test_a_missing_list_is_named_with_the_package_that_has_it(monkeypatch, tmp_path):
    monkeypatch.setattr(emoji, "LIST", tmp_path / "none.txt")
    with pytest.raises(DataError, match=r"none\.txt: cannot be read .*unicode-data"):
        data.load("emoji")


@pytest.mark.parametrize("content", [None, b"no font"], ids=["missing", "broken"])
def test_a_font_that_cannot_be_read_is_named_with_the_package_that_has_it(content, listed, tmp_path):
    font = tmp_path / "font.ttf"
    if content is not None:
        font.write_bytes(content)
    with pytest.raises(
        DataError, match=r"font\.ttf: no font of 109 pixels can be read .*fonts-noto-color-emoji"
    ):
        data.load("emoji", font)


def test_a_pillow_that_cannot_join_code_points_is_refused(monkeypatch, listed):
    monkeypatch.setattr(emoji.features, "check", lambda _: False)
    with pytest.raises(DataError, match="built without Raqm"):
        data.load("emoji")


def test_emoji_are_pictures_on_white_of_32_pixels_split_as_ones_own_images_are(shipped):
    assert shipped.name == "emoji"
    assert shipped.image_shape == (32, 32, 3)
    whole = sum(len(part) for part in (shipped.train, shipped.validation, shipped.test))
    assert whole > 1_800  # 1,870 of Unicode 15.0
    assert len(shipped.test) == pytest.approx(whole / 10, abs=2)
    edges = np.concatenate([shipped.test[:, :2], shipped.test[:, -2:]], axis=1)
    assert (edges[:, :, :2] == 1).all()  # the margin
    assert 0.3 < (shipped.train == 1).all(axis=-1).mean() < 0.7


def test_the_classes_of_emoji_are_unicodes_groups(shipped):
    assert "Flags" in shipped.known_labels.names
    assert len(shipped.known_labels.names) == 9
    assert "component" not in " ".join(shipped.known_labels.names).lower()


def test_no_picture_of_emoji_is_in_two_splits(shipped):
    parts = [
        {image.tobytes() for image in part} for part in (shipped.train, shipped.validation, shipped.test)
    ]
    assert len(set.union(*parts)) == sum(map(len, parts))


def test_a_folder_with_the_font_is_as_good_as_its_file(shipped):
    assert data.load("emoji", emoji.FOLDER).sha256 == shipped.sha256
