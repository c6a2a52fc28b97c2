"""What only an operator may ask, and that nobody else may."""

import pytest

from app.access import keys
from tests.app.http.test_pictures import assert_problem
from tests.fakes import write_version


@pytest.fixture
def admin(tmp_path):
    """A key of the operator's, and the file that knows it."""
    secret, key = keys.new("operator")
    (tmp_path / "admin").write_text(key.line)
    return {"Authorization": f"Bearer {secret}"}, tmp_path / "admin"


def test_without_the_setting_there_is_no_administration(client):
    assert client.post("/admin/reload").status_code == 404


def test_the_operator_has_a_new_version_served_at_once(guarded, admin, fake_store):
    headers, path = admin
    client = guarded(admin_key=path)
    write_version(fake_store, number=2)
    done = client.post("/admin/reload", headers=headers)
    assert (done.status_code, done.headers["cache-control"]) == (200, "no-store")
    assert done.json()["result"] == "reloaded"
    assert client.get("/samples?n=1&model=fake@2").headers["x-model"] == "fake@2"


@pytest.mark.parametrize("headers", [{}, {"X-API-Key": "vitrine_wrong"}, {"Authorization": "Basic dTpw"}])
def test_nobody_else_is_let_in(guarded, admin, headers):
    answer = guarded(admin_key=admin[1]).post("/admin/reload", headers=headers)
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"].startswith("Bearer")


def test_an_api_key_administers_nothing_and_the_operators_key_draws_nothing(guarded, admin, make_key):
    headers, path = admin
    key = {"Authorization": f"Bearer {make_key()}"}
    client = guarded(admin_key=path)
    assert client.post("/admin/reload", headers=key).status_code == 401
    assert client.post("/admin/reload", headers=headers).status_code == 200
    assert client.get("/samples?n=1", headers=headers).status_code == 401


def test_reloading_is_asked_by_post_alone(guarded, admin):
    headers, path = admin
    answer = guarded(admin_key=path).get("/admin/reload", headers=headers)
    assert (answer.status_code, answer.headers["allow"]) == (405, "OPTIONS, POST")


@pytest.mark.parametrize("query", ["x=1", "model=fake", "="])
def test_a_reload_has_no_parameters(guarded, admin, query):
    headers, path = admin
    client = guarded(admin_key=path)
    assert_problem(client.post(f"/admin/reload?{query}", headers=headers), 422, None, "unknown_parameter")
    assert client.post(f"/admin/reload?{query}").status_code == 401
    assert client.post("/admin/reload", headers=headers).status_code == 200
