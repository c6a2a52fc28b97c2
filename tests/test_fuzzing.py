"""A part of what ``python -m tests.fuzzing`` does: random requests, the same ones each time."""

import pytest

from tests.fuzzing import run


@pytest.mark.process
def test_random_requests_get_what_the_documentation_says_and_no_other_answer(tmp_path):
    made, told = run(tmp_path, examples=10, phases="examples,fuzzing")
    assert made > 300, told
