"""The simulation of teams: that it runs, and that what it judges is what a digest says. Too few teams to measure."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from typer import Typer
from typer.testing import CliRunner

from bench.simulation import ALIKE, LAST_WEEK, ROOM, TWENTY, UTC_ZONE, claims_of_teams, judge, main, simulate
from bot.digest import Digests
from bot.question import Place, Span
from bot.trends import Trends


async def test_a_verdict_is_what_the_digest_says():
    for seed in range(6):
        room = TWENTY if seed % 2 else ALIKE
        made = simulate(room, np.random.default_rng(seed))

        verdict = await judge(room, made)
        digest = await Digests(Trends(made)).of(
            (Place(ROOM, "room"),), Span(LAST_WEEK, "last week"), UTC_ZONE, LAST_WEEK.end
        )

        assert verdict is not None
        assert verdict.claimed == (" than usual " in digest.lines[0])
        assert verdict.burst == any(line.startswith("On everybody's lips") for line in digest.lines)


def test_the_same_seed_makes_the_same_team():
    one, other = (simulate(ALIKE, np.random.default_rng(3)) for _ in range(2))

    assert one == other


def test_it_prints_a_row_for_each_kind_of_room():
    app = Typer()
    app.command()(main)

    printed = CliRunner().invoke(app, ["--teams", "4"])

    assert printed.exit_code == 0
    assert "no change, 8 to 40 members" in printed.stdout
    assert "+10 points, about 20 people" in printed.stdout
    assert "of 2 digests tell one." in printed.stdout


def test_a_team_is_told_of_a_change_that_all_its_rooms_share():
    assert claims_of_teams(replace(TWENTY, change=0.3), 2) == [True, True]
