import re

import numpy as np
import pytest

from training.data.levels import levels_of, names_of
from training.errors import DataError


def levels(*shape):
    return np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)


def run(line, **arrays):
    """Do what a remedy says."""
    code = re.sub(r", as it is one image", "", line)
    exec(code, {"np": np}, arrays)  # noqa: S102
    return arrays


def remedies(error):
    return str(error.value).partition("; in NumPy: ")[2].split(" or ")


COLOURS, GREYS = levels(20, 8, 6, 3), levels(20, 8, 6)


@pytest.mark.parametrize(
    ("images", "expected"),
    [
        (COLOURS.transpose(0, 3, 1, 2), COLOURS),
        (GREYS[:, None], GREYS),
        (GREYS[..., None], GREYS),
        (COLOURS.transpose(0, 3, 1, 2) / 255, COLOURS),
        (GREYS.astype(np.float32), GREYS),
        (GREYS.astype(np.float64), GREYS),
        (GREYS.astype(">i4"), GREYS),
        ((GREYS / 255).astype(np.float16), GREYS),
        (np.asfortranarray(GREYS), GREYS),
        ((GREYS > 127).astype(np.float32), (GREYS > 127) * np.uint8(255)),
    ],
    ids=["channels first", "one channel first", "one channel last", "fractions first", "float32", "float64",
         "big endian", "halves", "columns first", "black and white"],
)  # fmt: skip
def test_what_can_be_read_in_one_way_alone_is_read(images, expected):
    found = levels_of(images)
    assert found.dtype == np.uint8
    # Half-precision fractions have eleven bits, which tells 256 levels apart.
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize(
    ("images", "expected"),
    [
        (GREYS[:, :6].reshape(20, 36), GREYS[:, :6]),
        (COLOURS[:, :6].reshape(20, 108), COLOURS[:, :6]),
        (COLOURS[:, :6].transpose(0, 3, 1, 2).reshape(20, 108), COLOURS[:, :6]),
        (levels(30, 20, 3), levels(30, 20, 3)[None]),
        (np.concatenate([COLOURS, GREYS[..., None]], axis=3), COLOURS),
        (np.concatenate([COLOURS, GREYS[..., None]], axis=3).transpose(0, 3, 1, 2), COLOURS),
        (COLOURS.transpose(1, 2, 3, 0), COLOURS),
        (GREYS[:, None, :, :, None], GREYS),
        (GREYS + 0.25 * (GREYS < 255), GREYS),
        (GREYS.astype(np.uint16) * 257, GREYS),
        (GREYS / 127.5 - 1, GREYS),
        (np.where(GREYS == 255, 1.02, GREYS / 255), GREYS),
        ((GREYS > 127).astype(np.int64), (GREYS > 127) * np.uint8(255)),
        (np.where(GREYS == 0, np.nan, GREYS / 255), GREYS),
        (np.where(GREYS == 0, np.inf, GREYS / 255), GREYS),
    ],
    ids=["flat", "flat colours", "flat planes", "one image", "transparent", "transparent first", "images last",
         "an axis too many", "levels with fractions", "16 bits", "-1 to 1", "slightly over", "0 and 1", "nan", "inf"],
)  # fmt: skip
def test_what_cannot_is_refused_with_a_line_that_makes_it_right(images, expected):
    with pytest.raises(DataError) as caught:
        levels_of(images)
    assert "\n" not in str(caught.value)
    made = []
    for line in remedies(caught):
        repaired = run(line, images=images)["images"]
        made.append(levels_of(repaired) if repaired.ndim > 2 else repaired)
    # One of the lines offered is the right one, to a level: a cut-off or scaled value is rounded once more.
    assert any(
        each.shape == expected.shape and np.abs(each.astype(int) - expected).max() <= 1 for each in made
    )


@pytest.mark.parametrize(
    "images", [np.zeros((3,)), np.zeros((0, 4, 4)), np.zeros((2, 2, 2, 2, 2)), np.array(5)]
)
def test_a_shape_that_nobody_understands_is_refused_without_a_guess(images):
    with pytest.raises(DataError, match=r"images: expected the shape \(N, H, W\)") as caught:
        levels_of(images)
    assert "NumPy" not in str(caught.value)


@pytest.mark.parametrize(
    "images", [np.zeros((5, 8, 8), "M8[s]"), np.zeros((5, 8, 8), "c8"), np.zeros((5, 8, 8), "S3")]
)
def test_numbers_of_another_kind_are_refused(images):
    with pytest.raises(DataError, match="x_train: expected whole numbers or fractions"):
        levels_of(images, "x_train")


@pytest.mark.parametrize(
    ("labels", "names"),
    [
        (np.array([2, 0, 1]), ["2", "0", "1"]),
        (np.array([[2], [0], [1]]), ["2", "0", "1"]),
        (np.array([2.0, 0.0, 1.0]), ["2", "0", "1"]),
        (np.eye(3)[[2, 0, 1]], ["2", "0", "1"]),
        (np.eye(10, dtype=np.uint8)[[9, 0, 1]], ["9", "0", "1"]),
        (np.eye(2, dtype=bool)[[1, 0, 1]], ["1", "0", "1"]),
        (np.array(["b", "a", "c"]), ["b", "a", "c"]),
        (np.array([b"\xc3\x89t\xc3\xa9", b"caf\xe9", b"c"]), ["\u00c9t\u00e9", r"caf\xe9", "c"]),
        (np.array([True, False, True]), ["True", "False", "True"]),
    ],
)
def test_labels_are_whole_numbers_words_bytes_or_a_single_one_in_each_row(labels, names):
    assert names_of(labels, 3) == names


@pytest.mark.parametrize(
    ("labels", "words"),
    [
        (
            np.array([1, 2]),
            r"labels: expected 3 whole numbers or words, one an image. Received: int64 of shape \(2,\)",
        ),
        (np.arange(4), r"Received: int64 of shape \(4,\)"),
        (np.array([0.2, 0.3, 0.5]), r"with fractions; in NumPy: labels = np\.rint\(labels\)\.astype\(int\)"),
        (np.array([0.0, np.nan, 1.0]), "with fractions"),
        (np.full((3, 4), 0.25), r"not one 1 in each row; in NumPy: labels = labels\.argmax\(axis=1\)"),
        (np.ones((3, 4)), "not one 1 in each row"),
        (np.zeros((3, 2, 2)), r"of shape \(3, 2, 2\)"),
        (np.array(3), r"of shape \(\)"),
        (np.zeros(3, "M8[s]"), r"in NumPy: labels = labels\.astype\(str\)"),
    ],
)
def test_other_labels_are_refused_with_the_remedy(labels, words):
    with pytest.raises(DataError, match=words):
        names_of(labels, 3)
