from app.access import refusals
from vitrine_client import access_errors
from vitrine_client.errors import RequestRefused
from vitrine_client.problems import KINDS


def test_every_refusal_for_want_of_access_can_be_caught_as_one():
    of_service = {refusals.AccessRefused, *refusals.AccessRefused.__subclasses__()}
    for each in of_service:
        assert issubclass(KINDS[each.kind], access_errors.AccessRefused)
    assert issubclass(access_errors.AccessRefused, RequestRefused)
