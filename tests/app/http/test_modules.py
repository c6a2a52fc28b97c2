import re

from app.http import modules


def test_a_page_names_every_module_that_its_own_imports_through_others():
    found = modules.needed_by("gallery.js")
    assert {"gallery.js", "gallery/walk.js", "page.js", "state.js", "ask.js"} <= set(found)
    assert len(found) == len(set(found))
    for name in found:
        assert (modules.FOLDER / name).is_file()


def test_every_module_of_a_page_is_asked_for_at_once(client):
    page = client.get("/").text
    preloaded = re.findall(r'<link rel="modulepreload" href="./static/js/([^"]+)">', page)
    assert set(preloaded) == set(modules.needed_by("gallery.js", "site.js"))
    for name in preloaded:
        assert client.get(f"/static/js/{name}").status_code == 200


def test_every_module_can_be_found_by_those_that_import_it():
    for path in modules.FOLDER.rglob("*.js"):
        modules.needed_by(path.relative_to(modules.FOLDER).as_posix())
