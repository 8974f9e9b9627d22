from __future__ import annotations

import pytest

from bot.app import examine
from bot.errors import ConfigurationError
from bot.settings import Settings


@pytest.fixture
def env(tmp_path, monkeypatch):
    """`.env` in a folder of its own, where the settings are read."""
    monkeypatch.chdir(tmp_path)
    return tmp_path / ".env"


def test_a_file_of_settings_that_is_no_text_is_said_and_nothing_of_it_is_shown(env):
    env.write_bytes(b"ROOMTONE_SLACK_BOT_TOKEN=xoxb-secret\n\xff")

    with pytest.raises(ConfigurationError, match=r"\.env isn't UTF-8") as refused:
        Settings.read()
    assert "secret" not in str(refused.value)


def test_a_file_of_settings_that_may_not_be_read_is_said(env, monkeypatch):
    env.write_text("ROOMTONE_LOG_LEVEL=debug\n")

    def refused(*_arguments, **_options):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("builtins.open", refused)  # the file's mode keeps no root out
    with pytest.raises(ConfigurationError, match=r"\.env can't be read \(Permission denied\)"):
        Settings.read()


@pytest.mark.parametrize("port", ["0", "65536", "http"])
def test_a_port_that_no_machine_has_is_refused(env, port):
    env.write_text(f"ROOMTONE_SLACK_PORT={port}\n")

    with pytest.raises(ConfigurationError, match="ROOMTONE_SLACK_PORT: Input should be"):
        Settings.read()


async def test_doctor_finds_what_is_misspelt_in_the_file_and_in_the_environment(env, monkeypatch):
    env.write_text("ROOMTONE_DATABSE_URL=sqlite:///elsewhere.db\nOTHERS=1\n")
    monkeypatch.setenv("ROOMTONE_LOG_LEVLE", "debug")

    found = [each for each in await examine(Settings.read(), database=None) if each.subject == "settings"]

    assert [each.ok for each in found] == [False, False]
    assert [each.says.partition(" is no setting. ") for each in found] == [
        ("ROOMTONE_DATABSE_URL", " is no setting. ", "Did you mean ROOMTONE_DATABASE_URL?"),
        ("ROOMTONE_LOG_LEVLE", " is no setting. ", "Did you mean ROOMTONE_LOG_LEVEL?"),
    ]
