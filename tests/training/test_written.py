"""The project's own training lines are made from the files that people edit."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType

import pytest

from training import names, written


@pytest.mark.parametrize("made", [written, names])
def test_the_committed_lines_are_those_that_their_source_makes(
    made: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    committed = made.TARGET.read_text(encoding="utf-8")
    monkeypatch.setattr(made, "TARGET", tmp_path / "made.jsonl")

    made.main()

    assert (tmp_path / "made.jsonl").read_text(encoding="utf-8") == committed
