"""What a teacher says of texts, and how its student hears it."""

from __future__ import annotations

import json
import random
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="the extra `checkpoint` isn't installed")

from bot.analysis.embedded import FOLDER  # noqa: E402
from training import data, fit, teaching  # noqa: E402
from training.network import TAGS  # noqa: E402

TWEETS = ["Ada is in Paris today, lovely", "what a dreadful day that was", "this one is held out, see there"]
CASE = next(text for text in data.cases() if len(text.split()) > 4)
CHATS = ["the parser in Racket is slow", "does anybody use the new compiler?"]
COUNTS = {"semeval.train": 10, "racket": 10}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A data folder of hardly any lines; one of them stands in a validation file too."""
    for name, texts in {
        "sentiment/semeval.train": [*TWEETS, CASE],
        "sentiment/tweeteval.validation": [TWEETS[2].upper()],
        "sentiment/senti4sd.validation": ["fine"],
        "chats/racket": CHATS,
    }.items():
        path = tmp_path / f"{name}.jsonl"
        path.parent.mkdir(exist_ok=True)
        path.write_text("".join(json.dumps({"text": text, "label": "neutral"}) + "\n" for text in texts), "utf-8")
    (tmp_path / "ner").mkdir()
    for name in ("wnut17", "btc", "tweebank", "stackoverflow"):
        row = {"tokens": ["in", "York"], "tags": ["O", "B-location"]}
        (tmp_path / "ner" / f"{name}.validation.jsonl").write_text(json.dumps(row) + "\n", "utf-8")
    return tmp_path


@pytest.fixture
def student(folder: Path, tmp_path: Path) -> fit.Fit:
    settings = fit.read_stages(Path(fit.__file__).parent / "stages.toml")[-1]
    settings["data"]["repeats"] = {"semeval": 1}
    return fit.Fit(folder, settings, tmp_path / "work", FOLDER)


def test_a_teacher_says_what_it_makes_of_texts_that_are_not_held_out(
    folder: Path, tmp_path: Path, student: fit.Fit
) -> None:
    teaching.teach(student, folder, COUNTS, tmp_path / "opinions.npz", of_mood=["racket"])

    case = {data.fingerprint(CASE)}
    taught = teaching.taught(folder, tmp_path / "opinions.npz", student.vocabulary, 126, seed=20261124, held_out=case)
    opinions = [(each.opinion, each) for each in taught if each.opinion is not None]
    assert len(opinions) == len(TWEETS) - 1 + len(CHATS)  # neither the held out one nor the case
    of_names = [
        (opinion.tags.shape, (len(each.words), len(TAGS))) for opinion, each in opinions if opinion.tags is not None
    ]
    assert len(of_names) == len(TWEETS) - 1
    assert all(found == expected for found, expected in of_names)
    assert {data.LABELS[int(np.argmax(opinion.sentiment))] for opinion, _ in opinions[:2]} == {"negative", "positive"}


def test_nothing_that_is_held_out_and_no_case_of_the_suite_is_trained_on(student: fit.Fit) -> None:
    assert student.corpus.removed == {"semeval": 2}
    assert len(student.corpus.train) == len(TWEETS) - 1


def test_opinions_about_other_texts_are_not_taken(folder: Path, tmp_path: Path, student: fit.Fit) -> None:
    teaching.teach(student, folder, COUNTS, tmp_path / "opinions.npz")

    with pytest.raises(ValueError, match="about other texts"):
        teaching.taught(folder, tmp_path / "opinions.npz", student.vocabulary, 126, seed=7)


def test_where_nothing_is_taught_about_names_they_stay_as_they_are(
    folder: Path, tmp_path: Path, student: fit.Fit
) -> None:
    teaching.teach(student, folder, COUNTS, tmp_path / "opinions.npz", of_mood=[*COUNTS])
    taught = teaching.taught(folder, tmp_path / "opinions.npz", student.vocabulary, 126, seed=20261124)

    student._loss(taught, random.Random(1)).backward()

    assert student.network.sentiment.weight.grad.abs().sum() > 0
    assert student.network.entities.weight.grad is None
