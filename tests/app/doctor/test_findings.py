import pytest

from app.doctor import Finding


@pytest.mark.parametrize(("state", "remedy"), [("failed", ""), ("warning", ""), ("ok", "Do it.")])
def test_a_remedy_goes_with_what_is_not_right_and_with_nothing_else(state, remedy):
    with pytest.raises(ValueError, match="remedy"):
        Finding("port", state, "taken", remedy)
