import json
import math

import pytest

from training import runs


@pytest.mark.parametrize(
    ("flags", "slow"), [("fpu avx2", True), ("fpu avx512_bf16", False), ("amx_bf16", False), ("", False)]
)
def test_a_processor_without_instructions_for_bfloat16_is_known_by_its_flags(monkeypatch, flags, slow):
    monkeypatch.setattr(runs, "_processor", lambda: {"flags": flags})
    assert runs.is_slow_in_bfloat16() is slow


def test_json_is_written_whole_or_not_at_all(tmp_path):
    path = tmp_path / "report.json"
    runs.write_json(path, {"loss": 1.5})
    with pytest.raises(ValueError, match="not JSON compliant"):
        runs.write_json(path, {"loss": math.nan})
    assert json.loads(path.read_text()) == {"loss": 1.5}
    assert [found.name for found in tmp_path.iterdir()] == ["report.json"]
