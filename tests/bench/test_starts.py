"""Every benchmark can be started: what it imports is there."""

from __future__ import annotations

import importlib
import pkgutil

import pytest

import bench


@pytest.mark.parametrize(
    "name", [module.name for module in pkgutil.iter_modules(bench.__path__) if module.name != "__main__"]
)
def test_a_benchmark_can_be_started(name: str):
    assert importlib.import_module(f"bench.{name}").__doc__
