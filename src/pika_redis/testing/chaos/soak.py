"""A whole soak in one call: servers, fleet, faults, verdict."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from pika_redis import ArgumentError

from ...wire.embedded import ServerKind
from ..checker import Fleet, Plan, Report
from ..checker.judge import allowed_on, judge
from ..checker.trace import trace_of
from .driver import Driver
from .fault import Fault, Window
from .figures import figures_of
from .report import ChaosReport
from .stage import Stage, Topology, stage_of

__all__ = ["Soak", "soak"]

_SHORTEST = 5.0
_CALM = 4.0
_ALL = 100_000


def _any_seed() -> int:
    return random.SystemRandom().randrange(2**32)


@dataclass(frozen=True, slots=True, kw_only=True)
class Soak:
    """What a soak shall be. Raises ArgumentError for a value that makes no sense."""

    seconds: float = 300.0
    topology: Topology = "standalone"
    kind: ServerKind = "valkey"
    every: float = 2.0
    """Seconds from the beginning of a fault to that of the next; a fault that lasts longer delays the next."""
    processes: int = 3
    tasks: int = 6
    keys: int = 100
    faults: str = ""
    """The names of the only faults that shall come, with commas between them; empty = all."""
    uvloop: bool = False
    seed: int = field(default_factory=_any_seed)
    """The same seed gives the same faults in the same order, and each task the same operations."""

    def __post_init__(self) -> None:
        if not _SHORTEST <= self.seconds <= 86400:
            raise ArgumentError(f"seconds must be from {_SHORTEST:g} to 86400, not {self.seconds:g}")
        if not 0.1 <= self.every <= 3600:
            raise ArgumentError(f"every must be from 0.1 to 3600, not {self.every:g}")


async def soak(wanted: Soak, heading: Callable[[str], object] = lambda _: None) -> ChaosReport:
    """Run it. Raises as `Fleet` and the servers do; `heading` is told what begins."""
    stage = await asyncio.to_thread(stage_of, wanted.topology, wanted.kind, wanted.seed)
    try:
        plan = Plan(
            seconds=wanted.seconds, processes=wanted.processes, tasks=wanted.tasks, keys=wanted.keys, think_ms=10,
            uvloop=wanted.uvloop, seed=wanted.seed, url=stage.url,
        )  # fmt: skip
        async with Fleet(plan) as fleet:
            heading(
                f"chaos on {fleet.server_name} ({wanted.topology}) for {plan.seconds:g} s: {plan.processes} processes "
                f"of {plan.tasks} tasks, a fault every {wanted.every:g} s, seed {plan.seed}"
            )
            driver = Driver(stage, faults_of(stage, wanted.faults), wanted.seed, every=wanted.every)
            faults = asyncio.create_task(driver.run(plan.seconds - _CALM))
            try:
                await fleet.run()
            finally:
                faults.cancel()
                await asyncio.wait({faults})
            if not faults.cancelled() and (error := faults.exception()) is not None:
                raise error
            return await asyncio.to_thread(_judged, fleet, driver.windows)
    finally:
        await asyncio.to_thread(stage.__exit__, None, None, None)


def faults_of(stage: Stage, names: str) -> Sequence[Fault]:
    """Those of the faults that are wanted. Raises ArgumentError for a name that the stage doesn't know."""
    known = {fault.name: fault for fault in stage.faults}
    wanted = [name.strip() for name in names.split(",") if name.strip()]
    if unknown := [name for name in wanted if name not in known]:
        raise ArgumentError(f"there is no fault {unknown[0]!r} here; there are {', '.join(known)}")
    return [known[name] for name in wanted] or stage.faults


def _judged(fleet: Fleet, windows: Sequence[Window]) -> ChaosReport:
    plan, history = fleet.plan, fleet.history()
    allowed = allowed_on(plan.url)
    verdict = judge(history, plan.tags_of, _ALL, lives_ns=plan.lives_ns, changes=plan.changes, allowed=allowed)
    trace = trace_of(history, verdict.examples[0], plan.tags_of) if verdict.examples else ()
    checked = Report(plan, verdict, fleet.server_name, trace)
    return ChaosReport(checked, windows, figures_of(history, windows), fleet.left, fleet.complaints(), fleet.failures())
