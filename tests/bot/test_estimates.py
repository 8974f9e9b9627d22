"""Numbers from small, uneven samples, held against closed forms, oracles and a bootstrap."""

from __future__ import annotations

from dataclasses import astuple
from math import sqrt

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from bot import estimates
from bot.estimates import Change, Mood, Share, TooFew, Voice, Voices


def a_voice(author: int, score: float, *, messages: int = 1, step: int = 0) -> Voice:
    """Somebody whose messages in a step score `score` on average."""
    return Voice(str(author), step, messages, score * messages)


def known(mood: Mood | TooFew) -> Mood:
    assert isinstance(mood, Mood)
    return mood


SCORES = (0.4, -0.1, 0.25, 0.0, -0.6, 0.3, 0.1)
ROOM = [a_voice(author, score, messages=1 + author % 5, step=author % 3) for author, score in enumerate(SCORES)]


def weeks(random: np.random.Generator, number: int, *, people: int = 20, shift: float = 0.0) -> list[list[Voice]]:
    """Weeks of the same people, who talk on their own; the last differs by `shift`."""
    own = random.normal(0.1, 0.15, people)
    return [
        [
            a_voice(
                author,
                own[author] + (shift if week == number - 1 else 0) + random.normal(0, 0.3 / sqrt(messages)),
                messages=messages,
                step=int(random.integers(0, 5)),
            )
            for author in range(people)
            for messages in (int(random.integers(1, 20)),)
        ]
        for week in range(number)
    ]


def test_a_mood_is_the_mean_over_authors_of_their_mean_score():
    voices = [Voice("a", 0, 3, 1.5), Voice("a", 1, 1, -0.5), Voice("b", 0, 1, -0.75)]

    mood = known(estimates.mood(voices))

    assert mood.estimate == pytest.approx(-25)
    assert (mood.messages, mood.people) == (5, 2)


def test_people_who_wrote_once_each_get_the_classic_t_interval():
    voices = [a_voice(author, score) for author, score in enumerate(SCORES)]

    mood = known(estimates.mood(voices))

    low, high = stats.ttest_1samp(SCORES, 0).confidence_interval(0.95)
    assert (mood.low, mood.high) == pytest.approx((100 * low, 100 * high))


@pytest.mark.parametrize("people", [12, 40])
def test_the_interval_agrees_with_the_cluster_bootstrap(people: int):
    random = np.random.default_rng(people)
    counts = 1 + random.poisson(np.exp(random.normal(1.5, 1, people)))
    means = np.clip(random.normal(0.1, 0.2, people) + random.normal(0, 0.3 / np.sqrt(counts)), -1, 1)
    voices = [a_voice(i, means[i], messages=int(counts[i])) for i in range(people)]

    mood = known(estimates.mood(voices))

    drawn = means[random.integers(0, people, (4000, people))].mean(axis=1)
    # The bootstrap's own spread is that of a sample without its n - 1 and without t.
    honest = np.std(drawn) * sqrt(people / (people - 1)) * stats.t.ppf(0.975, people - 1)
    assert mood.estimate == pytest.approx(100 * means.mean())
    assert (mood.high - mood.low) / 2 == pytest.approx(100 * honest, rel=0.12)


def test_one_furious_author_is_one_voice_however_much_they_write():
    room = [a_voice(author, 0.2, messages=4) for author in range(9)]
    once = known(estimates.mood([*room, a_voice(99, -1.0)]))

    loud = known(estimates.mood([*room, a_voice(99, -1.0, messages=500)]))

    assert loud.estimate == pytest.approx(once.estimate)
    assert loud.estimate == pytest.approx((9 * 20 - 100) / 10)


def test_conversations_that_pull_several_at_once_widen_the_interval():
    apart = [a_voice(author, 0.3 if author % 2 else -0.3, step=author // 2 % 5) for author in range(20)]
    together = [a_voice(author, 0.3 if author // 2 % 5 < 2 else -0.2, step=author // 2 % 5) for author in range(20)]

    widths = [known(estimates.mood(voices)) for voices in (apart, together)]

    plain = [
        100 * 2 * stats.t.ppf(0.975, 19) * sqrt(np.var([v.total for v in vs], ddof=1) / 20) for vs in (apart, together)
    ]
    assert widths[0].high - widths[0].low == pytest.approx(plain[0])
    assert widths[1].high - widths[1].low > 1.5 * plain[1]


def test_a_conversation_that_goes_on_in_the_next_step_widens_the_interval_too():
    def talk(days: dict[int, tuple[int, int]]) -> list[Voice]:
        """Each day a conversation of two, of a score of its own, and of two others on the day that it goes on."""
        return [
            a_voice(4 * number + author, score + 0.05 * author, step=day)
            for number, (score, both) in enumerate(zip((0.5, -0.4, 0.3, -0.6, 0.2), days.values(), strict=True))
            for author, day in enumerate((both[0], both[0], both[1], both[1]))
        ]

    once = talk({n: (5 * n, 5 * n + 2) for n in range(5)})
    on = talk({n: (5 * n, 5 * n + 1) for n in range(5)})

    widths = [mood.high - mood.low for mood in (known(estimates.mood(voices)) for voices in (once, on))]
    assert widths[1] > 1.1 * widths[0]


def test_somebody_who_writes_two_days_in_a_row_is_no_conversation():
    once = [a_voice(author, score) for author, score in enumerate(SCORES)]
    twice = [a_voice(author, score, step=3 * author + day) for author, score in enumerate(SCORES) for day in range(2)]

    plain, both = (known(estimates.mood(voices)) for voices in (once, twice))

    assert (both.low, both.high) == pytest.approx((plain.low, plain.high))


@pytest.mark.parametrize(
    ("voices", "expected"),
    [
        ([], TooFew(0, 0, 20, 5)),
        ([a_voice(1, 0.1, messages=400)], TooFew(400, 1, 20, 5)),
        ([a_voice(author, 0.1) for author in range(9)], TooFew(9, 9, 20, 5)),
    ],
)
def test_too_few_is_a_value_that_says_what_is_missing(voices: list[Voice], expected: TooFew):
    assert estimates.mood(voices, least_messages=20, least_people=5) == expected


@given(st.lists(st.tuples(st.integers(0, 8), st.integers(0, 6), st.integers(1, 50), st.floats(-1, 1)), min_size=1))
def test_a_mood_lies_in_its_interval_and_on_the_scale_in_any_order(cells: list[tuple[int, int, int, float]]):
    voices = [a_voice(author, score, messages=messages, step=step) for author, step, messages, score in cells]

    forth, back = estimates.mood(voices), estimates.mood(voices[::-1])

    if isinstance(forth, Mood) and isinstance(back, Mood):
        assert -100 <= forth.low <= forth.estimate + 1e-9
        assert forth.estimate - 1e-9 <= forth.high <= 100
        assert (back.estimate, back.low, back.high) == pytest.approx((forth.estimate, forth.low, forth.high))
    else:
        assert isinstance(forth, TooFew)
        assert forth.people < 2


def as_columns(window: list[Voice]) -> Voices:
    """The same voices, whose authors are called by numbers."""
    return Voices(
        author=np.array([int(voice.author) for voice in window]),
        step=np.array([voice.step for voice in window]),
        messages=np.array([float(voice.messages) for voice in window]),
        total=np.array([voice.total for voice in window]),
    )


def test_voices_as_columns_say_what_they_say_one_by_one():
    windows = weeks(np.random.default_rng(6), 7)
    named = [week[::3] for week in windows]
    columns, named_columns = [as_columns(week) for week in windows], [as_columns(week) for week in named]

    (first, *rest), (first_columns, *rest_columns) = windows, columns
    pairs, pairs_columns = list(zip(windows, named, strict=True)), list(zip(columns, named_columns, strict=True))
    for one_by_one, at_once in (
        (estimates.mood(first, beside=rest), estimates.mood(first_columns, beside=rest_columns)),
        (estimates.difference(first, rest[0]), estimates.difference(first_columns, rest_columns[0])),
        (estimates.change(first, rest), estimates.change(first_columns, rest_columns)),
        (
            estimates.contribution(pairs[0], pairs[1:]),
            estimates.contribution(pairs_columns[0], pairs_columns[1:]),
        ),
    ):
        assert astuple(at_once) == pytest.approx(astuple(one_by_one), rel=1e-9)


def test_a_label_that_nobody_used_may_still_be_used():
    never = estimates.share([a_voice(author, 0.0, messages=3) for author in range(6)])

    assert (never.estimate, never.low) == (0, 0)
    assert 0.1 < never.high < 0.6


def test_the_share_of_people_who_wrote_once_is_wilsons_interval():
    voices = [a_voice(author, float(author < 6)) for author in range(40)]

    share = estimates.share(voices)

    # The sample variance has n - 1, and t stands for z: Wilson's with 39 of 40.
    size, reach = 39, stats.t.ppf(0.975, 39)
    expected = stats.binomtest(6, 40).proportion_ci(method="wilson")
    middle = (0.15 + reach**2 / size / 2) / (1 + reach**2 / size)
    assert share.low + share.high == pytest.approx(2 * middle)
    assert (share.low, share.high) == pytest.approx((expected.low, expected.high), abs=0.01)


@given(st.lists(st.tuples(st.integers(0, 12), st.integers(1, 30), st.floats(0, 1)), min_size=2))
def test_a_share_lies_in_its_interval_between_none_and_all(cells: list[tuple[int, int, float]]):
    share = estimates.share([a_voice(author, part, messages=messages) for author, messages, part in cells])

    assert 0 <= share.low <= share.estimate <= share.high <= 1


def test_a_difference_between_the_same_people_is_the_paired_t_test():
    before = (0.1, 0.4, -0.2, 0.3, 0.0, 0.5)
    after = (0.2, 0.6, -0.1, 0.5, 0.0, 0.9)

    found = estimates.difference(*([a_voice(i, s) for i, s in enumerate(scores)] for scores in (after, before)))

    test = stats.ttest_rel(after, before)
    low, high = test.confidence_interval(0.95)
    assert found.p_value == pytest.approx(test.pvalue)
    assert (found.low, found.high) == pytest.approx((100 * low, 100 * high))


def test_a_difference_between_other_people_is_nearly_welchs_t_test():
    first, second = (0.1, 0.4, -0.2, 0.3), (0.2, 0.6, -0.1, 0.5, 0.0, 0.9)

    found = estimates.difference(
        [a_voice(i, s) for i, s in enumerate(first)], [a_voice(10 + i, s) for i, s in enumerate(second)]
    )

    low, high = stats.ttest_ind(first, second, equal_var=False).confidence_interval(0.95)
    # Welch's degrees of freedom are those seen, ours those to be expected.
    assert (found.low, found.high) == pytest.approx((100 * low, 100 * high), rel=0.05)


def test_a_change_finds_by_how_much_everybody_moved():
    *before, now = weeks(np.random.default_rng(1), 9, shift=0.2)

    found = estimates.change(now, before)

    assert found.low < 20 < found.high
    assert found.is_clear
    assert found.windows == 8


def test_it_is_no_change_when_the_gloomy_are_on_holiday():
    *before, now = weeks(np.random.default_rng(2), 9)
    gloomy = [a_voice(100 + i, -0.7 + 0.02 * i, messages=6, step=i) for i in range(5)]

    found = estimates.change(now, [[*week, *gloomy] for week in before])

    moods = [known(estimates.mood(voices)).estimate for voices in (now, [*before[0], *gloomy])]
    assert moods[0] - moods[1] > 10
    assert not found.is_clear
    assert abs(found.estimate) < 5


def test_a_channel_that_swings_each_week_must_swing_further_to_be_unusual():
    *before, now = weeks(np.random.default_rng(3), 9, shift=0.12)
    swinging = [
        [Voice(v.author, v.step, v.messages, v.total + (0.2 if i % 2 else -0.2) * v.messages) for v in week]
        for i, week in enumerate(before)
    ]

    calm, unsteady = estimates.change(now, before), estimates.change(now, swinging)

    assert calm.is_clear
    assert not unsteady.is_clear


def test_one_furious_author_changes_a_week_by_two_voices_at_most_and_is_no_change_of_the_room():
    *before, now = weeks(np.random.default_rng(5), 9)

    calm = estimates.change(now, before)
    loud = estimates.change([*now, a_voice(0, -1.0, messages=500)], before)

    assert abs(loud.estimate - calm.estimate) <= estimates.MOST_VOICES / 20 * 130
    assert loud.high - loud.low > 1.5 * (calm.high - calm.low)
    assert not loud.is_clear


def test_nobody_weighs_more_than_two_people_however_little_the_others_write():
    before = [[a_voice(author, 0.1, messages=10, step=day) for author in range(10) for day in range(2)]] * 5
    now = [a_voice(0, -0.9, messages=500), *(a_voice(author, 0.1, step=author) for author in range(1, 10))]

    found = estimates.change(now, before)

    assert found.estimate == pytest.approx(0.2 * -100, abs=1)


def test_how_people_differed_before_steadies_the_interval_of_a_week_unless_they_differ_far_more():
    *before, now = weeks(np.random.default_rng(6), 9)
    alike = [Voice(v.author, v.step, v.messages, 0.1 * v.messages) for v in now]
    heated = [Voice(v.author, v.step, v.messages, (0.9 if int(v.author) % 2 else -0.7) * v.messages) for v in now]

    widths = [found.high - found.low for found in (estimates.change(week, before) for week in (alike, now, heated))]

    assert widths[0] > widths[1] / 2  # a week in which all happen to agree isn't known to a hair
    assert widths[2] > 2 * widths[1]


def test_one_odd_week_is_not_the_usual():
    *before, now = weeks(np.random.default_rng(4), 9)
    odd = [Voice(v.author, v.step, v.messages, v.total - 0.8 * v.messages) for v in before[3]]

    found = estimates.change(now, [*before[:3], odd, *before[4:]])

    assert abs(found.estimate) < 6


def test_contributions_of_all_messages_add_up_to_the_change():
    *before, now = weeks(np.random.default_rng(5), 9, shift=-0.2)

    def about(voices: list[Voice]) -> list[Voice]:
        return [Voice(v.author, v.step, v.messages // 3, 0.1 * (v.messages // 3)) for v in voices]

    def rest(voices: list[Voice]) -> list[Voice]:
        return [
            Voice(v.author, v.step, v.messages - n.messages, v.total - n.total)
            for v, n in zip(voices, about(voices), strict=True)
        ]

    whole = estimates.change(now, before)
    parts = [
        estimates.contribution((now, split(now)), [(week, split(week)) for week in before]) for split in (about, rest)
    ]

    assert sum(part.estimate for part in parts) == pytest.approx(whole.estimate)


def test_changes_need_somebody_to_change():
    with pytest.raises(ValueError, match="people wrote"):
        estimates.change([a_voice(1, 0.1)], [ROOM])
    with pytest.raises(ValueError, match="people wrote"):
        estimates.change(ROOM, [])
    with pytest.raises(ValueError, match="two people"):
        estimates.difference(ROOM, [a_voice(1, 0.1)])


def test_a_name_on_everybodys_lips_is_a_burst_and_a_usual_one_is_not():
    usual = (2, 1, 3, 2, 2, 1, 2, 3)

    loud, quiet = (estimates.burst(n, usual, active=20, usual_active=[20] * 8) for n in (16, 3))

    assert loud.p_value < 0.0005
    assert quiet.p_value > 0.2
    assert quiet.usual == pytest.approx(2)


def test_a_busier_week_names_everything_more_without_a_burst():
    usual, active = (4,) * 8, [20] * 8

    same, busy = (estimates.burst(12, usual, active=n, usual_active=active) for n in (20, 60))

    assert busy.p_value > 0.3 > 0.05 > same.p_value


def test_a_bursts_chance_is_that_of_the_negative_binomial():
    found = estimates.burst(8, (2, 2, 2, 2), active=10, usual_active=(10,) * 4)

    shape = (8 + 0.5) / estimates.CLUMPS
    assert found.p_value == pytest.approx(stats.nbinom.sf(8 / estimates.CLUMPS - 1, shape, 40 / 50))


def test_the_chance_of_an_absence_is_that_of_none_of_the_negative_binomial():
    usual, active = (3, 2, 4, 3), (20, 22, 18, 20)

    rarely = estimates.absence(usual, active=20, usual_active=active)
    often = estimates.absence((19, 20, 18, 19), active=20, usual_active=active)

    assert rarely == pytest.approx(stats.nbinom((12 + 0.5) / estimates.CLUMPS, 80 / 100).pmf(0))
    assert rarely > 0.2
    assert often < 0.001


@given(st.lists(st.floats(0, 1), min_size=1, max_size=30))
def test_discoveries_are_benjamini_and_hochbergs(p_values: list[float]):
    expected = stats.false_discovery_control(p_values) <= 0.05

    found = estimates.discoveries(p_values, rate=0.05)

    # On the very edge the two round differently.
    edge = np.isclose(stats.false_discovery_control(p_values), 0.05)
    assert all(a == b for a, b, on_edge in zip(found, expected, edge, strict=True) if not on_edge)


def test_small_channels_are_drawn_to_the_middle_and_large_ones_hardly():
    large, other, small = Mood(20, 15, 25, 900, 60), Mood(-10, -15, -5, 900, 60), Mood(60, -20, 100, 20, 5)

    drawn = estimates.shrunken([large, other, small])

    assert drawn[0] == pytest.approx(20, abs=2)
    assert drawn[1] == pytest.approx(-10, abs=2)
    assert drawn[2] < 40


def test_a_change_is_clear_only_if_its_interval_leaves_zero_out():
    assert Change(5, 1, 9, 0.01, 8).is_clear
    assert Change(-5, -9, -1, 0.01, 8).is_clear
    assert not Change(5, -1, 11, 0.1, 8).is_clear


def test_shares_of_one_person_are_the_widest_of_all():
    alone = estimates.share([a_voice(1, 1.0, messages=50)])

    assert alone == Share(1.0, alone.low, 1.0)
    assert alone.low < 0.05
