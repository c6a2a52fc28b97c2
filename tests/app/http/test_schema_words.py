import pytest

from app.explore import points
from app.http.points import DecodeQuery
from app.http.queries import documented
from app.http.schema_words import Words, entries, number, words_of
from app.http.walks import InterpolateQuery


@pytest.mark.parametrize(
    ("schema", "words"),
    [
        (
            {"type": "integer", "minimum": 1, "maximum": 400, "default": 21},
            ("whole number", "1 to 400", (), "21"),
        ),
        ({"type": "number", "minimum": -8.0, "maximum": 8.0}, ("number", "-8 to 8", (), "")),
        ({"type": "number", "default": 0.5}, ("number", "", (), "0.5")),
        ({"type": "integer", "minimum": 0}, ("whole number", "0 or more", (), "")),
        ({"type": "integer", "default": 0}, ("whole number", "", (), "0")),
        ({"type": "string", "enum": ["a", "b"], "default": "a"}, ("one of", "", ("a", "b"), "a")),
        ({"type": "string", "minLength": 1, "maxLength": 64}, ("text", "1 to 64 characters", (), "")),
        ({"type": "string", "maxLength": 64}, ("text", "up to 64 characters", (), "")),
        ({"type": "string", "minLength": 1}, ("text", "", (), "")),
        ({"type": "string", "pattern": "^(no|known)$"}, ("text", "", (), "")),
        ({"type": "string", "format": "binary"}, ("bytes", "", (), "")),
        ({"type": "boolean"}, ("true or false", "", (), "")),
        ({"type": ["string", "number"]}, ("text or number", "", (), "")),
        ({"type": "object"}, ("object", "", (), "")),
        ({}, ("any value", "", (), "")),
        ({"type": "array", "items": {}}, ("list: any value", "", (), "")),
        (
            {"type": "array", "minItems": 1, "items": {"type": "number", "minimum": 0, "maximum": 1}},
            ("list (1 or more): number, 0 to 1", "", (), ""),
        ),
        (
            {"anyOf": [{"type": "integer", "minimum": 0, "maximum": 2**63 - 1}, {"type": "string"}]},
            ("whole number, 0 to 2^63-1 or text", "", (), ""),
        ),
        ({"anyOf": [{"enum": ["a"]}, {"type": "integer"}]}, ("one of or whole number", "", ("a",), "")),
    ],
)
def test_a_schema_is_told_in_words(schema, words):
    assert words_of(schema) == Words(*words)


@pytest.mark.parametrize(
    ("value", "told"),
    [
        (8.0, "8"),
        (0.25, "0.25"),
        (14336, "14336"),
        (2**40, "2^40"),
        (2**63 - 1, "2^63-1"),
        (10**19 - 1, "10^19-1"),
        (10**9, "10^9"),
        (1234567891, "1234567891"),
        (-(2**40), str(-(2**40))),
        ("dark", "dark"),
    ],
)
def test_large_numbers_are_told_as_powers(value, told):
    assert number(value) == told


def test_texts_whose_pattern_nobody_can_read_have_a_name():
    kinds = {each["name"]: words_of(each["schema"]).kind for each in documented(InterpolateQuery)}
    assert kinds["model"] == "model"
    assert kinds["from"] == kinds["at"] == "point"
    assert kinds["via"] == "points with ; between them"
    assert kinds["z"] == "numbers with commas between them"
    named = {each["name"]: words_of(each["schema"]) for each in documented(DecodeQuery)}
    assert named["points"].kind == "points with ; between them"
    assert len(points.pattern()) > 200  # which is why


def test_the_fields_of_a_body_have_their_way_from_it_and_say_what_must_be_there():
    leaf = {"type": "object", "required": ["name"], "properties": {"name": {"type": "string"}}}
    schema = {
        "type": "object",
        "required": ["inputs"],
        "properties": {
            "inputs": {"type": "array", "items": leaf, "description": "What is sent."},
            "one": leaf,
        },
    }
    assert [(each.name, each.required) for each in entries(schema)] == [
        ("inputs", True),
        ("inputs[].name", True),
        ("one", False),
        ("one.name", True),
    ]
    assert next(entries(schema)).description == "What is sent."
    assert list(entries({"type": "string"})) == []
