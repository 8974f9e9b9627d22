"""Where the installation's key is kept."""

from pathlib import Path
from threading import Timer

import pytest

from bot.errors import ConfigurationError
from bot.keys import kept_key, key_path
from bot.privacy import Key


@pytest.mark.parametrize(
    ("address", "key"),
    [
        ("data/team.db", "data/team.key"),
        ("sqlite:///data/team.db", "data/team.key"),
        ("sqlite:////var/lib/team.db", "/var/lib/team.key"),
        ("sqlite:///~/team.db", "/home/mira/team.key"),
        ("~/team.db", "/home/mira/team.key"),
    ],
)
def test_the_key_is_kept_beside_the_database(monkeypatch: pytest.MonkeyPatch, address: str, key: str):
    monkeypatch.setenv("HOME", "/home/mira")

    assert key_path(address) == Path(key)


def test_a_key_is_made_once_for_its_owner_alone(tmp_path: Path):
    path = tmp_path / "data" / "team.key"

    made = kept_key(path)

    assert kept_key(path) == made
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_first_start_waits_for_the_key_that_another_is_writing(tmp_path: Path):
    path = tmp_path / "team.key"
    path.touch()
    Timer(0.3, path.write_text, [64 * "a"]).start()

    assert kept_key(path) == Key(bytes.fromhex(64 * "a"))


def test_a_file_that_stays_empty_is_no_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("bot.keys.PATIENCE", 2)
    (tmp_path / "team.key").touch()

    with pytest.raises(ConfigurationError, match="64 hex digits"):
        kept_key(tmp_path / "team.key")
