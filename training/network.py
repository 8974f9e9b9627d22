"""The network: an encoder over packed texts, a sentiment head and an entity head.

MiniLM's encoder is the one that ships; MPNet's, four times as large, teaches it. All texts of a batch lie in one row of
tokens without padding; only attention sees them side by side.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn import functional

from bot.analysis.tokens import Shape
from training.vocabulary import mpnet, source

KINDS = ("person", "organization", "location", "product", "work", "other")
TAGS = ("O", *(f"{prefix}-{kind}" for kind in KINDS for prefix in "BI"))
WIDTH, LAYERS, HEADS, INNER, POSITIONS = 384, 6, 12, 1536, 512


@dataclass(frozen=True, slots=True)
class Size:
    """What tells one encoder from another."""

    width: int
    layers: int
    inner: int
    relative: int = 0  # buckets of a learned bias by distance between two tokens, shared by all layers
    heads: int = HEADS
    epsilon: float = 1e-12


MINILM = Size(WIDTH, LAYERS, INNER)
MPNET = Size(768, 12, 3072, relative=32, epsilon=1e-5)


@dataclass(frozen=True, slots=True)
class Packed:
    """A batch of texts. T tokens, B texts of at most L tokens, W words."""

    ids: Tensor  # [T]
    shapes: Tensor  # [T]
    positions: Tensor  # [T]
    place: Tensor  # [B, L]: each text's tokens as rows of [T]; T where there is none
    slots: Tensor  # [T]: where each token stands in [B * L]
    heads: Tensor  # [W]: the first piece of each word, as a row of [T]


class _SideBySide(torch.autograd.Function):
    """[T, width] → [B * L, width], zeros where there is no token. Its gradient is a gather too, not a scatter."""

    @staticmethod
    def forward(context: Any, x: Tensor, place: Tensor, slots: Tensor) -> Tensor:
        context.save_for_backward(slots)
        return functional.pad(x, (0, 0, 0, 1)).index_select(0, place.flatten())

    @staticmethod
    def backward(context: Any, gradient: Tensor) -> tuple[Tensor, None, None]:
        (slots,) = context.saved_tensors
        return gradient.index_select(0, slots), None, None


class _InOneRow(torch.autograd.Function):
    """[B * L, width] → [T, width]: the inverse."""

    @staticmethod
    def forward(context: Any, x: Tensor, place: Tensor, slots: Tensor) -> Tensor:
        context.save_for_backward(place)
        return x.index_select(0, slots)

    @staticmethod
    def backward(context: Any, gradient: Tensor) -> tuple[Tensor, None, None]:
        (place,) = context.saved_tensors
        return functional.pad(gradient, (0, 0, 0, 1)).index_select(0, place.flatten()), None, None


def side_by_side(x: Tensor, place: Tensor, slots: Tensor) -> Tensor:
    """[T, width] → [B, L, width]."""
    rows: Tensor = _SideBySide.apply(x, place, slots)
    return rows.view(*place.shape, x.shape[-1])


class Layer(nn.Module):
    """Self-attention within each text, then a feed-forward network; normalised after each."""

    def __init__(self, size: Size, dropout: float) -> None:
        super().__init__()
        self.size = size
        self.qkv = nn.Linear(size.width, 3 * size.width)
        self.out = nn.Linear(size.width, size.width)
        self.norm1 = nn.LayerNorm(size.width, eps=size.epsilon)
        self.up = nn.Linear(size.width, size.inner)
        self.down = nn.Linear(size.inner, size.width)
        self.norm2 = nn.LayerNorm(size.width, eps=size.epsilon)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor, place: Tensor, slots: Tensor, mask: Tensor) -> Tensor:
        """[T, width] → [T, width]."""
        texts, length = place.shape
        width, heads = self.size.width, self.size.heads
        qkv = side_by_side(self.qkv(x), place, slots)
        query, key, value = qkv.view(texts, length, 3, heads, width // heads).permute(2, 0, 3, 1, 4)
        # Spelt out: for texts this short the fused kernel's backward pass takes a third of all time on a CPU.
        scores = (query * (width // heads) ** -0.5) @ key.transpose(-1, -2)
        attended = functional.softmax(scores + mask, dim=-1) @ value
        attended = _InOneRow.apply(attended.transpose(1, 2).reshape(texts * length, width), place, slots)
        x = self.norm1(x + self.dropout(self.out(attended)))
        return self.norm2(x + self.dropout(self.down(functional.gelu(self.up(x), approximate="tanh"))))


class Network(nn.Module):
    """One encoder, two heads."""

    def __init__(self, vocabulary: int, dropout: float = 0.1, size: Size = MINILM) -> None:
        super().__init__()
        self.size = size
        self.word = nn.Embedding(vocabulary, size.width)
        self.position = nn.Embedding(POSITIONS, size.width)
        self.shape = nn.Embedding(len(Shape), size.width)
        self.norm = nn.LayerNorm(size.width, eps=size.epsilon)
        self.dropout = nn.Dropout(dropout)
        self.distance = nn.Embedding(size.relative, size.heads) if size.relative else None
        self.layers = nn.ModuleList(Layer(size, dropout) for _ in range(size.layers))
        self.sentiment_hidden = nn.Linear(2 * size.width, size.width)
        self.sentiment = nn.Linear(size.width, 3)
        self.entities = nn.Linear(size.width, len(TAGS))
        self.head_dropout = nn.Dropout(2 * dropout)

    def forward(self, batch: Packed) -> tuple[Tensor, Tensor]:
        """Logits of sentiment [B, 3] and of tags [W, len(TAGS)]."""
        tokens = batch.ids.shape[0]
        present = batch.place < tokens
        mask = torch.where(present, 0.0, -1e4)[:, None, None, :]
        if self.distance is not None:
            mask = mask + self.distance(_buckets(present.shape[1], self.size.relative)).permute(2, 0, 1)
        x = self.norm(self.word(batch.ids) + self.position(batch.positions) + self.shape(batch.shapes))
        x = self.dropout(x)
        for layer in self.layers:
            x = layer(x, batch.place, batch.slots, mask)
        texts = side_by_side(x, batch.place, batch.slots)
        mean = texts.sum(1) / present.sum(1, keepdim=True)
        text = torch.cat([texts[:, 0], mean], dim=-1)
        hidden = torch.tanh(self.sentiment_hidden(self.head_dropout(text)))
        return self.sentiment(self.head_dropout(hidden)), self.entities(self.head_dropout(x[batch.heads]))


def pretrained(tokens: dict[str, int], origins: list[list[int]], *, dropout: float, size: Size = MINILM) -> Network:
    """A network with the published weights of its encoder.

    `tokens` are those of our vocabulary that MiniLM's has too; each added one starts as the mean of its `origins`.
    """
    if size is MPNET:
        return _mpnet(tokens, origins, dropout)
    weights = load_file(source() / "model.safetensors")
    weights = {name.removeprefix("bert."): tensor.float() for name, tensor in weights.items()}
    table = weights["embeddings.word_embeddings.weight"]
    return _filled(
        weights,
        table,
        # Every token is of the first segment: its vector is folded into the positions.
        weights["embeddings.position_embeddings.weight"] + weights["embeddings.token_type_embeddings.weight"][0],
        origins,
        dropout,
        MINILM,
        {
            **{part: f"attention.self.{name}" for part, name in (("q", "query"), ("k", "key"), ("v", "value"))},
            "out": "attention.output.dense",
            "norm1": "attention.output.LayerNorm",
        },
    )


def _mpnet(tokens: dict[str, int], origins: list[list[int]], dropout: float) -> Network:
    weights, vocabulary = mpnet()
    # The same word pieces as MiniLM's under other numbers, but for the marks.
    marks = {"[CLS]": "<s>", "[SEP]": "</s>", "[PAD]": "<pad>", "[MASK]": "<mask>"}
    theirs = torch.tensor(
        [vocabulary[marks.get(token, token)] for token in sorted(tokens, key=lambda each: tokens[each])]
    )
    weights = {name.removeprefix("mpnet."): tensor.float() for name, tensor in weights.items()}
    network = _filled(
        weights,
        weights["embeddings.word_embeddings.weight"][theirs],
        weights["embeddings.position_embeddings.weight"][2 : 2 + POSITIONS],  # the first two are for padding
        origins,
        dropout,
        MPNET,
        {
            **{part: f"attention.attn.{part}" for part in "qkv"},
            "out": "attention.attn.o",
            "norm1": "attention.LayerNorm",
        },
    )
    assert network.distance is not None
    network.distance.weight.data.copy_(weights["encoder.relative_attention_bias.weight"])
    return network


def _filled(
    weights: dict[str, Tensor],
    table: Tensor,
    positions: Tensor,
    origins: list[list[int]],
    dropout: float,
    size: Size,
    names: dict[str, str],
) -> Network:
    added = torch.stack([table[ids].mean(0) for ids in origins])
    network = Network(len(table) + len(added), dropout, size)
    state = {
        "word.weight": torch.cat([table, added]),
        "position.weight": positions,
        "norm.weight": weights["embeddings.LayerNorm.weight"],
        "norm.bias": weights["embeddings.LayerNorm.bias"],
    }
    for index in range(size.layers):
        old, new = f"encoder.layer.{index}.", f"layers.{index}."
        for part in ("weight", "bias"):
            state[f"{new}qkv.{part}"] = torch.cat([weights[f"{old}{names[name]}.{part}"] for name in "qkv"])
            for mine, theirs in (
                ("out", names["out"]),
                ("norm1", names["norm1"]),
                ("up", "intermediate.dense"),
                ("down", "output.dense"),
                ("norm2", "output.LayerNorm"),
            ):
                state[f"{new}{mine}.{part}"] = weights[f"{old}{theirs}.{part}"]
    missing, unexpected = network.load_state_dict(state, strict=False)
    ours = ("shape", "sentiment", "entities", "distance")
    if unexpected or any(not name.startswith(ours) for name in missing):
        raise ValueError("the base encoder has another layout than expected")
    nn.init.normal_(network.shape.weight, std=0.02)
    return network


def _buckets(length: int, buckets: int, furthest: int = 128) -> Tensor:
    """[length, length]: the bucket of each distance, near ones alone, far ones together (Raffel et al., 2020, T5)."""
    place = torch.arange(length)
    distance = place[:, None] - place[None, :]
    half = buckets // 2
    alone = half // 2
    far = distance.abs().clamp(min=1).float()
    together = alone + (torch.log(far / alone) / math.log(furthest / alone) * (half - alone)).long()
    near = torch.where(distance.abs() < alone, distance.abs(), together.clamp(max=half - 1))
    return near + torch.where(distance < 0, half, 0)
