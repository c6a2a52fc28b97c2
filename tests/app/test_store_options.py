from pathlib import Path

import pytest

from app.settings import SettingsError, load_settings


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ("s3://bucket/prefix", "s3://bucket/prefix"),
        ("hf://owner/repo@rev", "hf://owner/repo@rev"),
        ("file:///a%20b/c", Path("/a b/c")),
        ("/models", Path("/models")),
        (Path("mine"), Path("mine")),
    ],
)
def test_a_store_is_a_folder_or_an_address_as_it_was_given(given, meant):
    assert load_settings(model_store=given).model_store == meant


def test_an_address_reaches_other_processes_unchanged():
    assert load_settings(model_store="s3://b/p").for_process()["VITRINE_MODEL_STORE"] == "s3://b/p"


def test_an_address_with_a_password_is_refused():
    with pytest.raises(SettingsError, match=r"VITRINE_MODEL_STORE=.*has a password in it") as refused:
        load_settings(model_store="s3://key:secret@bucket/prefix")
    assert "secret" not in str(refused.value)
