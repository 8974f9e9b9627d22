from __future__ import annotations

from pathlib import Path

import pytest

from adapters.exports import discord, slack

DOCUMENT = (Path(__file__).parents[3] / "docs" / "exports.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("reason", sorted({*slack._NOTICES.values(), *discord._NOTICES.values()}))
def test_every_kind_of_notice_is_explained(reason: str):
    assert f"`{reason}`" in DOCUMENT
