"""Stores that hold nothing: one that caches nothing on purpose, and one whose service was closed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NoReturn

from ..errors import CacheClosedError, CacheUnavailableError
from ..model.entry import Capture, Draft, Entry, Failure, Found, Hold, Outcome, Terms
from ..model.missing import MISSING, MissingType
from ..model.report import HealthReport, HealthStatus

__all__ = ["ClosedStore", "NullStore"]

_NOTHING = Found(None, b"", Capture(b"", {}))
_NO_HOLD = Hold(b"", Capture(b"", {}))


class NullStore:
    """Every read misses, every write is dropped; counters raise, since a count that is not kept is wrong."""

    def hit(self, key: str, refresh_ms: float, share: bool = False) -> MissingType:
        return MISSING

    def now_ms(self) -> int:
        return 0

    def ask_along(self, key: str, /) -> None:
        return None

    async def get(self, key: str, *, strict: bool = False, begun: object = None) -> object:
        return MISSING

    async def get_many(self, keys: Sequence[str]) -> list[object]:
        return [MISSING] * len(keys)

    async def get_with_ttl(self, key: str) -> tuple[object, float | None]:
        return MISSING, None

    async def remaining(self, key: str) -> float | None:
        return None

    async def fetch(self, key: str, tags: Sequence[str], *, strict: bool = False) -> Found:
        return _NOTHING

    async def fetch_many(self, keys: Sequence[str]) -> list[Found]:
        return [_NOTHING] * len(keys)

    def open(self, entry: Entry, *, share: bool = False) -> MissingType:
        return MISSING

    async def begin(self, key: str, found: Found, terms: Terms) -> Hold | None:
        return _NO_HOLD

    async def renew(self, key: str, hold: Hold, lease: float) -> bool:
        return True

    async def extend(self, hold: Hold, tags: Sequence[str], named: Sequence[str]) -> Hold:
        return hold

    async def replace(self, key: str, hold: Hold, draft: Draft) -> Outcome:
        return Outcome.CURRENT

    async def release(self, key: str, hold: Hold) -> Outcome:
        return Outcome.CURRENT

    async def fail(self, key: str, hold: Hold, failure: Failure, seconds: float) -> None:
        """Nobody would hear of it."""

    async def write(self, items: Sequence[tuple[str, Draft]]) -> Mapping[str, Exception]:
        return {}

    async def add(self, key: str, draft: Draft) -> bool:
        return False

    async def delete(self, keys: Sequence[str]) -> int:
        return 0

    async def touch(self, key: str, ttl: float) -> bool:
        return False

    async def mark_stale(self, key: str) -> bool:
        return False

    async def count(self, key: str, amount: int, ttl: float, create: bool) -> int:
        raise CacheUnavailableError("the cache is switched off (enabled=False): a counter would not count")

    def new_token(self) -> bytes:
        return b""

    async def hold(
        self, keys: Sequence[str], tags: Sequence[str], token: bytes, seconds: float, *, again: bool = False
    ) -> bool:
        return True

    async def let_go(self, keys: Sequence[str], tags: Sequence[str], token: bytes) -> None:
        """Nothing was held."""

    async def take_lock(self, key: str, token: bytes, ttl: float, patience: float) -> bool:
        raise CacheUnavailableError("the cache is switched off (enabled=False): a lock would keep nobody out")

    async def renew_lock(self, key: str, token: bytes, ttl: float) -> bool:
        return False

    async def release_lock(self, key: str, token: bytes) -> bool:
        return False

    async def invalidate(self, tags: Sequence[str]) -> None:
        """Nothing carries a tag."""

    async def rotate_epoch(self) -> None:
        """Nothing to end."""

    async def sweep(self, pattern: str, *, delete: bool = True) -> int:
        return 0

    async def size(self, *, exact: bool) -> tuple[int, int]:
        return 0, 0

    async def replicated(self, replicas: int) -> int:
        return 0

    async def health(self) -> HealthReport:
        return HealthReport(HealthStatus.HEALTHY, "null", True, 0.0, None, None, "switched off: nothing is cached")


class ClosedStore:
    """What a service holds after `aclose`: every verb raises CacheClosedError."""

    def __getattr__(self, name: str) -> NoReturn:
        self.closed()

    def hit(self, *_: object) -> NoReturn:
        """Held by services, so it is there."""
        self.closed()

    def closed(self) -> NoReturn:
        """Raise what every verb of a closed service raises."""
        raise CacheClosedError("the service is closed; make a new one (after `aclose` or the end of `async with`)")
