"""Nonces as nodes told them that are gone: believed for some time, or all entries would be lost with their nodes."""

from __future__ import annotations

from collections.abc import Callable, Mapping

__all__ = ["Remembered"]


class Remembered:
    """What was known, by key."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._kept: dict[str, tuple[bytes, float]] = {}

    def note(self, nonces: Mapping[str, bytes], until: float) -> None:
        """These are believed until then."""
        now = self._now()
        self._kept = {key: kept for key, kept in self._kept.items() if kept[1] > now}
        self._kept.update({key: (nonce, until) for key, nonce in nonces.items()})

    def get(self, key: str) -> bytes | None:
        """What is believed of a key; None = nothing."""
        nonce, until = self._kept.get(key, (None, 0.0))
        return nonce if self._now() < until else None

    def end(self, key: str) -> None:
        """It was read again, or has changed."""
        if self._kept:
            self._kept.pop(key, None)
