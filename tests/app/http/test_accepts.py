import pytest

from app.http.accepts import preference


@pytest.mark.parametrize(
    ("offered", "accept", "weight"),
    [
        ("text/html", b"text/html,application/xml;q=0.9,*/*;q=0.8", 1.0),
        ("application/json", b"text/html,application/xml;q=0.9,*/*;q=0.8", 0.8),
        ("application/json", b"APPLICATION/JSON ; q=0.25", 0.25),
        ("text/html", b"text/*;q=0.5, */*;q=0.1", 0.5),
        ("text/html", b"text/html;q=0, text/*", 0.0),
        ("text/html", b"application/json", 0.0),
        ("text/html", b"", 0.0),
        ("text/html", b"text/html;q=2", 1.0),  # what is no weight is passed over
    ],
)
def test_the_most_specific_range_weighs_a_media_type(offered, accept, weight):
    assert preference(offered, accept) == weight
