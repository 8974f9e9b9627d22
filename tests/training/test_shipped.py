"""A shipped file is read back as the network it was made of."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="the extra `checkpoint` isn't installed")

from bot.analysis.embedded import FOLDER, Reader  # noqa: E402
from training import graph, shipped  # noqa: E402
from training.compare import FloatReader  # noqa: E402
from training.export import quantised  # noqa: E402

TEXTS = [
    "the new cache is so much faster, thank you!",
    "why does this method swallow the exception? I don't like it at all",
    "Maria moved the build from Travis to GitHub Actions in Berlin",
    "kill the process and start it again",
    "third flaky test today \N{UNAMUSED FACE}",
]


def test_the_network_of_the_shipped_file_says_what_the_file_says() -> None:
    _, network = shipped.read(FOLDER, dropout=0.1)
    file, floats = Reader(FOLDER), FloatReader(FOLDER, network)
    read = file._vocabulary.read(TEXTS)

    said, tagged = file.logits(read)

    expected, tags = floats.logits(read)
    np.testing.assert_allclose(said, expected, atol=0.005)
    np.testing.assert_allclose(np.concatenate(tagged), np.concatenate(tags), atol=0.05)
    assert (said.argmax(1) == expected.argmax(1)).all()


def test_eight_bits_are_made_of_it_again_as_they_were() -> None:
    held = graph.numbers(FOLDER / "model.onnx")

    again = quantised(*shipped.restored(held))

    for name, number in again.items():
        assert number.dtype == held[name].dtype, name
        np.testing.assert_allclose(number, held[name], rtol=1e-5, atol=1e-7, err_msg=name)
