import posixpath
import re

from app.export.modules import REPLACED, modules, needed_by
from app.export.page import STATIC


def test_every_module_that_another_imports_is_there():
    found = modules()
    for name, text in found.items():
        for address in re.findall(r'(?:from|import) "(\.[^"]+\.js)"', text):
            assert posixpath.normpath(posixpath.join(posixpath.dirname(name), address)) in found, (
                name,
                address,
            )


def test_what_asks_a_service_is_replaced_and_all_else_is_what_the_service_has():
    found = modules()
    for name, text in found.items():
        if name in REPLACED:
            assert text == f'export * from "./exported/{name}";\n'
        else:
            assert text == (STATIC / "js" / name).read_text()
    assert set(REPLACED) <= set(found)


def test_modules_of_other_views_stay_out():
    found = modules()
    assert {"gallery.js", "explorer.js", "explorer/row.js", "exported/decoder-worker.js"} <= set(found)
    assert not {"comparison.js", "plane.js", "recipes.js"} & set(found)


def test_what_is_loaded_ahead_is_what_the_page_has():
    for view in ("gallery.js", "explorer.js"):
        needed = needed_by("site.js", view)
        assert {"exported/pictures.js", "exported/decoder.js", "pictures.js"} <= set(needed) <= set(modules())
