"""Numbers from small, uneven samples: intervals, changes and what may be claimed.

Everything here is pure. A `Voice` is what one author said in one step of a window; a window's mood is the mean over
authors of their mean score, so that each author weighs the same however much they write. Authors are the sampling
units: an interval rests on how authors differ, never on how many messages there are.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import fsum, inf, sqrt

from scipy.special import betainc, stdtr, stdtrit

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
    voices: Sequence[Voice],
    *,
    beside: Sequence[Sequence[Voice]] = (),
    least_messages: int = 1,
    least_people: int = 2,
) -> Mood | TooFew:
    """The mood of a window: mean over authors of their mean score, with a t interval over authors.

    The variance is the cluster-robust one with authors as clusters (for a mean of cluster means CR1 = CR2 = the sample
    variance of those means over their number: Bell & McCaffrey 2002; Cameron & Miller 2015, sections IV and VI),
    widened by what people who write at the same time share (`_shared`). `beside` are windows of the same channel
    that help to measure the latter.
    """
    window = _Level.of(voices)
    if window.messages < least_messages or window.people < max(2, least_people):
        return TooFew(window.messages, window.people, least_messages, max(2, least_people))
    variance, freedom = _variance_of_level(window, [_Level.of(other) for other in beside])
    reach = float(stdtrit(freedom, (1 + CONFIDENCE) / 2)) * sqrt(variance)
    return Mood(
        estimate=POINTS * window.mean,
        low=POINTS * max(-1.0, window.mean - reach),
        high=POINTS * min(1.0, window.mean + reach),
        messages=window.messages,
        people=window.people,
    )


def share(voices: Sequence[Voice], *, beside: Sequence[Sequence[Voice]] = ()) -> Share:
    """The author-weighted share of a label, with Wilson's interval on the effective sample size.

    The effective size is the number of independent messages that would have given the cluster-robust variance
    (Korn & Graubard 1998; Wilson 1927 with t for z, as in Dean & Pagano 2015). Raises ValueError on no voices.
    """
    window = _Level.of(voices)
    if window.people == 0:
        raise ValueError("a share needs voices")
    part = min(1.0, max(0.0, window.mean))
    variance, freedom = _variance_of_level(window, [_Level.of(other) for other in beside], floor=0.0)
    size: float = window.people
    if variance > 0 and 0 < part < 1:
        # No fewer than the authors, each taken as one message: identical authors would otherwise be certain.
        size = min(max(part * (1 - part) / variance, window.people / 2), window.messages)
    reach = float(stdtrit(max(1, freedom), (1 + CONFIDENCE) / 2))
    square = reach * reach / size
    middle = (part + square / 2) / (1 + square)
    half = sqrt(square * (part * (1 - part) + square / 4)) / (1 + square)
    return Share(part, max(0.0, min(part, middle - half)), min(1.0, max(part, middle + half)))


def difference(first: Sequence[Voice], second: Sequence[Voice]) -> Change:
    """The mood of one window minus that of another.

    An author who is in both is one cluster across both, so those are compared with themselves and the rest with
    everybody: the paired and Welch's t test are its two ends. Widened by what people who write at the same time
    share. Raises ValueError unless both windows have two authors or more.
    """
    windows = (_Level.of(first), _Level.of(second))
    if any(window.people < 2 for window in windows):
        raise ValueError("a difference needs two people in each window")
    variance = _variance_of_difference(*windows) + _shared(windows) * fsum(window.own for window in windows)
    sizes: dict[str, float] = defaultdict(float)
    for window in windows:
        for author, messages in window.counts.items():
            sizes[author] += _size(1 / window.people, messages)
    both = len(windows[0].means.keys() & windows[1].means.keys())
    freedom = _freedom(sizes.values(), means=2 - both / len(sizes))
    return _change(windows[0].mean - windows[1].mean, variance, freedom, 1)


def change(this: Sequence[Voice], others: Sequence[Sequence[Voice]]) -> Change:
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
    windows = [_Window.of(voices) for voices in others]
    found, factor = _changed(_Window.of(this), windows)
    return _change(found.estimate, found.own * factor, min(found.freedom, MOST_FREEDOM), len(windows))


def contribution(
    this: tuple[Sequence[Voice], Sequence[Voice]],
    others: Sequence[tuple[Sequence[Voice], Sequence[Voice]]],
) -> Change:
    """How many points of `change` come from some of the messages, such as those that name an entity.

    Each window is (all voices, voices of those messages). A message contributes its distance from the room's usual,
    divided among its author's messages and then among authors as in `change`: contributions of messages that don't
    overlap add up to the whole change. Raises ValueError as `change` does.
    """
    whole = _Window.of(this[0])
    pairs = [(_Window.of(voices), _Window.of(named)) for voices, named in others]
    _, factor = _changed(whole, [window for window, _ in pairs])
    kept = _without_extremes([window for window, _ in pairs])
    usual = _usual(kept)
    parts = [window.only(named, usual) for window, named in pairs if any(window is each for each in kept)]
    found = _Change.of(whole.only(_Window.of(this[1]), usual), parts, usual)
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
    """Each author's messages and total, step by step and over all steps."""

    cells: Mapping[tuple[str, int], tuple[int, float]]
    authors: Mapping[str, tuple[int, float]]

    @classmethod
    def of(cls, voices: Iterable[Voice]) -> _Window:
        cells: dict[tuple[str, int], tuple[int, float]] = {}
        authors: dict[str, tuple[int, float]] = {}
        for voice in voices:
            if voice.messages > 0:
                messages, total = cells.get((voice.author, voice.step), (0, 0.0))
                cells[voice.author, voice.step] = (messages + voice.messages, total + voice.total)
                messages, total = authors.get(voice.author, (0, 0.0))
                authors[voice.author] = (messages + voice.messages, total + voice.total)
        return cls(cells, authors)

    @property
    def mean(self) -> float:
        """Each author weighs the same; zero if there is none."""
        means = [total / messages for messages, total in self.authors.values()]
        return fsum(means) / len(means) if means else 0.0

    def only(self, named: _Window, usual: float) -> _Window:
        """This window as if every message outside `named` had been as usual."""
        return _Window(
            {key: _but_usual(all_, named.cells.get(key), usual) for key, all_ in self.cells.items()},
            {key: _but_usual(all_, named.authors.get(key), usual) for key, all_ in self.authors.items()},
        )


def _but_usual(all_: tuple[int, float], named: tuple[int, float] | None, usual: float) -> tuple[int, float]:
    messages, total = named or (0, 0.0)
    return all_[0], total + (all_[0] - messages) * usual


@dataclass(frozen=True, slots=True)
class _Level:
    """A window's mean over authors, and what its error is made of."""

    means: Mapping[str, float]
    counts: Mapping[str, int]
    mean: float
    messages: int
    own: float
    """Variance of the mean from how authors differ."""
    together: float
    """What sharing a step adds to that variance; an unbiased estimate, so it may be negative."""
    steps: int

    @property
    def people(self) -> int:
        return len(self.means)

    @classmethod
    def of(cls, voices: Iterable[Voice]) -> _Level:
        window = _Window.of(voices)
        mean, people = window.mean, len(window.authors)
        means = {author: total / messages for author, (messages, total) in window.authors.items()}
        counts = {author: messages for author, (messages, _) in window.authors.items()}
        own = fsum((each - mean) ** 2 for each in means.values()) / (people * (people - 1)) if people > 1 else 0.0
        voice = dict.fromkeys(means, 1 / people) if people else {}
        together = _together(window, voice, dict.fromkeys(means, mean))
        return cls(means, counts, mean, sum(counts.values()), own, together, len({step for _, step in window.cells}))


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
        known: dict[str, tuple[int, float]] = {}
        for window in others:
            for author, (messages, total) in window.authors.items():
                before, before_total = known.get(author, (0, 0.0))
                known[author] = (before + messages, before_total + total)
        own_usual: dict[str, float] = {}
        weight: dict[str, float] = {}
        for author, (messages, _) in this.authors.items():
            before, total = known.get(author, (0, 0.0))
            own_usual[author] = (total + WITHIN * usual) / (before + WITHIN)
            weight[author] = 1 / (1 + STEADY / messages + STEADY / (before + WITHIN))
        voice = _voices(weight)
        change = {a: total / messages - own_usual[a] for a, (messages, total) in this.authors.items()}
        estimate = fsum(voice[author] * each for author, each in change.items())
        # CR2: an author's own pull on the mean is undone by dividing by one minus their weight.
        own = fsum((part * (change[author] - estimate)) ** 2 / (1 - part) for author, part in voice.items())
        sizes = [_size(part, this.authors[author][0]) for author, part in voice.items()]
        return cls(
            estimate=estimate,
            own=max(own, RESOLUTION * RESOLUTION / len(voice)),
            together=_together(this, voice, {author: each + estimate for author, each in own_usual.items()}),
            freedom=_freedom(sizes),
            size=fsum(sizes),
        )


def _voices(weight: Mapping[str, float]) -> dict[str, float]:
    """Weights that add up to one, none of them more than MOST_VOICES times their mean."""
    capped = dict(weight)
    for _ in range(len(capped)):  # capping some lowers the mean, so others may have to follow
        most = MOST_VOICES * fsum(capped.values()) / len(capped)
        if max(capped.values()) <= most * (1 + 1e-9):
            break
        capped = {author: min(each, most) for author, each in capped.items()}
    whole = fsum(capped.values())
    return {author: each / whole for author, each in capped.items()}


def _changed(this: _Window, others: Sequence[_Window]) -> tuple[_Change, float]:
    """The change of a window, and the factor by which its variance is more than how authors differ.

    The same change is measured for each of the others against the rest of them. That tells how much people who write
    at the same time share, and how much more the others change than they should: the mean squared t statistic, drawn
    towards 1 as if SWINGS more windows had shown no excess, since a handful of windows tells little.
    """
    if len(this.authors) < 2 or not others or not all(window.authors for window in others):
        raise ValueError("a change is measured between windows in which people wrote")
    kept = _without_extremes(others)
    found = _Change.of(this, kept, _usual(kept))
    rests = [(window, [each for each in kept if each is not window]) for window in others if len(window.authors) > 1]
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


def _together(window: _Window, voice: Mapping[str, float], expected: Mapping[str, float]) -> float:
    """What authors who write in the same step share, as variance of the mean weighted by `voice`.

    The difference between step-clustered and (author × step)-clustered variance, the last two terms of two-way
    clustering (Cameron, Gelbach & Miller 2011, equation 2.3), each with its own small-sample factor 1/(1 - Σ weight²).
    Unbiased, so it may be negative; zero where there are too few steps to tell.
    """
    pull: dict[int, float] = defaultdict(float)
    weight: dict[int, float] = defaultdict(float)
    cell_squares = cell_weights = 0.0
    for (author, step), (messages, total) in window.cells.items():
        share_of_author = voice[author] / window.authors[author][0]
        part = share_of_author * (total - messages * expected[author])
        pull[step] += part
        weight[step] += share_of_author * messages
        cell_squares += part * part
        cell_weights += (share_of_author * messages) ** 2
    step_weights = fsum(each * each for each in weight.values())
    if step_weights > MOSTLY_ONE or cell_weights > MOSTLY_ONE:
        return 0.0
    return fsum(each * each for each in pull.values()) / (1 - step_weights) - cell_squares / (1 - cell_weights)


def _variance_of_difference(first: _Level, second: _Level) -> float:
    influence: dict[str, float] = defaultdict(float)
    for sign, window in ((1, first), (-1, second)):
        for author, mean in window.means.items():
            influence[author] += sign * (mean - window.mean) / sqrt(window.people * (window.people - 1))
    least = RESOLUTION * RESOLUTION * (1 / first.people + 1 / second.people)
    return max(least, fsum(each * each for each in influence.values()))


def _size(weight: float, messages: int) -> float:
    """How much an author adds to a mean's variance under the working model: one who wrote once varies most."""
    return weight * weight * (1 + WITHIN / messages)


def _freedom(sizes: Iterable[float], *, means: float = 1.0) -> float:
    """Satterthwaite's degrees of freedom under the working model (Bell & McCaffrey 2002; Imbens & Kolesár 2016).

    `means` are those taken off: one for the same people twice, two for two groups of people.
    """
    known = list(sizes)
    people = fsum(known) ** 2 / fsum(size * size for size in known)
    return max(1.0, people * (1 - means / len(known)))


def _satterthwaite(*parts: tuple[float, float]) -> float:
    """Degrees of freedom of a sum of (variance, freedom) (Satterthwaite 1946)."""
    total = fsum(variance for variance, _ in parts)
    spread = fsum(variance * variance / freedom for variance, freedom in parts)
    return total * total / spread if spread > 0 else inf
