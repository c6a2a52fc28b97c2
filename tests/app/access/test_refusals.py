import json

from app.access.budgets import Budget
from app.access.refusals import (
    AccessRefused,
    BudgetSpent,
    KeyRequired,
    ModelNotAllowed,
    SignatureExpired,
    SignatureInvalid,
    SignatureRequired,
)
from app.http.problems import kinds


def test_every_refusal_has_a_status_a_kind_and_a_remedy_of_its_own():
    errors = [
        KeyRequired(given=True),
        ModelNotAllowed("mine", ["yours"]),
        BudgetSpent(9, Budget(60).headers(), 4),
        SignatureInvalid(),
        SignatureExpired(1),
        SignatureRequired(),
    ]
    assert [error.status for error in errors] == [401, 403, 429, 403, 403, 403]
    assert len({error.kind for error in errors}) == 6
    for error in errors:
        (fault,) = json.loads(error.as_json("/samples", "1"))["errors"]
        assert fault["remedy"]
        assert type(error) in kinds()
    assert AccessRefused not in kinds()  # nobody is answered with the base
