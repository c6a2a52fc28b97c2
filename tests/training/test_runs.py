import json
import math

import pytest

from training import runs


def test_json_is_written_whole_or_not_at_all(tmp_path):
    path = tmp_path / "report.json"
    runs.write_json(path, {"loss": 1.5})
    with pytest.raises(ValueError, match="not JSON compliant"):
        runs.write_json(path, {"loss": math.nan})
    assert json.loads(path.read_text()) == {"loss": 1.5}
    assert [found.name for found in tmp_path.iterdir()] == ["report.json"]
