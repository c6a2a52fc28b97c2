import json
import re

import pytest

from app.http import charts
from tests.conftest import FASHION_VERSION

BOUNDS = [
    {"k": 1, "nats": -100.0, "standard_error": 1.0, "num_images": 500},
    {"k": 10, "nats": -95.0, "standard_error": 1.0, "num_images": 500},
    {"k": 100, "nats": -90.0, "standard_error": 1.5, "num_images": 500},
]


def corners(series):
    return [tuple(map(float, corner.split(","))) for corner in series.points.split()]


def test_a_bar_is_as_high_as_its_axis_knows_nats():
    chart = charts.of_axes([4.0, 2.0, 0.0])
    heights = [bar.height for bar in chart.bars]
    assert heights[0] == pytest.approx(charts.HEIGHT - charts.TOP - charts.BOTTOM)
    assert heights[1] == pytest.approx(heights[0] / 2, abs=0.01)  # places are rounded to hundredths
    assert heights[2] == 0
    assert [bar.y + bar.height for bar in chart.bars] == pytest.approx([charts.HEIGHT - charts.BOTTOM] * 3)
    assert chart.series[0].values == ("4.000", "2.000", "0.000")


def test_axes_of_many_are_labelled_so_that_labels_do_not_touch():
    labels = [tick.label for tick in charts.of_axes([1.0] * 48).x_ticks]
    assert labels == [str(k) for k in range(0, 48, 4)]


def test_bounds_rise_along_a_logarithmic_scale():
    chart = charts.of_bounds(BOUNDS)
    (x1, y1), (x2, y2), (x3, y3) = corners(chart.series[0])
    assert x2 - x1 == pytest.approx(x3 - x2, abs=0.02)  # 1, 10 and 100 are equally far apart
    assert y1 - y2 == pytest.approx(y2 - y3, abs=0.02)
    assert y3 < y1  # higher up is a smaller y
    assert chart.rows == ("1", "10", "100")
    assert chart.series[0].values[2] == "-90.00 ± 1.50 (500 images)"


def test_a_bound_of_fewer_images_is_not_joined_to_the_others():
    chart = charts.of_bounds([*BOUNDS, {"k": 5000, "nats": -80.0, "standard_error": 9.0, "num_images": 10}])
    assert chart.rows == ("1", "10", "100")


def test_training_is_drawn_for_both_kinds_of_images_and_a_wild_first_epoch_does_not_flatten_the_rest():
    history = {
        "loss": [1000.0] + [10.0 - k / 10 for k in range(50)],
        "val_loss": [10.0] * 51,
        "other": [1.0] * 51,
    }
    chart = charts.of_training(history)
    assert [series.name for series in chart.series] == ["training", "validation"]
    line = corners(chart.series[0])
    assert line[0][1] < -10_000  # where it is, far above the plot, whose edge cuts the line off
    assert line[1][1] < line[-1][1] - 50  # the fall of the others is seen: y grows downwards
    assert "cut off" in chart.note
    assert chart.series[0].values[0] == "1000"


@pytest.mark.parametrize(
    ("config", "note"),
    [
        (None, ""),
        ({"objective": {"name": "elbo", "beta": 1.0, "mean_weight": 0.0}}, ""),
        (
            {"objective": {"name": "elbo", "mean_weight": 26.0, "kl_warmup_epochs": 1}},
            "The loss of training adds 26 nats for each unit of the mean's squared error, counts KL in part in "
            "the first epoch; that of validation does not.",
        ),
        (
            {"objective": "elbo", "beta": 0.5, "free_bits": 0.1},  # as versions of before have it
            "The loss of training counts KL 0.5 times, counts at least 0.1 nats of KL for each axis; that of "
            "validation does not.",
        ),
    ],
)
def test_what_training_alone_adds_to_its_loss_is_said(config, note):
    assert charts.of_training({"loss": [2.0, 1.0], "val_loss": [2.0, 1.0]}, config).note == note


def test_every_chart_names_its_vertical_axis_with_a_unit():
    assert charts.of_axes([1.0]).y_label == "KL, nats an image"
    assert charts.of_bounds(BOUNDS).y_label == "L_k, nats an image"
    assert charts.of_training({"loss": [1.0]}).y_label == "loss, nats an image"
    assert charts.of_training({"loss": [1.0]}, {"objective": {"name": "textbook"}}).y_label == "loss"


def test_the_loss_of_the_shipped_model_has_what_the_note_says():
    written = json.loads((FASHION_VERSION / "manifest.json").read_text())
    history = written["training"]["history"]
    rest = history["loss"][-1] - history["reconstruction"][-1] - history["kl"][-1]
    weight = written["training"]["config"]["objective"]["mean_weight"]
    assert rest / weight == pytest.approx(784 * 0.0056, rel=0.1)  # the squared error of an image
    assert history["val_loss"][-1] == pytest.approx(
        history["val_reconstruction"][-1] + history["val_kl"][-1], abs=0.02
    )


def test_a_run_of_one_epoch_has_a_chart():
    chart = charts.of_training({"loss": [1.0], "val_loss": [2.0]})
    assert chart.rows == ("1",)


@pytest.mark.parametrize(("low", "high"), [(0, 1), (0, 0), (-1614.2, -1592.1), (3, 3.0001), (0, 48)])
def test_ticks_are_few_round_numbers_within_the_range(low, high):
    ticks = charts._ticks(low, high)
    assert len(ticks) <= charts.MAX_TICKS
    assert all(low - 1e-6 <= tick <= high + 1e-6 for tick in ticks)


def test_a_version_has_the_charts_for_which_its_manifest_has_numbers():
    axes = [{"kl": 1.0}]
    assert [chart.title for chart in charts.of_manifest({"axes": axes})] == ["What each latent axis knows"]
    whole = {
        "axes": axes,
        "metrics": {"bounds": {"log_p_x": BOUNDS}},
        "training": {"history": {"loss": [2.0, 1.0]}},
    }
    assert [chart.title for chart in charts.of_manifest(whole)][1:] == ["Bounds on log p(x)", "Training"]


def test_the_page_of_a_version_draws_them_with_a_table_and_no_style_of_its_own(client):
    page = client.get("/models/fake").text
    assert page.count('<figure class="chart">') >= 1
    assert "The same numbers as a table" in page
    assert not re.search(r'<(svg|rect|text|line|polyline)[^>]* style="', page)


@pytest.mark.parametrize(
    "odd",
    [
        {"metrics": {"bounds": None}},
        {"metrics": []},
        {"metrics": {"bounds": {"log_p_x": [{"k": 1}, {"k": 2}]}}},
        {"training": {"history": {"loss": 3.0}}},
        {"training": {"history": {"loss": [None, 1.0]}}},
    ],
)
def test_numbers_of_another_form_have_no_chart_and_no_error(odd):
    assert len(charts.of_manifest({"axes": [{"kl": 1.0}], **odd})) == 1
