"""Tallies as columns are the tallies they were made of."""

from __future__ import annotations

from bot.store import AuthorTally
from bot.tallies import Tallies
from tests.examples import an_author


def a_tally(author: int, messages: int = 1, *, score: float = 0.5, model: str = "example 1") -> AuthorTally:
    return AuthorTally(an_author(author), model, messages, score, score * score, 0, 0, messages)


WINDOWS = ((a_tally(1), a_tally(2, 3, score=-0.25)), (), (a_tally(2, model="example 2"),))


def test_columns_are_the_tallies_they_are_made_of():
    columns = Tallies.of(WINDOWS)

    assert columns == WINDOWS
    assert len(columns) == 3
    assert columns[2] == (a_tally(2, model="example 2"),)
    assert columns[:1] == WINDOWS[:1]
    assert Tallies.of(columns) is columns


def test_columns_are_not_other_tallies():
    assert Tallies.of(WINDOWS) != (*WINDOWS[:2], (a_tally(2),))
    assert Tallies.of(()) == ()


def test_columns_are_cut_into_windows_of_each_of_several_names():
    assert Tallies.of((*WINDOWS, *WINDOWS[::-1])).cut(3) == [WINDOWS, WINDOWS[::-1]]
