"""Numbers, places and times as a person would say them."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from datetime import datetime, timedelta
from math import isclose
from zoneinfo import ZoneInfo

from bot.analysis import was_sent
from bot.analysis.budget import Span, Status
from bot.days import Unit, dates, local_day
from bot.estimates import Change, Mood, Share, TooFew
from bot.message import Window
from bot.question import Place, Side, Subject
from bot.store import LeftOut
from bot.trends import LEAST_EARLIER, Reading, Usual

LONGEST_SENTENCE = 200

SLIGHT = 5.0
"""Points below which a change is called slight."""

MARKED = 15.0
"""Points from which a change is called marked."""

_LANGUAGES = {
    "af": "Afrikaans", "ar": "Arabic", "az": "Azerbaijani", "be": "Belarusian", "bg": "Bulgarian", "bn": "Bengali",
    "bs": "Bosnian", "ca": "Catalan", "cs": "Czech", "cy": "Welsh", "da": "Danish", "de": "German", "el": "Greek",
    "en": "English", "eo": "Esperanto", "es": "Spanish", "et": "Estonian", "eu": "Basque", "fa": "Persian",
    "fi": "Finnish", "fr": "French", "ga": "Irish", "gl": "Galician", "gu": "Gujarati", "he": "Hebrew", "hi": "Hindi",
    "hr": "Croatian", "hu": "Hungarian", "hy": "Armenian", "id": "Indonesian", "is": "Icelandic", "it": "Italian",
    "ja": "Japanese", "ka": "Georgian", "kk": "Kazakh", "kn": "Kannada", "ko": "Korean", "la": "Latin",
    "lt": "Lithuanian", "lv": "Latvian", "mk": "Macedonian", "ml": "Malayalam", "mr": "Marathi", "ms": "Malay",
    "ne": "Nepali", "nl": "Dutch", "nn": "Norwegian", "no": "Norwegian", "pa": "Punjabi", "pl": "Polish",
    "pt": "Portuguese", "ro": "Romanian", "ru": "Russian", "si": "Sinhala", "sk": "Slovak", "sl": "Slovenian",
    "sq": "Albanian", "sr": "Serbian", "sv": "Swedish", "sw": "Swahili", "ta": "Tamil", "te": "Telugu", "th": "Thai",
    "tl": "Tagalog", "tr": "Turkish", "uk": "Ukrainian", "ur": "Urdu", "uz": "Uzbek", "vi": "Vietnamese",
    "zh": "Chinese",
}  # fmt: skip

_ADVERBS = (
    "last ",
    "this ",
    "since ",
    "until ",
    "before ",
    "after ",
    "yesterday",
    "today",
    "tomorrow",
    "the ",
    "from ",
)
_COUNTED = re.compile(r"(?:last|past) \d")
_SEVERAL_DAYS = re.compile(r"\d{1,2}–\d{1,2} ")
_A_DAY = re.compile(r"\d{1,2} [a-z]")


def signed(points: float) -> str:
    """'+9', '−4', '0'; one decimal below 1, so that an interval that excludes zero is seen to."""
    if isclose(points, 0, abs_tol=0.05):
        return "0"
    text = f"{abs(points):.1f}" if abs(points) < 0.95 else f"{abs(points):.0f}"
    return ("+" if points > 0 else "−") + text


def exactly(points: float) -> str:
    """'+9.1', '−4.0': one decimal, as the difference of two measures is told."""
    return f"{points:+.1f}".replace("-", "−")


def points(size: float) -> str:
    """'9 points', '1 point'."""
    text = signed(abs(size)).lstrip("+")
    return f"{text} point" if text == "1" else f"{text} points"


def within(estimate: Mood | Change) -> str:
    """'95 % +3 to +15'."""
    return f"95 % {span(estimate)}"


def span(estimate: Mood | Change) -> str:
    """'+3 to +15'."""
    return f"{signed(estimate.low)} to {signed(estimate.high)}"


def percent(part: float) -> str:
    """'12 %'."""
    return f"{100 * part:.0f} %"


def percents(share: Share) -> str:
    """'8 to 17 %'."""
    return f"{100 * share.low:.0f} to {100 * share.high:.0f} %"


def counted(number: int, one: str, many: str | None = None) -> str:
    """'1 message', '4,120 messages'."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def people(number: int) -> str:
    """'1 person', '23 people'."""
    return counted(number, "person", "people")


def listed(things: Sequence[str], *, most: int = 3) -> str:
    """'a', 'a and b', 'a, b and 4 more'."""
    shown = list(things[:most])
    if len(things) > most:
        shown = [*shown[: most - 1], f"{len(things) - most + 1} more"]
    return shown[0] if len(shown) == 1 else f"{', '.join(shown[:-1])} and {shown[-1]}" if shown else ""


def where(places: Sequence[Place]) -> str:
    """'#general', '#general and #random', 'every channel'."""
    return listed([f"#{place.name}" for place in places]) or "every channel"


def anywhere(places: Sequence[Place]) -> str:
    """As `where`, after a 'no' or a 'not': '#general', 'any of 3 channels', 'any channel'."""
    if len(places) > 1:
        return f"any of {len(places)} channels"
    return where(places) if places else "any channel"


def when(words: str) -> str:
    """A span's words as they follow a verb: 'last week', 'in March 2025', 'on 3 March', 'over 2–9 March'."""
    lowered = words.lower()
    if lowered == "all time":
        return "since the beginning"
    if _COUNTED.match(lowered):
        return f"in the {words}"
    if lowered.startswith(_ADVERBS):
        return words
    bare = lowered.partition(" (")[0]
    if lowered.startswith("weeks") or (lowered[0].isdigit() and " – " in bare) or _SEVERAL_DAYS.match(lowered):
        return f"over {words}"
    return f"on {words}" if _A_DAY.match(lowered) else f"in {words}"


def side(looked_at: Side) -> str:
    """'#general last week'."""
    return f"{where(looked_at.places)} {when(looked_at.span.words)}"


def asked_again(looked_at: Side) -> str:
    """The side as words that could be asked again."""
    return f"{place_again(looked_at)} {looked_at.span.words.partition(' (')[0]}"  # without its dates


def place_again(looked_at: Side) -> str:
    """The side's channels as words that could be asked again: '#general', 'everywhere'."""
    return f"#{looked_at.places[0].name}" if len(looked_at.places) == 1 else "everywhere"


def nearest(subject: Subject, last: datetime, zone: ZoneInfo, now: datetime) -> str:
    """The time to ask about where the `last` message may be old: 'last week', '8 May – 6 June 2019', '2019-W21'."""
    if now - last < timedelta(days=7):
        return "last week"
    day, today = local_day(last, zone), local_day(now, zone)
    if subject not in (Subject.DIGEST, Subject.COMPARE):
        return dates(day - timedelta(days=29), day + timedelta(days=1), today)
    # The week before the last message's is over; that one may not be.
    week, before = ((day - timedelta(weeks=back)).isocalendar() for back in (1, 2))
    words = f"{week.year}-W{week.week:02}"
    return f"{words} with {before.year}-W{before.week:02}" if subject is Subject.COMPARE else words


def level(mood: Mood) -> str:
    """A mood in words; never more than its interval carries."""
    if mood.low <= 0 <= mood.high:
        narrow = max(-mood.low, mood.high) < MARKED
        return "about neutral" if narrow else "neither clearly positive nor negative"
    size = abs(mood.estimate)
    strength = "slightly " if size < 10 else "" if size < 40 else "very "
    return strength + ("positive" if mood.estimate > 0 else "negative")


def direction(usual: Usual) -> str:
    """A change in a word: what became more or less. A rise of fewer bad words is calm, one of more good ones is bright.

    'slightly' below 5 points, 'much' from 15.
    """
    change = usual.mood.estimate
    size = "slightly " if abs(change) < SLIGHT else "much " if abs(change) >= MARKED else ""
    fewer_negative = usual.negative.estimate * (-1 if change > 0 else 1)
    more_positive = usual.positive.estimate * (1 if change > 0 else -1)
    if change > 0:
        return size + ("calmer" if fewer_negative > more_positive else "brighter")
    return size + ("tenser" if fewer_negative > more_positive else "flatter")


def was(places: Sequence[Place]) -> str:
    """The verb after `where(places)`: one channel was, several were."""
    return "were" if len(places) > 1 else "was"


def mood_sentence(reading: Reading, place: str, time: str, *, verb: str = "was", claimed: bool | None = None) -> str:
    """What a person would say of a window. A change from the usual is told only if it may be (or is `claimed`).

    `verb` is that of `place`, by `was`.
    """
    mood, usual = reading.mood, reading.usual
    if isinstance(mood, TooFew):
        return not_yet(mood, place, time)
    if usual is None:
        return f"{place} {verb} {level(mood)} {time}: mood {signed(mood.estimate)} ({within(mood)})."
    if usual.may_be_claimed if claimed is None else claimed:
        return (
            f"{place} {verb} {direction(usual)} than usual {time}: mood {signed(mood.estimate)}, "
            f"{beside(usual.mood)} people's own usual ({within(usual.mood)})."
        )
    return (
        f"{place} {verb} {level(mood)} {time}: mood {signed(mood.estimate)} ({within(mood)}), "
        f"no clear change from {'its' if verb == 'was' else 'their'} usual."
    )


def beside(change: Change) -> str:
    """'9 points above', '4 points below'."""
    return f"{points(change.estimate)} {'above' if change.estimate > 0 else 'below'}"


def compared(change: Change) -> str:
    """'9 points higher', '4 points lower'."""
    return f"{points(change.estimate)} {'higher' if change.estimate > 0 else 'lower'}"


def not_yet(few: TooFew, place: str, time: str, *, about: str = "") -> str:
    """What there is of what is needed."""
    if few.people < few.people_needed:
        return (
            f"Not yet: {few.people} of {few.people_needed} people wrote{about} in {place} {time}; "
            "with fewer, numbers would point at persons."
        )
    return f"Not yet: {few.messages} of {few.messages_needed} messages{about} in {place} {time}."


def date_of(moment: datetime, zone: ZoneInfo) -> str:
    """'3 March 2026'."""
    local = moment.astimezone(zone)
    return f"{local.day} {local:%B %Y}"


def dates_of(window: Window, zone: ZoneInfo) -> str:
    """'3 March 2026', '3 – 9 March 2026': the local days that a window touches."""
    first = window.start.astimezone(zone)
    last = (window.end - timedelta(microseconds=1)).astimezone(zone)
    if first.date() == last.date():
        return date_of(window.start, zone)
    if (first.year, first.month) == (last.year, last.month):
        return f"{first.day} – {last.day} {last:%B %Y}"
    if first.year == last.year:
        return f"{first.day} {first:%B} – {last.day} {last:%B %Y}"
    return f"{first.day} {first:%B %Y} – {last.day} {last:%B %Y}"


def step_name(window: Window, step: Unit, zone: ZoneInfo) -> str:
    """A chart's step as its alt text names it: 'Mon 14:00', 'Mon 2 March', 'the week of 2 March', 'March 2026'."""
    local = window.start.astimezone(zone)
    match step:
        case Unit.HOUR:
            return f"{local:%a %H:%M}"
        case Unit.WEEK:
            return f"the week of {local.day} {local:%B}"
        case Unit.MONTH:
            return f"{local:%B %Y}"
        case Unit.QUARTER:
            return f"Q{(local.month + 2) // 3} {local.year}"
        case _:
            return f"{local:%a} {local.day} {local:%B}"


def no_usual(reading: Reading) -> str:
    """Why a reading that has a mood has no usual; empty where it has one, or is too long to have any."""
    if reading.usual is not None or not reading.earlier or isinstance(reading.mood, TooFew):
        return ""
    if reading.usual_read_otherwise:
        return (
            "What is usual isn't known yet: the weeks before were read by another model, and `roomtone reanalyze` can "
            "read them again."
        )
    return f"What is usual isn't known yet: that takes {LEAST_EARLIER} earlier times with enough people."


def rests_on(reading: Reading, *, names: bool = False) -> str:
    """The footnote of a reading: on how much it rests, what was left out and why, who read it.

    `names`: beside it stand names, which are counted whoever read them.
    """
    parts = []
    parts.append(f"{counted(reading.mood.messages, 'message')} by {people(reading.mood.people)}")
    if not reading.complete:
        parts[0] += " so far"
    if reading.left_out is not None and (left := left_out(reading.left_out)):
        parts.append(f"left out: {left}")
    if reading.others:
        other = listed([f"{count:,} read by {model}" for model, count in sorted(reading.others.items())])
        parts.append(f"not mixed in: {other}" + (" (but names are counted whoever read them)" if names else ""))
    if reading.model is not None:
        parts.append(f"read by {reading.model}")
    sent = " For that, message text was sent, masked, to a hosted model." if _hosted(reading) else ""
    return "; ".join(parts) + "." + sent


def _hosted(reading: Reading) -> bool:
    # Names are counted whoever read them, moods by one model alone.
    return any(was_sent(model) for model in (reading.model, *reading.others) if model is not None)


def crossed(reading: Reading) -> tuple[str, ...]:
    """That a reading's time crosses a change of model, where it does."""
    if not reading.others or isinstance(reading.mood, TooFew):
        return ()
    return (
        f"More than one model read this time: the mood is that of the {counted(reading.mood.messages, 'message')} that "
        f"{reading.model} read.",
    )


def spent(status: Status) -> str:
    """'212 of 1,000 requests today (788 left), 3,400 of 30,000 requests this month (26,600 left)'."""
    return ", ".join(
        f"{line.used:,} of {line.limit:,} {line.unit} {'today' if line.span is Span.DAY else 'this month'} "
        f"({line.left:,} left)"
        for line in status.lines
        if line.limit is not None
    )


def left_out(left: LeftOut) -> str:
    """'12 from bots, 3 in French, 2 waiting to be read'; empty if nothing was."""
    parts = []
    if left.bots:
        parts.append(f"{left.bots:,} from bots")
    named = Counter[str]()
    for code, count in left.languages.items():
        named[_LANGUAGES.get(code, "")] += count
    shown = sorted((name for name in named if name), key=lambda name: (-named[name], name))[:3]
    parts += [f"{named[name]:,} in {name}" for name in shown]
    if rest := named.total() - sum(named[name] for name in shown):
        parts.append(f"{rest:,} in other languages")
    if left.waiting:
        parts.append(f"{left.waiting:,} waiting to be read")
    if left.set_aside:
        parts.append(f"{left.set_aside:,} that could not be read")
    return ", ".join(parts)


def shortened(sentence: str, limit: int = LONGEST_SENTENCE) -> str:
    """At most `limit` characters, cut at a word."""
    if len(sentence) <= limit:
        return sentence
    return sentence[: limit - 1].rsplit(" ", 1)[0].rstrip(",;: ") + "…"
