"""The network: MiniLM's encoder over packed texts, a sentiment head and an entity head.

All texts of a batch lie in one row of tokens without padding; only attention sees them side by side.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn import functional

from bot.analysis.tokens import Shape
from training.vocabulary import source

KINDS = ("person", "organization", "location", "product", "work", "other")
TAGS = ("O", *(f"{prefix}-{kind}" for kind in KINDS for prefix in "BI"))
WIDTH, LAYERS, HEADS, INNER, POSITIONS = 384, 6, 12, 1536, 512


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

    def __init__(self, dropout: float) -> None:
        super().__init__()
        self.qkv = nn.Linear(WIDTH, 3 * WIDTH)
        self.out = nn.Linear(WIDTH, WIDTH)
        self.norm1 = nn.LayerNorm(WIDTH, eps=1e-12)
        self.up = nn.Linear(WIDTH, INNER)
        self.down = nn.Linear(INNER, WIDTH)
        self.norm2 = nn.LayerNorm(WIDTH, eps=1e-12)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor, place: Tensor, slots: Tensor, mask: Tensor) -> Tensor:
        """[T, WIDTH] → [T, WIDTH]."""
        texts, length = place.shape
        qkv = side_by_side(self.qkv(x), place, slots)
        query, key, value = qkv.view(texts, length, 3, HEADS, WIDTH // HEADS).permute(2, 0, 3, 1, 4)
        # Spelt out: for texts this short the fused kernel's backward pass takes a third of all time on a CPU.
        scores = (query * (WIDTH // HEADS) ** -0.5) @ key.transpose(-1, -2)
        attended = functional.softmax(scores + mask, dim=-1) @ value
        attended = _InOneRow.apply(attended.transpose(1, 2).reshape(texts * length, WIDTH), place, slots)
        x = self.norm1(x + self.dropout(self.out(attended)))
        return self.norm2(x + self.dropout(self.down(functional.gelu(self.up(x), approximate="tanh"))))


class Network(nn.Module):
    """One encoder, two heads."""

    def __init__(self, vocabulary: int, dropout: float = 0.1) -> None:
        super().__init__()
        self.word = nn.Embedding(vocabulary, WIDTH)
        self.position = nn.Embedding(POSITIONS, WIDTH)
        self.shape = nn.Embedding(len(Shape), WIDTH)
        self.norm = nn.LayerNorm(WIDTH, eps=1e-12)
        self.dropout = nn.Dropout(dropout)
        self.layers = nn.ModuleList(Layer(dropout) for _ in range(LAYERS))
        self.sentiment_hidden = nn.Linear(2 * WIDTH, WIDTH)
        self.sentiment = nn.Linear(WIDTH, 3)
        self.entities = nn.Linear(WIDTH, len(TAGS))
        self.head_dropout = nn.Dropout(2 * dropout)

    def forward(self, batch: Packed) -> tuple[Tensor, Tensor]:
        """Logits of sentiment [B, 3] and of tags [W, len(TAGS)]."""
        tokens = batch.ids.shape[0]
        present = batch.place < tokens
        mask = torch.where(present, 0.0, -1e4)[:, None, None, :]
        x = self.norm(self.word(batch.ids) + self.position(batch.positions) + self.shape(batch.shapes))
        x = self.dropout(x)
        for layer in self.layers:
            x = layer(x, batch.place, batch.slots, mask)
        texts = side_by_side(x, batch.place, batch.slots)
        mean = texts.sum(1) / present.sum(1, keepdim=True)
        text = torch.cat([texts[:, 0], mean], dim=-1)
        hidden = torch.tanh(self.sentiment_hidden(self.head_dropout(text)))
        return self.sentiment(self.head_dropout(hidden)), self.entities(self.head_dropout(x[batch.heads]))


def pretrained(origins: list[list[int]], *, dropout: float) -> Network:
    """The network with MiniLM's weights; each added token starts as the mean of its `origins`."""
    weights = load_file(source() / "model.safetensors")
    weights = {name.removeprefix("bert."): tensor.float() for name, tensor in weights.items()}
    table = weights["embeddings.word_embeddings.weight"]
    added = torch.stack([table[ids].mean(0) for ids in origins])
    network = Network(len(table) + len(added), dropout)
    state = {
        "word.weight": torch.cat([table, added]),
        # Every token is of the first segment: its vector is folded into the positions.
        "position.weight": weights["embeddings.position_embeddings.weight"]
        + weights["embeddings.token_type_embeddings.weight"][0],
        "norm.weight": weights["embeddings.LayerNorm.weight"],
        "norm.bias": weights["embeddings.LayerNorm.bias"],
    }
    for index in range(LAYERS):
        old, new = f"encoder.layer.{index}.", f"layers.{index}."
        for part in ("weight", "bias"):
            parts = [weights[f"{old}attention.self.{name}.{part}"] for name in ("query", "key", "value")]
            state[f"{new}qkv.{part}"] = torch.cat(parts)
            for mine, theirs in (
                ("out", "attention.output.dense"),
                ("norm1", "attention.output.LayerNorm"),
                ("up", "intermediate.dense"),
                ("down", "output.dense"),
                ("norm2", "output.LayerNorm"),
            ):
                state[f"{new}{mine}.{part}"] = weights[f"{old}{theirs}.{part}"]
    missing, unexpected = network.load_state_dict(state, strict=False)
    if unexpected or any(not name.startswith(("shape", "sentiment", "entities")) for name in missing):
        raise ValueError("the base encoder has another layout than MiniLM-L6")
    nn.init.normal_(network.shape.weight, std=0.02)
    return network
