from app.access.refusals import BudgetSpent, KeyRequired, ModelNotAllowed
from app.http.guard import is_open


def test_where_keys_are_needed_the_document_says_so_of_every_operation_but_the_open_ones(make_key, guarded):
    make_key()
    schema = guarded().get("/openapi.json").json()
    assert schema["components"]["securitySchemes"]["bearer"]["scheme"] == "bearer"
    assert schema["components"]["securitySchemes"]["header"]["name"] == "X-API-Key"
    for path, operations in schema["paths"].items():
        for operation in operations.values():
            if is_open(path):
                assert "security" not in operation
                continue
            assert operation["security"] == [{"bearer": []}, {"header": []}], path
            for kind in (KeyRequired, ModelNotAllowed, BudgetSpent):
                assert f"`{kind.kind}`" in operation["responses"][str(kind.status)]["description"], path


def test_a_service_without_keys_documents_none(client):
    schema = client.get("/openapi.json").json()
    assert "securitySchemes" not in schema["components"]
    assert not [
        each for found in schema["paths"].values() for each in found.values() if "401" in each["responses"]
    ]
