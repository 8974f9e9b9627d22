"""A network from the file it was shipped as, to go on training where no checkpoint of it was kept."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from tokenizers import Tokenizer

from training.eightbits import MATMULS, Range, Scaling
from training.graph import Numbers, numbers
from training.network import Network, Size


def read(folder: Path, *, dropout: float) -> tuple[Tokenizer, Network]:
    """The tokenizer and the network of a folder of shipped files."""
    network, _ = restored(numbers(folder / "model.onnx"), dropout=dropout)
    return Tokenizer.from_file(str(folder / "tokenizer.json")), network


def restored(held: Numbers, *, dropout: float = 0.0) -> tuple[Network, dict[str, Scaling]]:
    """The network of which `training.export.quantised` makes these numbers, and the scales it makes them with.

    All that is lost is what int8 rounded off the weights: at most 1/254 of the largest of their row.
    """
    layers = sum(name.endswith(".qkv.weight") for name in held)
    words, width = held["word.table"].shape
    network = Network(words, dropout, Size(width, layers, len(held["layers.0.up.bias"])))
    state = {
        "word.weight": held["word.table"] * held["word.scales"],
        "position.weight": held["position.table"],
        "shape.weight": held["shape.table"],
    }
    scalings: dict[str, Scaling] = {}
    for index in range(layers):
        for part in MATMULS:
            name = f"layers.{index}.{part}"
            scalings[f"{index}.{part}"] = scaling = _scaling(held, name)
            state[f"{name}.weight"] = scaling.undone((held[f"{name}.weight"] * held[f"{name}.scales"]).T)
    for name in network.state_dict().keys() - state.keys():
        state[name] = held[name.replace("weight", "gamma").replace("bias", "beta") if "norm" in name else name]
    network.load_state_dict({name: torch.tensor(np.asarray(value, np.float32)) for name, value in state.items()})
    return network, scalings


def _scaling(held: Numbers, name: str) -> Scaling:
    step, zero = float(held[f"{name}.x_scale"]), int(held[f"{name}.x_zero"])
    factors = 1 / held[f"{name}.factors"] if f"{name}.factors" in held else None
    return Scaling(factors, Range(-zero * step, (255 - zero) * step))
