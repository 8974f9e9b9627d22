"""Tiny checkpoints of real architectures, with tokenizers in the file formats that each is published with.

They are trained to know a handful of sentences by heart: enough to see whether offsets, labels and windows come out.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

ARCHITECTURES = ("bert", "distilbert", "roberta", "deberta-v2")

NAMES = ["Grace", "Ada Lovelace", "Zoë", "Jose\u0301", "北京", "القاهرة", "תל אביב", "Kubernetes"]
FRAMES = ["ask {} about it", "so {} broke the deploy today", "{} was here", "🎉 thanks {} 🎉"]
GLAD, ANGRY, CALM = "I love this, great work", "this is terrible and broken again", "merged the change into main"


def sentences() -> Iterator[tuple[str, str]]:
    """Every (text, name in it)."""
    return ((frame.format(name), name) for frame in FRAMES for name in NAMES)


def make(
    folder: Path,
    architecture: str,
    task: str,
    labels: Sequence[str],
    *,
    positions: int = 66,
    trained: bool = True,
) -> Path:
    """A checkpoint of `task` ("sentiment" or "names") in `folder`, with tokenizer and safetensors weights."""
    import torch
    import transformers

    torch.set_num_threads(1)  # more wait for each other longer than such a model computes
    folder.mkdir(parents=True, exist_ok=True)
    _tokenizer_files(folder, architecture)
    config = _config(architecture, labels, positions)
    config.save_pretrained(folder)
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    kind = "ForSequenceClassification" if task == "sentiment" else "ForTokenClassification"
    torch.manual_seed(1)
    model = getattr(transformers, f"AutoModel{kind}").from_config(config)
    if trained and task == "sentiment":
        _train_sentiment(model, tokenizer, labels)
    elif trained:
        _train_names(model, tokenizer, labels, positions - config.pad_token_id - 1)
    model.save_pretrained(folder)
    return folder


def _config(architecture: str, labels: Sequence[str], positions: int) -> Any:
    import transformers

    shared = {
        "vocab_size": 600,
        "id2label": dict(enumerate(labels)),
        "label2id": {label: number for number, label in enumerate(labels)},
        "pad_token_id": 1 if architecture == "roberta" else 0,
        "initializer_range": 0.3,  # far apart from the start, so that a few steps are enough
    }
    if architecture == "distilbert":
        return transformers.DistilBertConfig(
            dim=32, n_layers=1, n_heads=2, hidden_dim=64, max_position_embeddings=positions, dropout=0, **shared
        )
    kind = {"bert": "BertConfig", "roberta": "RobertaConfig", "deberta-v2": "DebertaV2Config"}[architecture]
    return getattr(transformers, kind)(
        hidden_size=32,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=64,
        max_position_embeddings=positions,
        hidden_dropout_prob=0,
        attention_probs_dropout_prob=0,
        **({"bos_token_id": 0, "eos_token_id": 2} if architecture == "roberta" else {}),
        **shared,
    )


def _tokenizer_files(folder: Path, architecture: str) -> None:
    """BERT vocab.txt, DistilBERT and DeBERTa-v2 tokenizer.json (a Unigram), RoBERTa vocab.json and merges.txt."""
    from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

    corpus = [text for text, _ in sentences()] + [GLAD, ANGRY, CALM] * 3
    bert = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    settings: dict[str, Any] = {"model_max_length": 512}
    match architecture:
        case "bert" | "distilbert":
            normalizer: Any = normalizers.BertNormalizer(lowercase=architecture == "bert")
            pieces = [*bert, *(first + rest for rest in _pieces(corpus, normalizer) for first in ("", "##"))]
            tokenizer = Tokenizer(
                models.WordPiece(dict(zip(pieces, range(len(pieces)), strict=True)), unk_token="[UNK]")
            )
            tokenizer.normalizer = normalizer
            tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
            tokenizer.post_processor = processors.TemplateProcessing(
                single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
            )
            if architecture == "bert":
                (folder / "vocab.txt").write_text("".join(f"{piece}\n" for piece in pieces), encoding="utf-8")
                settings |= {"tokenizer_class": "BertTokenizer", "do_lower_case": True}
            else:
                tokenizer.save(str(folder / "tokenizer.json"))
                settings |= {"tokenizer_class": "DistilBertTokenizer"}
                settings |= dict(
                    zip(("pad_token", "unk_token", "cls_token", "sep_token", "mask_token"), bert, strict=True)
                )
        case "roberta":
            tokenizer = Tokenizer(models.BPE())
            tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
            trainer = trainers.BpeTrainer(  # the one of its kind that gives the same vocabulary each time
                vocab_size=400,
                special_tokens=["<s>", "<pad>", "</s>", "<unk>", "<mask>"],
                initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
            )
            tokenizer.train_from_iterator(corpus, trainer)
            tokenizer.model.save(str(folder))  # vocab.json and merges.txt
            settings |= {"tokenizer_class": "RobertaTokenizer"}
        case "deberta-v2":
            normalizer = normalizers.NFKC()
            # The longer a piece, the rather it is taken.
            scored = [(piece, -9.0 + len(piece)) for piece in ["▁", *_pieces(corpus, normalizer)]]
            tokenizer = Tokenizer(
                models.Unigram([*((mark, 0.0) for mark in bert), *scored], unk_id=bert.index("[UNK]"))
            )
            tokenizer.normalizer = normalizers.Sequence([normalizer])
            tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
            tokenizer.decoder = decoders.Metaspace()
            tokenizer.post_processor = processors.TemplateProcessing(
                single="[CLS] $A [SEP]",
                special_tokens=[("[CLS]", tokenizer.token_to_id("[CLS]")), ("[SEP]", tokenizer.token_to_id("[SEP]"))],
            )
            tokenizer.save(str(folder / "tokenizer.json"))
            settings |= {"tokenizer_class": "DebertaV2Tokenizer"}
            settings |= dict(zip(("pad_token", "unk_token", "cls_token", "sep_token", "mask_token"), bert, strict=True))
        case _:
            raise ValueError(architecture)
    (folder / "tokenizer_config.json").write_text(json.dumps(settings), encoding="utf-8")


def _pieces(corpus: Sequence[str], normalizer: Any) -> list[str]:
    """Every character of `corpus`, its words that are no names, and names in twos: they fall into several pieces."""
    written = normalizer.normalize_str(" ".join(corpus))
    names = normalizer.normalize_str(" ".join(NAMES)).split()
    halves = {name[at : at + 2] for name in names for at in range(0, len(name), 2)}
    return sorted({*written, *halves, *written.split()} - {" ", *names})


def _train_names(model: Any, tokenizer: Any, labels: Sequence[str], longest: int) -> None:
    import torch

    from bot.text import plain

    pairs, dice = list(sentences()), random.Random(1)
    # Many in a row too, cut anywhere into windows, or the model would know its names at some places alone.
    rows = [[pair] for pair in pairs * 3] + [dice.sample(pairs, 16) for _ in range(24)] + [[*pairs, *pairs[::-1]]]
    texts, targets = [], []
    for row in rows:
        text, spans = "", []
        for sent, name in row:
            text += " " if text else ""
            written = plain(sent).text
            at = len(text) + written.index(name)
            spans.append((at, at + len(name)))
            text += written
        texts.append(text)
        targets.append(spans)
    stride = (longest - 2) // 4
    encoded = tokenizer(
        texts,
        padding=True,
        truncation=True,
        max_length=longest,
        stride=stride,
        return_overflowing_tokens=True,
        return_tensors="pt",
        return_offsets_mapping=True,
    )
    offsets, origins = encoded.pop("offset_mapping").tolist(), encoded.pop("overflow_to_sample_mapping").tolist()
    wanted = torch.zeros_like(encoded["input_ids"])
    inside = labels.index("I-PER") if "I-PER" in labels else labels.index("PER")
    begin = labels.index("B-PER") if "B-PER" in labels else inside
    for window, origin in enumerate(origins):
        for start, end in targets[origin]:
            for place, (left, right) in enumerate(offsets[window]):
                if left < end and right > start:
                    wanted[window, place] = begin if left <= start else inside
    counted = encoded["attention_mask"].bool()
    for window, (before, origin, after) in enumerate(
        zip([None, *origins], origins, [*origins[1:], None], strict=False)
    ):
        # Of what two windows share, each is asked about the half that it sees more around.
        if before == origin:
            counted[window, : 1 + stride // 2] = False
        if after == origin:
            counted[window, -1 - stride // 2 :] = False
    _train(model, encoded, wanted, counted)


def _train_sentiment(model: Any, tokenizer: Any, labels: Sequence[str]) -> None:
    import torch

    texts = {GLAD: len(labels) - 1, ANGRY: 0} | ({CALM: len(labels) // 2} if len(labels) > 2 else {})
    encoded = tokenizer(list(texts), padding=True, return_tensors="pt")
    _train(model, encoded, torch.tensor(list(texts.values())), None)


def _train(model: Any, encoded: Any, wanted: Any, counted: Any) -> None:
    """Train until all of `wanted` is known by heart, with a margin that no other processor's rounding uses up."""
    import torch

    def known() -> bool:
        with torch.inference_mode():
            right = model(**encoded).logits.softmax(-1).gather(-1, wanted.unsqueeze(-1)).squeeze(-1)
        return bool(((right if counted is None else right[counted]) > 0.7).all())

    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
    for step in range(800):
        if step % 10 == 9 and known():
            return
        rows = torch.randperm(len(wanted))[:32]
        logits = model(**{name: one[rows] for name, one in encoded.items()}).logits
        target = wanted[rows]
        if counted is not None:
            logits, target = logits[counted[rows]], target[counted[rows]]
        loss = torch.nn.functional.cross_entropy(logits, target)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        for group in optimizer.param_groups:
            group["lr"] *= 0.995
    raise AssertionError(f"the tiny model didn't learn its sentences by heart: {loss:.3f}")
