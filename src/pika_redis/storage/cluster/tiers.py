"""A cluster's entries with memory behind them: a node that is down takes its own slots along, and no others.

A verb about keys of several nodes asks those that can be asked, and memory for the rest. Where it can't be told which
of its nodes failed, all of them are cut off: those that live are back a moment later, with what waited for them.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import TypeVar, cast

from ...errors import CacheUnavailableError
from ...model.entry import Draft, Found
from ...model.missing import MISSING
from ...model.report import HealthReport, HealthStatus
from ...wire.replies import LoginDenied
from ..standing import Standing
from ..tiers import Tiers
from .near import ClusterNear

__all__ = ["ClusterTiers"]

T = TypeVar("T")


class ClusterTiers(Tiers):
    """The cluster's entries of one namespace, with memory behind them."""

    async def get(self, key: str, *, strict: bool = False, begun: object = None) -> object:
        if not self._near().standing_of(key).cut:
            try:
                return await self._server.get(key, strict=strict)
            except (CacheUnavailableError, LoginDenied) as error:
                self._fail(error, (key,))
        return MISSING if strict else await self._at_hand(key)

    async def get_many(self, keys: Sequence[str]) -> list[object]:
        return await self._some(keys, self._server.get_many, self._many_at_hand)

    async def fetch_many(self, keys: Sequence[str]) -> list[Found]:
        return await self._some(keys, self._server.fetch_many, self._many_found_here)

    async def _some(
        self,
        keys: Sequence[str],
        ask: Callable[[Sequence[str]], Awaitable[list[T]]],
        without: Callable[[Sequence[str]], Awaitable[list[T]]],
    ) -> list[T]:
        """What the nodes say that can be asked, and for the other keys what is said without them."""
        found: dict[str, T] = {}
        rest = [key for key in keys if not self._standing(key).cut]
        while rest:
            asked = rest
            try:
                found.update(zip(asked, await ask(asked), strict=True))
            except (CacheUnavailableError, LoginDenied) as error:
                self._fail(error, self._down(asked) or asked)
            rest = [key for key in asked if key not in found and not self._standing(key).cut]
            if len(rest) == len(asked):  # nobody is to blame: the line is full, or the service ends
                break
        cut = [key for key in dict.fromkeys(keys) if key not in found]
        if cut:
            found.update(zip(cut, await without(cut), strict=True))
        return [found[key] for key in keys]

    async def write(self, items: Sequence[tuple[str, Draft]]) -> Mapping[str, Exception]:
        failed = await super().write(items)
        stored = [key for key, _ in items if not self._standing(key).cut]
        if stored and not self._degraded.shelf.is_empty:  # what memory has of them is older, also for the next cut
            await self._memory.delete(stored)
        return failed

    def _near(self) -> ClusterNear:
        return cast("ClusterNear", self._nears.get())

    def _standing(self, key: str) -> Standing:
        return self._near().standing_of(key)

    def _down(self, keys: Sequence[str]) -> list[str]:
        """The keys whose nodes have no connection that could be used."""
        owner = self._near().cluster.owner
        return [key for key in keys if (one := owner(key)) is None or not one.node.connection.usable]

    def _is_cut(self, keys: Sequence[str]) -> bool:
        return any(self._standing(key).cut for key in keys)

    def _cut_off(self, error: Exception, keys: Sequence[str]) -> None:
        for standing in dict.fromkeys(self._standing(key) for key in keys):
            standing.fail(error)

    async def health(self) -> HealthReport:
        report = await self._server.health()
        waiting = self._degraded.journal.waiting
        notes = [report.detail] if report.detail != "ok" else []
        if self._near().is_cut:
            notes.append(f"for {self._degraded.seconds:.0f} s values come from this process's memory")
        if waiting:
            notes.append(f"{waiting} invalidations wait for their nodes")
        if not notes:
            return report
        return HealthReport(
            HealthStatus.DEGRADED,
            report.backend,
            report.connected,
            report.latency_ms,
            report.server,
            report.role,
            "; ".join(notes),
        )
