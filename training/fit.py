"""From the data folder to a trained network: one run, seeded and resumable."""

from __future__ import annotations

import copy
import json
import random
import time
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from torch import Tensor
from torch.nn import functional

from bot.analysis.tokens import Vocabulary
from training import data, shipped
from training.data import ANNOTATED, IGNORED, LABELS, Example, Sentence
from training.eightbits import felt, fixed
from training.faces import Faces
from training.network import KINDS, MINILM, MPNET, TAGS, Network, Packed, pretrained
from training.scores import Span, macro_recall, span_f1
from training.teaching import TAUGHT, taught
from training.vocabulary import KNOWN, tokenizer

WRITTEN = Path(__file__).parent / "written.jsonl"
NAMES = Path(__file__).parent / "names.jsonl"
NAMED = Path(__file__).parent / "named.txt"
MARKED = Path(__file__).parent / "marked.tsv"
HEARD = Path(__file__).parent / "heard.tsv"
SPOKEN = Path(__file__).parent / "spoken.tsv"
OURS = ("written", "spoken")


@dataclass(frozen=True, slots=True)
class Corpus:
    """What is trained on, and what is validated on."""

    train: tuple[Example, ...]
    validation_texts: dict[str, tuple[Example, ...]]
    validation_sentences: dict[str, tuple[tuple[Sentence, Example], ...]]
    removed: dict[str, int]  # lines of each source that are held out, or much like a case of the behavioural suite


def read_corpus(
    folder: Path,
    vocabulary: Vocabulary,
    longest: int,
    *,
    sources: Sequence[str],
    seed: int,
    opinions: Path | None = None,
) -> Corpus:
    """Everything in the data folder that the settings name, the project's own lines, and a teacher's opinions."""
    cases = data.cases()
    held_out = data.held_out(folder) | {data.fingerprint(case) for case in cases}
    validation_texts, validation_sentences = {}, {}
    for name in data.VALIDATED:
        rows = data.read_lines(data.validation(folder, name))
        validation_texts[name] = _texts(rows, name, vocabulary, longest)
    for name in ("wnut17", "btc", "tweebank", "stackoverflow"):
        held = data.sentences(folder / "ner" / f"{name}.validation.jsonl")
        validation_sentences[name] = tuple(zip(held, _sentences(held, vocabulary, 500), strict=True))

    train: list[Example] = []
    removed: dict[str, int] = {}
    for name in sources:
        if name == TAUGHT:
            assert opinions is not None, "no stage before this one is a teacher"
            train.extend(taught(folder, opinions, vocabulary, longest, seed=seed, held_out=held_out))
            continue
        if name in ANNOTATED:
            found = _annotated(folder, name)
            keep = data.without_duplicates([each.text for each in found], held_out)
            examples = _sentences([each for each, kept in zip(found, keep, strict=True) if kept], vocabulary, longest)
        else:
            rows = _rows(folder, name)
            texts = [str(row["text"]) for row in rows]
            keep = data.without_duplicates(texts, held_out)
            if name in OURS:  # written by those who know what the suite is about
                keep = [kept and not like for kept, like in zip(keep, data.alike(texts, cases, 0.6), strict=True)]
            examples = _texts([row for row, kept in zip(rows, keep, strict=True) if kept], name, vocabulary, longest)
        removed[name] = keep.count(False)
        train.extend(example for example in examples if example.words)
    return Corpus(tuple(train), validation_texts, validation_sentences, removed)


def _annotated(folder: Path, name: str) -> list[Sentence]:
    match name:
        case "names":
            return data.sentences(NAMES)
        case "named":
            return data.named(NAMED)
        case "marked":
            return data.marked(folder, MARKED)
        case _:
            return data.sentences(folder / "ner" / f"{name}.train.jsonl")


def _rows(folder: Path, name: str) -> list[dict[str, object]]:
    match name:
        case "written":
            return data.read_lines(WRITTEN)
        case "heard":
            return data.heard(folder, HEARD)
        case "spoken":
            return [{"label": label, "text": text} for label, text in data.columns(SPOKEN)]
        case "typos":
            return data.mistyped(data.read_lines(folder / "sentiment" / "semeval.train.jsonl"), 4000)
        case _:
            return data.read_lines(folder / "sentiment" / f"{name}.train.jsonl")


def _texts(rows: Sequence[dict[str, object]], source: str, vocabulary: Vocabulary, longest: int) -> tuple[Example, ...]:
    tokens = vocabulary.read([str(row["text"]) for row in rows])
    return tuple(
        data.text_example(each, source, LABELS.index(str(row["label"])), limit=longest)
        for each, row in zip(tokens, rows, strict=True)
    )


def _sentences(found: Sequence[Sentence], vocabulary: Vocabulary, longest: int) -> tuple[Example, ...]:
    tokens = vocabulary.read([each.text for each in found])
    return tuple(data.sentence_example(one, each, limit=longest) for one, each in zip(found, tokens, strict=True))


class Fit:
    """One training run."""

    def __init__(
        self,
        folder: Path,
        settings: dict[str, Any],
        work: Path,
        warm_start: Path | None = None,
        opinions: Path | None = None,
    ) -> None:
        self.settings = settings
        self.work = work
        work.mkdir(parents=True, exist_ok=True)
        torch.set_num_threads(settings["run"]["threads"])
        torch.manual_seed(settings["run"]["seed"])
        dropout = settings["optimiser"]["dropout"]
        if warm_start is not None and warm_start.is_dir():
            self.tokenizer, self.network = shipped.read(warm_start, dropout=dropout)
        else:
            self.tokenizer, origins = tokenizer()
            tokens = {token: id_ for token, id_ in self.tokenizer.get_vocab().items() if id_ < KNOWN}
            size = MPNET if settings["run"]["base"] == "mpnet" else MINILM
            self.network = pretrained(tokens, origins, dropout=dropout, size=size)
            if warm_start is not None:
                self.network.load_state_dict(torch.load(warm_start, weights_only=True))
        self.vocabulary = Vocabulary(self.tokenizer)
        self.begin, self.end = self.tokenizer.token_to_id("[CLS]"), self.tokenizer.token_to_id("[SEP]")
        repeats = settings["data"]["repeats"]
        self.corpus = read_corpus(
            folder,
            self.vocabulary,
            settings["data"]["longest"],
            sources=list(repeats),
            seed=settings["run"]["seed"],
            opinions=opinions,
        )
        self.average = copy.deepcopy(self.network)
        if settings["optimiser"]["only_added"]:
            self._freeze()
        self._priors = self._class_priors()
        self._faces = Faces(self._ids, settings["variation"]["emoji"])
        self._allowed = _allowed(settings["data"].get("closed", {}))
        self._variation = data.Variation(
            self.tokenizer.get_vocab_size(),
            [example for example in self.corpus.train if example.tags is not None],
            data.mention_id(self.vocabulary),
            settings["variation"],
        )

    def _freeze(self) -> None:
        """Leave everything as it is but the vectors of the tokens that were added to MiniLM's vocabulary."""
        for parameter in self.network.parameters():
            parameter.requires_grad_(False)
        added = (torch.arange(self.tokenizer.get_vocab_size()) >= KNOWN).float()[:, None]
        self.network.word.weight.requires_grad_(True).register_hook(lambda gradient: gradient * added)

    def _ids(self, text: str) -> list[int]:
        return [int(each) for each in self.vocabulary.read([text])[0].ids]

    def plan(self) -> list[list[Example]]:
        """Every batch of the run, in order, before variation; the same for the same seed."""
        settings, repeats = self.settings["optimiser"], self.settings["data"]["repeats"]
        draw = random.Random(self.settings["run"]["seed"])
        planned: list[list[Example]] = []
        epochs = settings["epochs"]
        while epochs > 0:
            epoch = [example for example in self.corpus.train for _ in range(int(repeats[example.source]))]
            for example in self.corpus.train:
                if draw.random() < repeats[example.source] % 1:
                    epoch.append(example)
            batches = data.batches(epoch, settings["batch_tokens"], draw)
            planned.extend(batches[: int(len(batches) * min(epochs, 1))])
            epochs -= 1
        return planned

    def run(self) -> None:
        """Train to the end, going on from a checkpoint if the work folder has one."""
        settings = self.settings["optimiser"]
        print(f"training examples: {data.counts(self.corpus.train)}")
        print(f"removed because they are held out, or like a case of the behavioural suite: {self.corpus.removed}")
        planned = self.plan()
        optimiser = torch.optim.AdamW(
            self._groups(), betas=(0.9, 0.98), weight_decay=settings["weight_decay"], fused=True
        )
        warm = max(1, int(len(planned) * settings["warmup"]))
        schedule = torch.optim.lr_scheduler.LambdaLR(
            optimiser, lambda step: min((step + 1) / warm, max(0.0, (len(planned) - step) / (len(planned) - warm)))
        )
        if settings["eight_bits"]:
            felt(self.network, fixed(self.network, self.corpus.train, self.begin, self.end))
        before = copy.deepcopy(self.average)
        checkpoint = self.work / "checkpoint.pt"
        first = 0
        if checkpoint.exists():
            state = torch.load(checkpoint, weights_only=True)
            self.network.load_state_dict(state["network"])
            self.average.load_state_dict(state["average"])
            optimiser.load_state_dict(state["optimiser"])
            schedule.load_state_dict(state["schedule"])
            torch.set_rng_state(state["random"])
            first = state["step"]
        self.network.train()
        saved = logged = time.monotonic()
        seen, recent = 0, []
        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
        )
        with Progress(*columns) as progress:
            task = progress.add_task("training", total=len(planned), completed=first)
            for step in range(first, len(planned)):
                loss = self._loss(planned[step], random.Random(f"{self.settings['run']['seed']} {step}"))
                loss.backward()
                torch.nn.utils.clip_grad_norm_(self.network.parameters(), 1.0)
                optimiser.step()
                schedule.step()
                optimiser.zero_grad(set_to_none=True)
                if step % 10 == 9:
                    decay = min(settings["average"] ** 10, (step + 1) / (step + 100))
                    _blend(self.average, self.network, decay)
                seen += len(planned[step])
                recent.append(loss.item())
                progress.update(task, advance=1, description=f"loss {np.mean(recent[-100:]):.3f}")
                now = time.monotonic()
                if now - saved > 60 * self.settings["run"]["checkpoint_minutes"]:
                    state = {
                        "network": self.network.state_dict(), "average": self.average.state_dict(), "step": step + 1,
                        "optimiser": optimiser.state_dict(), "schedule": schedule.state_dict(),
                        "random": torch.get_rng_state(),
                    }  # fmt: skip
                    _save(state, checkpoint)
                    saved = time.monotonic()
                if not progress.console.is_terminal and now - logged > 60:
                    rate = seen / (now - logged)
                    print(
                        f"step {step + 1}/{len(planned)}, loss {np.mean(recent[-100:]):.3f}, {rate:.0f} examples/s",
                        flush=True,
                    )
                    logged, seen = now, 0
        _blend(self.average, before, 1 - settings["before"])
        _save(self.network.state_dict(), self.work / "network.last.pt")
        _save(self.average.state_dict(), self.work / "network.pt")
        checkpoint.unlink(missing_ok=True)

    def _groups(self) -> list[dict[str, Any]]:
        settings = self.settings["optimiser"]
        if settings["only_added"]:
            return [{"params": [self.network.word.weight], "lr": settings["rate"], "weight_decay": 0.0}]
        deepest = self.network.size.layers - 1
        rates: dict[float, list[torch.nn.Parameter]] = {}
        for name, parameter in self.network.named_parameters():
            if name.startswith(("sentiment", "entities", "shape")):
                rate = settings["head_rate"]
            elif name.startswith("layers."):
                rate = settings["rate"] * settings["layer_decay"] ** (deepest - int(name.split(".")[1]))
            else:
                rate = settings["rate"] * settings["layer_decay"] ** (deepest + 1)
            rates.setdefault(rate, []).append(parameter)
        return [{"params": parameters, "lr": rate} for rate, parameters in rates.items()]

    def _loss(self, batch: Sequence[Example], draw: random.Random) -> Tensor:
        settings = self.settings["optimiser"]
        varied = [self._vary(example, draw) for example in batch]
        with torch.autocast("cpu", torch.bfloat16):
            sentiment, entities = self.network(data.packed(varied, self.begin, self.end))
        smoothing = settings["label_smoothing"]
        loss = torch.zeros(())

        rows = [index for index, example in enumerate(varied) if example.label != IGNORED]
        if rows:
            adjusted = sentiment[rows].float() + settings["prior_strength"] * torch.stack(
                [self._priors[varied[index].source] for index in rows]
            )
            labels = torch.tensor([varied[index].label for index in rows])
            each = functional.cross_entropy(adjusted, labels, label_smoothing=smoothing, reduction="sum")
            loss = loss + each / len(varied)

        owners = np.repeat(np.arange(len(varied)), [len(example.words) for example in varied])
        tagged = np.array([example.tags is not None for example in varied])[owners]
        if tagged.any():
            log = functional.log_softmax(entities[torch.from_numpy(tagged)].float(), -1)
            allowed = torch.stack(
                [
                    self._allowed[example.source][tag]
                    for example in varied
                    if example.tags is not None
                    for tag in example.tags
                ]
            )
            right = -torch.logsumexp(log.masked_fill(~allowed, -1e4), -1)
            # An O is most probably an O, even where its source left kinds open: some of the loss says so.
            tags = torch.tensor([tag for example in varied if example.tags is not None for tag in example.tags])
            strict = -log.gather(-1, tags[:, None]).squeeze(-1)
            plainly = settings["plain_share"]
            each = (1 - smoothing) * ((1 - plainly) * right + plainly * strict) + smoothing * -log.mean(-1)
            share = sum(example.tags is not None for example in varied) / len(varied)
            loss = loss + settings["entity_weight"] * share * each.mean()

        opinions = [example.opinion for example in varied if example.opinion is not None]
        if opinions:
            heard = torch.tensor([index for index, example in enumerate(varied) if example.opinion is not None])
            share = len(opinions) / len(varied)
            told = torch.from_numpy(np.stack([opinion.sentiment for opinion in opinions])).float()
            loss = loss - share * (told * functional.log_softmax(sentiment[heard].float(), -1)).sum(-1).mean()

        names = {
            index: example.opinion.tags
            for index, example in enumerate(varied)
            if example.opinion is not None and example.opinion.tags is not None
        }
        if names:
            told = torch.from_numpy(np.concatenate([*names.values()])).float()
            words = torch.from_numpy(np.isin(owners, [*names]))
            each = -(told * functional.log_softmax(entities[words].float(), -1)).sum(-1)
            loss = loss + settings["entity_weight"] * len(names) / len(varied) * each.mean()
        return loss

    def _vary(self, example: Example, draw: random.Random) -> Example:
        if example.label != IGNORED:
            example = self._faces.into_text(example, draw)
        elif example.tags is not None:
            example = self._faces.into_sentence(example, draw)
        return self._variation(example, draw)

    def _class_priors(self) -> dict[str, Tensor]:
        priors = {}
        for source in {example.source for example in self.corpus.train if example.label != IGNORED}:
            labels = [example.label for example in self.corpus.train if example.source == source]
            share = torch.bincount(torch.tensor(labels), minlength=3).float() + 1
            priors[source] = (share / share.sum()).log()
        return priors

    # --- validation --------------------------------------------------------------------------------------------------

    @torch.inference_mode()
    def outputs(self, network: Network, examples: Sequence[Example]) -> tuple[np.ndarray, list[np.ndarray]]:
        """Logits of sentiment, and for each example those of its words' tags."""
        network.eval()
        sentiment = np.zeros((len(examples), 3))
        entities: list[np.ndarray] = [np.zeros((0, len(TAGS)))] * len(examples)
        for indices in data.in_order(examples, 4000):
            batch: Packed = data.packed([examples[index] for index in indices], self.begin, self.end)
            # A teacher is read as it teaches: in 32 bits it would take long.
            with torch.autocast("cpu", torch.bfloat16, enabled=network.size == MPNET):
                one, other = network(batch)
            sentiment[indices] = one.float().numpy()
            parts = np.split(other.float().numpy(), np.cumsum([len(examples[index].words) for index in indices])[:-1])
            for index, part in zip(indices, parts, strict=True):
                entities[index] = part
        return sentiment, entities

    def validate(self, network: Network) -> dict[str, Any]:
        """Scores on every validation file."""
        scores: dict[str, Any] = {}
        for name, examples in self.corpus.validation_texts.items():
            logits, _ = self.outputs(network, examples)
            gold = [example.label for example in examples]
            scores[name] = round(macro_recall(gold, logits.argmax(1).tolist()), 2)
            scores[f"{name} recalls"] = [
                round(float((logits.argmax(1)[np.array(gold) == label] == label).mean()) * 100, 1) for label in range(3)
            ]
        for name, pairs in self.corpus.validation_sentences.items():
            kinds = ANNOTATED[name]
            for suffix in ("", " lower-cased"):
                examples = [example for _, example in pairs]
                if suffix:
                    examples = [
                        Example(e.words, tuple(5 if shape else 0 for shape in e.shapes), e.source, tags=e.tags)
                        for e in examples
                    ]
                _, logits = self.outputs(network, examples)
                gold_spans: list[list[Span]] = [data.spans_of(example.tags or ()) for example in examples]
                found = [data.spans_of(each.argmax(1).tolist()) for each in logits]
                scores[name + suffix] = {k: round(v, 1) for k, v in span_f1(gold_spans, found, kinds).items()}
        return scores


def _allowed(closed: dict[str, list[str]]) -> dict[str, list[Tensor]]:
    """For each source and tag the tags that the network may give: an O may be a kind left open."""
    allowed = {}
    for source, annotated in ANNOTATED.items():
        masks = []
        for index in range(len(TAGS)):
            mask = torch.zeros(len(TAGS), dtype=torch.bool)
            mask[index] = True
            if index == 0:
                for kind in set(KINDS) - set(annotated) - set(closed.get(source, ())):
                    mask[TAGS.index(f"B-{kind}")] = mask[TAGS.index(f"I-{kind}")] = True
            masks.append(mask)
        allowed[source] = masks
    return allowed


def _save(state: dict[str, Any], path: Path) -> None:
    """Write it whole or not at all: that the file is there means that it is done."""
    torch.save(state, path.with_suffix(".new"))
    path.with_suffix(".new").replace(path)


@torch.no_grad()
def _blend(average: Network, network: Network, decay: float) -> None:
    for mean, current in zip(average.parameters(), network.parameters(), strict=True):
        mean.lerp_(current, 1 - decay)


def read_stages(path: Path) -> list[dict[str, Any]]:
    """The settings of every stage, in order: its own over those of all."""
    held = tomllib.loads(path.read_text(encoding="utf-8"))
    return [
        {
            "name": stage["name"],
            "version": stage.get("version"),
            "teaches": stage.get("teaches", {}),
            "teaches_mood": stage.get("teaches_mood", {}),
            **{part: values | stage.get(part, {}) for part, values in held["all"].items()},
        }
        for stage in held["stage"]
    ]


def main(
    folder: Path, settings: dict[str, Any], work: Path, warm_start: Path | None = None, opinions: Path | None = None
) -> Fit:
    """Train one stage and validate it; the scores also go to `scores.json` in the work folder."""
    fit = Fit(folder, settings, work, warm_start, opinions)
    if not (work / "network.pt").exists():
        start = time.monotonic()
        fit.run()
        (work / "seconds.txt").write_text(f"{time.monotonic() - start:.0f}\n")
    fit.average.load_state_dict(torch.load(work / "network.pt", weights_only=True))
    if not (work / "scores.json").exists():
        scores = fit.validate(fit.average)
        (work / "scores.json").write_text(json.dumps(scores, indent=1) + "\n")
        for name, score in scores.items():
            print(f"{name:28} {score}")
    return fit
