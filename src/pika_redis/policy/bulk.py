"""The read-through flow for many keys: what is fresh in two steps, and one call of the loader for the rest.

Copies in memory are looked up first, then the store is asked for all the others at once. What is missing goes the way
of any load, each key with its own flight and its own lease, so that callers of single keys, other batches and other
processes share it; but the loaders of this batch's flights fold into one call (`folding`). Since what one tick sends
leaves in one write, the leases cost one round trip, and so do the stores.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from ..model.counters import Counters
from ..model.entry import Found
from ..model.missing import MISSING
from ..storage.store import Store
from .flights import HANDED_OVER
from .folding import BulkLoader, Folding, TickFolding
from .loading import Plan
from .read_through import ReadThrough
from .room import batch

__all__ = ["BulkReads", "Wanted"]


@dataclass(frozen=True, slots=True)
class Wanted:
    """One item of a batch."""

    key: str
    item: Any
    plan: Plan


class BulkReads:
    """Batches over one store."""

    def __init__(self, store: Store, reads: ReadThrough, counters: Counters) -> None:
        self._store = store
        self._reads = reads
        self._counters = counters

    async def get_or_load_many(self, wanted: Sequence[Wanted], loader: BulkLoader) -> list[object]:
        """Values aligned with `wanted`, whose keys differ. Raises as `ReadThrough.get_or_load`."""
        flights = self._reads.flights.get()
        values = [self._at_hand(one) for one in wanted]
        rest = [at for at, value in enumerate(values) if value is MISSING]
        if not rest:
            return values
        later = TickFolding(loader, flights)
        founds = await self._reads.look_many([wanted[at].key for at in rest], wanted[rest[0]].plan)
        for at, found in zip(rest, founds, strict=True):
            one = wanted[at]
            values[at] = await self._reads.serve(one.key, found, partial(later.load, one.item), one.plan)
            self._counters.hits += values[at] is not MISSING
        missing = [(at, found) for at, found in zip(rest, founds, strict=True) if values[at] is MISSING]
        first = Folding(loader, len(missing), flights)
        with batch():
            loads = [self._load(wanted[at], found, at, (first, later)) for at, found in missing]
            loaded = await asyncio.gather(*loads, return_exceptions=True)
        for (at, _), value in zip(missing, loaded, strict=True):
            if isinstance(value, BaseException):
                raise value
            values[at] = value
        return values

    def _at_hand(self, one: Wanted) -> object:
        options = one.plan.options
        if options.strict or not options.enabled:
            return MISSING
        value = self._store.hit(one.key, options.refresh_ahead * 1000, share=options.share)
        self._counters.hits += value is not MISSING
        return value

    async def _load(self, one: Wanted, found: Found | None, place: int, calls: tuple[Folding, TickFolding]) -> object:
        """Load what is missing; what others load at the moment is waited for, when this one no longer is."""
        first, later = calls
        came = gone = False

        async def load() -> object:
            nonlocal came
            if gone:  # the caller was cancelled, and the call for its batch does not wait for this item
                return await later.load(one.item)
            came = True
            return await first.load(one.item, place)

        value: object = HANDED_OVER
        try:
            value = await self._reads.lead_at_once(one.key, found, load, one.plan)
        finally:
            if not came:
                gone = True
                first.decide()
        if value is not HANDED_OVER:
            return value
        return await self._reads.get_or_load(one.key, partial(later.load, one.item), one.plan)
