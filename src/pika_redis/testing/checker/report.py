"""A run's figures, for people and for programs, and the story of each violation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from .history import Kind, Operation, process_of
from .judge import TierFigures, Verdict, Violation
from .plan import Plan

__all__ = ["Report"]

_COUNTED = {
    Kind.TAG: "tags",
    Kind.DELETE: "keys",
    Kind.MARK_STALE: "marked stale",
    Kind.CLEAR: "clear",
}


@dataclass(frozen=True, slots=True)
class Report:
    """A plan, what came of it, and the name of the server it ran on."""

    plan: Plan
    verdict: Verdict
    server: str
    trace: Sequence[Operation] = ()
    """What led to the first violation."""

    @property
    def seconds(self) -> float:
        """From the first operation's start to the last one's end."""
        return (self.verdict.ended - self.verdict.began) / 1e9

    def to_dict(self) -> dict[str, Any]:
        """The figures by name, ready for JSON; durations in milliseconds, but `seconds`."""
        verdict, plan = self.verdict, self.plan
        return {
            "held": verdict.held,
            "conclusive": verdict.conclusive,
            "control": plan.control,
            "server": self.server,
            "seed": plan.seed,
            "processes": plan.processes,
            "tasks": plan.tasks,
            "keys": plan.keys,
            "invalidate": plan.invalidate,
            "seconds": round(self.seconds, 3),
            "operations": verdict.operations,
            "kinds": {kind.name.lower(): verdict.kinds[kind] for kind in Kind},
            "reads": verdict.reads,
            "hit_rate": round(verdict.hit_rate, 4),
            "loads": verdict.kinds[Kind.LOAD],
            "overlaps": verdict.overlaps,
            "invalidations": verdict.invalidations,
            "loads_per_invalidation": round(verdict.loads_per_invalidation, 3),
            "violations": verdict.violations,
            "outdated": verdict.outdated,
            "tiers": {
                tier.label: _tier_dict(figures, verdict.allowed[tier])
                for tier, figures in sorted(verdict.tiers.items())
            },
            "beside": [self._side_by_side(*pair) for pair in verdict.beside],
            "examples": [self.story(violation) for violation in verdict.examples],
            "trace": [self._traced(one).strip() for one in self.trace],
        }

    def to_text(self) -> str:
        """The figures as a page of text."""
        lines = [*self._counts(), "", *self.table(), "", self._conclusion()]
        lines += [f"  {self.story(violation)}" for violation in self.verdict.examples]
        if self.verdict.beside:
            lines += ["", "loads side by side, the first of them:"]
            lines += [f"  {self._side_by_side(*pair)}" for pair in self.verdict.beside]
        if self.trace:
            lines += ["", "what led to the first one (start and end in ms):", *map(self._traced, self.trace)]
        return "\n".join(lines)

    def _counts(self) -> list[str]:
        verdict = self.verdict
        kinds = verdict.kinds
        ended = ", ".join(f"{name} {kinds[kind]:,}" for kind, name in _COUNTED.items())
        pace = verdict.operations / self.seconds if self.seconds else 0
        rows = [
            ("operations", verdict.operations, f"{pace:,.0f} a second for {self.seconds:.1f} s"),
            ("reads", verdict.reads, f"hit rate {verdict.hit_rate:.1%}"),
            ("loads", kinds[Kind.LOAD], f"{verdict.loads_per_invalidation:.2f} for each invalidation"),
            ("invalidations", verdict.invalidations, ended),
            ("overlapping", verdict.overlaps, "loads beside another of the row, without a reason"),
            ("commits", kinds[Kind.COMMIT], f"of them set {kinds[Kind.SET]:,}, added {kinds[Kind.ADD]:,}"),
            ("failed", kinds[Kind.FAILED], "calls that raised an error of the cache"),
        ]
        return [f"{name:15}{number:>11,}   {remark}" for name, number, remark in rows]

    def table(self) -> list[str]:
        """The reads, by who answered."""
        heads = f"{'answered by':15}{'reads':>11}{'stale':>9}{'outdated':>10}{'max stale':>13}{'allowed':>11}"
        lines = [f"{heads}{'max over age':>15}"]
        for tier, figures in sorted(self.verdict.tiers.items()):
            worst, allowed = f"{figures.worst_ns / 1e6:,.1f} ms", f"{self.verdict.allowed[tier] / 1e6:,.0f} ms"
            counts = f"{figures.reads:>11,}{figures.stale:>9,}{figures.outdated:>10,}"
            over = f"{figures.over_ns / 1e6:,.1f} ms"
            lines.append(f"{tier.label:15}{counts}{worst:>13}{allowed:>11}{over:>15}")
        return lines

    def _conclusion(self) -> str:
        verdict = self.verdict
        if not verdict.conclusive:
            return "no verdict: there were no reads or no invalidations to judge"
        if verdict.held:
            return "violations 0: the promise held"
        note = ", as the naive control should" if self.plan.control else ""
        return f"violations {verdict.violations:,}: the promise was BROKEN{note}; the first of them:"

    def story(self, violation: Violation) -> str:
        """One violation in a line: who read what, and what should have stopped it. Times count from the start."""
        read, cause = violation.read, violation.cause
        value = f"version {read.version}" if read.version else "None"
        place = f"row {read.subject}: process {read.process} read {value} at {self._span(read)} ({read.tier.label})"
        if violation.over_ns:
            return f"{place}, {violation.over_ns / 1e6:.3f} ms after the end of its life"
        if cause is None:
            return f"{place}, which belongs to no load of this row"
        source = f"loaded by process {process_of(read.origin)}" if read.version else "loaded"
        if read.version and not read.as_of:
            source = f"set by process {process_of(read.origin)}"
        whose = f"process {cause.process}{' itself' if violation.own else ''}"
        return (
            f"{place}, {source} at {self._moment(violation.as_of)}; {self._named(cause)} by {whose} at "
            f"{self._span(cause)} had ended {violation.stale_ns / 1e6:.3f} ms before"
        )

    def _traced(self, one: Operation) -> str:
        """A line of the trace."""
        what = one.kind.name.lower()
        if one.kind is Kind.TAG:
            what += f" {self.plan.tag_name(one.subject)}"
        elif one.kind in (Kind.READ, Kind.LOAD, Kind.COMMIT):
            what += f" version {one.version}" if one.version else " None"
        return f"  {self._moment(one.start):>12} {self._moment(one.end):>12}  process {one.process}  {what}"

    def _named(self, cause: Operation) -> str:
        if cause.kind is Kind.TAG:
            return f"the invalidation of tag {self.plan.tag_name(cause.subject)}"
        return f"the {cause.kind.name.lower()}"

    def _side_by_side(self, earlier: Operation, load: Operation) -> str:
        asked = f"process {load.process} at {self._span(load)}, asked for at {self._moment(load.as_of)}"
        return f"row {load.subject}: {asked}, beside process {earlier.process} at {self._span(earlier)}"

    def _span(self, one: Operation) -> str:
        return f"[{self._moment(one.start)}, {self._moment(one.end)}]"

    def _moment(self, stamp: int) -> str:
        return f"{(stamp - self.verdict.began) / 1e6:.3f}"


def _tier_dict(figures: TierFigures, allowed_ns: int) -> dict[str, float]:
    return {
        "reads": figures.reads,
        "stale": figures.stale,
        "outdated": figures.outdated,
        "violations": figures.violations,
        "max_stale_ms": round(figures.worst_ns / 1e6, 3),
        "allowed_ms": allowed_ns / 1e6,
        "max_over_age_ms": round(figures.over_ns / 1e6, 3),
    }
