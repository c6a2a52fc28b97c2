import pytest

from app.export.litertjs import NotInstalled, installed


def test_the_page_has_both_packages_side_by_side_with_their_licences(vendor):
    litert = installed(vendor)
    assert set(litert.files) == {
        "litert/litertjs-core-2.5.3/index.js",
        "litert/litertjs-core-2.5.3/litert_wasm_compat_internal.js",
        "litert/litertjs-core-2.5.3/litert_wasm_compat_internal.wasm",
        "litert/litertjs-core-2.5.3/LICENSE.txt",
        "litert/litertjs-wasm-utils-2.5.3/index.js",
        "litert/litertjs-wasm-utils-2.5.3/LICENSE.txt",
    }
    assert litert.version == "2.5.3"
    assert litert.files[litert.wasm] == b"\0asm"
    assert litert.files[litert.loader] == b"loader"
    assert {litert.module, litert.loader, litert.wasm} <= set(litert.files)


def test_where_nothing_is_installed_the_command_that_installs_it_is_named(tmp_path):
    with pytest.raises(NotInstalled, match=r"MANIFEST.json is missing. Run make assets"):
        installed(tmp_path)


def test_a_file_that_is_missing_is_named(vendor):
    (vendor / "litertjs-core-2.5.3" / "index.js").unlink()
    with pytest.raises(NotInstalled, match=r"litertjs-core-2.5.3/index.js is missing"):
        installed(vendor)


def test_a_file_that_was_changed_is_not_put_into_a_page(vendor):
    (vendor / "litertjs-wasm-utils-2.5.3" / "index.js").write_text("export const other = 1;")
    with pytest.raises(NotInstalled, match=r"wasm-utils-2.5.3/index.js: not what MANIFEST.json says"):
        installed(vendor)


def test_a_manifest_without_the_package_says_so(vendor):
    (vendor / "MANIFEST.json").write_text('{"packages": []}')
    with pytest.raises(NotInstalled, match="has no '@litertjs/core'"):
        installed(vendor)
