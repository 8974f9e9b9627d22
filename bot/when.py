"""Words for a stretch of time → the window they mean in a zone, and back."""

from __future__ import annotations

import re
from calendar import monthrange
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from dateparser.date import DateDataParser
from dateutil.relativedelta import relativedelta
from rapidfuzz import process

from bot import days
from bot.days import BEGINNING as BEGINNING
from bot.days import Unit
from bot.days import describe as describe
from bot.errors import QuestionError
from bot.message import Window

LONGEST = 200
"""The most characters of a range; longer ones are refused unread."""

EXAMPLES = (
    "today", "yesterday", "this week", "last week", "last weekend", "this month", "last month", "last quarter",
    "this year", "last 7 days", "last 14 days", "last 30 days", "last 3 months", "last 24 hours", "since Monday",
    "since yesterday", "in March", "Q3", "week 7", "all time",
)  # fmt: skip
"""Phrases to offer: for completion, for help, and as the nearest meant."""

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
    relative = _BESIDE.fullmatch(text.strip(_TRAILING)) if beside else None
    found = _Found("", text, None, len(text), relative) if relative else _scan(text, 0, bare_to=True)
    if found is None or text[found.end :].strip(_TRAILING):
        raise _not_understood(text)
    return _span(_resolve(found, _At(now, zone, days.local_day(now, zone)), beside), now, zone)


def find(text: str, start: int, *, bare_to: bool = True) -> int | None:
    """Where the range that begins at `start` of `text` ends, or None if none begins there; the longest is taken.

    `text` is in the form that `normal` gives. Without `bare_to`, 'Monday to Friday' is two ranges ('from Monday to
    Friday' is one). A range that was found may still be refused by `read`: 'week 60'.
    """
    if text[start - 1 : start] in _INSIDE or len(text) <= start:
        return None
    found = _scan(text, start, bare_to=bare_to)
    return None if found is None else found.end


def preceding(span: Span, *, now: datetime, zone: ZoneInfo) -> Span:
    """The stretch to compare `span` with: as long, and just before it.

    Before a calendar month comes the calendar month, before a weekend the weekend, and before an unfinished week the
    same days of the week before. Raises QuestionError where nothing precedes ('all time').
    """
    at = _At(now, zone, days.local_day(now, zone))
    try:
        found = _scan(_PREFIX.sub("", normal(span.words)), 0, bare_to=True)
        stretch = None if found is None else _resolve(found, at, None)
    except QuestionError:
        stretch = None
    if stretch is None or _span(stretch, now, zone).window != span.window:
        whole = all(
            edge == days.midnight(days.local_day(edge, zone), zone) for edge in (span.window.start, span.window.end)
        )
        stretch = _Stretch(span.window.start, span.window.end, span.words, whole=whole)
    return _before(stretch, span.window, at)


def normal(text: str) -> str:
    """`text` on one line with single spaces, straight quotes and plain hyphens; the form that `find` looks at."""
    return " ".join(text.translate(_PLAIN).split())


_TRAILING = " .,;:!?"
_PLAIN: dict[int, str | None] = {
    **dict.fromkeys(map(ord, "‐‑‒–—−"), "-"),
    **dict.fromkeys(map(ord, "‘’‚ʼ"), "'"),
    **dict.fromkeys(map(ord, "“”„«»"), '"'),
    **dict.fromkeys(range(0x20), " "),
    **dict.fromkeys(map(ord, "\u200b\u200e\u200f\u202a\u202b\u202c\u2060\ufeff")),
    ord("…"): "...",
}


# What words can mean


@dataclass(frozen=True, slots=True)
class _At:
    """Where the reader stands: `now`, and the day `today` that 'last' and a missing year count back from."""

    now: datetime
    zone: ZoneInfo
    today: date

    def between(self, first: date, after: date) -> tuple[datetime, datetime]:
        return days.midnight(first, self.zone), days.midnight(after, self.zone)

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

_COUNTS = {word: count for count, word in enumerate(
    ("one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"), 1
)} | {"a": 1, "an": 1, "couple": 2, "a couple": 2, "couple of": 2, "a couple of": 2, "few": 3, "a few": 3}  # fmt: skip

_MONTH = (
    r"(?:jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|sept?(?:ember)?|oct(?:ober)?"
    r"|nov(?:ember)?|dec(?:ember)?)\.?"
)
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
    return _Stretch(days.BEGINNING, days.midnight(at.today + days.DAY, at.zone), "all time", dated=True, itself=True)


def _relative_day(match: re.Match[str], at: _At) -> _Stretch:
    name = match["day"].lower().removeprefix("the ").replace("now", "today")
    day = at.today + {"tomorrow": 1, "yesterday": -1, "day before yesterday": -2}.get(name, 0) * days.DAY
    return _Stretch(*at.between(day, day + days.DAY), f"the {name}" if " " in name else name, itself=True)


def _part_of_day(match: re.Match[str], at: _At) -> _Stretch:
    day, part = (match["day"], match["part"].lower()) if match["day"] else ("today", "evening")
    day = {"this": "today", "last": "yesterday"}.get(day.lower(), day)
    part = "evening" if part == "night" else part
    first, last = {"morning": (6, 12), "afternoon": (12, 18), "evening": (18, 24)}[part]
    whole = _single_day(day, at)
    date_ = days.local_day(whole.start, at.zone)
    start, end = (days.clock_time(date_, hour * 60, at.zone) for hour in (first, last))
    name = f"{'this' if whole.words == 'today' else whole.words} {part}"
    return _Stretch(start, end, name, whole=False, step=relativedelta(days=1), itself=True)


def _relative_unit(match: re.Match[str], at: _At) -> _Stretch:
    which, word = match["which"].lower(), match["unit"].lower()
    back = {"this": 0, "current": 0, "next": -1, "coming": -1, "upcoming": -1}.get(which, 1)
    name = f"{('this', 'last', 'next')[back]} {word}"
    if word == "weekend":
        return _weekend(back, name, at)
    unit = Unit(word)
    if which in ("past", "recent") or (unit in (Unit.HOUR, Unit.DAY) and back == 1):
        return _rolling(1, unit, at)
    if unit is Unit.HOUR:
        hour = at.now.replace(minute=0, second=0, microsecond=0) - back * timedelta(hours=1)
        return _Stretch(hour, hour + timedelta(hours=1), name, whole=False, itself=True)
    start = days.unit_start(unit, at.today) - back * days.step(unit)
    return replace(_whole(unit, start, at), words="today" if name == "this day" else name, dated=False)


def _to_date(match: re.Match[str], at: _At) -> _Stretch:
    unit = _unit(match["unit"] or match["letter"].lower().replace("m", "month"))
    return replace(_whole(unit, days.unit_start(unit, at.today), at), words=f"this {unit}", dated=False)


def _first_day(match: re.Match[str], at: _At) -> _Stretch:
    day = days.unit_start(Unit(match["unit"].lower()), at.today)
    return _Stretch(*at.between(day, day + days.DAY), days.day_words(day, days.local_day(at.now, at.zone)), dated=True)


def _unit_before_last(match: re.Match[str], at: _At) -> _Stretch:
    name = f"the {match['unit'].lower()} before last"
    if match["unit"].lower() == "weekend":
        return _weekend(2, name, at)
    unit = Unit(match["unit"].lower())
    return replace(_whole(unit, days.unit_start(unit, at.today) - 2 * days.step(unit), at), words=name, dated=False)


def _weekend(back: int, name: str, at: _At) -> _Stretch:
    saturday = days.monday(at.today) + 5 * days.DAY - back * timedelta(weeks=1)
    step = relativedelta(weeks=1)
    return _Stretch(*at.between(saturday, saturday + 2 * days.DAY), name, step=step, itself=True)


def _last_units(match: re.Match[str], at: _At) -> _Stretch:
    return _rolling(_count(match["count"]), _unit(match["unit"]), at)


def _ago(match: re.Match[str], at: _At) -> _Stretch:
    count, unit = _count(match["count"]), _unit(match["unit"])
    if unit in (Unit.MINUTE, Unit.HOUR):
        start = days.quarter_floor(at.now - count * timedelta(minutes=60 if unit is Unit.HOUR else 1))
        return _Stretch(start, start + timedelta(hours=1), f"{_counted(count, unit)} ago", whole=False)
    if count * {Unit.DAY: 1, Unit.WEEK: 7, Unit.MONTH: 30, Unit.QUARTER: 91, Unit.YEAR: 365}[unit] > 20_000:
        raise _too_early()
    day = at.today - count * days.step(unit)
    whole = _whole(unit, days.unit_start(unit, day), at)
    return replace(
        whole, words=f"{_counted(count, unit)} ago", dated=False, since=days.midnight(day, at.zone), itself=False
    )


def _weekday(match: re.Match[str], at: _At) -> _Stretch:
    number = _index(match["weekday"], days.WEEKDAYS)
    which, week = (match["which"] or "").lower(), (match["week"] or match["week_before"] or "").lower()
    name, step, cycle = days.WEEKDAYS[number], relativedelta(weeks=1), None
    if week or which == "this":
        last = week.startswith("last")
        day = days.monday(at.today) + number * days.DAY - (step if last else relativedelta())
        name = f"{name} {'last' if last else 'this'} week"
    elif which == "next":
        day = at.today + ((number - at.today.weekday() - 1) % 7 + 1) * days.DAY
    else:
        # 'Monday' said on a Monday is the one a week ago: this one would be 'today'.
        day = at.today - ((at.today.weekday() - number - 1) % 7 + 1) * days.DAY
        cycle = step
    return _Stretch(*at.between(day, day + days.DAY), name, step=step, cycle=cycle)


def _month(match: re.Match[str], at: _At) -> _Stretch:
    number, year, which = (
        _index(match["month"], days.MONTHS) + 1,
        at.year(match["year"]),
        (match["which"] or "").lower(),
    )
    latest = at.today.year - (number > at.today.month)
    if which == "last" and number == at.today.month:
        latest -= 1
    elif which == "this":
        latest = at.today.year
    elif which == "next":
        latest = at.today.year + (number <= at.today.month)
    whole = _whole(Unit.MONTH, date(_checked(latest if year is None else year), number, 1), at)
    return replace(whole, cycle=relativedelta(years=1) if year is None and not which else None, itself=False)


def _month_by_number(match: re.Match[str], at: _At) -> _Stretch:
    month = date(_checked(int(match["y1"] or match["y2"])), int(match["m1"] or match["m2"]), 1)
    return replace(_whole(Unit.MONTH, month, at), itself=False)


def _week(match: re.Match[str], at: _At) -> _Stretch:
    number, year = int(match["w1"] or match["w2"]), at.year(match["y1"] or match["year"])
    latest = at.today.isocalendar()
    chosen = _checked((latest.year - (number > latest.week)) if year is None else year)
    monday, after = _week_start(chosen, number), _week_start(chosen, number) + timedelta(weeks=1)
    words = f"week {number}" + ("" if chosen == latest.year else f" of {chosen}")
    cycle = relativedelta(years=1) if year is None else None
    return _Stretch(*at.between(monday, after), words, step=relativedelta(weeks=1), cycle=cycle)


def _weeks(match: re.Match[str], at: _At) -> _Stretch:
    first, last, year = int(match["w1"]), int(match["w2"]), at.year(match["year"])
    latest = at.today.isocalendar()
    chosen = _checked((latest.year - (first > latest.week)) if year is None else year)
    start, end = _week_start(chosen, first), _week_start(chosen, last) + timedelta(weeks=1)
    words = f"weeks {first}–{last}" + ("" if chosen == latest.year else f" of {chosen}")
    return _Stretch(*at.between(start, end), words, itself=True)


def _week_of(match: re.Match[str], at: _At) -> _Stretch:
    day = _single_day(match["day"], at)
    monday = days.monday(days.local_day(day.start, at.zone))
    today = days.local_day(at.now, at.zone)
    words = f"week of {days.day_words(monday, today)}"
    return _Stretch(
        *at.between(monday, monday + timedelta(weeks=1)), words, step=relativedelta(weeks=1), cycle=day.cycle
    )


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
    return _Stretch(*at.between(start, start + step), words, dated=letter == "q", step=step, cycle=cycle)


def _calendar_year(match: re.Match[str], at: _At) -> _Stretch:
    return replace(_whole(Unit.YEAR, date(_checked(int(match["y"])), 1, 1), at), itself=False)


def _date(match: re.Match[str], at: _At) -> _Stretch:
    return _single_day(match[0], at)


def _day_of_month(match: re.Match[str], at: _At) -> _Stretch:
    number, month = int(match["d"]), at.today.replace(day=1)
    while number > monthrange(month.year, month.month)[1] or month.replace(day=number) > at.today:
        month -= relativedelta(months=1)
    day = month.replace(day=number)
    words = days.day_words(day, days.local_day(at.now, at.zone))
    return _Stretch(*at.between(day, day + days.DAY), words, dated=True, cycle=relativedelta(months=1))


def _days_of_month(match: re.Match[str], at: _At) -> _Stretch:
    year = match["y1"] or match["y2"] or ""
    month = match["m1"] or match["m2"]
    last = _single_day(f"{match['b1'] or match['b2']} {month} {year}".strip(), at)
    first = _single_day(f"{match['a1'] or match['a2']} {month} {days.local_day(last.start, at.zone).year}", at)
    return replace(_joined(first, last, at), itself=True)


def _clock_time(match: re.Match[str], at: _At) -> _Stretch:
    name, clock = match["d1"] or match["d2"], (match["c1"] or match["c2"]).lower().replace(".", "")
    day = _single_day(name, at) if name else None
    minutes = _minutes(clock)
    first = at.today if day is None else days.local_day(day.start, at.zone)
    start = days.clock_time(first, minutes, at.zone)
    today = days.local_day(at.now, at.zone)
    words = f"{days.day_words(first, today)}, {minutes // 60:02}:{minutes % 60:02}"
    cycle = relativedelta(days=1) if day is None else day.cycle
    return _Stretch(
        start, start + timedelta(hours=1), words, dated=True, whole=False, instant=True, cycle=cycle, clock=day is None
    )


def _rule(pattern: str, meaning: _Rule) -> tuple[re.Pattern[str], _Rule]:
    # A word ends here, and isn't the first half of 'monday.com', '2026-03' or '14:30'; 'today's' is 'today'.
    return re.compile(rf"(?:{pattern})(?:'s(?=\s|$))?(?!\w|[.:/']\w)", re.IGNORECASE), meaning


_THIS = r"(?P<which>this|current|last|past|recent|previous|next|coming|upcoming)"
_LAST = r"(?:(?:the )?(?:last|past|previous|recent) )"
_RULES: tuple[tuple[re.Pattern[str], _Rule], ...] = (
    _rule(r"all[ -]?time|ever|always|the beginning|(?:the )?(?:whole|entire|full) (?:time|history)", _all_time),
    _rule(r"(?P<day>(?:the )?day before yesterday|today|yesterday|tomorrow|now)(?: so far)?", _relative_day),
    _rule(rf"(?P<day>this|last(?= night)|today|yesterday|{_WEEKDAY}|{_DATE}),? "
          r"(?P<part>morning|afternoon|evening|night)|tonight", _part_of_day),
    _rule(r"(?P<unit>week|month|quarter|year)[- ]to[- ]date|(?P<letter>[wmqy])td", _to_date),
    _rule(r"(?:the )?(?:start|beginning) of (?:the|this) (?P<unit>week|month|quarter|year)", _first_day),
    _rule(rf"{_LAST}fortnight", lambda _, at: _rolling(2, Unit.WEEK, at)),
    _rule(rf"(?:the )?{_THIS} (?P<unit>hour|day|week|weekend|month|quarter|year)(?: so far)?", _relative_unit),
    _rule(r"(?:the )?(?P<unit>week|weekend|month|quarter|year) before last", _unit_before_last),
    _rule(rf"{_LAST}(?P<count>{_COUNT}) ?(?P<unit>{_UNIT})", _last_units),
    _rule(rf"{_LAST}?(?P<count>\d{{1,4}})(?: ?(?P<unit>{_UNIT}|h|d|w|mo|q|y))", _last_units),
    _rule(rf"(?P<count>{_COUNT}) ?(?P<unit>{_UNIT}) ago", _ago),
    _rule(rf"(?:the )?(?:(?P<week_before>last|this) week )?(?:(?P<which>last|this|past|next) )?(?P<weekday>{_WEEKDAY})"
          r"\.?(?:,? (?:of )?(?P<week>last week|this week))?", _weekday),
    _rule(rf"(?:(?P<which>last|this|past|next) )?(?P<month>{_MONTH}){_OF_YEAR}", _month),
    _rule(r"(?P<y1>(?:19|20|21)\d\d)[-/](?P<m1>1[0-2]|0[1-9])"
          r"|(?P<m2>1[0-2]|0?[1-9])/(?P<y2>(?:19|20|21)\d\d)", _month_by_number),
    _rule(rf"(?P<y1>(?:19|20|21)\d\d)[- ]?w(?P<w1>\d{{1,2}})"
          rf"|(?:(?:the )?(?:calendar )?week|wk|cw|w) ?(?P<w2>\d{{1,2}}){_OF_YEAR}", _week),
    _rule(rf"weeks? ?(?P<w1>\d{{1,2}}){_TO}(?P<w2>\d{{1,2}}){_OF_YEAR}", _weeks),
    _rule(rf"(?:the )?week (?:of|from|starting|beginning|containing|around)(?: on)? (?P<day>{_DATE})", _week_of),
    _rule(
        rf"(?P<l1>[qh])(?P<n1>[1-4])(?:[ ,/-]{{0,2}}(?:of )?(?P<y1>{_YEAR}))?"
        rf"|(?P<y2>(?:19|20|21)\d\d)[ /-]?(?P<l2>[qh])(?P<n2>[1-4])"
        rf"|(?:the )?(?P<n3>first|second|third|fourth|1st|2nd|3rd|4th) (?P<l3>quarter|half)"
        rf"(?:,? (?:of )?(?P<y3>{_YEAR}))?",
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
    _rule(rf"(?P<c2>{_CLOCK}),? (?:on )?(?P<d2>{_NAMED_DAY})"
          rf"|(?:(?P<d1>{_NAMED_DAY}),? (?:at )?)?(?P<c1>{_CLOCK})", _clock_time),
)  # fmt: skip

_CALENDAR = r"week|month|quarter|year"
_BESIDE = re.compile(
    rf"(?:(?P<count>{_COUNT}) (?P<unit>days?|(?:{_CALENDAR})s?) (?:before|earlier)"
    rf"|(?:the )?(?:previous|preceding) (?P<count_before>{_COUNT}) (?P<unit_before>days?|(?:{_CALENDAR})s?)"
    rf"|(?:the )?same (?P<same>days?|dates?|weekend|time|period|{_CALENDAR}) (?:of |in )?(?:the )?"
    rf"(?:(?:last|previous) (?P<u3>{_CALENDAR})|(?:a|one) (?P<u4>{_CALENDAR}) (?:ago|earlier|before))"
    rf"|(?:the )?previous (?P<u1>day|period|one|{_CALENDAR})"
    rf"|(?:the )?(?:(?:same )?(?P<u2>day|period|time|one|{_CALENDAR}) )?(?:before|earlier))(?: that| it)?"
    r"(?! \w*(?:day|last)\b)(?!\w|[-.:/']\w)",
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
    r"(?: (?:from|on|in|at|(?:the )?(?:start|beginning) of(?! (?:the|this) ))(?= ))? ",
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
        right = _stretch(found.right, replace(at, today=days.local_day(left.start, at.zone)))
    elif left.cycle and not right.cycle:
        left = _stretch(found.left, replace(at, today=days.local_day(right.end - timedelta(microseconds=1), at.zone)))
    elif right.cycle and not left.cycle:
        # The first one that follows: 'from 3 March 2025 to 9 April'.
        right = _stretch(found.right, replace(at, today=days.local_day(left.start, at.zone) + right.cycle - days.DAY))
    elif left.cycle and right.cycle and left.start >= right.end:
        earlier = _stretch(found.left, replace(at, today=days.local_day(right.start, at.zone)))
        # 'December to January' goes round the turn of the year; '9 March to 3 March' is a slip.
        if right.end - earlier.start <= (at.now + left.cycle - at.now) / 2 or left.cycle.days:
            left = earlier
    return _joined(left, right, at)


def _opened(opener: str, stretch: _Stretch, at: _At) -> _Stretch:
    tomorrow = days.midnight(at.today + days.DAY, at.zone)
    begins = stretch.start if stretch.since is None else stretch.since
    name = stretch.words or days.day_words(days.local_day(begins, at.zone), at.today)
    match opener:
        case "":
            return replace(stretch, words="") if stretch.instant else stretch
        case "from" if stretch.itself:
            return stretch
        case "until" | "till" | "til" | "up to" | "before":
            end = begins if opener == "before" else stretch.start if stretch.instant else stretch.end
            last = days.local_day(end, at.zone) - days.DAY
            aside = (
                ""
                if stretch.dated or opener == "before"
                else f" ({days.dates(last, last + days.DAY, at.today, short=True)})"
            )
            words = f"{'before' if opener == 'before' else 'until'} {name}{aside}"
            return _Stretch(days.BEGINNING, end, words, dated=True, whole=stretch.whole)
        case "after":
            start = begins if stretch.instant else stretch.end
            return _Stretch(start, max(tomorrow, start + days.QUARTER), f"after {name}", whole=stretch.whole)
        case _:
            if (name.startswith("last ") and name[5:6].isdigit()) or name == "all time":
                return stretch
            end = tomorrow if stretch.whole else max(days.quarter_ceil(at.now), begins + days.QUARTER)
            return _Stretch(begins, max(end, begins + days.QUARTER), f"since {name}", whole=stretch.whole)


def _joined(left: _Stretch, right: _Stretch, at: _At) -> _Stretch:
    start = left.start if left.since is None else left.since
    end = right.start if right.instant else right.end
    if end <= start:
        raise QuestionError("That range ends before it begins: swap its two ends.", ("last week", "last 14 days"))
    return _Stretch(start, end, "", dated=True, whole=left.whole and right.whole)


def _relative_to(match: re.Match[str], beside: Span | None, at: _At) -> _Stretch:
    word = (match["u1"] or match["u2"] or "period").lower()
    if beside is not None and match["count_before"]:
        end, step = beside.window.start, _count(match["count_before"]) * days.step(_unit(match["unit_before"]))
        return _Stretch(_earlier(end, step, at), end, "", dated=True)
    if beside is not None and match["same"]:
        step = days.step(Unit((match["u3"] or match["u4"]).lower()))
        # A week's days stay themselves: 52 weeks, not a year.
        is_of_weeks = match["same"].lower().startswith("week") and step == days.step(Unit.YEAR)
        return _shifted(beside.window, relativedelta(weeks=52) if is_of_weeks else step, at)
    if beside is None:
        # Said of nothing in particular, 'the week before' is the one before this.
        if match["count"] or match["count_before"] or match["same"] or word not in tuple(Unit):
            raise _not_understood(match[0])
        unit = Unit(word)
        return _whole(unit, days.unit_start(unit, at.today) - days.step(unit), at)
    if match["count"]:
        return _shifted(beside.window, _count(match["count"]) * days.step(_unit(match["unit"])), at)
    if word not in tuple(Unit):
        window = preceding(beside, now=at.now, zone=at.zone).window
        return _Stretch(window.start, window.end, "", dated=True)
    unit = Unit(word)
    first, after = (days.local_day(edge, at.zone) for edge in (beside.window.start, beside.window.end))
    start, step = days.unit_start(unit, first), days.step(unit)
    if (first, after) == (start, start + step) or beside.words.startswith(f"this {unit}"):
        return _whole(unit, start - step, at)
    return _shifted(beside.window, step, at)


def _shifted(window: Window, step: relativedelta, at: _At) -> _Stretch:
    start, end = (_earlier(edge, step, at) for edge in (window.start, window.end))
    return _Stretch(start, max(end, start + days.QUARTER), "", dated=True)


def _earlier(moment: datetime, step: relativedelta, at: _At) -> datetime:
    """`moment` by the local clock, `step` before. Raises QuestionError before the calendar's beginning."""
    try:
        local = moment.astimezone(at.zone).replace(tzinfo=None) - step
    except (ValueError, OverflowError):  # before the year 1
        raise _too_early() from None
    if local.year < days.BEGINNING.year:
        raise _too_early()
    return days.in_utc(local.replace(tzinfo=at.zone))


def _span(stretch: _Stretch, now: datetime, zone: ZoneInfo) -> Span:
    today = days.local_day(now, zone)
    start = max(stretch.start, days.BEGINNING)
    if start > now:
        raise QuestionError("That lies in the future: ask about a time that has begun.", ("this week", "last week"))
    end = min(
        stretch.end,
        days.midnight(today + days.DAY, zone) if stretch.whole else max(days.quarter_ceil(now), start + days.QUARTER),
    )
    if stretch.end <= days.BEGINNING:
        raise _too_early()
    if end <= start:
        raise QuestionError("That day was left out of the calendar there: ask about another.", ("last week",))
    window = Window(start, end)
    if stretch.dated and stretch.words:
        return Span(window, stretch.words)
    first, after = days.local_day(stretch.start, zone), days.local_day(end, zone)
    whole = (stretch.start, end) == (days.midnight(first, zone), days.midnight(after, zone))
    if not stretch.words:
        named = whole and start != days.BEGINNING
        return Span(window, days.calendar_words(first, after, today) if named else describe(window, zone, now))
    aside = days.dates(first, after, today, short=True) if whole else days.moments(window, zone, today, short=True)
    return Span(window, f"{stretch.words} ({aside})")


def _before(stretch: _Stretch, window: Window, at: _At) -> Span:
    if window.start == days.BEGINNING:
        raise QuestionError(
            "Nothing comes before that to compare with: name two ranges.", ("compare this month with last month",)
        )
    if not stretch.whole and stretch.step is None:
        earlier = Window(max(days.BEGINNING, window.start - (window.end - window.start)), window.start)
        return Span(earlier, describe(earlier, at.zone, at.now))
    first, after = days.local_day(window.start, at.zone), days.local_day(window.end, at.zone)
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
    if start < days.BEGINNING.date():
        raise _too_early()
    earlier = Window(*at.between(start, end))
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
            either = tuple(
                f"{day} {days.MONTHS[month - 1]} {year}" for day, month in ((first, second), (second, first))
            )
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
    if named and day.weekday() != _index(named[1], days.WEEKDAYS):
        raise QuestionError(
            f"{day.day} {days.MONTHS[day.month - 1]} {day.year} is a {days.WEEKDAYS[day.weekday()]}: "
            "check the weekday or the date.",
            (days.day_words(day, days.local_day(at.now, at.zone)),),
        )
    words = days.day_words(day, days.local_day(at.now, at.zone))
    cycle = relativedelta(years=1) if open_year else None
    return _Stretch(*at.between(day, day + days.DAY), words, dated=True, cycle=cycle)


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


def _whole(unit: Unit, start: date, at: _At) -> _Stretch:
    """The calendar unit that begins on `start`."""
    step = days.step(unit)
    words = days.calendar_words(start, start + step, days.local_day(at.now, at.zone))
    return _Stretch(*at.between(start, start + step), words, dated=True, step=step, itself=True)


def _rolling(count: int, unit: Unit, at: _At) -> _Stretch:
    """The last `count` units; the last of them is today, or ends with this quarter hour."""
    if count == 0:
        raise QuestionError("That range is empty: ask for at least one hour.", ("last 24 hours", "last 7 days"))
    if unit is Unit.WEEK:
        unit, count = Unit.DAY, count * 7
    if unit is Unit.DAY and count == 1:
        unit, count = Unit.HOUR, 24
    name = f"last {count} {unit}s" if count > 1 else f"{'last' if unit is Unit.HOUR else 'past'} {unit}"
    if unit in (Unit.MINUTE, Unit.HOUR):
        end = days.quarter_ceil(at.now)
        length = timedelta(minutes=count * (60 if unit is Unit.HOUR else 1)) // days.QUARTER * days.QUARTER
        return _Stretch(end - max(length, days.QUARTER), end, name, whole=False, itself=True)
    tomorrow = at.today + days.DAY
    shortest = {Unit.DAY: 1, Unit.MONTH: 28, Unit.QUARTER: 90, Unit.YEAR: 365}[unit]
    if count * shortest >= (tomorrow - days.BEGINNING.date()).days:
        return _Stretch(days.BEGINNING, days.midnight(tomorrow, at.zone), "all time", dated=True, itself=True)
    step = count * days.step(unit)
    return _Stretch(*at.between(tomorrow - step, tomorrow), name, step=step, itself=True)


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
    if year < days.BEGINNING.year:
        raise _too_early()
    if year > _LAST_YEAR:
        raise QuestionError("That lies in the future: ask about a time that has begun.", ("this week", "last week"))
    return year


def _floor_length(length: timedelta) -> timedelta:
    return length // days.QUARTER * days.QUARTER


# Numbers and names


def _count(word: str) -> int:
    return int(word) if word.isdigit() else _COUNTS[word.lower()]


def _unit(word: str) -> Unit:
    initial = word[:2].lower() if word[:1].lower() == "m" else word[:1].lower()
    return next(unit for unit in Unit if unit.startswith(initial))


def _counted(count: int, unit: Unit) -> str:
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


def _too_early() -> QuestionError:
    return QuestionError(f"The calendar here begins with {days.BEGINNING.year}: ask about a later time.", ("all time",))


def _not_understood(text: str) -> QuestionError:
    near = process.extract(text[:LONGEST], EXAMPLES, limit=3, score_cutoff=60)
    return QuestionError(
        "I don't know that stretch of time: try one like 'last week', 'since Monday' or '3 to 9 March'.",
        tuple(name for name, _, _ in near) or ("last week", "since Monday", "last 14 days"),
    )
