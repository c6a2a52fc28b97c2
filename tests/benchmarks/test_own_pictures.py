import numpy as np
import pytest

from benchmarks.own_pictures import Found, colour_errors, table
from tests.own_pictures import KINDS, draw_faces, draw_shape, draw_shapes


def test_the_folders_repeat_by_their_seed(tmp_path):
    for place in ("a", "b"):
        draw_shapes(tmp_path / place / "shapes", 8, 16, seed=3)
        draw_faces(tmp_path / place / "faces", 3, seed=3)
    files = sorted(path.relative_to(tmp_path / "a") for path in (tmp_path / "a").rglob("*.png"))
    assert len(files) == 11
    assert {path.parts[1] for path in files if path.parts[0] == "shapes"} == set(KINDS)
    for path in files:
        assert (tmp_path / "a" / path).read_bytes() == (tmp_path / "b" / path).read_bytes()
    faces = [(tmp_path / "a" / path).read_bytes() for path in files if path.parts[0] == "faces"]
    assert len({face[16:24] for face in faces}) == 3  # width and height in a PNG file's header


def test_a_colour_is_measured_inside_the_shape():
    image, colour = draw_shape("circle", 64, np.random.default_rng(0))
    levels = np.asarray(image, np.float32)[None] / 255
    assert colour_errors(levels, levels) == [0.0]
    inside = np.abs(levels - np.array(colour) / 255).max(axis=3, keepdims=True) < 0.01
    lost = np.where(inside, levels + [[[[0.2, 0, 0]]]] * inside, levels).astype(np.float32)
    assert colour_errors(levels, lost) == [pytest.approx(0.2, abs=1e-3)]
    ground_lost = np.where(inside, levels, 0.5).astype(np.float32)
    assert colour_errors(levels, ground_lost) == [0.0]


def test_the_table_has_a_row_for_each_folder():
    rows = table([Found("shapes", 12.34, 26.0, 22.5, [0.01, 0.2, 0.03, 0.02]), Found("faces", 9, 25, 23, [])])
    assert rows[2] == "| shapes | 12.3 | 26.00 dB | 22.50 dB | +3.50 dB | 2.5% | 75% |"
    assert rows[3] == "| faces | 9.0 | 25.00 dB | 23.00 dB | +2.00 dB | - | - |"
