import pytest

from benchmarks import serving

LOAD = {"p50_ms": 2.0, "p99_ms": 5.0, "max_ms": 9.0, "refused": 0, "broken": 0}


def rows():
    measured = [("naive", 100.0), ("naive", 300.0), ("naive", 200.0), ("vitrine", 500.0)]
    return [
        {"kind": "throughput", "server": name, "round": 0, "connections": 16, "rate": rate, **LOAD}
        for name, rate in measured
    ] + [{"kind": "bare", "runtime": "litert", "n": 21, "pictures_per_second": 1000.0}]


def test_the_table_has_medians_and_their_ratios():
    (table,) = serving.tables(rows())
    lines = [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines()[2:]]
    assert lines == [
        ["16", "naive", "200", "1.00", "-", "2.00", "5.00", "0"],
        ["16", "vitrine", "500", "2.50", "0.50", "2.00", "5.00", "0"],
    ]


def test_servers_take_turns_in_being_first():
    assert serving.turned("ab", 0) == ["a", "b"]
    assert serving.turned("ab", 1) == ["b", "a"]


def test_peers_that_draw_another_picture_end_the_measurement():
    drawn = [("vitrine", "1"), ("naive", "2"), ("litserve", "2")]
    starts = [{"kind": "startup", "server": name, "pixels": found} for name, found in drawn]
    serving.require_same_pictures(starts)
    starts.append({"kind": "startup", "server": "bentoml", "pixels": "3"})
    with pytest.raises(SystemExit, match="bentoml"):
        serving.require_same_pictures(starts)


def test_the_plot_is_drawn_of_whatever_was_measured(tmp_path):
    serving.plot(rows(), tmp_path / "plot.png")
    assert (tmp_path / "plot.png").read_bytes().startswith(b"\x89PNG")
