"""Where the installation's key is kept."""

from pathlib import Path

import pytest

from bot.keys import key_path


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
