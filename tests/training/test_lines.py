"""The lines and labels that were made for this project, and how the training reads them."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest

torch = pytest.importorskip("torch", reason="the extra `checkpoint` isn't installed")

from tokenizers import Tokenizer  # noqa: E402

from bot.analysis.embedded import FOLDER  # noqa: E402
from bot.analysis.tokens import Vocabulary  # noqa: E402
from training import data, fit  # noqa: E402
from training.network import KINDS  # noqa: E402

DATA = Path(__file__).parents[3] / "shared" / "data"


def test_the_check_set_has_every_label_of_every_venue() -> None:
    rows = data.read_lines(data.validation(DATA, "blind"))

    counts = Counter((row["source"], row["label"]) for row in rows)
    assert set(counts) == {
        (f"blind-{venue}", label) for venue in ("tracker", "library", "review", "chat") for label in data.LABELS
    }
    assert min(counts.values()) > 0.8 * max(counts.values())


def test_no_line_of_the_check_set_is_like_one_that_is_trained_on() -> None:
    trained = [text for _, text in data.columns(fit.SPOKEN)]
    trained += [str(row["text"]) for row in data.read_lines(fit.WRITTEN)]
    held = [str(row["text"]) for row in data.read_lines(data.validation(DATA, "blind"))]

    assert not any(data.alike(held, trained, 0.4))


def test_texts_are_alike_that_share_most_of_their_words() -> None:
    texts = ["The build is RED again!", "nothing of that", "👍"]

    assert data.alike(texts, ["the build is red", "👍"], 0.6) == [True, False, False]


def test_names_are_marked_where_they_stand(tmp_path: Path) -> None:
    file = tmp_path / "lines.txt"
    file.write_text("[ada lovelace](person)'s notes [1] on [Vim](product)\nno name (here)\n", encoding="utf-8")

    first, second = data.named(file)

    assert first.text == "ada lovelace's notes [1] on Vim"
    assert [(kind, first.text[start:end]) for kind, start, end in first.spans] == [
        ("person", "ada lovelace"),
        ("product", "Vim"),
    ]
    assert (second.text, second.spans) == ("no name (here)", ())


def test_every_marked_name_of_our_lines_is_of_a_known_kind() -> None:
    lines = data.named(fit.NAMED)

    assert {kind for line in lines for kind, _, _ in line.spans} == set(KINDS)
    assert [line.text for line in lines if "](" in line.text] == []


def test_a_word_belongs_to_the_name_in_which_it_begins() -> None:
    sentence = data.Sentence("ask Ada Lovelace, of New York", (("person", 4, 16), ("location", 21, 29)), "named")
    (tokens,) = Vocabulary(Tokenizer.from_file(str(FOLDER / "tokenizer.json"))).read([sentence.text])

    example = data.sentence_example(sentence, tokens, limit=126)

    assert data.spans_of(example.tags or ()) == [("person", 1, 3), ("location", 5, 7)]


def test_a_file_of_tokens_becomes_its_text_and_the_places_of_its_names(tmp_path: Path) -> None:
    row = {"tokens": ["in", "New", "York", "now"], "tags": ["O", "B-location", "I-location", "O"]}
    (tmp_path / "btc.train.jsonl").write_text(json.dumps(row), encoding="utf-8")

    (sentence,) = data.sentences(tmp_path / "btc.train.jsonl")

    assert sentence == data.Sentence("in New York now", (("location", 3, 11),), "btc")


@pytest.mark.skipif(not DATA.exists(), reason="the data folder isn't here")
def test_labels_without_texts_find_their_texts() -> None:
    marked, heard = data.marked(DATA, fit.MARKED), data.heard(DATA, fit.HEARD)

    assert len(marked) == len(data.columns(fit.MARKED))
    assert len(heard) == len(data.columns(fit.HEARD))
    assert [each for each in marked for _, start, end in each.spans if not 0 <= start < end <= len(each.text)] == []
