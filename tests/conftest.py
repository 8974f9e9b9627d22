"""What every test may use: an installation's key, and real databases in files of their own."""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from hypothesis import settings

from bot.privacy import Key
from storage import Storage, open_storage

# ONNX Runtime's telemetry opens sockets that pytest-socket doesn't see.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"

KEY = Key(bytes(range(32)))

# Wall time says nothing on a shared machine, so no example has a deadline.
settings.register_profile("quick", max_examples=100, deadline=None)
settings.register_profile("deep", max_examples=1000, deadline=None)
settings.load_profile("quick")


@pytest.fixture(scope="session")
def empty_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database as it is after its first start; to be copied, so that each test needn't migrate one."""
    path = tmp_path_factory.mktemp("empty") / "roomtone.db"

    async def create() -> None:
        async with open_storage(str(path), KEY):
            pass

    asyncio.run(create())
    return path


@pytest.fixture
def database(empty_database: Path, tmp_path: Path) -> Path:
    """A database of this test's own, empty and closed."""
    return Path(shutil.copy(empty_database, tmp_path / "roomtone.db"))


@pytest.fixture
async def storage(database: Path) -> AsyncIterator[Storage]:
    """That database, open."""
    async with open_storage(str(database), KEY, sole=True) as opened:
        yield opened
