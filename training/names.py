"""`names.jsonl` from `names.toml`: sentences in which people name things, with every kind annotated.

python -m training.names
"""

from __future__ import annotations

import json
import random
import re
import tomllib
from pathlib import Path

SOURCE = Path(__file__).parent / "names.toml"
TARGET = Path(__file__).parent / "names.jsonl"
TIMES = 16  # how often each sentence is filled anew


def main() -> None:
    """Write the file anew; the same every time."""
    held = tomllib.loads(SOURCE.read_text(encoding="utf-8"))
    names = {kind: written.split("|") for kind, written in held["names"].items()}
    draw = random.Random(7)
    rows: dict[str, str] = {}
    for line in held["sentences"]["lines"].strip().splitlines():
        for _ in range(TIMES if "{" in line else 1):
            tokens, tags = _filled(line, names, draw)
            row = {"tokens": tokens, "tags": tags, "source_tags": tags, "source": "names"}
            rows[" ".join(tokens)] = json.dumps(row, ensure_ascii=False)
    lines = list(rows.values())
    draw.shuffle(lines)
    TARGET.write_text("\n".join(lines) + "\n", encoding="utf-8")
    print(f"{len(lines)} sentences → {TARGET}")


def _filled(line: str, names: dict[str, list[str]], draw: random.Random) -> tuple[list[str], list[str]]:
    tokens: list[str] = []
    tags: list[str] = []
    for word in line.split():
        slot = re.fullmatch(r"(#?)\{(\w+)\}", word)
        if slot is None:
            tokens.append(word)
            tags.append("O")
            continue
        hashed, kind = slot.groups()
        name = draw.choice(names[kind])
        article, _, rest = name.partition(" ")
        if article == "the":  # belongs to the sentence, not to the name
            tokens.append(article)
            tags.append("O")
            name = rest
        parts = ["#" + name.replace(" ", "").replace("'", "")] if hashed else name.split()
        tokens += parts
        tags += [f"B-{kind}"] + [f"I-{kind}"] * (len(parts) - 1)
    return tokens, tags


if __name__ == "__main__":
    main()
