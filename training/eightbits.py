"""What eight bits do to a network: fixed scales of its activations, and training that feels them.

Activations are uint8 with scales fixed once, on training texts, so that a text is read the same whether it comes alone
or among others. A few channels of the activations are many times as large as the rest and would cost all others their
precision; they are divided before they become eight bits, and their weights multiplied (as in SmoothQuant; Xiao et
al., 2023); the largest are given several times instead, so that no weight grows much either.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import MethodType

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from training.data import Example, packed
from training.network import Network

MATMULS = ("qkv", "out", "up", "down")
SAMPLE = 1600  # texts over which the scales are fixed
LEAST = 1e-8  # the greatest weight of a row, for its scale, at least
Array = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Range:
    """What an activation is clipped to before it becomes eight bits."""

    low: float
    high: float

    @property
    def scale(self) -> float:
        """The step between two neighbouring values."""
        return max(self.high - self.low, 1e-6) / 255

    @property
    def zero(self) -> int:
        """The step that stands for 0."""
        return int(np.clip(round(-self.low / self.scale), 0, 255))


def fixed(network: Network, examples: Sequence[Example], begin: int, end: int) -> dict[str, Scaling]:
    """The scales of every matrix multiplication, over a sample of `examples`."""
    sample = random.Random(0).sample(list(examples), min(SAMPLE, len(examples)))
    return scalings(observe(network, [sample[start : start + 32] for start in range(0, len(sample), 32)], begin, end))


def felt(network: Network, ranges: dict[str, Scaling]) -> None:
    """From now on every matrix multiplication is of eight bits by eight; gradients pass unchanged.

    Quantisation-aware training with the straight-through estimator (Jacob et al., 2018).
    """
    for index, layer in enumerate(network.layers):
        for name in MATMULS:
            module: nn.Linear = getattr(layer, name)
            module.forward = MethodType(_rounded(ranges[f"{index}.{name}"]), module)  # type: ignore[method-assign]


def _rounded(scaling: Scaling) -> Callable[[nn.Linear, Tensor], Tensor]:
    steps = torch.from_numpy(scaling.divisors * np.float32(scaling.held.scale))
    spread = torch.from_numpy(scaling.spread)
    zero = scaling.held.zero

    def forward(module: nn.Linear, x: Tensor) -> Tensor:
        with torch.no_grad():
            x_lost = (x / steps).round_().add_(zero).clamp_(0, 255).sub_(zero) * steps - x
            units = (module.weight * spread).abs().amax(1, keepdim=True).clamp_(min=LEAST) / 127 / spread
            w_lost = (module.weight / units).round_() * units - module.weight
        return functional.linear(x + x_lost, module.weight + w_lost, module.bias)

    return forward


@torch.inference_mode()
def observe(network: Network, batches: Sequence[Sequence[Example]], begin: int, end: int) -> dict[str, torch.Tensor]:
    """The inputs of every matrix multiplication over these texts: name → [tokens, width]."""
    seen: dict[str, list[torch.Tensor]] = {}
    hooks = []
    for index, layer in enumerate(network.layers):
        for name in MATMULS:
            key = f"{index}.{name}"
            hooks.append(
                getattr(layer, name).register_forward_pre_hook(
                    lambda _module, inputs, key=key: seen.setdefault(key, []).append(inputs[0].clone())
                )
            )
    network.eval()
    for batch in batches:
        network(packed(batch, begin, end))
    for hook in hooks:
        hook.remove()
    return {key: torch.cat(parts) for key, parts in seen.items()}


def fitting_range(values: torch.Tensor) -> Range:
    """The range that loses least in the mean square, over clipped and unclipped ones."""
    flat = values.flatten()
    if len(flat) > 400_000:
        flat = flat[torch.randperm(len(flat), generator=torch.Generator().manual_seed(0))[:400_000]]
    low, high = float(values.min()), float(values.max())
    best, least = Range(low, high), float("inf")
    for share in (1.0, 0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.25, 0.2):
        for side in ((share, share), (1.0, share)) if low > -0.5 else ((share, share),):
            tried = Range(low * side[0], high * side[1])
            rounded = (flat / tried.scale + tried.zero).round().clamp(0, 255)
            error = float((((rounded - tried.zero) * tried.scale - flat) ** 2).mean())
            if error < least:
                best, least = tried, error
    return best


def outlier_factors(values: torch.Tensor) -> torch.Tensor:
    """What to divide each channel by: 1, or more where it exceeds nearly all others."""
    largest = values.abs().amax(0)
    return (largest / torch.quantile(largest, 0.97)).clamp(min=1.0)


@dataclass(frozen=True, slots=True)
class Scaling:
    """How the input of one matrix multiplication becomes eight bits."""

    factors: Array | None  # what each channel is divided by before
    held: Range

    def copies(self) -> NDArray[np.int64]:
        """Channels that are given again, so that their weights needn't grow by their whole factor."""
        if self.factors is None:
            return np.zeros(0, np.int64)
        times = np.where(self.factors > 1.3, np.ceil(self.factors), 1).astype(np.int64)
        return np.repeat(np.arange(len(times)), times - 1)

    @property
    def divisors(self) -> Array:
        """What each channel is divided by before it becomes eight bits."""
        return np.ones(1, np.float32) if self.factors is None else self.factors

    @property
    def spread(self) -> Array:
        """What each channel's weights are multiplied by in turn."""
        times = 1 + np.bincount(self.copies(), minlength=len(self.divisors))
        result: Array = (self.divisors / times).astype(np.float32)
        return result

    def weight(self, weight: Array) -> Array:
        """The weights [out, in] for the divided and repeated channels."""
        if self.factors is None:
            return weight
        shared, copies = weight * self.spread, self.copies()
        result: Array = np.concatenate([shared, shared[:, copies]], axis=1).astype(np.float32)
        return result

    def undone(self, weight: Array) -> Array:
        """The weights [out, in] of which `weight` makes these."""
        if self.factors is None:
            return weight
        result: Array = weight[:, : len(self.factors)] / self.spread
        return result


def scalings(seen: dict[str, torch.Tensor]) -> dict[str, Scaling]:
    """For every matrix multiplication."""
    found = {}
    for name, values in seen.items():
        if name.endswith(".out"):  # has no outliers
            found[name] = Scaling(None, fitting_range(values))
        else:
            factors = outlier_factors(values)
            found[name] = Scaling(factors.numpy(), fitting_range(values / factors))
    return found


def eight_bits(weight: Array) -> tuple[NDArray[np.int8], Array]:
    """Rows of `weight` as int8 and the scale of each row."""
    scales = np.maximum(np.abs(weight).max(1), LEAST).astype(np.float32) / 127
    return np.clip(np.rint(weight / scales[:, None]), -127, 127).astype(np.int8), scales
