from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.analysis import Entity, Kind, Label
from bot.analysis.labels import Piece, Scale, Tags, explained
from bot.errors import ConfigurationError


def scale(*names: str, **given: str) -> Scale:
    return Scale.of(names, given, model="acme/mood")


def tags(*names: str, **given: str) -> Tags:
    return Tags(names, given, model="acme/names")


def pieces(text: str, *tagged: tuple[str, str]) -> list[Piece]:
    """Pieces by what they cover, found from left to right."""
    found, at = [], 0
    for written, tag in tagged:
        start = text.index(written, at)
        at = start + len(written)
        found.append(Piece(start, at, tag, 0.9))
    return found


def names(entities: tuple[Entity, ...]) -> list[tuple[str, Kind]]:
    return [(entity.text, entity.kind) for entity in entities]


BIO = tags("O", *(f"{prefix}-{kind}" for prefix in "BIESLU" for kind in ("PER", "ORG", "LOC", "MISC", "DATE")))


@pytest.mark.parametrize(
    ("labels", "meant"),
    [
        (("NEGATIVE", "POSITIVE"), {"NEGATIVE": Label.NEGATIVE, "POSITIVE": Label.POSITIVE}),
        (("Neg", "neu", "POS"), {"Neg": Label.NEGATIVE, "neu": Label.NEUTRAL, "POS": Label.POSITIVE}),
        (
            ("1 star", "2 stars", "3 stars", "4 stars", "5 stars"),
            {
                "1 star": Label.NEGATIVE,
                "2 stars": Label.NEGATIVE,
                "3 stars": Label.NEUTRAL,
                "4 stars": Label.POSITIVE,
                "5 stars": Label.POSITIVE,
            },
        ),
        (("Very Negative", "very-positive"), {"Very Negative": Label.NEGATIVE, "very-positive": Label.POSITIVE}),
    ],
)
def test_labels_that_models_are_known_to_use_are_read(labels: tuple[str, ...], meant: dict[str, Label]) -> None:
    assert scale(*labels).labels == meant


def test_a_given_map_explains_numbered_labels_and_wins_over_what_we_know() -> None:
    assert scale("LABEL_0", "LABEL_1", label_0="positive", LABEL_1="negative").labels == {
        "LABEL_0": Label.POSITIVE,
        "LABEL_1": Label.NEGATIVE,
    }
    assert scale("negative", "positive", negative="positive", positive="negative").labels["negative"] is Label.POSITIVE


@pytest.mark.parametrize("labels", [("LABEL_0", "LABEL_1"), ("toxic", "fine"), ("negative", "great")])
def test_labels_that_nobody_explains_are_refused_with_the_mend(labels: tuple[str, ...]) -> None:
    with pytest.raises(ConfigurationError, match="LABEL_0=negative"):
        scale(*labels)


@pytest.mark.parametrize("labels", [("neutral",), ("positive", "neutral"), ()])
def test_a_model_that_knows_no_negative_or_no_positive_is_no_sentiment(labels: tuple[str, ...]) -> None:
    with pytest.raises(ConfigurationError, match="is no sentiment"):
        scale(*labels)


def test_the_scores_of_labels_that_mean_the_same_are_added() -> None:
    sentiment = scale("1 star", "2 stars", "3 stars", "4 stars", "5 stars").sentiment(
        {"1 star": 0.1, "2 stars": 0.2, "3 stars": 0.3, "4 stars": 0.25, "5 stars": 0.15}
    )

    assert (sentiment.negative, sentiment.neutral, sentiment.positive) == pytest.approx((0.3, 0.3, 0.4))


@pytest.mark.parametrize(
    ("positive", "expected"),
    [
        (1.0, (0.0, 0.0, 1.0)),
        (0.5, (0.0, 1.0, 0.0)),
        (0.9, (0.0531, 0.4690, 0.4779)),  # H(0.9) = 0.46900 bits
        (0.0, (1.0, 0.0, 0.0)),
    ],
)
def test_a_model_without_a_neutral_is_as_neutral_as_it_is_undecided(
    positive: float, expected: tuple[float, float, float]
) -> None:
    two = scale("NEGATIVE", "POSITIVE")

    sentiment = two.sentiment({"NEGATIVE": 1 - positive, "POSITIVE": positive})

    assert not two.has_neutral
    assert (sentiment.negative, sentiment.neutral, sentiment.positive) == pytest.approx(expected, abs=1e-4)


def test_probability_that_an_answer_leaves_unsaid_goes_evenly_to_the_labels_it_leaves_out() -> None:
    sentiment = scale("negative", "neutral", "positive").sentiment({"positive": 0.8})

    assert (sentiment.negative, sentiment.neutral, sentiment.positive) == pytest.approx((0.1, 0.1, 0.8))


@pytest.mark.parametrize(
    "scores",
    [
        {"negative": 0.9, "neutral": 0.9, "positive": 0.9},
        {"negative": float("nan"), "positive": 0.5},
        {"negative": -0.5, "positive": 1.0},
        {"negative": 0.0, "positive": 0.0},
        {"delighted": 1.0},
        {},
    ],
)
def test_what_is_no_distribution_over_the_labels_is_refused(scores: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="scores"):
        scale("negative", "neutral", "positive").sentiment(scores)


@pytest.mark.parametrize(
    ("text", "tagged", "expected"),
    [
        # word pieces of BERT
        ("ask Ada Lovelace", [("ask", "O"), ("Ada", "B-PER"), ("Love", "I-PER"), ("lace", "I-PER")], ["Ada Lovelace"]),
        # one word, torn between two tags
        ("Jenkins is down", [("Jen", "B-ORG"), ("kins", "B-PER"), ("is", "O"), ("down", "O")], ["Jenkins"]),
        # two names side by side
        ("Ada Grace", [("Ada", "B-PER"), ("Grace", "B-PER")], ["Ada", "Grace"]),
        # IO
        ("Ada Lovelace met Grace", [("Ada", "PER"), ("Lovelace", "PER"), ("met", "O"), ("Grace", "PER")],
         ["Ada Lovelace", "Grace"]),
        # BIOES and BILOU
        ("Ada Lovelace Grace", [("Ada", "B-PER"), ("Lovelace", "E-PER"), ("Grace", "S-PER")],
         ["Ada Lovelace", "Grace"]),
        ("Ada Lovelace Grace", [("Ada", "B-PER"), ("Lovelace", "L-PER"), ("Grace", "U-PER")],
         ["Ada Lovelace", "Grace"]),
        # an inside without a beginning is a name all the same
        ("at Acme", [("at", "O"), ("Acme", "I-ORG")], ["Acme"]),
        # pieces with their leading space, as SentencePiece gives them
        ("hi Ada !", [("hi", "O"), (" Ada", "B-PER"), (" !", "O")], ["Ada"]),
        # punctuation inside of a name
        ("Jean-Luc, come", [("Jean", "B-PER"), ("-", "I-PER"), ("Luc", "I-PER"), (",", "O"), ("come", "O")],
         ["Jean-Luc"]),
        # a server that keeps back what is outside and the rest of the word
        ("so Kubernetes broke", [("Kuber", "B-MISC")], ["Kubernetes"]),
        ("so Kubernetes broke", [("netes", "I-MISC")], ["Kubernetes"]),
        # Han has no spaces: characters are words of their own, and one name may be many
        ("我在北京工作", [("我", "O"), ("在", "O"), ("北", "B-LOC"), ("京", "I-LOC"), ("工", "O"), ("作", "O")],
         ["北京"]),
        # right to left
        ("אני גר בתל אביב", [("בתל", "B-LOC"), ("אביב", "I-LOC")], ["בתל אביב"]),
        ("أعيش في القاهرة", [("القا", "B-LOC"), ("هرة", "I-LOC")], ["القاهرة"]),
        # a combining accent belongs to its letter, an emoji's parts to each other
        ("Jose\u0301 is here", [("Jose", "B-PER")], ["Jose\u0301"]),
        ("🎉Ada🎉", [("🎉", "O"), ("Ada", "B-PER"), ("🎉", "O")], ["Ada"]),
        # quantities and times are no names
        ("on Monday", [("on", "O"), ("Monday", "B-DATE")], []),
    ],
)  # fmt: skip
def test_pieces_become_whole_names(text: str, tagged: list[tuple[str, str]], expected: list[str]) -> None:
    entities = BIO.entities(text, pieces(text, *tagged))

    assert [entity.text for entity in entities] == expected
    assert all(text[entity.start : entity.end] == entity.text for entity in entities)


def test_byte_level_pieces_of_one_emoji_count_once() -> None:
    text = "👩‍💻 Ada"
    four = [Piece(0, 1, "O", 0.9)] * 3 + [Piece(2, 3, "O", 0.9), Piece(4, 7, "B-PER", 0.7)]

    assert names(BIO.entities(text, four)) == [("Ada", Kind.PERSON)]


def test_the_confidence_of_a_name_is_the_mean_of_its_words() -> None:
    found = BIO.entities("Ada Lovelace", [Piece(0, 3, "B-PER", 0.9), Piece(4, 12, "I-PER", 0.5)])

    assert [entity.confidence for entity in found] == [pytest.approx(0.7)]


def test_types_are_read_as_our_kinds_and_unknown_ones_are_other() -> None:
    types = {"PER": Kind.PERSON, "GPE": Kind.LOCATION, "corporation": Kind.ORGANIZATION, "PRODUCT": Kind.PRODUCT,
             "WORK_OF_ART": Kind.WORK, "MISC": Kind.OTHER, "Disease": Kind.OTHER}  # fmt: skip
    reader = tags("O", *types)

    found = [reader.entities("Rome", [Piece(0, 4, name, 1.0)])[0].kind for name in types]

    assert found == list(types.values())


def test_a_given_map_explains_numbered_tags_and_can_silence_a_type() -> None:
    reader = tags("LABEL_0", "LABEL_1", "B-EVENT", LABEL_0="", LABEL_1="person", event="")

    text = "at Ada party"
    found = reader.entities(text, pieces(text, ("at", "LABEL_0"), ("Ada", "LABEL_1"), ("party", "B-EVENT")))

    assert names(found) == [("Ada", Kind.PERSON)]


def test_numbered_tags_that_nobody_explains_are_refused_with_the_mend() -> None:
    with pytest.raises(ConfigurationError, match="LABEL_1=person"):
        tags("LABEL_0", "LABEL_1")


def test_a_kind_that_does_not_exist_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="kinds are person"):
        tags("B-PER", per="human")


@pytest.mark.parametrize("piece", [Piece(0, 99, "B-PER", 1.0), Piece(-1, 2, "B-PER", 1.0), Piece(0, 3, "B-ALIEN", 1.0)])
def test_pieces_that_cannot_be_are_refused(piece: Piece) -> None:
    with pytest.raises(ValueError, match="piece"):
        BIO.entities("Ada", [piece])


@given(
    text=st.text(alphabet=st.sampled_from("aé\u0301 -日ก🎉‍א\ud800\n"), max_size=20),
    cuts=st.lists(
        st.tuples(st.integers(0, 20), st.integers(0, 20), st.sampled_from(["O", "B-PER", "I-PER", "I-LOC"])),
        max_size=10,
    ),
)
def test_whatever_the_pieces_names_are_ascending_apart_and_cut_from_the_text(
    text: str, cuts: list[tuple[int, int, str]]
) -> None:
    ends = [(min(a, len(text)), min(b, len(text)), tag) for a, b, tag in cuts]
    given = [Piece(min(a, b), max(a, b), tag, 0.5) for a, b, tag in ends]

    found = BIO.entities(text, given)

    assert all(entity.text == text[entity.start : entity.end] and entity.text.strip() for entity in found)
    assert all(before.end <= after.start for before, after in pairwise(found))
    assert all(0 <= entity.confidence <= 1 for entity in found)


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("", {}),
        ("LABEL_0=negative,LABEL_1=positive", {"LABEL_0": "negative", "LABEL_1": "positive"}),
        (" 1 star = negative , LABEL_1= ,", {"1 star": "negative", "LABEL_1": ""}),
    ],
)
def test_a_map_of_labels_is_read_as_people_write_it(written: str, meant: dict[str, str]) -> None:
    assert explained(written) == meant


@pytest.mark.parametrize("written", ["negative", "LABEL_0=negative,positive", "=negative"])
def test_a_map_of_labels_that_is_none_is_refused(written: str) -> None:
    with pytest.raises(ConfigurationError, match="LABEL_0=negative"):
        explained(written)
