"""What protects people: pseudonyms, the smallest group that is shown, and the key behind both."""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass, field

from bot.message import Platform, Pseudonym

MINIMUM_AUTHORS = 5
"""Fewer people than this in a window, and its numbers are hidden: the floor of Officevibe, Glint and Humaans."""

MINIMUM_MESSAGES = 20
"""Fewer messages than this, and the answer is 'not yet: 9 of 20 messages'."""

KEY_BYTES = 32


@dataclass(frozen=True, slots=True)
class Key:
    """The installation's secret; lives outside the database. Raises ValueError unless it is 32 bytes.

    One secret, two uses kept apart by HKDF-like labels, so that neither reveals the other.
    """

    secret: bytes = field(repr=False)

    def __post_init__(self) -> None:
        if len(self.secret) != KEY_BYTES:
            raise ValueError(f"the key is {KEY_BYTES} bytes")

    def derived(self, purpose: str) -> bytes:
        """32 bytes for one purpose (HMAC-SHA-256 as a key derivation, NIST SP 800-108)."""
        return hmac.digest(self.secret, b"roomtone " + purpose.encode(), hashlib.sha256)

    @property
    def fingerprint(self) -> str:
        """Names the key without revealing it; stored in the database so that a wrong key is noticed at start."""
        return self.derived("fingerprint").hex()[:16]


class Pseudonyms:
    """Turns a platform's user ids into pseudonyms that only this installation could make again."""

    def __init__(self, key: Key) -> None:
        self._key = key.derived("pseudonym")

    def of(self, platform: Platform, workspace: str, user: str) -> Pseudonym:
        """The pseudonym of a user: 128 bits of HMAC-SHA-256, as 32 hex digits. The same user, the same pseudonym."""
        name = "\x1f".join((platform, workspace, user)).encode("utf-8", "surrogatepass")
        return Pseudonym(hmac.digest(self._key, name, hashlib.sha256).hex()[:32])
