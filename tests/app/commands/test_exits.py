import pytest

from app.commands.exits import errors_leave, leave
from app.errors import ModelNotFound, StoreError
from app.settings import SettingsError


def test_a_command_ends_by_a_code_and_one_line(capsys):
    with pytest.raises(SystemExit) as ended:
        leave(4, "nothing answers")
    assert ended.value.code == 4
    assert capsys.readouterr().err == "vitrine: nothing answers\n"


@pytest.mark.parametrize(
    ("error", "code"),
    [(SettingsError("bad"), 2), (StoreError("empty"), 3), (ModelNotFound("x", ["fake@1"]), 3)],
)
def test_what_is_wrong_with_settings_or_store_ends_a_command_by_its_code(error, code, capsys):
    with pytest.raises(SystemExit) as ended, errors_leave():
        raise error
    assert ended.value.code == code
    assert capsys.readouterr().err.startswith("vitrine: ")


def test_what_nobody_foresaw_is_not_hidden():
    with pytest.raises(ZeroDivisionError), errors_leave():
        raise ZeroDivisionError
