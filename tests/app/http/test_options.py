"""What is said of a parameter's range, held to what requests are answered."""

import itertools

import numpy as np
import pytest

from app import store
from app.http.endpoint import PictureEndpoint
from app.http.options import mean_of, options
from app.http.pictures import PICTURES
from app.main import create_app
from app.settings import Settings
from tests.conftest import FASHION, FASHION_AXES, SHIPPED_STORE, Client
from tests.fakes import MAP, MIXTURE, open_fake, png_bytes, write_version

# What makes a picture small, so that no limit but the parameter's own is met; and what has no default.
SMALL = {"n": 1, "steps": 2, "rows": 1, "columns": 1, "k": 1, "hide": "lower"}
NEEDED = {"points": "centre", "with": "fake@1", "plus": "z:0.1,0", "minus": "z:0,0"}
LIMITS = {"max_images": 50, "max_steps": 9, "max_zoom": 4}


def service_of(folder, **settings):
    return Client(
        create_app(
            Settings(model_store=folder, default_model="fake", worker_threads=1, **settings), open_fake
        )
    )


def options_of(client):
    return client.get("/models/fake/versions/1.json").json()["options"]


@pytest.fixture
def limited(tmp_path):
    write_version(tmp_path, mixture=MIXTURE, mapped=MAP)
    client = service_of(tmp_path, **LIMITS)
    yield client
    client.close()


def ask(client, request, parameters):
    method, path = request.split()
    query = "&".join(f"{name}={value}" for name, value in parameters.items() if value is not None)
    picture = ("file", ("x.png", png_bytes(np.zeros((8, 8), np.uint8))))
    alone = path in ("/score", "/complete", "/reconstruct")  # where a number counts for all images together
    content = {"files": [picture] * (1 if alone else 2)} if method == "POST" else {}
    return client.request(method, f"{path}?{query}", **content)


def small(parameters):
    """A query of a small picture, with what has no default."""
    needed = {name: NEEDED[name] for name, option in parameters.items() if option.get("required")}
    return {name: value for name, value in SMALL.items() if name in parameters} | needed


def with_it(parameters, name, value):
    """A query in which a parameter has a value, and what it cannot be without."""
    query = small(parameters) | {name: value}
    for other, values in parameters[name].get("only_with", {}).items():
        query[other] = values[0]
    for other in parameters[name].get("needs", ()):
        query[other] = "seed:1"
    if name in ("low", "high"):  # which is to be the lower one
        option = parameters[name]
        query["high" if name == "low" else "low"] = min(max(value, option["minimum"]), option["maximum"])
    if name in ("x", "y"):
        query["y" if name == "x" else "x"] = 1 - min(max(value, 0), 1)
    return query


def numeric(found):
    for request, parameters in found.items():
        for name, option in parameters.items():
            if option.get("type") in ("integer", "number", ["integer", "string"]):
                yield request, parameters, name, option


def test_every_number_has_a_range(limited):
    """A new parameter needs a row in ``app.http.options``."""
    for request, _, name, option in numeric(options_of(limited)):
        assert "minimum" in option, (request, name)
        assert "maximum" in option or name == "columns", (request, name)


def test_the_ends_of_every_range_are_taken_and_what_lies_beyond_is_refused(limited):
    found = options_of(limited)
    seen = set()
    for request, parameters, name, option in numeric(found):
        least, most = option["minimum"], option.get("maximum")
        for value in (least, most):
            if value is not None:
                answer = ask(limited, request, with_it(parameters, name, value))
                assert answer.status_code == 200, (request, name, value, answer.text)
        for value in (least - 1, None if most is None else most + 1):
            if value is not None:
                answer = ask(limited, request, with_it(parameters, name, value))
                faults = {fault["parameter"] for fault in answer.json()["errors"]}
                assert (answer.status_code, name in faults) == (422, True), (request, name, value)
        seen.add(name)
    assert {"n", "axis", "low", "steps", "zoom", "fps", "offset", "seed", "temperature", "columns"} <= seen


def test_every_choice_is_taken_and_any_other_refused(limited):
    for request, parameters in options_of(limited).items():
        for name, option in parameters.items():
            if "enum" not in option:
                continue
            for value in option["enum"]:
                assert ask(limited, request, with_it(parameters, name, value)).status_code == 200, (
                    name,
                    value,
                )
            answer = ask(limited, request, with_it(parameters, name, "nothing-of-it"))
            assert 400 <= answer.status_code < 500, (request, name)


def test_every_default_that_is_given_gives_the_picture_without_it(limited):
    for request, parameters in options_of(limited).items():
        bare = small(parameters) | ({"seed": 1} if request == "GET /samples" else {})
        plain = ask(limited, request, bare)
        for name, option in parameters.items():
            if (
                option.get("default") is not None
                and not {"only_with", "needs"} & option.keys()
                and name not in bare
            ):
                answer = ask(limited, request, bare | {name: option["default"]})
                assert answer.status_code == plain.status_code == 200, (request, name, answer.text)
                assert answer.content == plain.content, (request, name)


def test_a_parameter_without_a_default_is_refused_if_it_is_left_out(limited):
    required = [
        (request, name)
        for request, parameters in options_of(limited).items()
        for name, option in parameters.items()
        if option.get("required")
    ]
    assert ("GET /decode", "points") in required
    for request, name in required:
        query = small(options_of(limited)[request])
        del query[name]
        answer = ask(limited, request, query)
        assert (answer.status_code, answer.json()["errors"][0]["parameter"]) == (422, name)


def test_what_cannot_be_without_something_is_refused_without_it(limited):
    for request, parameters in options_of(limited).items():
        for name, option in parameters.items():
            for other in (*option.get("only_with", ()), *option.get("needs", ())):
                query = with_it(parameters, name, option["default"] or "seed:2")
                del query[other]
                assert ask(limited, request, query).status_code == 422, (request, name, other)


def test_the_parameters_are_those_that_the_queries_read(limited):
    found = options_of(limited)
    assert list(found) == [f"{endpoint.method} {endpoint.path}" for endpoint in PICTURES]
    for endpoint in PICTURES:
        options = found[f"{endpoint.method} {endpoint.path}"]
        read = {name.rstrip("_") for name in endpoint.query.model_fields}
        left_out = read - set(options)
        assert set(options) <= read
        for name in left_out:  # which are refused, whatever they are
            value = {"axis": 0, "low": 0, "high": 1, "fps": 1, "loop": "once", "z": "0,0"}.get(name, "seed:1")
            answer = ask(limited, f"{endpoint.method} {endpoint.path}", small(options) | {name: value})
            assert answer.status_code == 422, (endpoint.path, name)
        assert all(option["description"] for option in options.values())


def test_walks_have_the_models_own_ends_by_axis(limited):
    walk = options_of(limited)["GET /interpolate"]
    assert walk["axis"]["default"] == 1
    assert (walk["axis"]["minimum"], walk["axis"]["maximum"]) == (0, 1)
    assert walk["low"]["default_by_axis"] == [-1.5, -1.5]
    assert walk["high"]["default_by_axis"] == [2.5, 2.5]
    assert walk["steps"]["default"] == 3


def test_every_kind_of_place_that_is_named_can_be_asked_for(limited):
    points = options_of(limited)["GET /samples"]["of"]["points"]
    written = {
        "centre": ["centre"],
        "seed": [f"seed:{points['seed']['maximum']}"],
        "z": ["z:" + ",".join([str(points["z"]["maximum"])] * points["z"]["count"])],
        "label": [f"label:{name}" for name in points["label"]["enum"]],
        "example": [f"example:{points['example'][end]}" for end in ("minimum", "maximum")],
    }
    assert set(written) == set(points)
    for place in itertools.chain(*written.values()):
        assert limited.get(f"/samples?n=1&of={place}").status_code == 200, place
    beyond = points["example"]["maximum"] + 1
    assert limited.get(f"/samples?n=1&of=example:{beyond}").status_code == 422


def test_a_model_without_classes_takes_no_label_and_one_prior(client):
    samples = options_of(client)["GET /samples"]
    assert "label" not in samples
    assert samples["prior"]["enum"] == ["standard_normal"]
    assert client.get("/samples?label=0").status_code == 422


def test_a_class_without_a_component_is_no_choice(tmp_path):
    write_version(tmp_path, mixture=MIXTURE | {"component_class": np.array([1, 1])})
    client = service_of(tmp_path)
    assert options_of(client)["GET /samples"]["label"]["enum"] == ["High"]
    client.close()


def test_images_too_large_for_the_limit_of_pixels_lower_the_numbers(tmp_path):
    write_version(tmp_path, shape=(8, 8))
    client = service_of(tmp_path, max_pixels=8 * 8 * 20, max_zoom=16)
    samples = options_of(client)["GET /samples"]
    assert samples["n"]["maximum"] == 20
    assert samples["zoom"]["maximum"] == 4
    assert client.get("/samples?n=20&columns=1").status_code == 200
    assert client.get("/samples?n=21&columns=1").status_code == 422
    assert client.get("/samples?n=1&zoom=4").status_code == 200
    assert client.get("/samples?n=1&zoom=5").status_code == 422
    client.close()


def test_the_shipped_model_has_its_own_numbers():
    version = store.scan(SHIPPED_STORE).find(FASHION)
    samples = options(version, Settings(), PICTURES)["GET /samples"]
    assert samples["label"]["enum"][8] == "Bag"
    assert samples["n"]["maximum"] == 400
    assert samples["render"]["default"] == "draw"
    assert options(version, Settings(), PICTURES)["GET /interpolate"]["axis"]["maximum"] == FASHION_AXES - 1


def test_an_endpoint_that_offers_fewer_formats_says_so():
    class OnlyPng(PICTURES[0].query):
        formats = ("png",)

    endpoint = PICTURES[0]
    only = PictureEndpoint("/only", OnlyPng, endpoint.prepare, endpoint.summary, endpoint.description)
    version = store.scan(SHIPPED_STORE).find("fashion-dense@7")
    assert options(version, Settings(), [only])["GET /only"]["format"]["enum"] == ["png"]


def test_what_a_mean_is_depends_on_the_likelihood():
    assert mean_of("gaussian") == "the mean of p(x given z), E[x given z]"
    assert mean_of("colour-logistic").startswith("E[x given z] of p(x given z) up to levels cut off")
    assert mean_of("autoregressive-logistic").startswith("the centre of p(x given z)")
    assert mean_of("causal-logistic").startswith("the base m(z) of p(x given z)")
    assert mean_of("causal-colour-logistic") == mean_of("causal-logistic")
