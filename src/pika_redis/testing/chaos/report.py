"""A soak's figures, for people and for programs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from ..checker import Report
from ..checker.judge import Violation
from ..checker.residue import Residue
from .fault import Window
from .figures import Figures, percentile_ms

__all__ = ["ChaosReport"]

_AFTER_NS = 5_000_000_000
_SHOWN = 10


@dataclass(frozen=True)
class ChaosReport:
    """What came of a soak."""

    checked: Report
    """The verdict on every read; its examples are all violations."""
    windows: Sequence[Window]
    figures: Figures
    left: Residue
    """What the services left behind when they were closed."""
    complaints: Sequence[str]
    """What the processes said that a clean one doesn't say."""
    failures: Sequence[str] = ()
    """The errors of calls that should have been answered."""

    @cached_property
    def broken(self) -> list[Violation]:
        """The violations that nothing excuses."""
        return [one for one in self.checked.verdict.examples if not self._is_excused(one)]

    @cached_property
    def excused(self) -> list[Violation]:
        """Those while another server took over, which may have lost what the old one had acknowledged."""
        return [one for one in self.checked.verdict.examples if self._is_excused(one)]

    @property
    def held(self) -> bool:
        """Whether nothing was broken, left behind or complained of."""
        return not (self.broken or any(self.left) or self.complaints)

    @property
    def conclusive(self) -> bool:
        """Whether there were faults, and reads and invalidations to judge."""
        return bool(self.windows) and self.checked.verdict.conclusive

    @property
    def worst_excused_ms(self) -> float:
        """The longest staleness while another server took over."""
        return max((one.stale_ns for one in self.excused), default=0) / 1e6

    def to_dict(self) -> dict[str, Any]:
        """The figures by name, ready for JSON; durations in milliseconds, but `seconds`."""
        figures, checked = self.figures, self.checked
        return {
            "held": self.held,
            "conclusive": self.conclusive,
            "server": checked.server,
            "seed": checked.plan.seed,
            "seconds": round(checked.seconds, 3),
            "faults": dict(sorted(self._faults.items())),
            "operations": figures.calls,
            "failed": figures.failed,
            "refused": figures.refused,
            "availability": round(figures.availability, 6),
            "p99_during_faults_ms": round(percentile_ms(figures.during, 0.99), 3),
            "p99_at_rest_ms": round(percentile_ms(figures.calm, 0.99), 3),
            "slowest_ms": round(figures.slowest_ms, 3),
            "slowest": figures.slowest,
            "violations": len(self.broken),
            "violations_in_failovers": len(self.excused),
            "longest_staleness_in_failovers_ms": round(self.worst_excused_ms, 3),
            "leaked": self.left._asdict(),
            "complaints": list(self.complaints),
            "failures": dict(Counter(self.failures)),
            "checked": checked.to_dict() | {"examples": self._stories()},
        }

    def to_text(self) -> str:
        """The figures as a page of text."""
        figures, left = self.figures, self.left
        kinds = ", ".join(f"{name} {number}" for name, number in self._faults.most_common())
        rows = [
            ("faults", f"{len(self.windows):,}", kinds),
            ("operations", f"{figures.calls:,}", f"{len(figures.during):,} of them met a fault"),
            ("availability", f"{figures.availability:.3%}", f"{figures.failed} failed, {figures.refused} adds refused"),
            ("p99", f"{percentile_ms(figures.during, 0.99):,.1f} ms", self._times()),
            ("violations", f"{len(self.broken):,}", self._failovers()),
            ("left behind", f"{left.tasks} tasks", f"{left.sockets} sockets, {left.bytes} bytes"),
            ("complaints", f"{len(self.complaints)}", "; ".join(self.complaints[:_SHOWN])),
        ]
        lines = [f"{name:14}{figure:>12}   {remark}".rstrip() for name, figure, remark in rows]
        lines += [f"  {number} failed: {error}" for error, number in Counter(self.failures).most_common(_SHOWN)]
        return "\n".join([*lines, "", *self.checked.table(), *(f"  {story}" for story in self._stories())])

    @cached_property
    def _faults(self) -> Counter[str]:
        return Counter(window.name for window in self.windows)

    def _times(self) -> str:
        calm = percentile_ms(self.figures.calm, 0.99)
        figures = self.figures
        what = f" ({figures.slowest})" if figures.slowest else ""
        return f"during faults; {calm:,.1f} ms at rest; the slowest call took {figures.slowest_ms:,.0f} ms{what}"

    def _failovers(self) -> str:
        if not any(window.loses for window in self.windows):
            return "outside failovers, of which there were none"
        worst = f"the longest staleness {self.worst_excused_ms:,.0f} ms" if self.excused else "no stale read"
        return f"outside failovers; inside them {len(self.excused)}, {worst}"

    def _stories(self) -> list[str]:
        return [self.checked.story(one) + self._met(one) for one in self.broken[:_SHOWN]]

    def _met(self, one: Violation) -> str:
        """The last fault before a read."""
        before = [window for window in self.windows if window.start <= one.read.start]
        if not before:
            return "; before any fault"
        last = before[-1]
        began, ended = ((one.read.start - stamp) / 1e6 for stamp in (last.start, last.end))
        return f"; {last.name!r} began {began:.1f} ms before the read and ended {ended:.1f} ms before it"

    def _is_excused(self, one: Violation) -> bool:
        if one.cause is None:
            return False
        return any(window.loses and window.start <= one.read.start <= window.end + _AFTER_NS for window in self.windows)
