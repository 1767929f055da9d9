"""Keys: made of random bits, kept as a hash, looked up by it, and remembered for a few seconds."""

import hashlib
import secrets
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from serving.access.callers import Caller
from serving.access.errors import Unauthorised

PREFIX = "pk_"
SHOWN = len(PREFIX) + 8
"""Characters by which people recognise a key; the other 35 stay secret."""
MOST_REMEMBERED = 4096


@dataclass(frozen=True)
class Key:
    """A key as it is stored, without its secret."""

    key_id: int
    scopes: list[str]
    merchant_ids: list[str] | None
    expires_at: datetime | None
    revoked_at: datetime | None


class Keys(Protocol):
    """Where keys are kept. Raises StoreUnavailable when they cannot be read."""

    async def find(self, key_hash: bytes) -> Key | None:
        """The key with this hash."""


def new_secret() -> str:
    """256 random bits as a key."""
    return PREFIX + secrets.token_urlsafe(32)


def hash_of(secret: str) -> bytes:
    """What is stored of a key. It is as random as the hash is long: nothing slower or salted would protect it more."""
    return hashlib.sha256(secret.encode("utf-8", "surrogateescape")).digest()


class KeyRing:
    """Tells callers by their keys; the time a look-up takes says nothing, for it compares hashes."""

    def __init__(self, keys: Keys, now: Callable[[], datetime], seconds: float) -> None:
        """Remembers what it found for `seconds`: so long may a key work after it was revoked."""
        self.keys = keys
        self.now = now
        self.seconds = seconds
        self._remembered: OrderedDict[bytes, tuple[float, Key | None]] = OrderedDict()

    async def caller(self, secret: str) -> Caller:
        """The holder of a key.

        Raises:
            Unauthorised: when the key is unknown, expired or revoked.
            StoreUnavailable: when that cannot be found out.
        """
        key = await self._find(hash_of(secret))
        if key is None:
            raise Unauthorised("The key is unknown.")
        if key.revoked_at is not None:
            raise Unauthorised("The key was revoked.")
        if key.expires_at is not None and key.expires_at <= self.now():
            raise Unauthorised("The key has expired.")
        merchants = None if key.merchant_ids is None else frozenset(key.merchant_ids)
        return Caller(key.key_id, frozenset(key.scopes), merchants)

    async def _find(self, key_hash: bytes) -> Key | None:
        until, key = self._remembered.get(key_hash, (0.0, None))
        if time.monotonic() < until:
            return key
        key = await self.keys.find(key_hash)
        self._remembered[key_hash] = (time.monotonic() + self.seconds, key)
        self._remembered.move_to_end(key_hash)
        if len(self._remembered) > MOST_REMEMBERED:
            self._remembered.popitem(last=False)
        return key
