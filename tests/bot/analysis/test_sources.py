from __future__ import annotations

from pathlib import Path

import pytest

from bot.analysis.checkpoint import Checkpoint, Source
from bot.errors import ConfigurationError


@pytest.mark.parametrize(
    ("written", "source"),
    [
        ("acme/mood", Source("acme/mood")),
        ("acme/mood@1a2b3c", Source("acme/mood", "1a2b3c")),
        ("./models/mood@home", Source("./models/mood@home")),
        ("/srv/models/mood", Source("/srv/models/mood")),
        ("~/mood", Source("~/mood")),
        ("odd@name/mood", Source("odd@name/mood")),
    ],
)
def test_a_setting_names_a_hub_id_with_or_without_its_revision_or_a_folder(written: str, source: Source) -> None:
    assert Source.of(written) == source


def test_a_folder_that_is_there_needs_no_slash(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "mood@home").mkdir()
    monkeypatch.chdir(tmp_path)

    assert Source.of("mood@home").is_folder


async def test_without_the_extra_starting_says_the_one_command_that_mends_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bot.analysis.checkpoint.find_spec", lambda name: None)

    with pytest.raises(ConfigurationError, match=r'venv/bin/pip install -e "\.\[checkpoint\]"'):
        await Checkpoint(Source("acme/mood")).__aenter__()
