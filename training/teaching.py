"""What a larger network makes of many texts, kept in a file for the small one to learn from (Hinton et al., 2015)."""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Sequence, Set
from dataclasses import replace
from itertools import chain, compress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from rich.progress import track
from scipy.special import softmax

from bot.analysis.tokens import Vocabulary
from training import data
from training.data import Example, Opinion

if TYPE_CHECKING:
    from training.fit import Fit

TAUGHT = "taught"


def texts(folder: Path, counts: dict[str, int], seed: int) -> dict[str, list[str]]:
    """Some of the training texts and of the public chats, by file, none of which is a validation line."""
    held_out = data.held_out(folder)
    draw = random.Random(seed)
    chosen = {}
    for name, count in counts.items():
        (path,) = folder.glob(f"*/{name}.jsonl")
        found = [text for text in dict.fromkeys(data.texts(path)) if len(text.split()) > 3]
        found = list(compress(found, data.without_duplicates(found, held_out)))
        chosen[name] = draw.sample(found, min(count, len(found)))
    return chosen


@torch.inference_mode()
def teach(fit: Fit, folder: Path, counts: dict[str, int], target: Path, *, of_mood: Sequence[str] = ()) -> None:
    """Write what the network of `fit` makes of the texts: probabilities as float16, texts in the order of `texts`.

    Of the files `of_mood` its sentiment alone is taught later, not the names it finds.
    """
    longest = fit.settings["data"]["longest"]
    chosen = list(chain(*texts(folder, counts, fit.settings["run"]["seed"]).values()))
    examples = read(chosen, fit.vocabulary, longest)
    network = fit.average.eval()
    sentiment = np.zeros((len(examples), 3), np.float16)
    tags: list[Any] = [None] * len(examples)
    for indices in track(list(data.in_order(examples, 2500)), "the teacher reads"):
        with torch.autocast("cpu", torch.bfloat16):
            one, other = network(data.packed([examples[index] for index in indices], fit.begin, fit.end))
        sentiment[indices] = softmax(one.float().numpy(), -1)
        words = np.cumsum([len(examples[index].words) for index in indices])[:-1]
        for index, each in zip(indices, np.split(softmax(other.float().numpy(), -1), words), strict=True):
            tags[index] = each.astype(np.float16)
    about = json.dumps({"counts": counts, "of_mood": [*of_mood], "digest": _digest(chosen)})
    written = target.with_suffix(".new.npz")
    np.savez(written, sentiment=sentiment, tags=np.concatenate(tags), about=np.array(about))
    written.replace(target)  # that the file is there means that it is whole


def taught(
    folder: Path, opinions: Path, vocabulary: Vocabulary, longest: int, *, seed: int, held_out: Set[bytes] = frozenset()
) -> list[Example]:
    """The texts with what the teacher said of them, without those whose fingerprints are `held_out`.

    Raises ValueError if the teacher was asked about others.
    """
    held = np.load(opinions)
    if "about" not in held:
        raise ValueError(f"{opinions} doesn't say which texts it is about; delete it, and the teacher reads again")
    about = json.loads(str(held["about"]))
    by_file = texts(folder, about["counts"], seed)
    chosen = list(chain(*by_file.values()))
    if about["digest"] != _digest(chosen):
        raise ValueError(f"{opinions} is about other texts than these; delete it, and the teacher reads again")
    examples = read(chosen, vocabulary, longest)
    ends = np.cumsum([len(example.words) for example in examples])
    tags = np.split(held["tags"], ends[:-1])
    named = [name not in about["of_mood"] for name, found in by_file.items() for _ in found]
    keep = data.without_duplicates(chosen, held_out)
    return [
        replace(example, opinion=Opinion(one, other if names else None))
        for example, one, other, names, kept in zip(examples, held["sentiment"], tags, named, keep, strict=True)
        if kept and example.words
    ]


def _digest(chosen: list[str]) -> str:
    return hashlib.sha256("\0".join(chosen).encode("utf-8", "replace")).hexdigest()


def read(found: list[str], vocabulary: Vocabulary, longest: int) -> list[Example]:
    """Texts as examples without labels."""
    return [data.text_example(tokens, TAUGHT, limit=longest) for tokens in vocabulary.read(found)]
