from app.bench.subject import find, size_table, sizes


def test_the_version_that_is_measured_is_the_newest_of_the_default_model(settings):
    assert find(settings, None)[1].reference == "fake@1"
    assert find(settings.model_copy(update={"default_model": "other"}), "fake")[1].reference == "fake@1"


def test_sizes_are_those_that_the_model_keeps_in_milliseconds(model):
    model.decoding.busy_seconds = {1: 0.0005, 32: 0.008}
    model.drawing.busy_seconds = {8: 0.003, 32: 0.0104}
    found = sizes(model)
    assert found == {"decode": {1: 0.5, 32: 8}, "draw": {8: 3, 32: 10.4}}
    title, columns, *rows = size_table(found)
    assert title.startswith("rows to a computation")
    assert columns.split() == ["1", "8", "32"]
    assert [row.split() for row in rows] == [["decode", "0.50", "-", "8.00"], ["draw", "-", "3.00", "10.40"]]
    assert len({len(line) for line in (columns, *rows)}) == 1


def test_a_model_of_one_size_has_that_alone(model):
    assert set(sizes(model)["decode"]) == {32}
