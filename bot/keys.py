"""The installation's key: where it is kept, and how it is made on first use."""

from __future__ import annotations

import os
import secrets
import time
from pathlib import Path

from bot.errors import ConfigurationError
from bot.privacy import KEY_BYTES, Key

PATIENCE = 20
"""Looks, a tenth of a second apart, at a key file that is still empty."""


def given_key(text: str) -> Key:
    """The secret that the settings hold. Raises ConfigurationError if it isn't one."""
    return _key(text, "ROOMTONE_KEY")


def kept_key(path: Path) -> Key:
    """The secret in the file `path`, made on first use. Raises ConfigurationError if what is there isn't one."""
    try:
        return _key(_written(path), str(path))
    except FileNotFoundError:
        pass
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"The key file {path} can't be read; check its owner and permissions.") from error
    secret = secrets.token_bytes(KEY_BYTES)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        # Created readable by its owner alone; O_EXCL, so that of two first starts one waits for the other's key.
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return kept_key(path)
    except OSError as error:
        raise ConfigurationError(
            f"The key file {path} can't be written ({error.strerror}); name another place in ROOMTONE_KEY_FILE, or one "
            "for the database and its key in ROOMTONE_DATABASE_URL."
        ) from error
    try:
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            file.write(secret.hex() + "\n")
            file.flush()
            os.fsync(descriptor)  # what is recorded with a key that a power cut took can't be told apart any more
    except OSError as error:
        path.unlink(missing_ok=True)
        raise ConfigurationError(f"The key file {path} can't be written ({error.strerror}).") from error
    return Key(secret)


def _written(path: Path) -> str:
    """What `path` holds. Another first start may have created it this moment, and be about to write."""
    for _ in range(PATIENCE):
        if text := path.read_text(encoding="ascii").strip():
            break
        time.sleep(0.1)
    return text


def _key(text: str, where: str) -> Key:
    try:
        return Key(bytes.fromhex(text))
    except ValueError:
        raise ConfigurationError(
            f"{where} doesn't hold a key: {2 * KEY_BYTES} hex digits are expected. Restore it from your copy."
        ) from None


def key_path(url: str) -> Path:
    """Where the key is kept unless a setting says otherwise: beside the database's file."""
    file = url.partition(":///")[2] if "://" in url else url
    return Path(file or "roomtone").expanduser().with_suffix(".key")
