"""Sealing: what waits is unreadable without the installation's key, which lives outside the database."""

from __future__ import annotations

import hashlib
import hmac
import os

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from bot.errors import StorageError
from bot.privacy import Key

_KEY_ID_BYTES = 4
_NONCE_BYTES = 12  # random; NIST SP 800-38D allows 2**32 of them with one key: 400 years at 10 million messages a year


class Seal:
    """Seals and opens with one key; names things by keyed digests."""

    def __init__(self, key: Key) -> None:
        self._cipher = AESGCM(key.derived("inbox"))
        self._digest_key = key.derived("inbox identity")
        self._key_id = bytes.fromhex(key.fingerprint)[:_KEY_ID_BYTES]

    def digest(self, *parts: str | bytes) -> bytes:
        """16 bytes that name `parts` to this installation, and to nobody else."""
        whole = b"\x1f".join(p if isinstance(p, bytes) else p.encode("utf-8", "surrogatepass") for p in parts)
        return hmac.digest(self._digest_key, whole, hashlib.sha256)[:16]

    def sealed(self, content: bytes, about: bytes) -> bytes:
        """`content`, encrypted and bound to `about`: it can't be opened as anything else."""
        nonce = os.urandom(_NONCE_BYTES)
        return self._key_id + nonce + self._cipher.encrypt(nonce, content, about)

    def opened(self, sealed: bytes, about: bytes) -> bytes:
        """What was sealed. Raises StorageError if it was changed, or sealed with another key or for something else."""
        if sealed[:_KEY_ID_BYTES] != self._key_id:
            raise StorageError("a waiting message was sealed with another key: put that key back, and start again")
        nonce, encrypted = sealed[_KEY_ID_BYTES:][:_NONCE_BYTES], sealed[_KEY_ID_BYTES + _NONCE_BYTES :]
        try:
            return self._cipher.decrypt(nonce, encrypted, about)
        except InvalidTag as error:
            raise StorageError("a waiting message was damaged on disk: restore the database from a backup") from error
