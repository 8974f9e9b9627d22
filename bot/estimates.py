"""Numbers from small, uneven samples: intervals, changes and what may be claimed.

Everything here is pure. A `Voice` is what one author said in one step of a window; a window's mood is the mean over
authors of their mean score, so that each author weighs the same however much they write. Authors are the sampling
units: an interval rests on how authors differ, never on how many messages there are.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from math import fsum, inf, sqrt

import numpy as np
from numpy.typing import NDArray
from scipy.special import betainc, stdtr, stdtrit

Integers = NDArray[np.int64]
Floats = NDArray[np.float64]

CONFIDENCE = 0.95

POINTS = 100
"""Score points for a score of 1."""

MOSTLY_ONE = 0.999
"""Weights whose squares sum to more than this leave nobody to compare with."""

RESOLUTION = 0.02
"""Authors are never taken to differ by less than this (standard deviation of their means, as a score): five people
who each said one neutral thing are not certain to a hair."""

WITHIN = 10.0
"""Working guess: how many times more one person's messages vary than people do (variances). 12 in half a year of a
public developers' channel. Intervals hold whatever it truly is; it says how few people they may rest on, and how many
messages make somebody's own usual."""

ENOUGH_TO_TRIM = 6
"""Windows from which on the usual leaves the highest and the lowest out."""

LEAST_FOR_SWING = 4
"""Fewer windows than this say nothing about how much a channel swings."""

MOST_FREEDOM = 40.0
"""Degrees of freedom of a change, however many people: how far conversations and weeks swing is known from few weeks.
This and the next four are set by simulation (`bench/simulation.py`)."""

STEADY = 12.0
"""Working guess for weights alone: how many times more one message varies than a person's mood does from week to week.
In a change somebody who wrote once counts a thirteenth of a voice, twelve times half a voice."""

MOST_VOICES = 2.0
"""Nobody weighs more than this many times what people weigh on average in a change, however little others wrote."""

LENT = 20.0
"""Degrees of freedom that how people differed in the windows before lends to how they differ in this one."""

HEATED = 2.0
"""Of a window whose people differ this many times as much (variance) as before, nothing is lent from then."""

SWINGS = 8.0
"""Windows without excess that are added to those seen before a channel is said to swing."""

FALSE_ALARMS = 0.035
"""Chance that a quiet week's mood is called a change, over everything that is tested together."""

CLUMPS = 2.0
"""People who name a thing together, at the least: how many times wider than a Poisson count their number varies."""

FALSE_BURSTS = 0.01
"""Chance that any of a window's entities is called a burst when none is."""

FALSE_ABSENCES = 0.05
"""Chance that any of a window's entities is called gone though it was only not named by chance."""


@dataclass(frozen=True, slots=True)
class Voice:
    """One author in one step (a day, an hour) of a window: `messages` and the sum of a quantity over them.

    The quantity is a score in [-1, 1], or 1 for each message that carries a label and 0 for others.
    """

    author: str = field(repr=False)
    step: int
    messages: int
    total: float


@dataclass(frozen=True, slots=True)
class Voices:
    """The voices of a window as columns of equal length: no author twice in a step, and none without messages.

    `author` is a small number, the same for the same person in all windows that are looked at together.
    """

    author: Integers = field(repr=False)
    step: Integers
    messages: Floats
    total: Floats

    def are_of(self, people: int, messages: int) -> bool:
        """Did as many people write, and as many messages?"""
        return bool(self.messages.sum() >= messages) and len(np.unique(self.author)) >= people

    @classmethod
    def added_up(cls, author: Integers, step: Integers, messages: Floats, total: Floats) -> Voices:
        """From columns that have authors several times in a step, in ascending order of step and author."""
        people = int(author.max(initial=0)) + 1
        cells, place = np.unique(step * people + author, return_inverse=True)
        return cls(cells % people, cells // people, _sums(place, messages), _sums(place, total))


Said = Sequence[Voice] | Voices
"""What was said in a window. Of windows that are looked at together, all are in one of the two forms."""


@dataclass(frozen=True, slots=True)
class TooFew:
    """What there is, and what would be needed to say something."""

    messages: int
    people: int
    messages_needed: int
    people_needed: int


@dataclass(frozen=True, slots=True)
class Mood:
    """A window's mood in score points (-100 … 100) with its 95 % interval; each author weighs the same."""

    estimate: float
    low: float
    high: float
    messages: int
    people: int


@dataclass(frozen=True, slots=True)
class Share:
    """The part of what was said that carries a label, in [0, 1], with its 95 % interval; authors weigh the same."""

    estimate: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Change:
    """One window's mood minus that of others, in score points, with its 95 % interval.

    `p_value` is that of no change, two-sided. `windows` is how many the first was held against.
    """

    estimate: float
    low: float
    high: float
    p_value: float
    windows: int

    @property
    def is_clear(self) -> bool:
        """Does the interval exclude that nothing happened?"""
        return self.low > 0 or self.high < 0


@dataclass(frozen=True, slots=True)
class Burst:
    """An entity named by far more people than usual: `usual` is the expected number, `p_value` one-sided."""

    people: int
    usual: float
    p_value: float


def mood(
    voices: Said,
    *,
    beside: Sequence[Said] = (),
    least_messages: int = 1,
    least_people: int = 2,
) -> Mood | TooFew:
    """The mood of a window: mean over authors of their mean score, with a t interval over authors.

    The variance is the cluster-robust one with authors as clusters (for a mean of cluster means CR1 = CR2 = the sample
    variance of those means over their number: Bell & McCaffrey 2002; Cameron & Miller 2015, sections IV and VI),
    widened by what people who write at the same time share (`_shared`). `beside` are windows of the same channel
    that help to measure the latter.
    """
    window, *others = map(_Level.of, _windows(voices, *beside))
    if window.messages < least_messages or window.people < max(2, least_people):
        return TooFew(window.messages, window.people, least_messages, max(2, least_people))
    variance, freedom = _variance_of_level(window, others)
    reach = float(stdtrit(freedom, (1 + CONFIDENCE) / 2)) * sqrt(variance)
    return Mood(
        estimate=POINTS * window.mean,
        low=POINTS * max(-1.0, window.mean - reach),
        high=POINTS * min(1.0, window.mean + reach),
        messages=window.messages,
        people=window.people,
    )


def share(voices: Said, *, beside: Sequence[Said] = ()) -> Share:
    """The author-weighted share of a label, with Wilson's interval on the effective sample size.

    The effective size is the number of independent messages that would have given the cluster-robust variance
    (Korn & Graubard 1998; Wilson 1927 with t for z, as in Dean & Pagano 2015). Raises ValueError on no voices.
    """
    window, *others = map(_Level.of, _windows(voices, *beside))
    if window.people == 0:
        raise ValueError("a share needs voices")
    part = min(1.0, max(0.0, window.mean))
    variance, freedom = _variance_of_level(window, others, floor=0.0)
    size: float = window.people
    if variance > 0 and 0 < part < 1:
        # No fewer than the authors, each taken as one message: identical authors would otherwise be certain.
        size = min(max(part * (1 - part) / variance, window.people / 2), window.messages)
    reach = float(stdtrit(max(1, freedom), (1 + CONFIDENCE) / 2))
    square = reach * reach / size
    middle = (part + square / 2) / (1 + square)
    half = sqrt(square * (part * (1 - part) + square / 4)) / (1 + square)
    return Share(part, max(0.0, min(part, middle - half)), min(1.0, max(part, middle + half)))


def difference(first: Said, second: Said) -> Change:
    """The mood of one window minus that of another.

    An author who is in both is one cluster across both, so those are compared with themselves and the rest with
    everybody: the paired and Welch's t test are its two ends. Widened by what people who write at the same time
    share. Raises ValueError unless both windows have two authors or more.
    """
    windows = _windows(first, second)
    levels = [_Level.of(window) for window in windows]
    if any(level.people < 2 for level in levels):
        raise ValueError("a difference needs two people in each window")
    variance = _variance_of_difference(*levels) + _shared(levels) * fsum(level.own for level in levels)
    sizes, here = np.zeros(len(windows[0].messages)), np.zeros(len(windows[0].messages))
    for window in windows:
        sizes[window.authors] += _sizes(1 / len(window.authors), window.messages[window.authors])
        here[window.authors] += 1
    both = np.count_nonzero(here == 2) / np.count_nonzero(here)
    freedom = _freedom(sizes[here > 0], means=2 - both)
    return _change(levels[0].mean - levels[1].mean, variance, freedom, 1)


def change(this: Said, others: Sequence[Said]) -> Change:
    """By how much people differ from their own usual, which is what they said in the windows `others`.

    Not the difference of two moods: everybody is held against themselves, so that it is no change when others are on
    holiday. Somebody with little history is held against a usual between their own and the room's, and somebody who
    said little now counts less than others, within bounds (`_Change`): the empirical Bayes estimate of the mean change
    per author. Of six other windows or more, those of the highest and the lowest mood are left out, so that one odd
    week doesn't become the usual.

    The interval is the cluster-robust one over authors, steadied by how they differed in the other windows
    (`_steadied`), widened by what people who write at the same time share and by how much more the other windows
    differ from each other, so measured, than they should: a channel that swings each week has to swing further to be
    called unusual.

    Raises ValueError unless this window has two authors or more and each of the others one.
    """
    window, *windows = _windows(this, *others)
    found, factor = _changed(window, windows)
    return _change(found.estimate, found.own * factor, min(found.freedom, MOST_FREEDOM), len(windows))


def contribution(
    this: tuple[Said, Said],
    others: Sequence[tuple[Said, Said]],
) -> Change:
    """How many points of `change` come from some of the messages, such as those that name an entity.

    Each window is (all voices, voices of those messages). A message contributes its distance from the room's usual,
    divided among its author's messages and then among authors as in `change`: contributions of messages that don't
    overlap add up to the whole change. Raises ValueError as `change` does.
    """
    windows = _windows(*(said for pair in (this, *others) for said in pair))
    (whole, part), *pairs = zip(windows[::2], windows[1::2], strict=True)
    _, factor = _changed(whole, [window for window, _ in pairs])
    kept = _without_extremes([window for window, _ in pairs])
    usual = _usual(kept)
    parts = [window.only(named, usual) for window, named in pairs if any(window is each for each in kept)]
    found = _Change.of(whole.only(part, usual), parts, usual)
    return _change(found.estimate, found.own * factor, min(found.freedom, MOST_FREEDOM), len(pairs))


def burst(people: int, usual: Sequence[int], *, active: int, usual_active: Sequence[int]) -> Burst:
    """Is an entity named by more people than the windows before lead one to expect?

    Counts people, not mentions: one person who repeats a name is no burst. The count is negative binomial: a Poisson
    count whose rate is known from the earlier windows only as well as they tell (the Gamma-Poisson predictive
    distribution with Jeffreys' prior: Gelman et al. 2013, section 2.6), its variance CLUMPS times as wide, or as wide
    as the earlier windows show, since people name a thing because others just did. `active` and `usual_active` are
    the people who wrote at all, for busy and quiet weeks. The p-value is P(at least this many | as usual). Raises
    ValueError unless there are two earlier windows.
    """
    shape, chance, dispersion = _named_as_usual(usual, active, usual_active)
    expected = fsum(usual) / max(1.0, fsum(usual_active)) * active
    if people <= 0 or chance == 1:
        return Burst(people, expected, 1.0)
    # P(X ≥ k) of a negative binomial is a regularised incomplete beta function, for any real k > 0.
    return Burst(people, expected, float(betainc(people / dispersion, shape, 1 - chance)))


def _named_as_usual(usual: Sequence[int], active: int, usual_active: Sequence[int]) -> tuple[float, float, float]:
    """Shape and chance of the negative binomial of how many people name an entity, and how much wider it is spread."""
    if len(usual) < 2 or len(usual) != len(usual_active):
        raise ValueError("a count is judged against two earlier windows or more")
    exposure = fsum(usual_active)
    rate = fsum(usual) / max(1.0, exposure)
    expected = [rate * each for each in usual_active if each > 0]
    counts = [count for count, each in zip(usual, usual_active, strict=True) if each > 0]
    spread = fsum((count - mean) ** 2 / mean for count, mean in zip(counts, expected, strict=True) if mean > 0)
    dispersion = max(CLUMPS, spread / max(1, len(counts) - 1))
    chance = exposure / (exposure + active) if exposure > 0 and active > 0 else 1.0
    return (fsum(usual) + 0.5) / dispersion, chance, dispersion


def absence(usual: Sequence[int], *, active: int, usual_active: Sequence[int]) -> float:
    """The chance that nobody names an entity that is named as usual: P(none) of the count that `burst` takes.

    In a quiet week much isn't named. Raises ValueError unless there are two earlier windows.
    """
    shape, chance, _ = _named_as_usual(usual, active, usual_active)
    return float(chance**shape)


def discoveries(p_values: Sequence[float], *, rate: float = FALSE_ALARMS) -> tuple[bool, ...]:
    """Which of several changes may be claimed together (Benjamini & Hochberg 1995).

    Of those claimed at most `rate` are false on average, and where nothing changed at all the chance of claiming
    anything is at most `rate`.
    """
    ranked = sorted(p_values)
    passing = [p for rank, p in enumerate(ranked, start=1) if p <= rate * rank / len(ranked)]
    threshold = passing[-1] if passing else -1.0
    return tuple(p <= threshold for p in p_values)


def shrunken(moods: Sequence[Mood]) -> tuple[float, ...]:
    """Each mood drawn towards the mean of all as far as its own interval is wide: for ranking, not for quoting.

    Empirical Bayes with a normal prior whose variance is estimated by moments (DerSimonian & Laird 1986; Morris 1983).
    Without it a list of channels is headed and ended by its smallest ones. In score points.
    """
    if len(moods) < 3:
        return tuple(each.estimate for each in moods)
    reaches = [2 * float(stdtrit(max(1, each.people - 1), (1 + CONFIDENCE) / 2)) for each in moods]
    variances = [max(((each.high - each.low) / reach) ** 2, 1e-6) for each, reach in zip(moods, reaches, strict=True)]
    weights = [1 / variance for variance in variances]
    total = fsum(weights)
    centre = fsum(w * each.estimate for w, each in zip(weights, moods, strict=True)) / total
    heterogeneity = fsum(w * (each.estimate - centre) ** 2 for w, each in zip(weights, moods, strict=True))
    scale = total - fsum(w * w for w in weights) / total
    between = max(0.0, (heterogeneity - (len(moods) - 1)) / scale)
    centre_weights = [1 / (variance + between) for variance in variances]
    centre = fsum(w * each.estimate for w, each in zip(centre_weights, moods, strict=True)) / fsum(centre_weights)
    return tuple(
        centre + (each.estimate - centre) * between / (between + variance)
        for each, variance in zip(moods, variances, strict=True)
    )


@dataclass(frozen=True, slots=True)
class _Window:
    """Each author's messages and total over all steps, at the place that is the author's number.

    `authors` are the numbers of those who wrote; all others have no messages. `mean` is that of their means, zero if
    there is nobody.
    """

    authors: Integers
    messages: Floats
    totals: Floats
    mean: float
    cells: Voices

    @classmethod
    def of(cls, cells: Voices, people: int) -> _Window:
        messages, totals = (_sums(cells.author, each, people) for each in (cells.messages, cells.total))
        authors = np.flatnonzero(messages)
        # Exactly rounded, so that people of one and the same mean don't differ from it.
        mean = fsum((totals[authors] / messages[authors]).tolist()) / max(1, len(authors))
        return cls(authors, messages, totals, mean, cells)

    @property
    def people(self) -> int:
        return len(self.authors)

    def spread(self, values: Floats) -> Floats:
        """`values` of `authors`, each at the place that is the author's number, and zeros between them."""
        spread = np.zeros(len(self.messages))
        spread[self.authors] = values
        return spread

    def only(self, named: _Window, usual: float) -> _Window:
        """This window as if every message outside `named` had been as usual."""
        people, cells = len(self.messages), self.cells
        places, some = (each.step * people + each.author for each in (cells, named.cells))
        _, here, there = np.intersect1d(places, some, assume_unique=True, return_indices=True)
        other, total = cells.messages.copy(), np.zeros(len(cells.total))
        other[here] -= named.cells.messages[there]
        total[here] = named.cells.total[there]
        return _Window.of(Voices(cells.author, cells.step, cells.messages, total + other * usual), people)


def _windows(*said: Said) -> list[_Window]:
    """Windows that are looked at together: the same author has the same place in all of them."""
    numbers: dict[str, int] = {}
    cells = [each if isinstance(each, Voices) else _numbered(each, numbers) for each in said]
    people = 1 + max(int(each.author.max(initial=-1)) for each in cells)
    return [_Window.of(each, people) for each in cells]


def _numbered(voices: Iterable[Voice], numbers: dict[str, int]) -> Voices:
    """Voices as columns; an author without a number yet gets the next one."""
    some = [voice for voice in voices if voice.messages > 0]
    return Voices.added_up(
        np.array([numbers.setdefault(voice.author, len(numbers)) for voice in some], np.int64),
        np.array([voice.step for voice in some], np.int64),
        np.array([voice.messages for voice in some], np.float64),
        np.array([voice.total for voice in some], np.float64),
    )


@dataclass(frozen=True, slots=True)
class _Level:
    """A window's mean over authors, and what its error is made of."""

    means: Floats
    """Each author's, at the place that is their number; `mean` for those who didn't write."""
    mean: float
    people: int
    messages: int
    own: float
    """Variance of the mean from how authors differ."""
    together: float
    """What sharing a step adds to that variance; an unbiased estimate, so it may be negative."""
    steps: int

    @classmethod
    def of(cls, window: _Window) -> _Level:
        who, mean, people = window.authors, window.mean, window.people
        means = np.full(len(window.messages), mean)
        means[who] = window.totals[who] / window.messages[who]
        own = _squared(means - mean) / (people * (people - 1)) if people > 1 else 0.0
        together = _together(window, np.full_like(means, 1 / max(1, people)), np.full_like(means, mean))
        step = window.cells.step
        steps = int(np.count_nonzero(np.bincount(step - step.min()))) if people else 0
        return cls(means, mean, people, round(window.messages.sum()), own, together, steps)


@dataclass(frozen=True, slots=True)
class _Change:
    """The weighted mean over authors of their change, and what its error is made of; see _Level.

    `size` is the variance under the working model, but for a factor that all windows of a channel share.
    """

    estimate: float
    own: float
    together: float
    freedom: float
    size: float

    @classmethod
    def of(cls, this: _Window, others: Sequence[_Window], usual: float) -> _Change:
        who = this.authors
        messages = this.messages[who]
        before = np.sum([window.messages[who] for window in others], axis=0)
        total = np.sum([window.totals[who] for window in others], axis=0)
        own_usual = (total + WITHIN * usual) / (before + WITHIN)
        voice = _weights(1 / (1 + STEADY / messages + STEADY / (before + WITHIN)))
        change = this.totals[who] / messages - own_usual
        estimate = float((voice * change).sum())
        # CR2: an author's own pull on the mean is undone by dividing by one minus their weight.
        own = float(((voice * (change - estimate)) ** 2 / (1 - voice)).sum())
        sizes = _sizes(voice, messages)
        return cls(
            estimate=estimate,
            own=max(own, RESOLUTION * RESOLUTION / len(voice)),
            together=_together(this, this.spread(voice), this.spread(own_usual + estimate)),
            freedom=_freedom(sizes),
            size=float(sizes.sum()),
        )


def _weights(weight: Floats) -> Floats:
    """Weights that add up to one, none of them more than MOST_VOICES times their mean."""
    capped: Floats = weight
    for _ in range(len(capped)):  # capping some lowers the mean, so others may have to follow
        most = MOST_VOICES * capped.mean()
        if capped.max() <= most * (1 + 1e-9):
            break
        capped = np.minimum(capped, most)
    whole: float = capped.sum()
    return capped / whole


def _changed(this: _Window, others: Sequence[_Window]) -> tuple[_Change, float]:
    """The change of a window, and the factor by which its variance is more than how authors differ.

    The same change is measured for each of the others against the rest of them. That tells how much people who write
    at the same time share, and how much more the others change than they should: the mean squared t statistic, drawn
    towards 1 as if SWINGS more windows had shown no excess, since a handful of windows tells little.
    """
    if this.people < 2 or not others or not all(window.people for window in others):
        raise ValueError("a change is measured between windows in which people wrote")
    kept = _without_extremes(others)
    found = _Change.of(this, kept, _usual(kept))
    rests = [(window, [each for each in kept if each is not window]) for window in others if window.people > 1]
    quiet = [_Change.of(window, rest, _usual(rest)) for window, rest in rests if rest]
    every = [found, *quiet]
    shared = max(0.0, fsum(each.together for each in every) / fsum(each.own for each in every))
    if len(quiet) < LEAST_FOR_SWING:
        return found, 1 + shared
    level = fsum(each.own for each in quiet) / fsum(each.size for each in quiet)
    steady = [_steadied(each, level) for each in quiet]
    # A squared t statistic is 1/(1 - 2/f) on average: that is not an excess.
    squares = [each.estimate**2 / (each.own * (1 + shared)) * (1 - 2 / max(4.0, each.freedom)) for each in steady]
    swing = max(1.0, (fsum(squares) + SWINGS) / (len(quiet) + SWINGS))
    return _steadied(found, level), (1 + shared) * swing


def _steadied(found: _Change, level: float) -> _Change:
    """A change whose variance leans on the windows before: a moderated t test (Smyth 2004, equation 3).

    `level` is their variance for a working size of one. Where people differ far more than they did, as when one of
    them is furious, only the window itself counts.
    """
    expected = level * found.size
    if found.own > HEATED * expected:
        return found
    freedom = found.freedom + LENT
    return replace(found, own=(found.freedom * found.own + LENT * expected) / freedom, freedom=freedom)


def _change(estimate: float, variance: float, freedom: float, windows: int) -> Change:
    reach = float(stdtrit(freedom, (1 + CONFIDENCE) / 2)) * sqrt(variance)
    p_value = 2 * float(stdtr(freedom, -abs(estimate) / sqrt(variance)))
    return Change(POINTS * estimate, POINTS * (estimate - reach), POINTS * (estimate + reach), p_value, windows)


def _usual(windows: Sequence[_Window]) -> float:
    return fsum(window.mean for window in windows) / len(windows)


def _without_extremes(windows: Sequence[_Window]) -> list[_Window]:
    if len(windows) < ENOUGH_TO_TRIM:
        return list(windows)
    ranked = sorted(windows, key=lambda window: window.mean)
    return [window for window in windows if window is not ranked[0] and window is not ranked[-1]]


def _variance_of_level(window: _Level, beside: Sequence[_Level], *, floor: float = RESOLUTION) -> tuple[float, float]:
    if window.people < 2:
        return 0.0, 1.0
    every = [window, *(other for other in beside if other.people > 1)]
    own = max(window.own, floor * floor / window.people)
    shared = own * _shared(every)
    # However unevenly people write, the t test of a mean is no less strict than of equals (Bakirov & Szekely 2006).
    freedom = window.people - 1.0
    steps = max(1, sum(each.steps - 1 for each in every))
    return own + shared, _satterthwaite((own, freedom), (shared, steps))


def _shared(levels: Sequence[_Level]) -> float:
    """By what factor, beyond 1, conversations widen the variance: measured over all `levels` at once."""
    own = fsum(level.own for level in levels)
    return max(0.0, fsum(level.together for level in levels) / own) if own > 0 else 0.0


def _together(window: _Window, voice: Floats, expected: Floats) -> float:
    """What authors who write at the same time share, as variance of the mean weighted by `voice`.

    The difference between step-clustered and (author × step)-clustered variance, the last two terms of two-way
    clustering (Cameron, Gelbach & Miller 2011, equation 2.3). Conversations go on into the next step, so both have the
    products of neighbouring steps with half their weight (Newey & West 1987 with one lag; Driscoll & Kraay 1998;
    Thompson 2011). Each has its own small-sample factor, 1/(1 - the same sum of weights). Unbiased but for that half,
    so it may be negative; zero where there are too few steps to tell.
    """
    cells = window.cells
    if not len(cells.author):
        return 0.0
    share_of_author = voice[cells.author] / window.messages[cells.author]
    step = cells.step - cells.step.min()
    cell = cells.author * (int(step.max()) + 2) + step  # nobody's last step is right before another's first
    order = np.argsort(cell)
    before = np.flatnonzero(np.diff(cell[order]) == 1)

    def squared(values: Floats) -> tuple[float, float]:
        steps = _sums(step, values)
        again = values[order[before]] * values[order[before + 1]]
        return _squared(steps) + float((steps[:-1] * steps[1:]).sum()), _squared(values) + float(again.sum())

    step_weights, cell_weights = squared(share_of_author * cells.messages)
    if step_weights > MOSTLY_ONE or cell_weights > MOSTLY_ONE:
        return 0.0
    steps, alone = squared(share_of_author * (cells.total - cells.messages * expected[cells.author]))
    return steps / (1 - step_weights) - alone / (1 - cell_weights)


def _sums(place: Integers, values: Floats, places: int = 0) -> Floats:
    """`values` added up by their `place`, at `places` of them at least."""
    return np.bincount(place, values, places).astype(np.float64, copy=False)


def _squared(values: Floats) -> float:
    """The sum of squares."""
    return float((values * values).sum())


def _variance_of_difference(first: _Level, second: _Level) -> float:
    influence = [(level.means - level.mean) / sqrt(level.people * (level.people - 1)) for level in (first, second)]
    least = RESOLUTION * RESOLUTION * (1 / first.people + 1 / second.people)
    return max(least, _squared(influence[0] - influence[1]))


def _sizes(weight: Floats | float, messages: Floats) -> Floats:
    """How much each author adds to a mean's variance under the working model: one who wrote once varies most."""
    return weight * weight * (1 + WITHIN / messages)


def _freedom(sizes: Floats, *, means: float = 1.0) -> float:
    """Satterthwaite's degrees of freedom under the working model (Bell & McCaffrey 2002; Imbens & Kolesár 2016).

    `means` are those taken off: one for the same people twice, two for two groups of people.
    """
    people = float(sizes.sum()) ** 2 / _squared(sizes)
    return max(1.0, people * (1 - means / len(sizes)))


def _satterthwaite(*parts: tuple[float, float]) -> float:
    """Degrees of freedom of a sum of (variance, freedom) (Satterthwaite 1946)."""
    total = fsum(variance for variance, _ in parts)
    spread = fsum(variance * variance / freedom for variance, freedom in parts)
    return total * total / spread if spread > 0 else inf
