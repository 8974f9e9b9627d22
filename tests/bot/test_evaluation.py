"""Scores, intervals and comparisons, against examples worked by hand."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from io import StringIO
from itertools import count
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from bot.analysis import Analysis, Entity, Kind
from bot.errors import ImportFileError, Refused, Unavailable
from bot.evaluation import Labelled, compare, evaluate, measures, read_lines
from bot.evaluation.measures import Span
from bot.evaluation.picture import picture
from bot.evaluation.report import show_comparison, show_evaluation
from tests.examples import ANGRY, CALM, GLAD, an_analysis, an_entity

MOODS = {"negative": ANGRY, "neutral": CALM, "positive": GLAD}


class Scripted:
    """Reads each text as `answers` say; any other as calm and without names."""

    def __init__(self, answers: Mapping[str, Analysis], *, model: str = "scripted 1") -> None:
        self.answers = answers
        self.model = model
        self.asked: list[str] = []

    async def analyze(self, texts: Sequence[str], /) -> Sequence[Analysis]:
        self.asked += texts
        return [self.answers.get(text, an_analysis(model=self.model)) for text in texts]


def a_file(tmp_path: Path, *lines: Mapping[str, object] | str) -> Path:
    path = tmp_path / "own.jsonl"
    path.write_text("".join((line if isinstance(line, str) else json.dumps(line)) + "\n" for line in lines))
    return path


def labelled(tmp_path: Path, *pairs: tuple[str, str]) -> Labelled:
    """Lines of an annotated label and, as their text, what Scripted is to read."""
    return read_lines(a_file(tmp_path, *({"text": text, "label": label} for text, label in pairs)))


def reading_as_told(*texts: str, model: str = "scripted 1") -> Scripted:
    """Reads a text whose first word is a label as that label."""
    return Scripted({t: an_analysis(MOODS[t.split()[0]], model=model) for t in texts}, model=model)


def shown(renderable: object) -> str:
    out = StringIO()
    Console(file=out, width=140, color_system=None).print(renderable)
    return out.getvalue()


# Confusions: 4 negative (3 right, 1 read as neutral), 4 neutral (2 right, 2 read as positive), 2 positive (1 not read).
CONFUSION = np.array([[3, 1, 0, 0], [0, 2, 2, 0], [0, 0, 1, 1]])


def test_recall_precision_and_f1_of_each_label_are_those_worked_by_hand() -> None:
    assert measures.recalls(CONFUSION).tolist() == [0.75, 0.5, 0.5]
    assert measures.precisions(CONFUSION).tolist() == pytest.approx([1, 2 / 3, 1 / 3])
    assert measures.f1s(CONFUSION).tolist() == pytest.approx([6 / 7, 4 / 7, 2 / 5])


def test_macro_means_weigh_each_label_the_same() -> None:
    assert measures.macro_recall(CONFUSION) == pytest.approx((0.75 + 0.5 + 0.5) / 3)
    assert measures.macro_f1(CONFUSION) == pytest.approx((6 / 7 + 4 / 7 + 2 / 5) / 3)
    assert measures.accuracy(CONFUSION) == pytest.approx(6 / 10)


def test_a_label_that_no_line_has_stays_out_of_the_macro_means() -> None:
    confusion = np.array([[3, 1, 0, 0], [0, 0, 0, 0], [0, 0, 2, 0]])

    assert measures.macro_recall(confusion) == pytest.approx((0.75 + 1) / 2)
    assert measures.macro_f1(confusion) == pytest.approx((6 / 7 + 1) / 2)


@pytest.mark.parametrize(
    ("tags", "spans"),
    [
        ("O B-person I-person O", [Span(1, 3, Kind.PERSON)]),
        ("B-person B-person", [Span(0, 1, Kind.PERSON), Span(1, 2, Kind.PERSON)]),
        ("B-person I-location", [Span(0, 1, Kind.PERSON), Span(1, 2, Kind.LOCATION)]),
        ("O I-work I-work", [Span(1, 3, Kind.WORK)]),
        ("I-work O I-work", [Span(0, 1, Kind.WORK), Span(2, 3, Kind.WORK)]),
        ("O O", []),
        ("", []),
    ],
)
def test_tags_become_spans_as_seqeval_reads_them(tags: str, spans: list[Span]) -> None:
    assert list(measures.tagged_spans(tags.split())) == spans


TOKENS = ("Maria", "Lopez", "'s", "flat", "in", "New", "York")
SENTENCE = " ".join(TOKENS)


def named(words: str, kind: Kind) -> Entity:
    return an_entity(words, kind, SENTENCE.index(words))


MARIA = named("Maria Lopez", Kind.PERSON)
NEW_YORK = named("New York", Kind.LOCATION)


@pytest.mark.parametrize(
    ("entities", "spans"),
    [
        ([MARIA], [Span(0, 2, Kind.PERSON)]),
        ([named("York", Kind.LOCATION)], [Span(6, 7, Kind.LOCATION)]),
        ([NEW_YORK, named("Maria", Kind.PERSON)], [Span(0, 1, Kind.PERSON), Span(5, 7, Kind.LOCATION)]),
        ([named("opez '", Kind.PERSON)], [Span(1, 3, Kind.PERSON)]),  # any part of a token stands for the token
        ([MARIA, named("Lopez 's", Kind.WORK)], [Span(0, 2, Kind.PERSON), Span(2, 3, Kind.WORK)]),
        ([MARIA, named("Lopez", Kind.WORK)], [Span(0, 2, Kind.PERSON)]),
        ([], []),
    ],
)
def test_code_point_spans_find_their_tokens(entities: list[Entity], spans: list[Span]) -> None:
    assert list(measures.predicted_spans(TOKENS, entities)) == spans


@given(
    st.lists(st.sampled_from(["O", *(f"{p}-{k}" for p in "BI" for k in ("person", "work"))]), min_size=1, max_size=12)
)
def test_a_reader_that_names_exactly_the_tagged_spans_gets_them_all_back(tags: list[str]) -> None:
    tokens = [f"w{n}é" * (1 + n % 3) for n in range(len(tags))]
    starts = [len(" ".join([*tokens[:n], ""])) for n in range(len(tokens))]
    spans = measures.tagged_spans(tags)
    entities = [
        an_entity(" ".join(tokens[span.start : span.end]), span.kind, starts[span.start]) for span in reversed(spans)
    ]

    assert measures.predicted_spans(tokens, entities) == spans


def test_a_span_counts_only_whole_and_with_its_kind() -> None:
    gold = [Span(0, 2, Kind.PERSON), Span(4, 5, Kind.LOCATION), Span(6, 7, Kind.LOCATION)]
    predicted = [Span(0, 1, Kind.PERSON), Span(4, 5, Kind.LOCATION), Span(6, 7, Kind.PERSON), Span(8, 9, Kind.WORK)]

    counts = measures.span_counts(gold, predicted, [Kind.PERSON, Kind.LOCATION])

    assert counts.tolist() == [[0, 2, 1], [1, 0, 1]]
    assert measures.span_f1(counts.sum(axis=0)) == pytest.approx(2 * 1 / (2 * 1 + 2 + 2))
    assert measures.span_precision(counts).tolist() == [0, 1]
    assert measures.span_recall(counts).tolist() == [0, 0.5]


def test_nothing_of_nothing_is_zero_as_in_seqeval() -> None:
    nothing = np.zeros((1, 3), dtype=np.int64)

    assert measures.span_f1(nothing).tolist() == [0]
    assert measures.span_precision(nothing).tolist() == [0]


def test_the_calibration_error_is_the_mean_gap_weighted_by_lines() -> None:
    # Three lines at 0.9 of which one is right: gap 0.9 - 1/3. One line at 0.5 and right: gap 0.5.
    calibration = measures.calibration([0.9, 0.9, 0.9, 0.5], [True, False, False, True], bins=10)

    assert calibration.error == pytest.approx((3 * (0.9 - 1 / 3) + 0.5) / 4)
    assert [bin.lines for bin in calibration.bins] == [1, 3]


def test_certainty_falls_into_the_last_bin_and_zero_into_the_first() -> None:
    calibration = measures.calibration([0.0, 1.0], [False, True], bins=4)

    assert [(bin.low, bin.high) for bin in calibration.bins] == [(0, 0.25), (0.75, 1)]
    assert calibration.error == 0


def test_resampling_keeps_the_number_of_lines_and_their_mean() -> None:
    outcomes = np.array([[1, 0]] * 30 + [[0, 1]] * 70)

    again = measures.resampled(outcomes, resamples=4000, seed=1)

    assert set(again.sum(axis=1).tolist()) == {100}
    assert again[:, 0].mean() == pytest.approx(30, abs=0.5)
    assert again[:, 0].std() == pytest.approx((100 * 0.3 * 0.7) ** 0.5, rel=0.05)


def test_mcnemar_is_the_exact_binomial_test_of_the_lines_that_only_one_got_right() -> None:
    assert measures.mcnemar(1, 9) == pytest.approx(2 * (1 + 10) / 2**10)
    assert measures.mcnemar(5, 5) == 1
    assert measures.mcnemar(0, 0) == 1


def test_a_share_at_the_edge_has_the_exact_interval_of_its_trials() -> None:
    assert measures.interval_at_the_edge(1, 10) == pytest.approx((0.6915, 1), abs=1e-4)
    assert measures.interval_at_the_edge(0, 10) == pytest.approx((0, 0.3085), abs=1e-4)
    assert measures.interval_at_the_edge(0, 0) == (0, 1)


def test_swapped_answers_are_as_far_apart_as_coins_make_them() -> None:
    # Of ten lines, seven that only the second reader has right: the difference is 7 less twice a binomial number.
    first = np.array([[0]] * 7 + [[1]] * 3)
    second = np.ones((10, 1), dtype=np.int64)

    one, other = measures.swapped(first, second, times=20_000, seed=1)

    assert set((one + other).ravel().tolist()) == {13}
    differences = (other - one)[:, 0].astype(float)
    assert measures.permutation_probability(7, differences) == pytest.approx(2 / 2**7, abs=0.003)
    assert measures.permutation_probability(0, differences) == 1
    assert measures.permutation_probability(7, np.zeros(999)) == pytest.approx(1 / 1000)


def test_two_readers_alike_are_told_apart_no_oftener_than_promised() -> None:
    """Even where one label has six lines of 300; drawing lines again would claim a difference in 12 of 100 files."""
    draw = np.random.default_rng(5)
    gold = np.array([0] * 6 + [1] * 294)
    claimed = 0
    for seed in range(400):
        cells = []
        for _ in range(2):
            read = np.where(draw.random(300) < 0.7, gold, 1 - gold)
            cells.append(np.eye(4, dtype=np.int64)[2 * gold + read])
        recalls = [measures.macro_recall(each.sum(0).reshape(2, 2)) for each in cells]
        again = [
            measures.macro_recall(each.reshape(-1, 2, 2)) for each in measures.swapped(*cells, times=400, seed=seed)
        ]
        claimed += measures.permutation_probability(float(recalls[1] - recalls[0]), again[1] - again[0]) < 0.05

    assert claimed <= 30  # of 400; 20 are expected, and more than 30 in one of a hundred runs


async def test_an_evaluation_has_the_confusion_and_the_measures_of_the_lines(tmp_path: Path) -> None:
    lines = labelled(
        tmp_path,
        ("negative 1", "negative"),
        ("neutral 2", "negative"),
        ("neutral 3", "neutral"),
        ("positive 4", "positive"),
    )

    evaluation = await evaluate(reading_as_told(*(line.text for line in lines.sentiment)), lines)

    scores = evaluation.sentiment
    assert scores is not None
    assert scores.labels == ("negative", "neutral", "positive")
    assert scores.confusion == ((1, 1, 0, 0), (0, 1, 0, 0), (0, 0, 1, 0))
    assert scores.macro_recall.value == pytest.approx((0.5 + 1 + 1) / 3)
    assert scores.accuracy.value == 0.75
    assert scores.accuracy.low < 0.75 < scores.accuracy.high <= 1
    # Sure at 0.85, 0.8, 0.8 and 0.8; only one of the 0.8s is wrong.
    assert scores.calibration.error == pytest.approx((0.15 + 3 * abs(2 / 3 - 0.8)) / 4)
    assert evaluation.entities is None


async def test_the_same_seed_gives_the_same_intervals(tmp_path: Path) -> None:
    lines = labelled(tmp_path, *((f"{read} {n}", "neutral") for n in range(9) for read in ("neutral", "positive")))
    reader = reading_as_told(*(line.text for line in lines.sentiment))
    ticks = count()

    first, again = [await evaluate(reader, lines, seed=3, clock=lambda: next(ticks)) for _ in range(2)]

    assert first == again


async def test_a_file_of_complaints_and_the_rest_is_judged_by_two_labels(tmp_path: Path) -> None:
    lines = labelled(
        tmp_path, ("negative 1", "negative"), ("positive 2", "negative"), ("positive 3", "non-negative"),
        ("neutral 4", "non-negative"), ("negative 5", "non-negative"), ("neutral 6", "neutral"),
    )  # fmt: skip

    evaluation = await evaluate(reading_as_told(*(line.text for line in lines.sentiment)), lines)

    scores = evaluation.sentiment
    assert scores is not None
    assert scores.labels == ("negative", "non-negative")
    assert scores.confusion == ((1, 1, 0), (1, 3, 0))
    assert scores.macro_recall.value == pytest.approx((1 / 2 + 3 / 4) / 2)


async def test_a_line_in_a_language_that_is_not_read_is_a_miss_and_is_counted(tmp_path: Path) -> None:
    lines = labelled(tmp_path, ("positive", "positive"), ("wunderbar", "positive"))
    reader = Scripted({"positive": an_analysis(GLAD), "wunderbar": an_analysis(None, language="de")})

    evaluation = await evaluate(reader, lines)

    assert evaluation.sentiment is not None
    assert evaluation.sentiment.not_read == 1
    assert evaluation.sentiment.macro_recall.value == 0.5
    assert [bin.lines for bin in evaluation.sentiment.calibration.bins] == [1]
    assert "count as missed: 1" in shown(show_evaluation(evaluation))


@pytest.mark.parametrize(("times", "interval"), [(9, False), (10, True)])
async def test_few_lines_have_no_interval_and_a_label_without_any_has_no_score(
    tmp_path: Path, times: int, interval: bool
) -> None:
    texts = [f"{label} {n}" for label in ("negative", "positive") for n in range(times)]
    lines = labelled(tmp_path, *((text, text.split()[0]) for text in texts))

    report = shown(show_evaluation(await evaluate(reading_as_told(*texts), lines, resamples=50)))

    (recall,) = [line for line in report.splitlines() if line.strip().startswith("macro-recall")]
    (neutral,) = [line for line in report.splitlines() if line.strip().startswith("neutral")]
    assert ("69.2 … 100.0" in recall, "too few" in recall) == (interval, not interval)
    assert neutral.split()[-3:] == ["–", "–", "–"]


def entity_lines(tmp_path: Path) -> Labelled:
    return read_lines(
        a_file(
            tmp_path,
            {"tokens": list(TOKENS), "tags": ["B-person", "I-person", "O", "O", "O", "B-location", "I-location"]},
            {"tokens": ["İzmir", "is", "nice"], "tags": ["B-location", "O", "O"]},
            {"tokens": ["no", "name"], "tags": ["O", "O"]},
        )
    )


async def test_entities_are_scored_by_kind_and_only_in_kinds_that_the_file_annotates(tmp_path: Path) -> None:
    reader = Scripted(
        {
            SENTENCE: an_analysis(
                CALM, named("Maria Lopez", Kind.PERSON), named("flat", Kind.PRODUCT), named("York", Kind.LOCATION)
            ),
            "İzmir is nice": an_analysis(CALM, an_entity("İzmir", Kind.LOCATION)),
        }
    )

    evaluation = await evaluate(reader, entity_lines(tmp_path))

    scores = evaluation.entities
    assert scores is not None
    assert [(kind.kind, kind.precision, kind.recall, kind.spans, kind.predicted) for kind in scores.by_kind] == [
        (Kind.PERSON, 1, 1, 1, 1),
        (Kind.LOCATION, 0.5, 0.5, 2, 2),
    ]
    assert scores.f1.value == pytest.approx(2 / 3)
    assert evaluation.sentiment is None


async def test_a_mean_over_labels_that_are_all_at_the_edge_is_not_without_doubt(tmp_path: Path) -> None:
    lines = labelled(tmp_path, *((f"neutral {n}", ("negative", "neutral")[n % 2]) for n in range(20)))

    evaluation = await evaluate(reading_as_told(*(line.text for line in lines.sentiment)), lines)

    assert evaluation.sentiment is not None
    recall = evaluation.sentiment.macro_recall
    assert (recall.low, recall.value, recall.high) == pytest.approx((0.3457, 0.5, 0.6543), abs=1e-4)


async def test_names_of_one_line_are_one_witness(tmp_path: Path) -> None:
    line = {"tokens": ["Ada"] * 5, "tags": ["B-person"] * 5}
    lines = read_lines(a_file(tmp_path, *[line] * 4))
    found = [an_entity("Ada", Kind.PERSON, 4 * n) for n in range(5)]

    entities = (await evaluate(Scripted({"Ada Ada Ada Ada Ada": an_analysis(CALM, *found)}), lines)).entities

    assert entities is not None
    assert entities.f1.low == pytest.approx(0.025 ** (1 / 4))


async def test_few_names_of_a_kind_have_no_interval(tmp_path: Path) -> None:
    berlin = {"tokens": ["Berlin"], "tags": ["B-location"]}
    maria = {"tokens": ["Maria"], "tags": ["B-person"]}
    lines = read_lines(a_file(tmp_path, *[berlin] * 10, *[maria] * 9))
    reader = Scripted({"Berlin": an_analysis(CALM, an_entity("Berlin", Kind.LOCATION))})

    report = shown(show_evaluation(await evaluate(reader, lines, resamples=50)))

    said = {line.split()[0]: line for line in report.splitlines() if line.strip()}
    assert "69.2 … 100.0" in said["location"]
    assert "too few" in said["person"]
    assert " … " in said["all"]


async def test_lower_cased_texts_are_read_and_their_spans_still_meet_their_tokens(tmp_path: Path) -> None:
    izmir = "İzmir".lower()  # one code point longer
    reader = Scripted({f"{izmir} is nice": an_analysis(CALM, an_entity(izmir, Kind.LOCATION))})

    evaluation = await evaluate(reader, entity_lines(tmp_path), lower_cased=True)

    assert evaluation.entities is not None
    assert evaluation.entities.by_kind[1].recall == 0.5
    assert not any(text != text.lower() for text in reader.asked[1:])


async def test_the_words_of_a_line_are_kept_only_when_asked_for(tmp_path: Path) -> None:
    lines = labelled(tmp_path, ("positive secret", "negative"), ("negative plan", "neutral"))
    reader = reading_as_told("positive secret", "negative plan")

    quiet = await evaluate(reader, lines)
    loud = await evaluate(reader, lines, misses=1)

    assert quiet.misses == ()
    assert "secret" not in repr(quiet) + repr(lines) + json.dumps(quiet.as_json()) + shown(show_evaluation(quiet))
    assert [(miss.number, miss.text, miss.annotated, miss.read) for miss in loud.misses] == [
        (2, "negative plan", "neutral", "negative, 85% sure")
    ]
    assert "negative plan" in shown(show_evaluation(loud))


async def test_wrong_names_are_told_with_what_was_annotated_and_read(tmp_path: Path) -> None:
    reader = Scripted({SENTENCE: an_analysis(CALM, named("Maria", Kind.PERSON), named("New York", Kind.LOCATION))})

    evaluation = await evaluate(reader, entity_lines(tmp_path), misses=1)

    assert [(miss.number, miss.annotated, miss.read) for miss in evaluation.misses] == [
        (1, "Maria Lopez (person), New York (location)", "Maria (person), New York (location)")
    ]


async def test_names_in_a_language_that_is_not_read_are_missed_and_the_report_says_why(tmp_path: Path) -> None:
    lines = read_lines(a_file(tmp_path, {"tokens": ["Grüße", "aus", "Ulm"], "tags": ["O", "O", "B-location"]}))
    reader = Scripted({"Grüße aus Ulm": an_analysis(None, language="de")})

    evaluation = await evaluate(reader, lines)

    assert evaluation.entities is not None
    assert (evaluation.entities.not_read, evaluation.entities.recall.value) == (1, 0)
    assert "count as missed: 1" in shown(show_evaluation(evaluation))


async def test_where_nothing_was_read_there_is_no_calibration(tmp_path: Path) -> None:
    lines = labelled(tmp_path, *((f"wunderbar {n}", "positive") for n in range(12)))
    reader = Scripted({line.text: an_analysis(None, language="de") for line in lines.sentiment})

    evaluation = await evaluate(reader, lines)

    assert evaluation.sentiment is not None
    assert evaluation.sentiment.calibration.error is None
    assert re.search(r"calibration error +–", shown(show_evaluation(evaluation)))
    assert re.search(r"calibration error +– +– +–", shown(show_comparison(await compare(reader, reader, lines))))
    assert picture(evaluation).startswith(b"\x89PNG")


async def test_a_text_that_is_refused_costs_only_itself(tmp_path: Path) -> None:
    class Choosy(Scripted):
        batches = 0

        async def analyze(self, texts: Sequence[str], /) -> Sequence[Analysis]:
            self.batches += 1
            if "negative 1" in texts:
                raise Refused("not this one")
            return await super().analyze(texts)

    texts = ["neutral 0", "negative 1", "positive 2", *(f"neutral {n}" for n in range(3, 64))]
    lines = labelled(tmp_path, *((text, text.split()[0]) for text in texts))
    reader = Choosy(reading_as_told(*texts).answers)

    evaluation = await evaluate(reader, lines)

    assert evaluation.sentiment is not None
    assert evaluation.sentiment.confusion == ((0, 0, 0, 1), (0, 62, 0, 0), (0, 0, 1, 0))
    assert evaluation.model == "scripted 1"
    assert reader.batches <= 1 + 2 * 6 + 1  # the batch and its halves down to one text; not text by text


async def test_speed_leaves_the_loading_out_and_progress_is_told(tmp_path: Path) -> None:
    lines = labelled(tmp_path, *((f"neutral {n}", "neutral") for n in range(5)))
    reader = reading_as_told()
    ticks = count()
    progress: list[int] = []

    evaluation = await evaluate(reader, lines, batch=2, progress=progress.append, clock=lambda: 2.0 * next(ticks))

    assert evaluation.speed.per_second == 2.5
    assert progress == [2, 2, 1]
    assert len(reader.asked) == 6


async def test_an_analyzer_that_cannot_read_says_so_itself(tmp_path: Path) -> None:
    class Down:
        async def analyze(self, texts: Sequence[str], /) -> Sequence[Analysis]:
            raise Unavailable("try again later")

    with pytest.raises(Unavailable, match="later"):
        await evaluate(Down(), labelled(tmp_path, ("a", "neutral")))


async def test_a_reader_that_is_right_more_often_is_better_in_a_sentence(tmp_path: Path) -> None:
    lines = labelled(tmp_path, *((f"neutral {n}", "positive" if n % 2 else "neutral") for n in range(40)))
    texts = [line.text for line in lines.sentiment]
    weak = reading_as_told(*texts, model="weak 1")
    strong = Scripted(
        {line.text: an_analysis(MOODS[line.label], model="strong 2") for line in lines.sentiment}, model="strong 2"
    )

    comparison = await compare(weak, strong, lines, seed=1)

    recall, accuracy = comparison.tests
    assert (recall.measure, recall.first, recall.second, recall.difference.value) == ("macro-recall", 0.5, 1, 0.5)
    assert recall.difference.low > 0.4
    assert recall.verdict.startswith("strong 2 reads these lines better than weak 1: macro-recall 50.0% and 100.0%")
    assert accuracy.p == pytest.approx(2 / 2**20)
    assert "p < 0.001, McNemar's exact test over 40 lines" in accuracy.verdict


async def test_two_readers_that_differ_by_chance_are_not_called_better(tmp_path: Path) -> None:
    lines = labelled(tmp_path, *((f"{n}", "neutral") for n in range(20)))
    one = Scripted({"1": an_analysis(GLAD)}, model="same 1")
    other = Scripted({"2": an_analysis(GLAD), "3": an_analysis(GLAD)}, model="same 1")
    for reader in (one, other):
        reader.answers = {text: an_analysis(a.sentiment, model="same 1") for text, a in reader.answers.items()}

    comparison = await compare(one, other, lines)

    assert [test.verdict.split(":")[0] for test in comparison.tests] == [
        "same 1 (A) is not shown to read these lines better than same 1 (B)"
    ] * 2


async def test_nothing_is_claimed_of_a_handful_of_lines(tmp_path: Path) -> None:
    lines = labelled(tmp_path, *((f"neutral {n}", "positive") for n in range(9)))
    weak = reading_as_told(*(line.text for line in lines.sentiment), model="weak 1")
    strong = Scripted({line.text: an_analysis(GLAD, model="strong 2") for line in lines.sentiment}, model="strong 2")

    comparison = await compare(weak, strong, lines, seed=1)

    accuracy = comparison.tests[-1]
    assert accuracy.p < 0.05
    assert accuracy.verdict == (
        "Too little to tell strong 2 from weak 1: accuracy 0.0% and 100.0%, a difference of +100.0 points over 9 "
        "lines; 10 are the fewest."
    )
    assert re.search(r"accuracy .* \+100\.0 +too few", shown(show_comparison(comparison)))


async def test_nothing_is_claimed_of_a_mean_over_labels_one_of_which_is_rare(tmp_path: Path) -> None:
    lines = labelled(tmp_path, *((f"neutral {n}", "negative" if n < 9 else "neutral") for n in range(60)))
    weak = reading_as_told(*(line.text for line in lines.sentiment), model="weak 1")
    strong = Scripted(
        {line.text: an_analysis(MOODS[line.label], model="strong 2") for line in lines.sentiment}, model="strong 2"
    )

    recall, accuracy = (await compare(weak, strong, lines)).tests

    assert not recall.enough
    assert "over 60 lines with 9 in the rarest label; 10 are the fewest." in recall.verdict
    assert accuracy.enough


async def test_nothing_is_claimed_of_a_handful_of_names(tmp_path: Path) -> None:
    lines = read_lines(
        a_file(
            tmp_path, *({"tokens": [f"{n}", "here"], "tags": ["B-person" if n < 9 else "O", "O"]} for n in range(20))
        )
    )
    right = {f"{n} here": an_analysis(CALM, an_entity(f"{n}", Kind.PERSON, 0), model="b") for n in range(9)}

    comparison = await compare(Scripted({}, model="a"), Scripted(right, model="b"), lines)

    (test,) = comparison.tests
    assert not test.enough
    assert "over 20 lines with 9 names; 10 are the fewest." in test.verdict


async def test_names_are_compared_on_the_same_lines_too(tmp_path: Path) -> None:
    right = an_analysis(CALM, named("Maria Lopez", Kind.PERSON), named("New York", Kind.LOCATION), model="b")

    comparison = await compare(Scripted({}, model="a"), Scripted({SENTENCE: right}, model="b"), entity_lines(tmp_path))

    (test,) = comparison.tests
    assert (test.measure, test.first) == ("entity F1", 0)
    assert test.second == pytest.approx(0.8)
    assert test.difference.low <= 0.8 <= test.difference.high


async def test_a_difference_has_its_sign_as_moods_have(tmp_path: Path) -> None:
    right = an_analysis(CALM, named("Maria Lopez", Kind.PERSON), named("New York", Kind.LOCATION), model="b")

    comparison = await compare(Scripted({SENTENCE: right}, model="b"), Scripted({}, model="a"), entity_lines(tmp_path))

    assert "a difference of −80.0 points" in comparison.tests[0].verdict
    assert " −80.0 " in shown(show_comparison(comparison)).partition("a difference of")[0]


def test_tags_of_another_scheme_beside_a_label_are_left_out(tmp_path: Path) -> None:
    line = {"text": "it broke", "label": "negative", "tokens": ["it", "broke"], "tags": ["PRON", "VERB"]}

    found = read_lines(a_file(tmp_path, line))

    assert (len(found.sentiment), len(found.entities)) == (1, 0)
    assert [skipped.why for skipped in found.skipped] == ["has tags of another scheme beside its label"]


def test_a_line_may_be_an_example_of_both(tmp_path: Path) -> None:
    line = {"text": "Ada left", "label": "negative", "tokens": ["Ada", "left"], "tags": ["B-person", "O"]}

    found = read_lines(a_file(tmp_path, line))

    assert (len(found.sentiment), len(found.entities), found.skipped) == (1, 1, ())


async def test_a_kind_that_the_annotators_looked_for_and_nobody_named_counts(tmp_path: Path) -> None:
    path = a_file(tmp_path, {"tokens": ["Ada", "left"], "tags": ["B-person", "O"]})
    reader = Scripted({"Ada left": an_analysis(CALM, an_entity("Ada", Kind.WORK))})

    looked_for = read_lines(path, kinds=frozenset({Kind.PERSON, Kind.WORK}))

    for lines, invented in ((read_lines(path), 0), (looked_for, 1)):
        entities = (await evaluate(reader, lines)).entities
        assert entities is not None
        assert sum(kind.predicted for kind in entities.by_kind) == invented


async def test_everything_said_in_a_terminal_or_as_json_is_what_was_measured(tmp_path: Path) -> None:
    path = a_file(
        tmp_path,
        {"text": "negative 1", "label": "negative"},
        "not json",
        {"tokens": ["Berlin"], "tags": ["B-location"]},
    )
    lines = read_lines(path)
    reader = reading_as_told("negative 1")

    evaluation = await evaluate(reader, lines)
    comparison = await compare(reader, reader, lines)

    terminal = shown(show_evaluation(evaluation))
    assert "macro-recall" in terminal
    assert "100.0%" in terminal
    assert "1 left out: line 2 is not JSON in UTF-8." in terminal
    assert "Too little to tell" in shown(show_comparison(comparison))
    told = json.loads(json.dumps(evaluation.as_json(), allow_nan=False))
    assert told["sentiment"]["confusion"] == [[1, 0, 0, 0], [0, 0, 0, 0], [0, 0, 0, 0]]
    assert told["entities"]["by_kind"][0]["kind"] == "location"
    assert json.loads(json.dumps(comparison.as_json(), allow_nan=False))["tests"][0]["p"] == 1


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("{", "is not JSON in UTF-8"),
        ("[" * 100_000, "is not JSON in UTF-8"),
        ('{"text": "no label"}', 'has neither "text" and "label" nor "tokens" and "tags"'),
        ('["text", "label"]', 'has neither "text" and "label" nor "tokens" and "tags"'),
        ('{"text": 1, "label": "neutral"}', 'has neither "text" and "label" nor "tokens" and "tags"'),
        ('{"tokens": ["a", "b"], "tags": ["O"]}', "has another number of tags than of tokens"),
        ('{"tokens": [], "tags": []}', "has no tokens, or one that is not a word"),
        ('{"tokens": ["a", ""], "tags": ["O", "O"]}', "has no tokens, or one that is not a word"),
    ],
)
def test_a_line_that_is_no_example_is_named_by_its_number(tmp_path: Path, line: str, why: str) -> None:
    found = read_lines(a_file(tmp_path, '{"text": "fine", "label": "neutral"}', "", line))

    assert [(skipped.number, skipped.why) for skipped in found.skipped] == [(3, why)]
    assert [example.number for example in found.sentiment] == [1]


@pytest.mark.parametrize(
    "line",
    [
        {"text": "my secret", "label": "joy"},
        {"text": "my secret", "label": "POSITIVE"},
        {"tokens": ["secret"], "tags": ["B-PER"]},
        {"tokens": ["secret"], "tags": ["person"]},
        {"tokens": ["secret"], "tags": [1]},
    ],
)
def test_a_label_or_tag_that_is_not_known_ends_the_reading_and_is_told_without_the_words(
    tmp_path: Path, line: Mapping[str, object]
) -> None:
    path = a_file(tmp_path, {"text": "fine", "label": "neutral"}, line)

    with pytest.raises(ImportFileError, match=r"own\.jsonl, line 2: .* try again") as caught:
        read_lines(path)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("lines", [(), ("",), ("nonsense",), ({"tokens": ["a"], "tags": ["O"]},)])
def test_a_file_without_anything_to_judge_is_refused(tmp_path: Path, lines: tuple[str | Mapping[str, object]]) -> None:
    with pytest.raises(ImportFileError, match=r"own\.jsonl has"):
        read_lines(a_file(tmp_path, *lines))


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ImportFileError, match=r"absent\.jsonl can't be read"):
        read_lines(tmp_path / "absent.jsonl")


def test_the_kinds_that_were_looked_for_can_be_said(tmp_path: Path) -> None:
    path = a_file(tmp_path, {"tokens": ["a"], "tags": ["O"]})

    assert read_lines(path, kinds=frozenset({Kind.WORK, Kind.PERSON})).kinds == (Kind.PERSON, Kind.WORK)


def test_a_byte_order_mark_and_windows_line_ends_are_taken(tmp_path: Path) -> None:
    path = tmp_path / "own.jsonl"
    path.write_bytes(b'\xef\xbb\xbf{"text": "a", "label": "neutral"}\r\n\xff\xfe\r\n')

    found = read_lines(path)

    assert [line.text for line in found.sentiment] == ["a"]
    assert [skipped.number for skipped in found.skipped] == [2]


async def test_the_picture_is_a_png_with_a_panel_for_what_was_judged(tmp_path: Path) -> None:
    reader = Scripted({"positive": an_analysis(GLAD, model="$x^ {1")}, model="$x^ {1")
    sentiment = await evaluate(reader, labelled(tmp_path, ("positive", "positive"), ("other", "negative")))
    entities = await evaluate(reader, entity_lines(tmp_path))

    wide, narrow = picture(sentiment), picture(entities)

    assert wide[:8] == narrow[:8] == b"\x89PNG\r\n\x1a\n"
    assert int.from_bytes(wide[16:20]) == 2 * int.from_bytes(narrow[16:20])


async def test_control_characters_of_an_evaluated_line_never_reach_the_terminal(tmp_path: Path) -> None:
    lines = labelled(tmp_path, ("\x1b[2J[red]boo[/red]", "negative"))

    evaluation = await evaluate(Scripted({}), lines, misses=1)

    terminal = shown(show_evaluation(evaluation))
    assert "\x1b" not in terminal
    assert "[2J[red]boo[/red]" in terminal
