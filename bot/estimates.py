"""Numbers from small, uneven samples: intervals, changes and what may be claimed.

Everything here is pure. A `Voice` is what one author said in one step of a window; a window's mood is the mean over
authors of their mean score, so that each author weighs the same however much they write. Authors are the sampling
units: an interval rests on how authors differ, never on how many messages there are.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from math import fsum, inf, sqrt

from scipy.special import betainc, stdtr, stdtrit

CONFIDENCE = 0.95

POINTS = 100
"""Score points for a score of 1."""

RESOLUTION = 0.02
"""Authors are never taken to differ by less than this (standard deviation of their means, as a score): five people
who each said one neutral thing are not certain to a hair."""

WITHIN = 7.0
"""Working guess for degrees of freedom alone: how much more one person's messages vary than people do (variances)."""

FALSE_ALARMS = 0.04
"""Chance that a quiet week's mood is called a change, over everything that is tested together."""

FALSE_BURSTS = 0.005
"""Chance that any of a window's entities is called a burst when none is."""


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
    window = _Window.of(voices)
    if window.messages < least_messages or window.people < max(2, least_people):
        return TooFew(window.messages, window.people, least_messages, max(2, least_people))
    variance, freedom = _variance_of_level(window, [_Window.of(other) for other in beside])
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
    window = _Window.of(voices)
    if window.people == 0:
        raise ValueError("a share needs voices")
    part = min(1.0, max(0.0, window.mean))
    variance, freedom = _variance_of_level(window, [_Window.of(other) for other in beside], floor=0.0)
    size: float = window.people
    if variance > 0 and 0 < part < 1:
        # No fewer than the authors, each taken as one message: identical authors would otherwise be certain.
        size = min(max(part * (1 - part) / variance, window.people / 2), window.messages)
    reach = float(stdtrit(max(1, freedom), (1 + CONFIDENCE) / 2))
    square = reach * reach / size
    middle = (part + square / 2) / (1 + square)
    half = sqrt(square * (part * (1 - part) + square / 4)) / (1 + square)
    return Share(part, max(0.0, min(part, middle - half)), min(1.0, max(part, middle + half)))


def change(this: Sequence[Voice], others: Sequence[Sequence[Voice]], *, swings: bool = True) -> Change:
    """This window's mood minus the usual of `others` (their mean, without the extremes where there are six or more).

    An author who is in several windows is one cluster across all of them, so people who stayed are compared with
    themselves and those who came or went with everybody: the paired and the unpaired t test are the two ends of it.
    Widened by what people who write at the same time share and, with `swings`, by how much the others differ among
    themselves beyond that, so that a channel which swings each week has to swing further to be called unusual.
    Raises ValueError unless every window has two authors or more and there is one other at least.
    """
    windows = [_Window.of(this), *map(_Window.of, others)]
    if len(windows) < 2 or any(window.people < 2 for window in windows):
        raise ValueError("a change is measured between windows of at least two people each")
    return _difference(_weights([window.mean for window in windows[1:]]), windows, swings=swings)


def contribution(
    this: tuple[Sequence[Voice], Sequence[Voice]],
    others: Sequence[tuple[Sequence[Voice], Sequence[Voice]]],
) -> Change:
    """How many points of this window's change come from some of its messages, such as those that name an entity.

    Each window is (all voices, voices of those messages). A message contributes its distance from the usual mood,
    divided among its author's messages and then among authors: contributions of messages that don't overlap add up
    to the whole change. Raises ValueError as `change` does.
    """
    pairs = [this, *others]
    windows = [_Window.of(voices) for voices, _ in pairs]
    if len(windows) < 2 or any(window.people < 2 for window in windows):
        raise ValueError("a contribution is measured between windows of at least two people each")
    weights = _weights([window.mean for window in windows[1:]])
    usual = -fsum(weight * window.mean for weight, window in zip(weights[1:], windows[1:], strict=True))
    parts = [_Window.of(_part(voices, named, usual)) for voices, named in pairs]
    return _difference(weights, parts, swings=False)  # the whole's weights, or parts would not add up to it


def burst(people: int, usual: Sequence[int], *, active: int, usual_active: Sequence[int]) -> Burst:
    """Is an entity named by more people than the windows before lead one to expect?

    Counts people, not mentions: one person who repeats a name is no burst. The count is negative binomial: a Poisson
    count whose rate is known from the earlier windows only as well as they tell (the Gamma-Poisson predictive
    distribution with Jeffreys' prior: Gelman et al. 2013, section 2.6), its variance widened by how unevenly the
    earlier windows are filled. `active` and `usual_active` are the people who wrote at all, for busy and quiet weeks.
    The p-value is P(at least this many | as usual). Raises ValueError unless there are two earlier windows.
    """
    if len(usual) < 2 or len(usual) != len(usual_active):
        raise ValueError("a burst is judged against two earlier windows or more")
    exposure = fsum(usual_active)
    if exposure <= 0 or active <= 0:
        return Burst(people, 0.0, 1.0)
    rate = fsum(usual) / exposure
    expected = [rate * each for each in usual_active if each > 0]
    counts = [count for count, each in zip(usual, usual_active, strict=True) if each > 0]
    spread = fsum((count - mean) ** 2 / mean for count, mean in zip(counts, expected, strict=True) if mean > 0)
    dispersion = max(1.0, spread / max(1, len(counts) - 1))
    shape = (fsum(usual) + 0.5) / dispersion
    chance = exposure / (exposure + active)
    if people <= 0:
        return Burst(people, rate * active, 1.0)
    # P(X ≥ k) of a negative binomial is a regularised incomplete beta function, for any real k > 0.
    return Burst(people, rate * active, float(betainc(people / dispersion, shape, 1 - chance)))


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
    variances = [max(((each.high - each.low) / 3.92) ** 2, 1e-6) for each in moods]
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
    """A window's authors, their means, and what each step adds to the mean."""

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
    def of(cls, voices: Iterable[Voice]) -> _Window:
        cells: dict[str, dict[int, tuple[int, float]]] = defaultdict(dict)
        for voice in voices:
            if voice.messages > 0:
                messages, total = cells[voice.author].get(voice.step, (0, 0.0))
                cells[voice.author][voice.step] = (messages + voice.messages, total + voice.total)
        counts = {author: sum(n for n, _ in steps.values()) for author, steps in cells.items()}
        means = {a: fsum(total for _, total in steps.values()) / counts[a] for a, steps in cells.items()}
        people = len(means)
        mean = fsum(means.values()) / people if people else 0.0
        own = fsum((each - mean) ** 2 for each in means.values()) / (people * (people - 1)) if people > 1 else 0.0
        together, steps = _together(cells, counts, mean)
        return cls(means, counts, mean, sum(counts.values()), own, together, steps)


def _together(
    cells: Mapping[str, Mapping[int, tuple[int, float]]], counts: Mapping[str, int], mean: float
) -> tuple[float, int]:
    """What authors who write in the same step share, as variance of the mean, and the number of steps.

    The difference between step-clustered and (author × step)-clustered variance, the last two terms of two-way
    clustering (Cameron, Gelbach & Miller 2011, equation 2.3), each with its own small-sample factor 1/(1 - Σ weight²).
    """
    people = len(cells)
    pull: dict[int, float] = defaultdict(float)
    weight: dict[int, float] = defaultdict(float)
    cell_squares = cell_weights = 0.0
    for author, steps in cells.items():
        for step, (messages, total) in steps.items():
            part = (total - messages * mean) / (counts[author] * people)
            size = messages / (counts[author] * people)
            pull[step] += part
            weight[step] += size
            cell_squares += part * part
            cell_weights += size * size
    step_weights = fsum(each * each for each in weight.values())
    if len(pull) < 2 or step_weights > 0.999 or cell_weights > 0.999:
        return 0.0, len(pull)
    by_step = fsum(each * each for each in pull.values()) / (1 - step_weights)
    return by_step - cell_squares / (1 - cell_weights), len(pull)


def _shared(windows: Sequence[_Window]) -> float:
    """By what factor, beyond 1, conversations widen the variance: measured over all `windows` at once."""
    own = fsum(window.own for window in windows)
    return max(0.0, fsum(window.together for window in windows) / own) if own > 0 else 0.0


def _variance_of_level(window: _Window, beside: Sequence[_Window], *, floor: float = RESOLUTION) -> tuple[float, float]:
    if window.people < 2:
        return 0.0, 1.0
    every = [window, *(other for other in beside if other.people > 1)]
    own = max(window.own, floor * floor / window.people)
    shared = own * _shared(every)
    freedom = _freedom((1,), (window,))
    return own + shared, _satterthwaite((own, freedom), (shared, max(1, sum(w.steps - 1 for w in every))))


def _difference(weights: Sequence[float], windows: Sequence[_Window], *, swings: bool) -> Change:
    estimate = fsum(weight * window.mean for weight, window in zip(weights, windows, strict=True))
    shared = _shared(windows)
    variance = _variance_of_difference(weights, windows, shared)
    freedom = _freedom(weights, windows)
    swing = _swing(windows[1:], shared) if swings else 0.0
    if swing > 0:
        swung = swing * fsum(weight * weight for weight in weights)
        freedom = _satterthwaite((variance, freedom), (swung, len(windows) - 2))
        variance += swung
    reach = float(stdtrit(freedom, (1 + CONFIDENCE) / 2)) * sqrt(variance)
    p_value = 2 * float(stdtr(freedom, -abs(estimate) / sqrt(variance)))
    return Change(
        POINTS * estimate, POINTS * (estimate - reach), POINTS * (estimate + reach), p_value, len(windows) - 1
    )


def _weights(means: Sequence[float]) -> list[float]:
    """1 for the window in question, and what each of the others counts towards their usual."""
    kept = set(range(len(means)))
    if len(means) >= 6:
        kept -= {max(kept, key=lambda i: means[i]), min(kept, key=lambda i: means[i])}
    return [1.0, *(-1 / len(kept) if i in kept else 0.0 for i in range(len(means)))]


def _variance_of_difference(weights: Sequence[float], windows: Sequence[_Window], shared: float) -> float:
    influence: dict[str, float] = defaultdict(float)
    for weight, window in zip(weights, windows, strict=True):
        for author, mean in window.means.items():
            influence[author] += weight * (mean - window.mean) / sqrt(window.people * (window.people - 1))
    own = fsum(each * each for each in influence.values())
    least = fsum(w * w * RESOLUTION * RESOLUTION / window.people for w, window in zip(weights, windows, strict=True))
    levels = fsum(w * w * window.own for w, window in zip(weights, windows, strict=True))
    return max(own, least) + shared * levels


def _freedom(weights: Sequence[float], windows: Sequence[_Window]) -> float:
    """Satterthwaite's degrees of freedom under a working model (Bell & McCaffrey 2002; Imbens & Kolesár 2016).

    An author's mean varies as 1 + WITHIN / messages: with many who wrote once, fewer are worth counting on.
    """
    size: dict[str, float] = defaultdict(float)
    for weight, window in zip(weights, windows, strict=True):
        for author, messages in window.counts.items():
            size[author] += (weight / window.people) ** 2 * (1 + WITHIN / messages)
    people = fsum(size.values()) ** 2 / fsum(each * each for each in size.values())
    return max(1.0, people * (1 - 1 / len(size)))


def _swing(windows: Sequence[_Window], shared: float) -> float:
    """Variance between windows beyond what their authors and conversations explain; zero where there is none."""
    if len(windows) < 4:
        return 0.0
    pairs = list(combinations(windows, 2))
    seen = fsum((a.mean - b.mean) ** 2 for a, b in pairs) / (2 * len(pairs))
    explained = fsum(_variance_of_difference((1, -1), pair, shared) for pair in pairs) / (2 * len(pairs))
    return max(0.0, seen - explained)


def _satterthwaite(*parts: tuple[float, float]) -> float:
    """Degrees of freedom of a sum of (variance, freedom) (Satterthwaite 1946)."""
    total = fsum(variance for variance, _ in parts)
    spread = fsum(variance * variance / freedom for variance, freedom in parts)
    return total * total / spread if spread > 0 else inf


def _part(voices: Sequence[Voice], named: Sequence[Voice], usual: float) -> list[Voice]:
    """The voices of a window as if every message outside `named` had been at the usual mood, centred on it."""
    moved: dict[tuple[str, int], float] = defaultdict(float)
    for voice in named:
        moved[voice.author, voice.step] += voice.total - voice.messages * usual
    return [Voice(v.author, v.step, v.messages, moved.pop((v.author, v.step), 0.0)) for v in voices]
