import app.access.refusals
import app.protocol_errors  # noqa: F401  which have kinds too
from app import errors as served
from vitrine_client import errors
from vitrine_client.problems import KINDS


def kinds(error=served.VitrineError):
    return {error.kind: error}.copy() | {
        kind: each for below in error.__subclasses__() for kind, each in kinds(below).items()
    }


# Of an operator, or of a start that ends; or in the form of its protocol, which the client does not speak.
NEVER_ANSWERED = {"no-model", "invalid-inference"}


def test_every_kind_of_problem_has_its_class_with_the_services_own_name():
    of_service = {kind: each for kind, each in kinds().items() if kind not in NEVER_ANSWERED}
    assert set(KINDS) == set(of_service)
    for kind, each in of_service.items():
        if kind != "internal-error":
            assert KINDS[kind].__name__ == each.__name__


def test_a_class_is_of_the_side_that_its_status_says():
    for kind, each in kinds().items():
        if kind in KINDS:
            side = errors.RequestRefused if each.status < 500 else errors.ServiceFailed
            assert issubclass(KINDS[kind], side), kind


def test_an_upload_that_is_refused_is_an_invalid_parameter_too():
    assert issubclass(errors.UnsupportedPicture, errors.InvalidParameter)
