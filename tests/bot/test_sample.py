"""The sample workspace: where it is kept."""

from __future__ import annotations

import json

from bot.analysis import embedded
from bot.sample import database
from tests.examples import AT, WEEK


def test_a_new_week_or_another_release_of_the_bundled_model_makes_the_sample_anew(tmp_path):
    facts = json.loads((embedded.FOLDER / "model.json").read_text())
    (tmp_path / "model.json").write_text(json.dumps(facts | {"version": "99.0"}))
    url = f"sqlite:///{tmp_path / 'roomtone.db'}"
    named = database(url, AT)

    assert named == database(url, AT)
    assert named.startswith(f"sqlite:///{tmp_path}/sample-")
    assert len({named, database(url, AT + WEEK), database(url, AT, model=tmp_path)}) == 3
