import json

import pytest

from app.http.assets import STATIC, vendor
from app.http.templates import TEMPLATES

PACKAGE = {"name": "@some/viewer", "folder": "some-viewer-1.2.3", "files": {"viewer.js": "0" * 64}}


@pytest.fixture
def static(tmp_path):
    """A folder of static files in which a package is installed."""
    (tmp_path / "vendor").mkdir()
    (tmp_path / "vendor" / "MANIFEST.json").write_text(json.dumps({"packages": [PACKAGE]}))
    return tmp_path


def test_the_address_of_an_installed_file_names_its_version(static):
    assert vendor("@some/viewer", "viewer.js", static) == "static/vendor/some-viewer-1.2.3/viewer.js"


def test_where_nothing_is_installed_there_is_no_address(tmp_path):
    assert vendor("@some/viewer", "viewer.js", tmp_path) is None


@pytest.mark.parametrize(("name", "file"), [("@some/viewer", "veiwer.js"), ("viewer", "viewer.js")])
def test_a_misspelt_file_is_an_error_where_the_packages_are_installed(static, name, file):
    with pytest.raises(LookupError, match=f"{name}: no file {file} is served"):
        vendor(name, file, static)


def test_templates_ask_for_it():
    template = TEMPLATES.env.from_string("{{ vendor('openseadragon', 'openseadragon.min.js') }}")
    assert template.render() == str(vendor("openseadragon", "openseadragon.min.js"))


def test_a_page_that_lacks_a_package_says_what_to_do():
    macros = TEMPLATES.get_template("macros.html").module
    assert "OpenSeadragon is not installed here" in macros.not_installed("OpenSeadragon")
    assert "make assets" in macros.not_installed("OpenSeadragon")


def test_it_looks_where_static_files_are_served_from():
    assert (STATIC / "style.css").is_file()
