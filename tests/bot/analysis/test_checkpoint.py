from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from bot.analysis import Analysis, Kind, Label
from bot.analysis.checkpoint import Checkpoint, Device, Precision, Source, _Model, _pieces
from bot.errors import ConfigurationError, Unavailable
from tests.bot.analysis.checkpoints import ANGRY, ARCHITECTURES, CALM, GLAD, make, sentences

pytest.importorskip("torch", reason="the extra `checkpoint` isn't installed")
pytest.importorskip("transformers", reason="the extra `checkpoint` isn't installed")

BIO = ("O", "B-PER", "I-PER")
THREE = ("negative", "neutral", "positive")
STARS = ("1 star", "2 stars", "3 stars", "4 stars", "5 stars")

Maker = Callable[..., Path]


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Maker:
    """Checkpoints, each made once for all tests."""
    kept: dict[tuple[object, ...], Path] = {}

    def of(architecture: str, task: str, labels: tuple[str, ...], **more: object) -> Path:
        key = (architecture, task, labels, *more.items())
        if key not in kept:
            kept[key] = make(tmp_path_factory.mktemp(architecture) / "tiny", architecture, task, labels, **more)  # type: ignore[arg-type]
        return kept[key]

    return of


@pytest.fixture
def copied(made: Maker, tmp_path: Path) -> Maker:
    """As `made`, for a test to change."""

    def of(*what: object, **more: object) -> Path:
        return Path(shutil.copytree(made(*what, **more), tmp_path / "copy"))

    return of


def reads(sentiment: Path, names: Path | None = None, **more: object) -> Checkpoint:
    how = {"threads": 1, "precision": Precision.FLOAT32} | more  # the same on every processor
    return Checkpoint(Source(str(sentiment)), Source(str(names)) if names else None, **how)  # type: ignore[arg-type]


async def read(checkpoint: Checkpoint, texts: Sequence[str]) -> Sequence[Analysis]:
    async with checkpoint:
        return await checkpoint.analyze(texts)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
async def test_names_are_found_whole_in_every_script_with_their_place_in_the_text_as_sent(
    made: Maker, architecture: str
) -> None:
    texts, names = zip(*sentences(), strict=True)

    analyses = await read(reads(made(architecture, "sentiment", THREE), made(architecture, "names", BIO)), texts)

    assert [[entity.text for entity in one.entities] for one in analyses] == [[name] for name in names]
    assert all(text[e.start : e.end] == e.text for text, one in zip(texts, analyses, strict=True) for e in one.entities)
    assert {entity.kind for one in analyses for entity in one.entities} == {Kind.PERSON}


@pytest.mark.parametrize("architecture", ARCHITECTURES)
async def test_sentiment_is_read_and_a_batch_reads_as_each_text_alone(made: Maker, architecture: str) -> None:
    texts = [GLAD, ANGRY, CALM, GLAD + " " + GLAD, ""]
    async with reads(made(architecture, "sentiment", THREE), precision=Precision.FLOAT32) as checkpoint:
        together = await checkpoint.analyze(texts)
        alone = [(await checkpoint.analyze([text]))[0] for text in texts]

    assert [one.sentiment.label for one in together[:3] if one.sentiment] == [
        Label.POSITIVE,
        Label.NEGATIVE,
        Label.NEUTRAL,
    ]
    for one, other in zip(together, alone, strict=True):
        assert one.sentiment is not None
        assert other.sentiment is not None
        assert one.sentiment.score == pytest.approx(other.sentiment.score, abs=1e-5)


@pytest.mark.parametrize("architecture", ["bert", "distilbert"])
async def test_a_text_longer_than_the_model_is_read_to_its_end(made: Maker, architecture: str) -> None:
    parts, names = zip(*sentences(), strict=True)
    text = " ".join(parts) + " " + " ".join(reversed(parts))

    (analysis,) = await read(reads(made(architecture, "sentiment", THREE), made(architecture, "names", BIO)), [text])

    assert [entity.text for entity in analysis.entities] == [*names, *reversed(names)]
    assert all(text[entity.start : entity.end] == entity.text for entity in analysis.entities)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_windows_give_every_token_of_a_long_text_exactly_once(made: Maker, architecture: str) -> None:
    import transformers

    folder = made(architecture, "names", BIO, trained=False)
    text = " ".join(text for text, _ in sentences())
    whole = transformers.AutoTokenizer.from_pretrained(folder)(
        text, add_special_tokens=False, return_offsets_mapping=True, truncation=False, verbose=False
    )["offset_mapping"]
    model = _Model(Source(str(folder)), "AutoModelForTokenClassification", Device.CPU, half=False)

    (windows,) = model.run([text])
    pieces = sorted(_pieces(windows, model.labels), key=lambda piece: (piece.start, piece.end))

    assert len(windows) >= 3
    assert [(piece.start, piece.end) for piece in pieces] == sorted(whole)


async def test_a_long_texts_sentiment_is_that_of_all_its_windows(made: Maker) -> None:
    half = (GLAD + ". ") * 20
    texts = [half + half, half + (ANGRY + ". ") * 20, (ANGRY + ". ") * 40]

    analyses = await read(reads(made("bert", "sentiment", THREE)), texts)

    glad, mixed, angry = (one.sentiment.score for one in analyses if one.sentiment)
    assert angry < mixed < glad


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        (("NEGATIVE", "POSITIVE"), [Label.POSITIVE, Label.NEGATIVE]),
        (STARS, [Label.POSITIVE, Label.NEGATIVE]),
        (("LABEL_0", "LABEL_1", "LABEL_2"), [Label.POSITIVE, Label.NEGATIVE]),
    ],
)
async def test_labels_of_other_scales_are_read(made: Maker, labels: tuple[str, ...], expected: list[Label]) -> None:
    given = {"LABEL_0": "negative", "LABEL_1": "neutral", "LABEL_2": "positive"} if labels[0] == "LABEL_0" else {}
    source = Source(str(made("bert", "sentiment", labels)), labels=given)

    analyses = await read(Checkpoint(source, threads=1), [GLAD, ANGRY])

    assert [one.sentiment.label for one in analyses if one.sentiment] == expected


async def test_numbered_labels_that_nobody_explains_are_refused_and_the_texts_wait(made: Maker) -> None:
    async with reads(made("bert", "sentiment", ("LABEL_0", "LABEL_1", "LABEL_2"))) as checkpoint:
        with pytest.raises(ConfigurationError, match="LABEL_0=negative"):
            await checkpoint.load()
        with pytest.raises(Unavailable, match="LABEL_0=negative"):
            await checkpoint.analyze([GLAD])


async def test_a_model_without_a_neutral_is_said_to_have_none(made: Maker) -> None:
    async with (
        reads(made("bert", "sentiment", ("NEGATIVE", "POSITIVE"))) as two,
        reads(made("bert", "sentiment", THREE)) as three,
    ):
        (note,) = await two.load()
        nothing = await three.load()

    assert "knows no neutral" in note
    assert nothing == ()


async def test_tags_without_prefixes_are_read(made: Maker) -> None:
    texts, names = zip(*sentences(), strict=True)

    analyses = await read(reads(made("bert", "sentiment", THREE), made("bert", "names", ("O", "PER"))), texts)

    assert [[entity.text for entity in one.entities] for one in analyses] == [[name] for name in names]


async def test_each_analysis_names_the_checkpoint_and_its_weights(made: Maker, copied: Maker) -> None:
    folder = made("bert", "sentiment", THREE)
    (first,) = await read(reads(folder), [GLAD])
    (again,) = await read(reads(folder), [ANGRY])
    other = copied("distilbert", "sentiment", THREE)
    (another,) = await read(reads(other), [GLAD])

    assert first.model == again.model
    assert first.model.startswith("checkpoint:tiny@")
    assert another.model.startswith("checkpoint:copy@")
    assert first.model.partition("@")[2] != another.model.partition("@")[2]
    assert str(folder) not in first.model


async def test_half_precision_reads_nearly_the_same(made: Maker) -> None:
    folder = made("roberta", "sentiment", THREE)

    full = await read(reads(folder, precision=Precision.FLOAT32), [GLAD, ANGRY, CALM])
    half = await read(reads(folder, precision=Precision.BFLOAT16), [GLAD, ANGRY, CALM])

    scores = [[one.sentiment.score for one in analyses if one.sentiment] for analyses in (full, half)]
    assert scores[0] == pytest.approx(scores[1], abs=0.05)
    assert scores[0] != scores[1]


@pytest.mark.parametrize("text", ["", "   ", "<@U123> <https://example.com>", "`" * 3 + "kill -9 1" + "`" * 3])
async def test_a_text_without_a_word_is_neutral(made: Maker, text: str) -> None:
    (analysis,) = await read(reads(made("bert", "sentiment", THREE), made("bert", "names", BIO)), [text])

    assert analysis.sentiment is not None
    assert (analysis.sentiment.neutral, analysis.entities) == (1.0, ())


@pytest.mark.parametrize("architecture", ARCHITECTURES)
async def test_any_text_is_read(made: Maker, architecture: str) -> None:
    texts = [
        "\ud800",
        "\x00\x01",
        "🏳️‍🌈👩‍👩‍👧" * 30,
        "e\u0301" * 300,
        "مرحبا " * 100,
        "x" * 20_000,
        "ﬃ ﷺ ①",
        "\u202eabc",
    ]

    analyses = await read(reads(made(architecture, "sentiment", THREE), made(architecture, "names", BIO)), texts)

    assert len(analyses) == len(texts)
    assert all(text[e.start : e.end] == e.text for text, one in zip(texts, analyses, strict=True) for e in one.entities)


# What is refused


async def test_weights_that_are_no_safetensors_are_refused(copied: Maker) -> None:
    folder = copied("bert", "sentiment", THREE)
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")

    async with reads(folder) as checkpoint:
        with pytest.raises(ConfigurationError, match="no safetensors weights"):
            await checkpoint.load()


async def test_code_that_comes_with_a_checkpoint_is_not_run(copied: Maker, tmp_path: Path) -> None:
    folder, ran = copied("bert", "sentiment", THREE), tmp_path / "ran"
    config = json.loads((folder / "config.json").read_text())
    config |= {
        "model_type": "own",
        "auto_map": {"AutoConfig": "own.Config", "AutoModelForSequenceClassification": "own.Model"},
    }
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "own.py").write_text(f"open({str(ran)!r}, 'w').close()")

    async with reads(folder) as checkpoint:
        with pytest.raises(ConfigurationError, match="never runs that"):
            await checkpoint.load()

    assert not ran.exists()


async def test_a_checkpoint_without_a_trained_head_is_refused(copied: Maker) -> None:
    from safetensors.torch import load_file, save_file

    folder = copied("bert", "sentiment", THREE)
    weights = {name: one for name, one in load_file(folder / "model.safetensors").items() if "classifier" not in name}
    save_file(weights, folder / "model.safetensors", {"format": "pt"})

    async with reads(folder) as checkpoint:
        with pytest.raises(ConfigurationError, match="has no trained head"):
            await checkpoint.load()


async def test_a_model_that_chooses_no_label_is_refused(made: Maker) -> None:
    async with reads(made("bert", "sentiment", ("positive",), trained=False)) as checkpoint:
        with pytest.raises(ConfigurationError, match="doesn't choose one of several"):
            await checkpoint.load()


async def test_damaged_weights_are_refused(copied: Maker) -> None:
    folder = copied("bert", "sentiment", THREE)
    weights = (folder / "model.safetensors").read_bytes()
    (folder / "model.safetensors").write_bytes(weights[: len(weights) // 2])

    async with reads(folder) as checkpoint:
        with pytest.raises(ConfigurationError, match="damaged"):
            await checkpoint.load()


@pytest.mark.parametrize("name", ["nothing-here", "missing/folder"])
async def test_a_folder_that_holds_no_checkpoint_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / "nothing-here").mkdir()

    async with reads(tmp_path / name) as checkpoint:
        with pytest.raises(ConfigurationError, match="checkpoint"):
            await checkpoint.load()


async def test_a_checkpoint_that_cannot_be_fetched_is_unavailable_and_tried_again(
    made: Maker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import huggingface_hub.constants

    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)  # or it would wait for the network
    async with Checkpoint(Source("acme/mood-that-is-not-there"), threads=1) as checkpoint:
        for _ in range(2):
            with pytest.raises(Unavailable, match="can't be fetched now"):
                await checkpoint.analyze([GLAD])


async def test_a_device_that_is_not_there_is_refused(made: Maker) -> None:
    import torch

    device = next(
        one
        for one, there in ((Device.MPS, torch.backends.mps.is_available()), (Device.CUDA, torch.cuda.is_available()))
        if not there
    )
    async with reads(made("bert", "sentiment", THREE), device=device) as checkpoint:
        with pytest.raises(ConfigurationError, match=f"no {device} for torch"):
            await checkpoint.load()


@pytest.mark.parametrize(
    "problem",
    [MemoryError(), RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes")],
    ids=["python", "torch"],
)
async def test_running_out_of_memory_is_unavailable_and_says_nothing_of_the_text(
    made: Maker, monkeypatch: pytest.MonkeyPatch, problem: Exception
) -> None:
    import transformers

    async with reads(made("bert", "sentiment", THREE)) as checkpoint:
        await checkpoint.load()

        def fails(*_: object, **__: object) -> None:
            raise problem

        monkeypatch.setattr(transformers.BertForSequenceClassification, "forward", fails)
        with pytest.raises(Unavailable, match="ran out of memory"):
            await checkpoint.analyze(["a secret plan"])


def test_neither_torch_nor_transformers_is_imported_before_a_checkpoint_is_loaded() -> None:
    program = (
        "import sys, bot.analysis.checkpoint, bot.analysis.embedded, bot.analysis.hosted, bot.analysis.fallback;"
        "bot.analysis.checkpoint.Checkpoint(bot.analysis.checkpoint.Source('acme/mood'));"
        "print([name for name in ('torch', 'transformers', 'huggingface_hub') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60)

    assert done.stdout.strip() == "[]"
