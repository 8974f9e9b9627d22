"""What is written down and what is so."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
from typer.main import get_command

from bot.cli import cli
from bot.settings import example

ROOT = Path(__file__).parents[1]


def test_the_example_of_env_names_every_setting_as_it_is():
    expected = example().rstrip() + "\n"

    assert (ROOT / ".env.example").read_text(encoding="utf-8") == expected


def verbs() -> set[str]:
    return set(get_command(cli).commands)  # type: ignore[attr-defined]


def test_the_readme_names_every_verb():
    readme = (ROOT / "README.md").read_text(encoding="utf-8")

    assert {verb for verb in verbs() if f"roomtone {verb}" not in readme} == set()


def test_the_readme_names_no_verb_that_is_not_there():
    readme = (ROOT / "README.md").read_text(encoding="utf-8")

    assert set(re.findall(r"`(?:\.venv/bin/)?roomtone ([a-z]+)", readme)) - verbs() == set()


def test_the_changelog_has_this_version():
    version = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]

    assert f"## [{version}]" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("page", sorted(ROOT.glob("*.md")) + sorted(ROOT.glob("docs/**/*.md")), ids=lambda p: p.name)
def test_every_link_to_a_file_leads_somewhere(page):
    targets = re.findall(r"\]\((?!https?:|mailto:|#)([^)#]+)", page.read_text(encoding="utf-8"))

    assert [target for target in targets if not (page.parent / target).exists()] == []


def test_decisions_are_numbered_one_by_one():
    numbers = sorted(int(page.name[:4]) for page in (ROOT / "docs" / "decisions").glob("*.md"))

    assert numbers == list(range(1, len(numbers) + 1))
