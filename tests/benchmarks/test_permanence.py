from benchmarks.memory import growth
from benchmarks.permanence import Found, report


def found(*digests):
    return Found(list(digests), 1.0, 0, 0)


def test_bytes_that_differ_or_never_came_are_counted_and_named(capsys):
    targets = ["/a", "/b", "/c", "/d"]
    assert report("litert", targets, found(b"1", b"2", None, None), found(b"1", b"3", b"4", None)) == 3
    shown = capsys.readouterr().out
    assert "4 addresses, 3 differ" in shown
    assert "differs: /b" in shown
    assert "differs: /a" not in shown


def test_growth_is_the_slope_of_the_second_half():
    # The first half is a warm-up that levels off; then 1 MiB for every 50,000 pictures.
    rows = [(50_000, 90.0), (100_000, 120.0), (150_000, 130.0)]
    rows += [(200_000, 131.0), (250_000, 132.0), (300_000, 133.0)]
    assert abs(growth(rows) - 2.0) < 1e-6
    assert growth(rows[:1]) == 0.0
