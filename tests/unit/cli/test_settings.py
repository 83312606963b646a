"""`labelloop settings`."""

from pathlib import Path

from tests.backend_process import command_error, command_result


def test_a_setting_is_previewed_set_listed_and_taken_back(tmp_path: Path) -> None:
    previewed = command_result(tmp_path, "settings", "set", "3", "redact", "email", "--preview")
    assert (previewed["is_changed"], previewed["before"], previewed["after"]) == (False, "", "email")
    assert command_result(tmp_path, "settings", "set", "3", "redact", "email")["is_changed"]
    (redact,) = (each for each in command_result(tmp_path, "settings", "list", "3") if each["name"] == "redact")
    assert (redact["value"], redact["origin"], redact["inherited"]) == ("email", "project", "")
    assert command_result(tmp_path, "settings", "unset", "3", "redact")["after"] == ""
    assert [each["value"] for each in command_result(tmp_path, "settings", "log", "3")] == [None, "email"]
    assert "wanted a setting that a project may have" in command_error(
        tmp_path, "settings", "set", "3", "password", "x"
    )
