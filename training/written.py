"""`written.jsonl` from `written.toml`: the project's own lines about code, with a little of the noise of chat.

python -m training.written
"""

from __future__ import annotations

import json
import random
import re
import tomllib
from pathlib import Path

SOURCE = Path(__file__).parent / "written.toml"
TARGET = Path(__file__).parent / "written.jsonl"


def main() -> None:
    """Write the file anew; the same every time."""
    held = tomllib.loads(SOURCE.read_text(encoding="utf-8"))
    draw = random.Random(4)
    lines: dict[str, str] = {}
    for label in ("negative", "neutral", "positive"):
        section = held[label]
        for line in section["lines"].strip().splitlines():
            lines[line] = label
            lines[_typed(line, draw)] = label
        for template in section["templates"].strip().splitlines():
            count, words = template.split(" ", 1)
            for _ in range(int(count)):
                lines[_typed(_filled(words, held["slots"], draw), draw)] = label
    rows = [
        json.dumps({"text": text, "label": label, "source": "written"}, ensure_ascii=False)
        for text, label in lines.items()
    ]
    draw.shuffle(rows)
    TARGET.write_text("\n".join(rows) + "\n", encoding="utf-8")
    print(f"{len(rows)} lines → {TARGET}")


def _filled(template: str, slots: dict[str, list[str]], draw: random.Random) -> str:
    while "{" in template:  # a slot may hold slots
        template = re.sub(r"\{(\w+)\}", lambda match: draw.choice(slots[match[1]]), template)
    return template


def _typed(line: str, draw: random.Random) -> str:
    """As somebody might have typed it."""
    chance = draw.random()
    if chance < 0.35:
        line = line[0].upper() + line[1:]
    elif chance < 0.55:
        line = line.lower()
    if line[-1].isalnum() and draw.random() < 0.35:
        line += draw.choice([".", ".", "...", "!" if draw.random() < 0.3 else "."])
    if draw.random() < 0.12:
        line = (
            draw.choice(
                [
                    "hi, ",
                    "hey all, ",
                    "@here ",
                    "<@U024BE7LH> ",
                    "so ",
                    "well, ",
                    "btw ",
                    "fyi ",
                    "ok so ",
                    "imo ",
                    "tbh ",
                    "I think ",
                ]
            )
            + line
        )
    return line


if __name__ == "__main__":
    main()
