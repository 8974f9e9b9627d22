"""What is written down and what is so."""

from __future__ import annotations

import ast
import re
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
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


def test_every_library_that_is_required_is_used():
    required = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["dependencies"]
    wanted = {canonicalize_name(Requirement(each).name) for each in required} - {"tzdata"}  # data, for `zoneinfo`
    sources = [path for name in ("bot", "adapters", "storage") for path in (ROOT / name).rglob("*.py")]
    nodes = [node for path in sources for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))]
    imported = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    imported |= {node.module for node in nodes if isinstance(node, ast.ImportFrom) and node.module}
    owners = packages_distributions()
    used = {canonicalize_name(owner) for name in imported for owner in owners.get(name.partition(".")[0], [])}

    assert wanted - used == set()


def test_the_container_is_built_of_what_docker_is_given():
    copied = re.findall(
        r"^COPY (?!--from)(.+) \S+$", (ROOT / "docker" / "Dockerfile").read_text(encoding="utf-8"), re.M
    )
    given = set(re.findall(r"^!(.+)$", (ROOT / ".dockerignore").read_text(encoding="utf-8"), re.M))
    needed = {name for line in copied for name in line.split()}

    assert needed == given
    assert [name for name in needed if not (ROOT / name).exists()] == []
