"""The graph that ships says what the network says, and the shipped file is laid out by it."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="the extra `checkpoint` isn't installed")

import onnx  # noqa: E402
import onnxruntime  # noqa: E402

from bot.analysis.embedded import FOLDER  # noqa: E402
from bot.analysis.tokens import Shape  # noqa: E402
from training import data, graph  # noqa: E402
from training.data import Example  # noqa: E402
from training.eightbits import Scaling, felt, fixed  # noqa: E402
from training.export import quantised  # noqa: E402
from training.network import Network, Size  # noqa: E402

WORDS = 50


def texts(count: int) -> list[Example]:
    draw = random.Random(1)
    lengths = [draw.randint(1, 9) for _ in range(count)]
    return [
        Example(tuple((draw.randrange(2, WORDS),) for _ in range(length)), (Shape.LOWER,) * length, "semeval", 1)
        for length in lengths
    ]


@pytest.fixture(scope="module")
def trained() -> tuple[Network, dict[str, Scaling]]:
    """A network that feels its eight bits, some channels larger than the rest, and its scales."""
    torch.manual_seed(0)
    network = Network(WORDS, dropout=0.0, size=Size(width=48, layers=2, inner=96)).eval()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
        network.layers[0].norm1.weight[3] = 6
    ranges = fixed(network, texts(640), 0, 1)
    felt(network, ranges)
    return network, ranges


@pytest.fixture(scope="module")
def built(trained: tuple[Network, dict[str, Scaling]]) -> Any:
    return graph.build(quantised(*trained))


def read(built: Any, examples: list[Example]) -> list[np.ndarray]:
    batch = data.packed(examples, 0, 1)
    feed = {name: getattr(batch, name).numpy() for name in ("ids", "shapes", "positions", "place", "slots", "heads")}
    present = feed["place"] < len(feed["ids"])
    feed |= {"place": np.where(present, feed["place"], 0), "present": present.astype(np.int32)}
    session = onnxruntime.InferenceSession(built.SerializeToString(), providers=["CPUExecutionProvider"])
    outputs: list[np.ndarray] = session.run(None, feed)
    return outputs


def test_the_graph_says_what_the_network_says(trained: tuple[Network, dict[str, Scaling]], built: Any) -> None:
    network, ranges = trained
    examples = texts(9)
    assert any(len(scaling.copies()) for scaling in ranges.values())

    sentiment, tags = read(built, examples)

    with torch.inference_mode():
        said, tagged = network(data.packed(examples, 0, 1))
    for found, expected in ((sentiment, said.numpy()), (tags, tagged.numpy())):
        assert found.shape == expected.shape
        assert np.sqrt(np.square(found - expected).mean()) < 0.05 * expected.std()


def test_the_graph_reads_a_text_the_same_alone_and_among_others(built: Any) -> None:
    examples = texts(9)

    together = read(built, examples)

    alone = [read(built, [example]) for example in examples]
    for index in (0, 1):
        np.testing.assert_allclose(together[index], np.concatenate([each[index] for each in alone]), atol=1e-4)


def test_what_ships_is_laid_out_as_the_next_model_will_be() -> None:
    shipped = onnx.load(FOLDER / "model.onnx")

    again = graph.build(graph.numbers(FOLDER / "model.onnx"))

    assert again.graph == shipped.graph
