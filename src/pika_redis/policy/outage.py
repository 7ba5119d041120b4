"""Trouble with the store, told once when it begins and once when it ends, counted every time."""

from __future__ import annotations

import logging

from ..errors import CacheServerError, CacheUnavailableError
from ..model.counters import Counters

__all__ = ["UNREACHABLE", "Outage"]

_log = logging.getLogger("pika_redis")

UNREACHABLE = (CacheUnavailableError, CacheServerError)
"""The errors by which a store says that it can't answer; the loader then answers without it."""


class Outage:
    """Whether one kind of request to the store fails at present."""

    def __init__(self, counters: Counters, begins: str, ends: str) -> None:
        self._counters = counters
        self._begins = begins
        self._ends = ends
        self._under_way = False

    def failed(self, error: Exception) -> None:
        """A request failed."""
        self._counters.errors += 1
        if self._counters.degraded:
            return  # told as a whole
        if not self._under_way:
            self._under_way = True
            _log.warning("%s: %s", self._begins, error)

    def worked(self) -> None:
        """A request was answered."""
        if self._under_way:
            self._under_way = False
            _log.info("%s", self._ends)
