import re

import pytest


def test_the_page_shows_the_three_pictures_and_each_address_works(client):
    html = client.get("/").text
    sources = [source.replace("&amp;", "&") for source in re.findall(r'<img src="([^"]+)"', html)]
    assert [source.partition("?")[0] for source in sources] == ["/samples", "/interpolate", "/reconstruct"]
    for source in sources:
        assert client.get(source).headers["content-type"] == "image/png"


def test_every_link_of_the_page_leads_somewhere(client):
    for link in re.findall(r'href="([^"]+)"', client.get("/").text):
        assert client.get(link.replace("&amp;", "&")).status_code == 200, link


def test_the_page_says_where_the_walk_holds_the_other_axes(client, client_of_classes):
    assert "are held at zero." in " ".join(client.get("/").text.split())
    page = " ".join(client_of_classes.get("/").text.split())
    assert "are held at the centre of the highest-weight component of p(z)." in page


@pytest.mark.parametrize(
    ("ground", "said"), [("dark", "inverted if its border is light;"), ("light", "its border is dark;")]
)
def test_the_page_says_which_upload_is_inverted(tmp_path, ground, said):
    from tests.app.http.test_pictures import asked_of

    client = asked_of(tmp_path, ground)
    assert said in " ".join(client.get("/").text.split())
    client.close()


def test_the_page_promises_no_inversion_of_colour(tmp_path):
    from tests.app.http.test_pictures import asked_of

    client = asked_of(tmp_path, "light", (8, 8, 3))
    assert "inverted" not in client.get("/").text
    client.close()


def test_every_picture_of_the_page_has_its_true_size_and_a_text(client):
    from tests.fakes import pixels_of

    html = client.get("/").text
    tags = re.findall(r"<img [^>]+>", html, re.DOTALL)
    assert len(tags) == 3
    for tag in tags:
        attributes = dict(re.findall(r'(\w+)="([^"]*)"', tag))
        assert attributes["alt"]
        height, width = pixels_of(client.get(attributes["src"].replace("&amp;", "&")).content).shape
        assert (int(attributes["width"]), int(attributes["height"])) == (width, height)


@pytest.mark.parametrize("path", ["/", "/docs", "/problems", "/static/style.css", "/static/docs.js"])
def test_nothing_is_fetched_from_another_host(client, path):
    assert not re.search(
        r"(https?:)?//[a-z]", client.get(path).text.replace("http://www.w3.org/2000/svg", "")
    )


def test_the_api_documentation_finds_its_script_style_and_schema(client):
    html = client.get("/docs").text
    for path in re.findall(r'(?:src|href)="([^"]+)"', html):
        assert client.get(path).status_code == 200, path
    assert len(client.get("/swagger/swagger-ui-bundle.js").content) > 1_000_000


def test_pages_forbid_scripts_from_elsewhere(client):
    for path in ("/", "/docs"):
        policy = client.get(path).headers["content-security-policy"]
        assert "script-src 'self';" in policy
        assert "default-src 'none'" in policy


def test_the_schema_describes_the_pictures_and_their_parameters(client):
    schema = client.get("/openapi.json").json()
    assert set(schema["paths"]) == {
        "/samples",
        "/interpolate",
        "/reconstruct",
        "/livez",
        "/readyz",
        "/version",
        "/metrics",
    }
    parameters = {p["name"]: p for p in schema["paths"]["/samples"]["get"]["parameters"]}
    assert set(parameters) == {
        "n",
        "seed",
        "columns",
        "zoom",
        "ink",
        "model",
        "format",
        "temperature",
        "label",
        "render",
    }
    assert all(parameter["description"] for parameter in parameters.values())
    assert "image/png" in schema["paths"]["/samples"]["get"]["responses"]["200"]["content"]
    assert set(schema["paths"]["/reconstruct"]["post"]["requestBody"]["content"]) == {
        "multipart/form-data",
        "image/*",
    }


def test_every_type_of_problem_is_explained(client):
    kind = client.get("/samples?n=0").json()["type"]
    assert f"<code>{kind}</code>" in client.get(kind).text
