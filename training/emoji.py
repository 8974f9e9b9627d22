"""The table of emoji short names, `bot/analysis/emoji.tsv`, from the npm package emoji-datasource (MIT).

npm pack emoji-datasource@16 && tar xzf emoji-datasource-16.*.tgz package/emoji.json
python -m training.emoji package/emoji.json
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import emoji

from bot.text import simplest

TABLE = Path(__file__).parent.parent / "bot" / "analysis" / "emoji.tsv"
NOTICE = """\
# Short names of emoji, as Slack and Discord write them between colons, and the one code point that stands for each.
# Made by training/emoji.py from emoji-datasource 16 (https://github.com/iamcal/emoji-data),
# Copyright (c) 2013 Cal Henderson, MIT License.
"""


def main(source: Path) -> None:
    """Write the table."""
    table: dict[str, str] = {}
    for data in emoji.EMOJI_DATA.items():  # names that only Discord knows
        for alias in [*data[1].get("alias", []), data[1]["en"]]:
            table[alias.strip(":").lower()] = simplest(data[0])
    for entry in json.loads(source.read_text(encoding="utf-8")):
        character = "".join(chr(int(code, 16)) for code in entry["unified"].split("-"))
        for name in entry["short_names"]:
            table[name] = simplest(character)
    extra = {"simple_smile": "🙂", "slightly_smiling": "🙂", "thumbs_up": "👍", "thumbs_down": "👎"}
    rows = sorted((table | extra).items())
    TABLE.write_text(NOTICE + "".join(f"{name}\t{one}\n" for name, one in rows), encoding="utf-8")
    print(f"{len(rows)} names → {TABLE}")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
