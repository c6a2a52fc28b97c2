from benchmarks import serving_tables
from benchmarks.load import Traffic

LOAD = {"p50_ms": 2.0, "p99_ms": 5.0, "max_ms": 9.0, "refused": 0, "broken": 0}


def cells(table):
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines()]


def burst(server, number, rate, n=21, connections=16, render="mean", **more):
    row = {"kind": "throughput", "server": server, "round": number, "n": n, "connections": connections}
    return row | {"render": render, "rate": rate} | LOAD | more


def rows():
    found = [burst("naive", number, rate) for number, rate in enumerate((100.0, 300.0, 200.0))]
    found += [burst("vitrine", number, rate, p99_ms=4.0) for number, rate in enumerate((250.0, 600.0, 500.0))]
    return [*found, bare(1000.0)]


def bare(rate, render="mean"):
    loop = {"kind": "bare", "runtime": "litert", "render": render, "n": 21}
    return loop | {"pictures_per_second": rate}


def test_the_table_has_medians_and_their_ratios():
    header, _, *lines = cells(*serving_tables.tables(rows()))
    assert header[:5] == ["n", "connections", "server", "requests/s", "of naive"]
    assert header[8] == "p99 of naive's"
    beside, late = "2.50 (2.00 to 2.50)", "0.80 (0.80 to 0.80)"
    assert lines == [
        ["21", "16", "naive", "200", "1.00", "-", "2.00", "5.00", "1.00", "0"],
        ["21", "16", "vitrine", "500", beside, "0.50", "2.00", "4.00", late, "0"],
    ]


def test_a_load_is_set_against_the_same_load_of_the_naive_service():
    more = [burst("naive", 0, 400.0, n=1, connections=1), burst("vitrine", 0, 600.0, n=1, connections=1)]
    _, _, *lines = cells(serving_tables.tables(rows() + more)[0])
    assert [line[:5] for line in lines[:2]] == [
        ["1", "1", "naive", "400", "1.00"],
        ["1", "1", "vitrine", "600", "1.50"],
    ]
    assert lines[3][:5] == ["21", "16", "vitrine", "500", "2.50 (2.00 to 2.50)"]


def test_draws_are_set_against_the_means_of_the_same_round_and_against_their_own_loop():
    drawn = [
        burst("vitrine", number, rate, render="draw") for number, rate in enumerate((200.0, 500.0, 250.0))
    ]
    header, _, *lines = cells(serving_tables.tables([*rows(), *drawn, bare(500.0, "draw")])[0])
    assert (header[3], header[10]) == ("render", "time of means")
    assert [(line[2], line[3], line[10]) for line in lines] == [
        ("naive", "mean", "1.00"),
        ("vitrine", "mean", "1.00"),
        ("vitrine", "draw", "2.00 (1.20 to 2.00)"),
    ]
    assert lines[2][6] == "0.50"


def test_loads_are_in_the_order_of_their_connections():
    found = [burst("naive", 0, 1.0, n, connections) for n, connections in [(21, 16), (100, 1), (7, 1)]]
    assert serving_tables.loads(found, "throughput") == [Traffic(7, 1), Traffic(100, 1), Traffic(21, 16)]


def models_rows():
    at = {"kind": "models", "model": "fashion@2", "n": 21, "connections": 16, "cores": 1.2}
    served = [
        at | {"render": render, "round": number, "rate": rate} | LOAD
        for render, rates in (("mean", (60.0, 100.0, 80.0)), ("draw", (40.0, 50.0, 20.0)))
        for number, rate in enumerate(rates)
    ]
    served[0]["refused"], served[1]["broken"] = 2, 1
    served += [at | {"render": "draw", "round": 0, "rate": 30.0, "connections": 1} | LOAD]
    of_loop = {"kind": "models-bare", "model": "fashion@2", "runtime": "litert", "n": 21}
    return served + [
        of_loop | {"render": render, "pictures_per_second": rate}
        for render, rate in [("mean", 90.0), ("mean", 100.0), ("mean", 500.0), ("draw", 50.0)]
    ]


def test_every_model_is_set_against_its_own_loop_of_the_same_render_and_draws_against_means():
    _, _, *lines = cells(*serving_tables.tables(models_rows()))
    late = "2.00 (1.50 to 4.00)"
    assert [line[3:10] for line in lines if line[:3] == ["fashion@2", "21", "16"]] == [
        ["mean", "80.0", "1680", "1.00", "100.0", "0.80", "1.20"],
        ["draw", "40.0", "840", late, "50.0", "0.80", "1.20"],
    ]
    assert [line[10:] for line in lines if line[2] == "16"] == [["2.00", "5.00", "3"], ["2.00", "5.00", "0"]]
    assert [line[3:7] for line in lines if line[2] == "1"][1] == ["draw", "30.0", "630", "-"]


def test_the_loops_of_the_models_are_no_limit_of_the_other_tables():
    (alone,) = serving_tables.tables(rows())
    assert serving_tables.tables(rows() + models_rows())[0] == alone


def test_the_plot_is_drawn_of_whatever_was_measured(tmp_path):
    serving_tables.plot([*rows(), burst("vitrine", 0, 9.0, render="draw")], tmp_path / "plot.png")
    assert (tmp_path / "plot.png").read_bytes().startswith(b"\x89PNG")
