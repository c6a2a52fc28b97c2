import pytest

from app.jobs import parquet
from app.jobs.job import InvalidJob


def test_without_pyarrow_it_is_told_what_needs_it_and_how_to_install_it(monkeypatch):
    monkeypatch.setattr(parquet, "is_installed", lambda: False)
    with pytest.raises(InvalidJob, match=r"photos\.parquet: needs pyarrow: .*vitrine-vae\[parquet\]"):
        parquet.require("photos.parquet")


def test_with_it_nothing_is_said(monkeypatch):
    monkeypatch.setattr(parquet, "is_installed", lambda: True)
    parquet.require("photos.parquet")
