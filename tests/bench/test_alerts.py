"""The simulation of alerts: that it runs, and tells a fall from none. Too few teams to measure."""

from __future__ import annotations

from dataclasses import replace

from typer import Typer
from typer.testing import CliRunner

from bench.alerts import main, verdicts
from bench.simulation import TWENTY


def test_a_steep_fall_is_told_and_none_is_not():
    fallen, steady = (verdicts(room, 2) for room in (replace(TWENTY, change=-0.60), TWENTY))

    assert fallen == [(True,) * 5] * 2
    assert not any(alert for alerts in steady for alert in alerts)


def test_it_prints_a_row_for_each_kind_of_room():
    app = Typer()
    app.command()(main)

    printed = CliRunner().invoke(app, ["--teams", "1"])

    assert printed.exit_code == 0
    assert "-30 points, about 20 people" in printed.stdout
