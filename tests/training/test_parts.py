"""Parts of the training that decide what the shipped model is: its eight bits, its emoji, its slips of the finger."""

from __future__ import annotations

import random
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="the extra `checkpoint` isn't installed")

from bot.analysis.tokens import Shape  # noqa: E402
from training import data, faces  # noqa: E402
from training.data import Example  # noqa: E402
from training.eightbits import MATMULS, eight_bits, felt, fixed  # noqa: E402
from training.network import TAGS, Network, Packed, Size  # noqa: E402

WORDS = 50


@pytest.fixture
def network() -> Network:
    torch.manual_seed(0)
    network: Network = Network(WORDS, dropout=0.0, size=Size(width=48, layers=2, inner=96)).eval()
    return network


def texts(count: int) -> list[Example]:
    draw = random.Random(1)
    lengths = [draw.randint(1, 9) for _ in range(count)]
    return [
        Example(tuple((draw.randrange(2, WORDS),) for _ in range(length)), (Shape.NONE,) * length, "semeval", 1)
        for length in lengths
    ]


def a_text(label: int) -> Example:
    return Example(((5,), (6, 7)), (Shape.LOWER, Shape.LOWER), "semeval", label)


def read(network: Network, examples: list[Example]) -> tuple[Any, Any]:
    with torch.inference_mode():
        sentiment, tags = network(data.packed(examples, 0, 1))
    return sentiment, tags


def test_a_text_is_read_the_same_alone_and_in_a_batch(network: Network):
    examples = texts(5)

    together, tags = read(network, examples)

    alone = [read(network, [example]) for example in examples]
    assert torch.allclose(together, torch.cat([sentiment for sentiment, _ in alone]), atol=1e-5)
    assert torch.allclose(tags, torch.cat([each for _, each in alone]), atol=1e-5)
    assert tags.shape == (sum(len(example.words) for example in examples), len(TAGS))


def test_eight_bits_are_felt_a_little_and_let_gradients_through(network: Network):
    examples = texts(640)
    before, _ = read(network, examples[:20])

    felt(network, fixed(network, examples, 0, 1))

    after, _ = read(network, examples[:20])
    assert 0 < float((after - before).abs().max()) < 0.1
    batch: Packed = data.packed(examples[:4], 0, 1)
    network(batch)[0].sum().backward()
    assert float(network.layers[0].qkv.weight.grad.abs().sum()) > 0


def test_training_feels_the_very_weights_that_ship(network: Network):
    network.norm.weight.data[3] *= 9  # a channel much larger than the rest, as real ones have
    scaling = fixed(network, texts(640), 0, 1)["0.qkv"]
    module = network.layers[0].qkv
    x = torch.randn(7, 48)
    rows, scales = eight_bits(scaling.weight(module.weight.detach().numpy()))
    shipped = torch.from_numpy(scaling.undone(rows * scales[:, None]))
    steps = torch.from_numpy(scaling.divisors) * scaling.held.scale
    rounded = ((x / steps).round() + scaling.held.zero).clamp(0, 255) - scaling.held.zero
    assert len(scaling.copies()) > 0

    felt(network, {f"{layer}.{name}": scaling for layer in range(2) for name in MATMULS})

    assert torch.allclose(module(x), rounded * steps @ shipped.T + module.bias, atol=1e-5)
    assert not torch.allclose(module(x), rounded * steps @ module.weight.T + module.bias, atol=1e-5)


@pytest.mark.parametrize("label", [0, 1, 2])
def test_an_emoji_decides_over_plain_words_and_agrees_with_others(label: int):
    put = faces.Faces(lambda emoji: [ord(emoji)], chance=1.0)
    draw = random.Random(3)

    varied = [put.into_text(a_text(label), draw) for _ in range(300)]

    for example in varied:
        (emoji,) = {chr(word[0]) for word in example.words if word[0] > 1000} or {""}
        if example.label == label:
            assert label == 1 or emoji not in faces.CLASSES[2 - label] or emoji in faces.CLASSES[label]
        else:
            assert emoji in (faces.MOCKING if label == 2 else faces.CLASSES[example.label])
    assert {example.label for example in varied} == ({0, 1, 2} if label == 1 else {0, 2} if label == 2 else {0})


def test_slips_of_the_finger_change_words_but_neither_labels_nor_length_much():
    rows: list[dict[str, object]] = [{"text": "what a horrible experience today", "label": "negative"}] * 50

    slipped = data.mistyped(rows, 50)

    assert {row["label"] for row in slipped} == {"negative"}
    assert len({str(row["text"]) for row in slipped}) > 20
    assert all(abs(len(str(row["text"])) - len(str(rows[0]["text"]))) <= 3 for row in slipped)
