"""Words for a stretch of time → the window they mean in a zone, and back."""

from __future__ import annotations

import re
from calendar import monthrange
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from dateparser.date import DateDataParser
from dateutil.relativedelta import relativedelta
from rapidfuzz import process

from bot.errors import QuestionError
from bot.message import Window

BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)
"""Where 'all time' and 'until Friday' begin; no window reaches further back."""

LONGEST = 200
"""The most characters of a range; longer ones are refused unread."""

EXAMPLES = (
    "today", "yesterday", "this week", "last week", "last weekend", "this month", "last month", "last quarter",
    "this year", "last 7 days", "last 14 days", "last 30 days", "last 3 months", "last 24 hours", "since Monday",
    "since yesterday", "in March", "Q3", "week 7", "all time",
)  # fmt: skip
"""Phrases to offer: for completion, for help, and as the nearest meant."""

_QUARTER = timedelta(minutes=15)
_DAY = timedelta(days=1)
_LAST_YEAR = 2100


@dataclass(frozen=True, slots=True)
class Span:
    """A window and the words a person would use for it: 'last week (16–22 Nov)', 'March 2025'."""

    window: Window
    words: str


def read(words: str, *, now: datetime, zone: ZoneInfo, beside: Span | None = None) -> Span:
    """The window that `words` mean to somebody in `zone` at `now`, with the words in their normal form.

    Edges are whole local days, or whole quarter hours where the words name hours. Whatever would reach beyond today is
    cut there, so 'this week' ends with today. Weeks are ISO weeks. `beside` is what 'the week before' counts from.
    Reading `Span.words` at the same `now` in the same `zone` gives the same window again, except for a clock time that
    summer time makes ambiguous. Raises QuestionError, whose suggestions are phrases, for words that are no range, a
    range that ends before it begins, lies in the future or doesn't exist, and for more than LONGEST characters.
    """
    if len(words) > LONGEST:
        raise QuestionError(f"That is too long for a stretch of time: use at most {LONGEST} characters.", EXAMPLES[3:6])
    text = _PREFIX.sub("", normal(words))
    found = _scan(text, 0, bare_to=True)
    if found is None or text[found.end :].strip(" .,;:!?"):
        raise _not_understood(text)
    return _span(_resolve(found, _At(now, zone, _local_day(now, zone)), beside), now, zone)


def find(text: str, start: int, *, bare_to: bool = True) -> int | None:
    """Where the range that begins at `start` of `text` ends, or None if none begins there; the longest is taken.

    `text` is in the form that `normal` gives. Without `bare_to`, 'Monday to Friday' is two ranges ('from Monday to
    Friday' is one). A range that was found may still be refused by `read`: 'week 60'.
    """
    if text[start - 1 : start] in _INSIDE or len(text) <= start:
        return None
    found = _scan(text, start, bare_to=bare_to)
    return None if found is None else found.end


def describe(window: Window, zone: ZoneInfo, now: datetime) -> str:
    """Words for any window as seen from `now` in `zone`: 'yesterday (23 Nov)', 'March 2025', '3–9 March'.

    They read back as the same window if its edges are whole local days or quarter hours and it ends by the end of
    today, again except for a clock time that summer time makes ambiguous.
    """
    today = _local_day(now, zone)
    first, after = _local_day(window.start, zone), _local_day(window.end, zone)
    if window.start == BEGINNING and window.end == _midnight(after, zone):
        return "all time" if after == today + _DAY else f"until {_day_words(after - _DAY, today)}"
    if window.start != _midnight(first, zone) or window.end != _midnight(after, zone):
        return _moments(window, zone, today)
    for name, start, end in _named(today):
        if (first, min(after, today + _DAY)) == (start, min(end, today + _DAY)):
            return f"{name} ({_dates(first, after, today, short=True)})"
    if after == today + _DAY:
        if (after - first).days > 31:
            return f"since {_day_words(first, today)}"
        return f"last {(after - first).days} days ({_dates(first, after, today, short=True)})"
    return _calendar_words(first, after, today)


def preceding(span: Span, *, now: datetime, zone: ZoneInfo) -> Span:
    """The stretch to compare `span` with: as long, and just before it.

    Before a calendar month comes the calendar month, before a weekend the weekend, and before an unfinished week the
    same days of the week before. Raises QuestionError where nothing precedes ('all time').
    """
    at = _At(now, zone, _local_day(now, zone))
    try:
        found = _scan(_PREFIX.sub("", normal(span.words)), 0, bare_to=True)
        stretch = None if found is None else _resolve(found, at, None)
    except QuestionError:
        stretch = None
    if stretch is None or _span(stretch, now, zone).window != span.window:
        whole = all(edge == _midnight(_local_day(edge, zone), zone) for edge in (span.window.start, span.window.end))
        stretch = _Stretch(span.window.start, span.window.end, span.words, whole=whole)
    return _before(stretch, span.window, at)


def normal(text: str) -> str:
    """`text` on one line with single spaces, straight quotes and plain hyphens; the form that `find` looks at."""
    return " ".join(text.translate(_PLAIN).split())


_PLAIN = str.maketrans(
    {
        **dict.fromkeys("‐‑‒–—−", "-"),
        **dict.fromkeys("‘’‚ʼ", "'"),
        **dict.fromkeys("“”„«»", '"'),
        "…": "...",
        **dict.fromkeys(range(0x20), " "),
        **dict.fromkeys("\u200b\u200e\u200f\u202a\u202b\u202c\u2060\ufeff", None),
    }
)


# What words can mean


@dataclass(frozen=True, slots=True)
class _At:
    """Where the reader stands: `now`, and the day `today` that 'last' and a missing year count back from."""

    now: datetime
    zone: ZoneInfo
    today: date

    def days(self, first: date, after: date) -> tuple[datetime, datetime]:
        return _midnight(first, self.zone), _midnight(after, self.zone)

    def year(self, word: str | None) -> int | None:
        if not word:
            return None
        return int(word) if word.isdigit() else self.today.year - word.lower().startswith("last")


@dataclass(frozen=True, slots=True)
class _Stretch:
    """A stretch as said, before it is cut at now.

    `dated`: its words say the dates already. `step`: how far back its like lies, where that isn't its own length.
    `cycle`: it comes again after that, and the latest is meant. `since`: where 'since' it begins. `instant`: a clock
    time, at which a range ends. `clock`: a clock time without a day. `itself`: 'from' it means it, not since it.
    """

    start: datetime
    end: datetime
    words: str
    dated: bool = False
    whole: bool = True
    step: relativedelta | None = None
    cycle: relativedelta | None = None
    since: datetime | None = None
    instant: bool = False
    clock: bool = False
    itself: bool = False


_Rule = Callable[[re.Match[str], _At], _Stretch]

_MONTHS = ("January", "February", "March", "April", "May", "June", "July", "August", "September", "October",
           "November", "December")  # fmt: skip
_WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_COUNTS = {word: count for count, word in enumerate(
    ("one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"), 1
)} | {"a": 1, "an": 1, "couple": 2, "a couple": 2, "couple of": 2, "a couple of": 2, "few": 3, "a few": 3}  # fmt: skip

_MONTH = r"(?:jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|sept?(?:ember)?|oct(?:ober)?|nov(?:ember)?|dec(?:ember)?)\.?"
_WEEKDAY = (
    r"(?:mon(?:day)?|tue(?:s(?:day)?)?|wed(?:nesday)?|thu(?:r(?:s(?:day)?)?)?|fri(?:day)?|sat(?:urday)?|sun(?:day)?)"
)
_D = r"(?:3[01]|[12]\d|0?[1-9])(?!\d)"
_TH = r"(?:st|nd|rd|th)"
_YEAR = r"(?:(?:19|20|21)\d\d(?!\d)|last year|this year)"
_OF_YEAR = rf"(?:,? (?:of |in )?(?P<year>{_YEAR}))?"
_COUNT = r"(?:\d{1,4}|(?:a )?(?:couple(?: of)?|few)|an?|one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve)"
_UNIT = r"(?:min(?:ute)?s?|h(?:ou)?rs?|days?|w(?:ee)?ks?|months?|quarters?|y(?:ea)?rs?)"
_CLOCK = r"(?:(?:[01]?\d|2[0-4]):[0-5]\d(?: ?[ap]\.?m\b)?|(?:1[0-2]|0?[1-9]) ?[ap]\.?m\b|noon|midday|midnight)"
_TO = r"(?: ?(?:-|\.{2,3}) ?| (?:to|until|till|through|and) )(?:the )?"
_DATE = (
    rf"(?:\d{{4}}[-/.](?:1[0-2]|0?[1-9])[-/.]{_D}"
    rf"|{_D}[-/.]{_D}[-/.](?:19|20|21)\d\d(?!\d)"
    rf"|(?:{_WEEKDAY}\.?,? )?(?:the )?{_D}{_TH}?(?: of)?[ -]{_MONTH}(?:,?(?: of)?[ -]{_YEAR})?"
    rf"|(?:{_WEEKDAY}\.?,? )?{_MONTH} (?:the )?{_D}{_TH}?(?:,? {_YEAR})?)"
)
_NAMED_DAY = rf"(?:(?:the )?day before yesterday|today|yesterday|(?:last |this )?{_WEEKDAY}|{_DATE})"


def _all_time(_: re.Match[str], at: _At) -> _Stretch:
    return _Stretch(BEGINNING, _midnight(at.today + _DAY, at.zone), "all time", dated=True, itself=True)


def _relative_day(match: re.Match[str], at: _At) -> _Stretch:
    name = match["day"].lower().removeprefix("the ").replace("now", "today")
    day = at.today + {"tomorrow": 1, "yesterday": -1, "day before yesterday": -2}.get(name, 0) * _DAY
    return _Stretch(*at.days(day, day + _DAY), f"the {name}" if " " in name else name, itself=True)


def _part_of_day(match: re.Match[str], at: _At) -> _Stretch:
    day, part = match["day"], match["part"].lower()
    day = {"this": "today", "last": "yesterday"}.get(day.lower(), day)
    part = "evening" if part == "night" else part
    first, last = {"morning": (6, 12), "afternoon": (12, 18), "evening": (18, 24)}[part]
    whole = _single_day(day, at)
    date_ = _local_day(whole.start, at.zone)
    start, end = (_moment(date_, hour * 60, at.zone) for hour in (first, last))
    name = f"{'this' if whole.words == 'today' else whole.words} {part}"
    return _Stretch(start, end, name, whole=False, step=relativedelta(days=1), itself=True)


def _relative_unit(match: re.Match[str], at: _At) -> _Stretch:
    which, unit = match["which"].lower(), match["unit"].lower()
    if which in ("past", "recent"):
        return _rolling(1, unit, at)
    back = {"this": 0, "current": 0, "next": -1, "coming": -1, "upcoming": -1}.get(which, 1)
    if unit == "day":
        return _rolling(1, unit, at) if back == 1 else _whole(unit, at.today - back * _DAY, at)
    if unit == "hour":
        if back == 1:
            return _rolling(1, unit, at)
        start = at.now.replace(minute=0, second=0, microsecond=0) - back * timedelta(hours=1)
        return _Stretch(start, start + timedelta(hours=1), "this hour", whole=False, itself=True)
    if unit == "weekend":
        saturday = _monday(at.today) + 5 * _DAY - timedelta(weeks=back)
        words = {0: "this weekend", 1: "last weekend"}.get(back, "next weekend")
        return _Stretch(*at.days(saturday, saturday + 2 * _DAY), words, step=relativedelta(weeks=1), itself=True)
    start = _floor(unit, at.today) - back * _step(unit)
    words = {0: "this", 1: "last", -1: "next"}[back]
    return replace(_whole(unit, start, at), words=f"{words} {unit}", dated=False)


def _unit_before_last(match: re.Match[str], at: _At) -> _Stretch:
    unit = match["unit"].lower()
    if unit == "weekend":
        saturday = _monday(at.today) - 9 * _DAY
        return _Stretch(
            *at.days(saturday, saturday + 2 * _DAY), "the weekend before last", step=relativedelta(weeks=1), itself=True
        )
    start = _floor(unit, at.today) - 2 * _step(unit)
    return replace(_whole(unit, start, at), words=f"the {unit} before last", dated=False)


def _last_units(match: re.Match[str], at: _At) -> _Stretch:
    return _rolling(_count(match["count"]), match["unit"], at)


def _ago(match: re.Match[str], at: _At) -> _Stretch:
    count, unit = _count(match["count"]), _unit(match["unit"])
    if unit in ("minute", "hour"):
        start = _floor_quarter(at.now - count * timedelta(**{f"{unit}s": 1}))
        return _Stretch(start, start + timedelta(hours=1), f"{_counted(count, unit)} ago", whole=False)
    day = _back(at.today, unit, count)
    whole = _whole(unit, _floor(unit, day), at)
    return replace(
        whole, words=f"{_counted(count, unit)} ago", dated=False, since=_midnight(day, at.zone), itself=False
    )


def _weekday(match: re.Match[str], at: _At) -> _Stretch:
    number = _index(match["weekday"], _WEEKDAYS)
    which, week = (match["which"] or "").lower(), (match["week"] or match["week_before"] or "").lower()
    name, step, cycle = _WEEKDAYS[number], relativedelta(weeks=1), None
    if week or which == "this":
        last = week.startswith("last")
        day = _monday(at.today) + number * _DAY - (step if last else relativedelta())
        name = f"{name} {'last' if last else 'this'} week"
    elif which == "next":
        day = at.today + ((number - at.today.weekday() - 1) % 7 + 1) * _DAY
    else:
        # 'Monday' said on a Monday is the one a week ago: this one would be 'today'.
        day = at.today - ((at.today.weekday() - number - 1) % 7 + 1) * _DAY
        cycle = step
    return _Stretch(*at.days(day, day + _DAY), name, step=step, cycle=cycle)


def _month(match: re.Match[str], at: _At) -> _Stretch:
    number, year, which = _index(match["month"], _MONTHS) + 1, at.year(match["year"]), (match["which"] or "").lower()
    latest = at.today.year - (number > at.today.month)
    if which == "last" and number == at.today.month:
        latest -= 1
    elif which == "this":
        latest = at.today.year
    elif which == "next":
        latest = at.today.year + (number <= at.today.month)
    whole = _whole("month", date(_checked(latest if year is None else year), number, 1), at)
    return replace(whole, cycle=relativedelta(years=1) if year is None and not which else None, itself=False)


def _month_by_number(match: re.Match[str], at: _At) -> _Stretch:
    month = date(_checked(int(match["y1"] or match["y2"])), int(match["m1"] or match["m2"]), 1)
    return replace(_whole("month", month, at), itself=False)


def _week(match: re.Match[str], at: _At) -> _Stretch:
    number, year = int(match["w1"] or match["w2"]), at.year(match["y1"] or match["year"])
    latest = at.today.isocalendar()
    chosen = _checked((latest.year - (number > latest.week)) if year is None else year)
    monday, after = _week_start(chosen, number), _week_start(chosen, number) + timedelta(weeks=1)
    words = f"week {number}" + ("" if chosen == latest.year else f" of {chosen}")
    cycle = relativedelta(years=1) if year is None else None
    return _Stretch(*at.days(monday, after), words, step=relativedelta(weeks=1), cycle=cycle)


def _weeks(match: re.Match[str], at: _At) -> _Stretch:
    first, last, year = int(match["w1"]), int(match["w2"]), at.year(match["year"])
    latest = at.today.isocalendar()
    chosen = _checked((latest.year - (first > latest.week)) if year is None else year)
    start, end = _week_start(chosen, first), _week_start(chosen, last) + timedelta(weeks=1)
    words = f"weeks {first}–{last}" + ("" if chosen == latest.year else f" of {chosen}")
    return _Stretch(*at.days(start, end), words)


def _week_of(match: re.Match[str], at: _At) -> _Stretch:
    day = _single_day(match["day"], at)
    monday = _monday(_local_day(day.start, at.zone))
    today = _local_day(at.now, at.zone)
    words = f"week of {_day_words(monday, today)}"
    return _Stretch(*at.days(monday, monday + timedelta(weeks=1)), words, step=relativedelta(weeks=1), cycle=day.cycle)


def _part_of_year(match: re.Match[str], at: _At) -> _Stretch:
    letter = (match["l1"] or match["l2"] or match["l3"])[0].lower()
    months = 3 if letter == "q" else 6
    ordinals = ("first", "second", "third", "fourth")
    n3 = (match["n3"] or "").lower()
    number = int(match["n1"] or match["n2"] or (ordinals.index(n3) + 1 if n3 in ordinals else n3[:1]))
    if number > 12 // months:
        raise QuestionError(
            "A year has four quarters and two halves: ask for Q1 … Q4, H1 or H2.", ("Q3", "last quarter")
        )
    year = at.year(match["y1"] or match["y2"] or match["y3"])
    month = (number - 1) * months + 1
    chosen = _checked(at.today.year - (month > at.today.month) if year is None else year)
    start = date(chosen, month, 1)
    words = f"{letter.upper()}{number} {chosen}"
    cycle = relativedelta(years=1) if year is None else None
    step = relativedelta(months=months)
    return _Stretch(*at.days(start, start + step), words, dated=letter == "q", step=step, cycle=cycle)


def _calendar_year(match: re.Match[str], at: _At) -> _Stretch:
    return replace(_whole("year", date(_checked(int(match["y"])), 1, 1), at), itself=False)


def _date(match: re.Match[str], at: _At) -> _Stretch:
    return _single_day(match[0], at)


def _day_of_month(match: re.Match[str], at: _At) -> _Stretch:
    number, month = int(match["d"]), at.today.replace(day=1)
    while number > monthrange(month.year, month.month)[1] or month.replace(day=number) > at.today:
        month -= relativedelta(months=1)
    day = month.replace(day=number)
    words = _day_words(day, _local_day(at.now, at.zone))
    return _Stretch(*at.days(day, day + _DAY), words, dated=True, cycle=relativedelta(months=1))


def _days_of_month(match: re.Match[str], at: _At) -> _Stretch:
    year = match["y1"] or match["y2"] or ""
    month = match["m1"] or match["m2"]
    last = _single_day(f"{match['b1'] or match['b2']} {month} {year}".strip(), at)
    first = _single_day(f"{match['a1'] or match['a2']} {month} {_local_day(last.start, at.zone).year}", at)
    return _joined(first, last, at)


def _clock_time(match: re.Match[str], at: _At) -> _Stretch:
    name, clock = match["d1"] or match["d2"], (match["c1"] or match["c2"]).lower().replace(".", "")
    day = _single_day(name, at) if name else None
    minutes = _minutes(clock)
    first = at.today if day is None else _local_day(day.start, at.zone)
    start = _moment(first, minutes, at.zone)
    today = _local_day(at.now, at.zone)
    words = f"{_day_words(first, today)}, {minutes // 60:02}:{minutes % 60:02}"
    cycle = relativedelta(days=1) if day is None else day.cycle
    return _Stretch(
        start, start + timedelta(hours=1), words, dated=True, whole=False, instant=True, cycle=cycle, clock=day is None
    )


def _rule(pattern: str, meaning: _Rule) -> tuple[re.Pattern[str], _Rule]:
    # A word ends here, and isn't the first half of 'monday.com', '2026-03' or '14:30'; 'today's' is 'today'.
    return re.compile(rf"(?:{pattern})(?:'s(?=\s))?(?!\w|[.:/']\w)", re.IGNORECASE), meaning


_THIS = r"(?P<which>this|current|last|past|recent|previous|next|coming|upcoming)"
_LAST = r"(?:(?:the )?(?:last|past|previous|recent) )"
_RULES: tuple[tuple[re.Pattern[str], _Rule], ...] = (
    _rule(r"all[ -]?time|ever|always|the beginning|(?:the )?(?:whole|entire|full) (?:time|history)", _all_time),
    _rule(r"(?P<day>(?:the )?day before yesterday|today|yesterday|tomorrow|now)(?: so far)?", _relative_day),
    _rule(rf"(?P<day>this|last(?= night)|today|yesterday|{_WEEKDAY}|{_DATE}),? (?P<part>morning|afternoon|evening|night)", _part_of_day),
    _rule(rf"(?:the )?{_THIS} (?P<unit>hour|day|week|weekend|month|quarter|year)(?: so far)?", _relative_unit),
    _rule(r"(?:the )?(?P<unit>week|weekend|month|quarter|year) before last", _unit_before_last),
    _rule(rf"{_LAST}(?P<count>{_COUNT}) ?(?P<unit>{_UNIT})", _last_units),
    _rule(rf"{_LAST}?(?P<count>\d{{1,4}})(?: ?(?P<unit>{_UNIT}|h|d|w|mo|q|y))", _last_units),
    _rule(rf"(?P<count>{_COUNT}) ?(?P<unit>{_UNIT}) ago", _ago),
    _rule(rf"(?:the )?(?:(?P<week_before>last|this) week )?(?:(?P<which>last|this|past|next) )?(?P<weekday>{_WEEKDAY})\.?(?:,? (?:of )?(?P<week>last week|this week))?", _weekday),
    _rule(rf"(?:(?P<which>last|this|past|next) )?(?P<month>{_MONTH}){_OF_YEAR}", _month),
    _rule(r"(?P<y1>(?:19|20|21)\d\d)[-/](?P<m1>1[0-2]|0[1-9])|(?P<m2>1[0-2]|0?[1-9])/(?P<y2>(?:19|20|21)\d\d)", _month_by_number),
    _rule(rf"(?P<y1>(?:19|20|21)\d\d)[- ]?w(?P<w1>\d{{1,2}})|(?:(?:the )?(?:calendar )?week|wk|cw|w) ?(?P<w2>\d{{1,2}}){_OF_YEAR}", _week),
    _rule(rf"weeks ?(?P<w1>\d{{1,2}}){_TO}(?P<w2>\d{{1,2}}){_OF_YEAR}", _weeks),
    _rule(rf"(?:the )?week (?:of|from|starting|beginning|containing|around)(?: on)? (?P<day>{_DATE})", _week_of),
    _rule(
        rf"(?P<l1>[qh])(?P<n1>[1-4])(?:[ ,/-]{{0,2}}(?:of )?(?P<y1>{_YEAR}))?"
        rf"|(?P<y2>(?:19|20|21)\d\d)[ /-]?(?P<l2>[qh])(?P<n2>[1-4])"
        rf"|(?:the )?(?P<n3>first|second|third|fourth|1st|2nd|3rd|4th) (?P<l3>quarter|half)(?:,? (?:of )?(?P<y3>{_YEAR}))?",
        _part_of_year,
    ),
    _rule(r"(?P<y>(?:19|20|21)\d\d)", _calendar_year),
    _rule(_DATE, _date),
    _rule(rf"(?:the )?(?P<d>{_D}){_TH}", _day_of_month),
    _rule(
        rf"(?:the )?(?P<a1>{_D}){_TH}?{_TO}(?P<b1>{_D}){_TH}?(?: of)? (?P<m1>{_MONTH})(?:,?(?: of)? (?P<y1>{_YEAR}))?"
        rf"|(?P<m2>{_MONTH}) (?:the )?(?P<a2>{_D}){_TH}?{_TO}(?P<b2>{_D}){_TH}?(?:,? (?P<y2>{_YEAR}))?",
        _days_of_month,
    ),
    _rule(rf"(?P<c2>{_CLOCK}),? (?:on )?(?P<d2>{_NAMED_DAY})|(?:(?P<d1>{_NAMED_DAY}),? (?:at )?)?(?P<c1>{_CLOCK})", _clock_time),
)  # fmt: skip

_BESIDE = re.compile(
    rf"(?:the |a )?(?:previous (?P<u1>day|week|month|quarter|year|period|one)"
    rf"|(?:(?:same )?(?P<u2>day|week|month|quarter|year|period|time|one)s? )?(?:before|earlier)(?: that| it)?"
    rf"|(?P<count>{_COUNT}) (?P<unit>days?|weeks?|months?|quarters?|years?) (?:before|earlier)(?: that| it)?)"
    r"(?! \w*(?:day|last|yesterday)\b)(?!\w|[.:/'-]\w)",
    re.IGNORECASE,
)


# Putting words together


@dataclass(frozen=True, slots=True)
class _Found:
    """A range in a text: `opener` ('since', 'from', …), the words of its first and last part, and where it ends."""

    opener: str
    left: str
    right: str | None
    end: int
    beside: re.Match[str] | None = None


_PREFIX = re.compile(r"^(?:(?:in|on|over|during|for|within|of|at|throughout)\b ?)+(?=\S)", re.IGNORECASE)
_OPENER = re.compile(
    r"(?P<word>since|from|between|after|starting|beginning|as of|until|till|til|up to|before)"
    r"(?: (?:from|on|in|at|the start of|start of)(?= ))? ",
    re.IGNORECASE,
)
_SEPARATOR = re.compile(
    r" ?(?P<mark>\.{2,3}|-) ?| (?P<word>to|until|till|til|up to|through|thru|and) (?:on )?", re.IGNORECASE
)
_ASIDE = re.compile(r" \((?=[^()]*\d)[\w :,.+-]{3,60}\)| onwards?\b", re.IGNORECASE)
_INSIDE = frozenset("-./:'#@") | frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_")


def _scan(text: str, start: int, *, bare_to: bool) -> _Found | None:
    opener = _OPENER.match(text, start)
    word = opener["word"].lower() if opener else ""
    begin = opener.end() if opener else start
    end = _atom(text, begin)
    if end is None:
        # 'before' opens a range ('before Monday') and ends one ('the week before').
        beside = _BESIDE.match(text, start)
        return _Found("", beside[0], None, beside.end(), beside) if beside else None
    left, right = text[begin:end], None
    separator = _SEPARATOR.match(text, end)
    if separator and word not in ("until", "till", "til", "up to", "before"):
        joins = separator["word"] is None or (
            word == "between" if separator["word"].lower() == "and" else bare_to or bool(word)
        )
        after = _atom(text, separator.end()) if joins else None
        if after is not None:
            right, end = text[separator.end() : after], after
    if word == "between" and right is None:
        return None
    if text[end : end + 1] == "-" and text[end + 1 : end + 2].strip():
        return None  # the beginning of a channel's name: 'today-i-learned'
    beside = _BESIDE.match(text, start)
    if beside and beside.end() > end:
        return _Found("", beside[0], None, beside.end(), beside)
    aside = _ASIDE.match(text, end)
    return _Found(word, left, right, aside.end() if aside else end)


def _atom(text: str, start: int) -> int | None:
    ends = [match.end() for pattern, _ in _RULES if (match := pattern.match(text, start))]
    return max(ends, default=None)


def _stretch(words: str, at: _At) -> _Stretch:
    words = re.sub(r"'s$", "", words)
    for pattern, meaning in _RULES:
        if match := pattern.fullmatch(words):
            return meaning(match, at)
    raise _not_understood(words)


def _resolve(found: _Found, at: _At, beside: Span | None) -> _Stretch:
    if found.beside:
        return _relative_to(found.beside, beside, at)
    if found.right is None:
        return _opened(found.opener, _stretch(found.left, at), at)
    left, right = _stretch(found.left, at), _stretch(found.right, at)
    if right.clock:
        right = _stretch(found.right, replace(at, today=_local_day(left.start, at.zone)))
    elif left.cycle and not right.cycle:
        left = _stretch(found.left, replace(at, today=_local_day(right.end - timedelta(microseconds=1), at.zone)))
    elif right.cycle and not left.cycle:
        # The first one that follows: 'from 3 March 2025 to 9 April'.
        right = _stretch(found.right, replace(at, today=_local_day(left.start, at.zone) + right.cycle - _DAY))
    elif left.cycle and right.cycle and left.start >= right.end:
        earlier = _stretch(found.left, replace(at, today=_local_day(right.start, at.zone)))
        # 'December to January' goes round the turn of the year; '9 March to 3 March' is a slip.
        if right.end - earlier.start <= (at.now + left.cycle - at.now) / 2 or left.cycle.days:
            left = earlier
    return _joined(left, right, at)


def _opened(opener: str, stretch: _Stretch, at: _At) -> _Stretch:
    tomorrow = _midnight(at.today + _DAY, at.zone)
    begins = stretch.start if stretch.since is None else stretch.since
    name = stretch.words
    match opener:
        case "":
            return replace(stretch, words="") if stretch.instant else stretch
        case "from" if stretch.itself:
            return stretch
        case "until" | "till" | "til" | "up to" | "before":
            end = begins if opener == "before" else stretch.start if stretch.instant else stretch.end
            last = _local_day(end, at.zone) - _DAY
            aside = (
                "" if stretch.dated or opener == "before" else f" ({_dates(last, last + _DAY, at.today, short=True)})"
            )
            words = f"{'before' if opener == 'before' else 'until'} {name}{aside}"
            return _Stretch(BEGINNING, end, words, dated=True, whole=stretch.whole)
        case "after":
            start = begins if stretch.instant else stretch.end
            return _Stretch(start, max(tomorrow, start + _QUARTER), f"after {name}", whole=stretch.whole)
        case _:
            if (name.startswith("last ") and name[5:6].isdigit()) or name == "all time":
                return stretch
            end = tomorrow if stretch.whole else max(_ceil_quarter(at.now), begins + _QUARTER)
            return _Stretch(begins, max(end, begins + _QUARTER), f"since {name}", whole=stretch.whole)


def _joined(left: _Stretch, right: _Stretch, at: _At) -> _Stretch:
    start = left.start if left.since is None else left.since
    end = right.start if right.instant else right.end
    if end <= start:
        raise QuestionError("That range ends before it begins: swap its two ends.", ("last week", "last 14 days"))
    return _Stretch(start, end, "", dated=True, whole=left.whole and right.whole)


def _relative_to(match: re.Match[str], beside: Span | None, at: _At) -> _Stretch:
    unit = (match["u1"] or match["u2"] or "period").lower()
    if match["count"]:
        count, unit = _count(match["count"]), _unit(match["unit"])
        if beside is None:
            raise _not_understood(match[0])
        return _shifted(beside.window, count * _step(unit), at)
    if unit in ("period", "time", "one"):
        if beside is None:
            raise _not_understood(match[0])
        before = preceding(beside, now=at.now, zone=at.zone)
        return _Stretch(before.window.start, before.window.end, before.words, dated=True)
    first = at.today if beside is None else _local_day(beside.window.start, at.zone)
    if beside is not None:
        after = _local_day(beside.window.end, at.zone)
        start = _floor(unit, first)
        if (first, after) != (start, start + _step(unit)) and not beside.words.startswith(f"this {unit}"):
            return _shifted(beside.window, _step(unit), at)
    return _whole(unit, _floor(unit, first) - _step(unit), at)


def _shifted(window: Window, step: relativedelta, at: _At) -> _Stretch:
    start, end = (edge.astimezone(at.zone).replace(tzinfo=None) - step for edge in (window.start, window.end))
    if start.year < BEGINNING.year:
        raise _too_early()
    edges = [_quarter(edge.replace(tzinfo=at.zone)) for edge in (start, end)]
    return _Stretch(edges[0], max(edges[1], edges[0] + _QUARTER), "", dated=True)


def _span(stretch: _Stretch, now: datetime, zone: ZoneInfo) -> Span:
    today = _local_day(now, zone)
    start = max(stretch.start, BEGINNING)
    if start > now:
        raise QuestionError("That lies in the future: ask about a time that has begun.", ("this week", "last week"))
    end = min(
        stretch.end, _midnight(today + _DAY, zone) if stretch.whole else max(_ceil_quarter(now), start + _QUARTER)
    )
    if stretch.end <= BEGINNING:
        raise _too_early()
    if end <= start:
        raise QuestionError("That day was left out of the calendar there: ask about another.", ("last week",))
    window = Window(start, end)
    if stretch.dated and stretch.words:
        return Span(window, stretch.words)
    first, after = _local_day(stretch.start, zone), _local_day(end, zone)
    whole = (stretch.start, end) == (_midnight(first, zone), _midnight(after, zone))
    if not stretch.words:
        named = whole and start != BEGINNING
        return Span(window, _calendar_words(first, after, today) if named else describe(window, zone, now))
    dates = _dates(first, after, today, short=True) if whole else _moments(window, zone, today, short=True)
    return Span(window, f"{stretch.words} ({dates})")


def _before(stretch: _Stretch, window: Window, at: _At) -> Span:
    if window.start == BEGINNING:
        raise QuestionError(
            "Nothing comes before that to compare with: name two ranges.", ("compare this month with last month",)
        )
    if not stretch.whole and stretch.step is None:
        earlier = Window(max(BEGINNING, window.start - (window.end - window.start)), window.start)
        return Span(earlier, describe(earlier, at.zone, at.now))
    first, after = _local_day(window.start, at.zone), _local_day(window.end, at.zone)
    if not stretch.whole and stretch.step is not None:
        shifted = _shifted(window, stretch.step, at)
        return _span(shifted, at.now, at.zone)
    if stretch.step is None:
        start, end = first - (after - first), first
    elif window.end < stretch.end:
        start = first - stretch.step
        end = min(first, start + (after - first))
    else:
        start, end = first - stretch.step, after - stretch.step
        end = min(first, end)
    if start < BEGINNING.date():
        raise _too_early()
    earlier = Window(*at.days(start, end))
    return Span(earlier, describe(earlier, at.zone, at.now))


# Single days


def _single_day(words: str, at: _At) -> _Stretch:
    """The day that `words` name, the latest such day if they leave the year open."""
    if not re.fullmatch(_DATE, words, re.IGNORECASE):
        return _stretch(words, at)
    if numbers := re.fullmatch(r"(\d{1,2})[-/.](\d{1,2})[-/.](\d{4})", words):
        first, second = int(numbers[1]), int(numbers[2])
        if first != second and max(first, second) <= 12 and "." not in words:
            year = numbers[3]
            either = tuple(f"{day} {_MONTHS[month - 1]} {year}" for day, month in ((first, second), (second, first)))
            raise QuestionError("That date can be read in two ways: write the month's name.", either)
        order = "MDY" if second > 12 else "DMY"
    else:
        order = "DMY"
    named = re.match(rf"({_WEEKDAY})\.?,? ", words, re.IGNORECASE)
    bare = words[named.end() :] if named else words
    bare = re.sub(r"\b(?:last|this) year\b", lambda year: str(at.year(year[0])), bare, flags=re.IGNORECASE)
    bare = re.sub(r"\b(?:the|of)\b", " ", bare, flags=re.IGNORECASE)
    open_year = not re.search(r"\d{4}", bare)
    day = _parsed(bare, at.today, order)
    if day is None:
        raise QuestionError("There is no such day in the calendar: check its number.", ("yesterday", "last week"))
    _checked(day.year)
    if named and day.weekday() != _index(named[1], _WEEKDAYS):
        raise QuestionError(
            f"{_day_words(day, day + 400 * _DAY)} is a {_WEEKDAYS[day.weekday()]}: check the weekday or the date.",
            (_day_words(day, _local_day(at.now, at.zone)),),
        )
    words = _day_words(day, _local_day(at.now, at.zone))
    cycle = relativedelta(years=1) if open_year else None
    return _Stretch(*at.days(day, day + _DAY), words, dated=True, cycle=cycle)


def _parsed(words: str, today: date, order: str) -> date | None:
    # dateparser finds no base in an aware datetime, and searches a year without 29 February in vain.
    for years in range(0, 9):
        base = datetime(today.year, today.month, today.day, 12) - relativedelta(years=years)  # noqa: DTZ001
        settings = {
            "DATE_ORDER": order,
            "PREFER_DATES_FROM": "past",
            "RELATIVE_BASE": base,
            "PARSERS": ["absolute-time"],
        }
        found = DateDataParser(languages=["en"], settings=settings).get_date_data(words).date_obj
        if found is not None:
            return found.date()
        if not re.search(r"29.*feb|feb.*29", words, re.IGNORECASE) or re.search(r"\d{4}", words):
            return None
    return None


# Calendar


def _whole(unit: str, start: date, at: _At) -> _Stretch:
    """The calendar unit that begins on `start`."""
    step = _step(unit)
    after = start + step
    words = _calendar_words(start, after, _local_day(at.now, at.zone))
    return _Stretch(*at.days(start, after), words, dated=True, step=step, itself=True)


def _rolling(count: int, word: str, at: _At) -> _Stretch:
    """The last `count` units, of which today (or this quarter hour) is the end."""
    unit = _unit(word)
    if count == 0:
        raise QuestionError("That range is empty: ask for at least one hour.", ("last 24 hours", "last 7 days"))
    if unit == "day" and count == 1:
        unit, count = "hour", 24
    if unit == "week":
        unit, count = "day", count * 7
    if unit in ("minute", "hour"):
        end = _ceil_quarter(at.now)
        length = max(_QUARTER, _floor_length(timedelta(minutes=count * (60 if unit == "hour" else 1))))
        start = max(BEGINNING, end - length)
        words = f"last {count} {unit}s" if count > 1 else f"last {unit}"
        return _Stretch(start, end, words, whole=False, itself=True)
    tomorrow = at.today + _DAY
    start_day = _back(tomorrow, unit, count)
    if start_day == BEGINNING.date():
        return _Stretch(BEGINNING, _midnight(tomorrow, at.zone), "all time", dated=True, itself=True)
    words = f"last {count} {unit}s" if count > 1 else f"past {unit}"
    step = None if unit == "day" else count * _step(unit) if count < 200 else None
    return _Stretch(*at.days(start_day, tomorrow), words, step=step, itself=True)


def _floor(unit: str, day: date) -> date:
    match unit:
        case "week":
            return _monday(day)
        case "month":
            return day.replace(day=1)
        case "quarter":
            return day.replace(month=(day.month - 1) // 3 * 3 + 1, day=1)
        case "year":
            return day.replace(month=1, day=1)
        case _:
            return day


def _step(unit: str) -> relativedelta:
    match unit:
        case "week":
            return relativedelta(weeks=1)
        case "month":
            return relativedelta(months=1)
        case "quarter":
            return relativedelta(months=3)
        case "year":
            return relativedelta(years=1)
        case _:
            return relativedelta(days=1)


def _back(day: date, unit: str, count: int) -> date:
    days = {"day": 1, "week": 7, "month": 28, "quarter": 89, "year": 365}[unit]
    if count * days > (day - BEGINNING.date()).days:
        return BEGINNING.date()
    return day - count * _step(unit)


def _monday(day: date) -> date:
    return day - day.weekday() * _DAY


def _week_start(year: int, number: int) -> date:
    if number > 53:
        raise QuestionError("A year has 52 or 53 weeks: ask for one of them.", ("last week",))
    try:
        return date.fromisocalendar(year, number, 1)
    except ValueError:
        last = date(year, 12, 28).isocalendar().week
        raise QuestionError(
            f"{year} has the weeks 1 to {last}: ask for one of them.", (f"week {last} of {year}",)
        ) from None


def _checked(year: int) -> int:
    if year < BEGINNING.year:
        raise _too_early()
    if year > _LAST_YEAR:
        raise QuestionError("That lies in the future: ask about a time that has begun.", ("this week", "last week"))
    return year


def _local_day(moment: datetime, zone: ZoneInfo) -> date:
    return moment.astimezone(zone).date()


def _midnight(day: date, zone: ZoneInfo) -> datetime:
    """When `day` begins: its first instant, also where summer time leaves out midnight or has it twice."""
    return _quarter(datetime(day.year, day.month, day.day, tzinfo=zone))


def _moment(day: date, minutes: int, zone: ZoneInfo) -> datetime:
    local = datetime(day.year, day.month, day.day, tzinfo=zone) + timedelta(minutes=minutes)  # wall clock
    return _quarter(local)


def _quarter(local: datetime) -> datetime:
    # Before 1972 a few offsets have odd seconds; the roll-ups are kept by the quarter hour.
    return _floor_quarter(local.astimezone(UTC))


def _floor_quarter(moment: datetime) -> datetime:
    return moment.replace(minute=moment.minute // 15 * 15, second=0, microsecond=0)


def _ceil_quarter(moment: datetime) -> datetime:
    floor = _floor_quarter(moment)
    return floor if floor == moment else floor + _QUARTER


def _floor_length(length: timedelta) -> timedelta:
    return length // _QUARTER * _QUARTER


# Numbers and names


def _count(word: str) -> int:
    return int(word) if word.isdigit() else _COUNTS[word.lower()]


def _unit(word: str) -> str:
    word = word.lower()
    if word == "mo":
        return "month"
    return (
        {"m": "minute", "h": "hour", "d": "day", "w": "week", "q": "quarter", "y": "year"}[word[0]]
        if not word.startswith("month")
        else "month"
    )


def _counted(count: int, unit: str) -> str:
    return f"{count} {unit}{'' if count == 1 else 's'}"


def _index(word: str, names: tuple[str, ...]) -> int:
    return next(place for place, name in enumerate(names) if name.lower().startswith(word.lower()[:3]))


def _minutes(clock: str) -> int:
    if clock in ("noon", "midday", "midnight"):
        return 0 if clock == "midnight" else 12 * 60
    digits = re.findall(r"\d+", clock)
    hours, minutes = int(digits[0]), int(digits[1]) if len(digits) > 1 else 0
    if clock.endswith("m"):
        hours = hours % 12 + (12 if clock.endswith("pm") else 0)
    return min(hours * 60 + minutes, 24 * 60)


# Windows in words


def _named(today: date) -> Iterator[tuple[str, date, date]]:
    yield "today", today, today + _DAY
    yield "yesterday", today - _DAY, today
    for unit in ("week", "month", "quarter", "year"):
        start, step = _floor(unit, today), _step(unit)
        yield f"this {unit}", start, start + step
        yield f"last {unit}", start - step, start
        if unit == "week":
            yield "the week before last", start - 2 * step, start - step


def _calendar_words(first: date, after: date, today: date) -> str:
    last = after - _DAY
    if last == first:
        return _day_words(first, today)
    if first.day == 1 and after.day == 1:
        if after == first + _step("month"):
            return _MONTHS[first.month - 1] + (f" {first.year}" if first.year != today.year else "")
        if first.month % 3 == 1 and after == first + _step("quarter"):
            return f"Q{first.month // 3 + 1} {first.year}"
        if first.month == 1 and after == first + _step("year"):
            return str(first.year)
    return _dates(first, after, today)


def _dates(first: date, after: date, today: date, *, short: bool = False) -> str:
    """'3–9 March', '30 March – 5 April 2025'; the year only where it isn't this one."""
    last = after - _DAY
    month = (lambda day: _MONTHS[day.month - 1][:3]) if short else (lambda day: _MONTHS[day.month - 1])
    year = "" if first.year == last.year == today.year else f" {last.year}"
    if first >= last:
        return f"{last.day} {month(last)}{year}"
    if (first.year, first.month) == (last.year, last.month):
        return f"{first.day}–{last.day} {month(last)}{year}"
    first_year = f" {first.year}" if first.year != last.year else ""
    return f"{first.day} {month(first)}{first_year} – {last.day} {month(last)}{year}"


def _day_words(day: date, today: date) -> str:
    return _dates(day, day + _DAY, today)


def _moments(window: Window, zone: ZoneInfo, today: date, *, short: bool = False) -> str:
    """'23 November, 14:00–16:00', '22 November, 22:30 – 24 November, 10:45'."""
    start, end = window.start.astimezone(zone), window.end.astimezone(zone)
    first, last = (_dates(edge.date(), edge.date() + _DAY, today, short=short) for edge in (start, end))
    if end.date() == start.date():
        return f"{first}, {start:%H:%M}–{end:%H:%M}"
    if end.date() == start.date() + _DAY and (end.hour, end.minute) == (0, 0):
        return f"{first}, {start:%H:%M}–24:00"
    return f"{first}, {start:%H:%M} – {last}, {end:%H:%M}"


def _too_early() -> QuestionError:
    return QuestionError(f"The calendar here begins with {BEGINNING.year}: ask about a later time.", ("all time",))


def _not_understood(text: str) -> QuestionError:
    near = process.extract(text[:LONGEST], EXAMPLES, limit=3, score_cutoff=60)
    return QuestionError(
        "I don't know that stretch of time: try one like 'last week', 'since Monday' or '3 to 9 March'.",
        tuple(name for name, _, _ in near) or ("last week", "since Monday", "last 14 days"),
    )
