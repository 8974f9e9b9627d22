"""How a number is made, in plain words."""

from __future__ import annotations

from bot.estimates import TooFew
from bot.privacy import MINIMUM_AUTHORS
from bot.trends import Reading
from bot.wording import counted, left_out, level, listed, no_usual, not_yet, people, shortened, signed, within


def explained(reading: Reading, here: str, time: str, *, verb: str = "was") -> list[str]:
    """What the mood of a window is, who read how much of it, and what was left out and why.

    `verb` is that of `here`.
    """
    mood = reading.mood
    if isinstance(mood, TooFew):
        first = not_yet(mood, here, time)
    else:
        scored = f"{signed(mood.estimate)} on a scale from −100 to +100"
        first = f"{here} {verb} {level(mood)} {time}: {scored} ({within(mood)})."
    lines = [
        shortened(first),
        f"{_read(reading)}, which gives it a score: the chance that it is positive minus the chance that it is "
        "negative, times 100.",
        "The mood is the mean over people of each one's mean score, so one loud voice is one voice.",
        "The interval says how far it might be off, judging by how much people differ and by how conversations "
        "pull several at once: 95 of 100 such intervals hold the mood that the room has on the whole.",
    ]
    if reading.usual is not None:
        lines.append(
            f"The usual is what people wrote in {counted(reading.usual.mood.windows, 'stretch', 'stretches')} before, "
            "on the same weekdays, without the highest and the lowest. Everybody is held against themselves, so "
            "that it is no change when the gloomy are on holiday; who wrote little counts less, nobody more than two. "
            "A change is told only if chance alone would show one like it in fewer than 4 of 100 such weeks."
        )
    elif unknown := no_usual(reading):
        lines.append(f"{unknown} So no change is told.")
    if reading.left_out is not None:
        left = left_out(reading.left_out) or "nothing from bots, in other languages or still waiting"
        lines.append(f"Left out: {left}. What people wrote who opted out is kept nowhere, so it isn't counted either.")
    if reading.others:
        other = listed([f"{count:,} by {model}" for model, count in sorted(reading.others.items())])
        lines.append(f"Read by another model and never mixed in: {other}.")
    lines.append(
        f"A step of a chart with fewer than {MINIMUM_AUTHORS} people is a gap. "
        "A machine's reading misses irony and in-jokes: trust weeks, not single messages."
    )
    return lines


def _read(reading: Reading) -> str:
    if reading.mood.messages == 0:
        return "Each message is read by a model"
    read = f"{counted(reading.mood.messages, 'message')} by {people(reading.mood.people)}"
    return f"It rests on {read}, each read by {reading.model}"
