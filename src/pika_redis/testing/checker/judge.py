"""The verdict over a history: which reads gave what an invalidation had ended before they began.

The promise. A read that begins after an invalidation returned does not give a value whose load began before the
invalidation. So a read is *stale* when there is a change C of its row (by key, by one of its tags, or of everything)
with::

    value.as_of < C.start    and    C.end < read.start

`as_of` is the beginning of the value's load. A `set` is a change too, and its value is current until the call returns:
its `as_of` is the end of the call. A stale read is *outdated* as well when the database held a newer version before
C began: then a user saw old data; else the load merely began too early and was lucky.

What is allowed depends on who answered (`ALLOWED_NS`): nothing for the server, a bounded age for memory and joined
loads. But of what the same process invalidated itself, no tier may give anything ("own" violations). A change that
returned while the server was gone (its tier is DEGRADED) binds its own process alone; the server is told later, which
the history holds as a change of its own, and that binds all.

The staleness of a read is the time from the end of the first change that should have stopped it to the read's start.

How. For one target (a row's key, a tag, everything) sort the changes by their end and keep the running maximum of
their starts. Both are rising: the first change that ends later values than `as_of` is found by bisection, and so is
the last that had ended when the read began. A read is judged against each of its targets, which is a handful of
bisections: n log n for the whole, whatever a tag covers. Nothing here reads a clock or a file.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from typing import Final, NamedTuple

from .history import CHANGES, Kind, Operation, Target, Tier, target_of, targets_of
from .lives import OVER_AGE_NS, Lives
from .overlaps import overlaps
from .rising import Rising

__all__ = ["ALLOWED_NS", "T_LEASE_NS", "TierFigures", "Verdict", "Violation", "allowed_on", "judge"]

T_LEASE_NS: Final = 3_000_000_000
"""How long a process may answer from memory without a sign of life from the server."""
ALLOWED_NS: Final[Mapping[Tier, int]] = {
    Tier.SERVER: 0,
    Tier.LOADED: 0,
    Tier.STRICT: 0,
    Tier.L1: T_LEASE_NS,
    Tier.JOINED: T_LEASE_NS,
    Tier.DEGRADED: 30_000_000_000,
}
"""The staleness that each tier is allowed, in nanoseconds, of what other processes invalidated."""


def allowed_on(url: str | None) -> Mapping[Tier, int]:
    """`ALLOWED_NS` on this server: where tags lie on other nodes, a read of the server sees them as they were told."""
    return {**ALLOWED_NS, Tier.SERVER: T_LEASE_NS} if url is not None and "+cluster://" in url else ALLOWED_NS


_FOREVER = 2**63 - 1
_PARTS = frozenset({Kind.LOAD, Kind.COMMIT, Kind.HOLD})


class Violation(NamedTuple):
    """A read that broke the promise."""

    read: Operation
    cause: Operation | None
    """The first change that should have stopped it; None when the value belongs to no load or to another row."""
    as_of: int
    """When the value's load began, or its set ended."""
    stale_ns: int
    own: bool
    """Whether the reading process had invalidated it itself."""
    outdated: bool
    """Whether the database held a newer version before the last change that counts began."""
    over_ns: int = 0
    """How long the value's life had ended, if that is what is wrong with the read."""


@dataclass(slots=True)
class TierFigures:
    """The reads that one tier answered."""

    reads: int = 0
    stale: int = 0
    """Reads of what an invalidation had ended, allowed or not."""
    outdated: int = 0
    """Stale reads that showed old data."""
    violations: int = 0
    worst_ns: int = 0
    """The largest staleness."""
    over_ns: int = 0
    """The longest time past the end of a value's life at which it was served."""


@dataclass(slots=True)
class Verdict:
    """What a history shows."""

    kinds: Counter[Kind] = field(default_factory=Counter)
    """How many operations there were of each kind."""
    tiers: dict[Tier, TierFigures] = field(default_factory=dict)
    """The reads that gave a value, by who answered."""
    examples: list[Violation] = field(default_factory=list)
    """The first violations, by the start of the read."""
    overlaps: int = 0
    """Loads that ran beside another one of their row without a reason; they break no promise, they cost loads."""
    beside: list[tuple[Operation, Operation]] = field(default_factory=list)
    """The first of them, each behind the load that it ran beside."""
    began: int = 0
    """The first start and the last end, in nanoseconds."""
    ended: int = 0
    allowed: Mapping[Tier, int] = field(default_factory=lambda: ALLOWED_NS)
    """The staleness that each tier was allowed, in nanoseconds."""

    @property
    def operations(self) -> int:
        """How many operations the history holds; loads, commits and holds are parts of others and don't count."""
        return sum(number for kind, number in self.kinds.items() if kind not in _PARTS)

    @property
    def violations(self) -> int:
        """How many reads broke the promise."""
        return sum(tier.violations for tier in self.tiers.values())

    @property
    def outdated(self) -> int:
        """How many stale reads showed old data."""
        return sum(tier.outdated for tier in self.tiers.values())

    @property
    def reads(self) -> int:
        """Reads that gave a value, and look-ups that found none."""
        return self.kinds[Kind.READ] + self.kinds[Kind.MIXED] + self.kinds[Kind.MISS]

    @property
    def hit_rate(self) -> float:
        """The share of reads that neither loaded, nor waited for a load, nor found nothing; 0.0 without reads."""
        waited = sum(self.tiers[tier].reads for tier in (Tier.LOADED, Tier.JOINED) if tier in self.tiers)
        return (self.reads - self.kinds[Kind.MISS] - waited) / self.reads if self.reads else 0.0

    @property
    def invalidations(self) -> int:
        """Changes that returned; a `set` is none, since it brings a value itself."""
        return sum(self.kinds[kind] for kind in CHANGES - {Kind.SET})

    @property
    def loads_per_invalidation(self) -> float:
        """Runs of the loader for each invalidation; 0.0 without one."""
        return self.kinds[Kind.LOAD] / self.invalidations if self.invalidations else 0.0

    @property
    def held(self) -> bool:
        """Whether no read broke the promise."""
        return self.violations == 0

    @property
    def conclusive(self) -> bool:
        """Whether there was anything to judge: a history without reads or invalidations proves nothing."""
        return self.reads > 0 and self.invalidations > 0


def judge(
    history: Iterable[Operation],
    tags_of: Callable[[int], Iterable[int]],
    examples: int = 10,
    *,
    lives_ns: int | None = None,
    changes: frozenset[Kind] = CHANGES,
    allowed: Mapping[Tier, int] = ALLOWED_NS,
) -> Verdict:
    """Judge a history, in any order of operations. `tags_of` gives the tags that a row's entries carry.

    An iterator is kept in memory, since the history is walked several times; a `History` is read again instead.
    `examples` is how many violations the verdict shows in full. `lives_ns` is how long a stored value may be served,
    None = for ever. `changes` are the kinds that end what was loaded before: not MARK_STALE where stale values are
    served on purpose. `allowed` is the staleness that each tier may show, in nanoseconds.
    """
    operations = list(history) if iter(history) is history else history
    verdict = Verdict(began=_FOREVER, allowed=allowed)
    facts = _Facts(operations, verdict, tags_of, changes, Lives(lives_ns))
    for read in operations:
        if read.kind is Kind.READ or read.kind is Kind.MIXED:
            figures = verdict.tiers.setdefault(read.tier, TierFigures())
            figures.reads += 1
            over_ns = facts.lives.over_ns(read)
            figures.over_ns = max(figures.over_ns, over_ns)
            found = facts.look_at(read)
            broken = found is not None and _counted(found, figures, allowed)
            if not broken and over_ns > OVER_AGE_NS:
                found = Violation(read, None, read.as_of, 0, own=False, outdated=False, over_ns=over_ns)
                broken = True
                figures.violations += 1
            if broken:
                _keep_first(verdict.examples, found, examples)
    _keep_first(verdict.examples, None, examples)
    pairs = overlaps(operations, tags_of)
    verdict.overlaps = len(pairs)
    verdict.beside = sorted(pairs, key=lambda pair: pair[1].start)[:examples]
    verdict.began = min(verdict.began, verdict.ended)
    return verdict


def _keep_first(examples: list[Violation], found: Violation | None, most: int) -> None:
    """Add one, and once in a while (or at the end, with None) throw out all but the first ones."""
    if found is not None:
        examples.append(found)
    if found is None or len(examples) > 1000 + 2 * most:
        examples.sort(key=lambda one: (one.read.start, one.read))
        del examples[most:]


def _counted(found: Violation, figures: TierFigures, allowed: Mapping[Tier, int]) -> bool:
    """Count a stale read; whether it is a violation."""
    figures.stale += 1
    figures.outdated += found.outdated
    figures.worst_ns = max(figures.worst_ns, found.stale_ns)
    broken = found.own or found.cause is None or found.stale_ns > allowed[found.read.tier]
    figures.violations += broken
    return broken


class _Changes:
    """The changes of one target, by their end."""

    __slots__ = ("_ends", "_operations", "_starts")

    def __init__(self, operations: Sequence[Operation]) -> None:
        self._operations = sorted(operations, key=_by_end)
        self._ends = [one.end for one in self._operations]
        self._starts = list(accumulate((one.start for one in self._operations), max))

    def first_after(self, as_of: int, before: int) -> Operation | None:
        """The change that was the first to end what was loaded at `as_of`, if it had returned `before`."""
        at = bisect_right(self._starts, as_of)
        return self._operations[at] if at < len(self._ends) and self._ends[at] < before else None

    def last_start(self, before: int) -> int:
        """The newest start among the changes that had returned `before`; 0 without any."""
        at = bisect_left(self._ends, before)
        return self._starts[at - 1] if at else 0


class _Facts:
    """All that a history says beside its reads, ready for questions."""

    def __init__(
        self,
        operations: Iterable[Operation],
        verdict: Verdict,
        tags_of: Callable[[int], Iterable[int]],
        ends: frozenset[Kind],
        lives: Lives,
    ) -> None:
        self.lives = lives
        changes: dict[Target, list[Operation]] = defaultdict(list)
        own: dict[tuple[Target, int], list[Operation]] = defaultdict(list)
        nones: dict[int, list[tuple[int, int]]] = defaultdict(list)
        commits: dict[int, list[tuple[int, int]]] = defaultdict(list)
        self._sets: dict[int, int] = {}
        for one in operations:
            kind = one.kind
            verdict.kinds[kind] += not (kind in CHANGES and one.version)
            verdict.began = min(verdict.began, one.start)
            verdict.ended = max(verdict.ended, one.end)
            lives.note(one)
            if kind in ends:
                target = target_of(one)
                if one.tier is not Tier.DEGRADED:
                    changes[target].append(one)
                own[target, one.process].append(one)
            if kind is Kind.SET or kind is Kind.ADD:
                self._sets[one.origin] = one.end
            elif kind is Kind.LOAD and one.version == 0:
                nones[one.subject].append((one.start, one.start))
            elif kind is Kind.COMMIT:
                commits[one.subject].append((one.end, one.version))
        self._changes = {target: _Changes(found) for target, found in changes.items()}
        self._own = {key: _Changes(found) for key, found in own.items()}
        self._nones = {row: Rising(found) for row, found in nones.items()}
        self._commits = {row: Rising(found) for row, found in commits.items()}
        self._tags_of = tags_of
        self._targets: dict[int, tuple[Target, ...]] = {}

    def look_at(self, read: Operation) -> Violation | None:
        """The read, if it is stale."""
        as_of = self._as_of(read)
        if read.kind is Kind.MIXED or as_of is None:
            return Violation(read, None, 0, 0, own=False, outdated=True)
        targets = self._targets_of(read.subject)
        cause = _first([self._changes.get(target) for target in targets], as_of, read.start)
        own = _first([self._own.get((target, read.process)) for target in targets], as_of, read.start)
        if own is not None:
            cause = own if cause is None or own.end < cause.end else cause
        if cause is None:
            return None
        stale_ns = read.start - cause.end
        return Violation(read, own or cause, as_of, stale_ns, own=own is not None, outdated=self._outdated(read))

    def _as_of(self, read: Operation) -> int | None:
        """The newest moment at which the value was current for sure; None when nobody loaded it."""
        if read.version == 0:
            nones = self._nones.get(read.subject)
            return None if nones is None else nones.until(read.end)
        return read.as_of or self._sets.get(read.origin, _FOREVER)  # a set that never returned may land at any time

    def _outdated(self, read: Operation) -> bool:
        commits = self._commits.get(read.subject)
        if commits is None or read.version == 0:
            return False
        known = [self._changes.get(target) for target in self._targets_of(read.subject)]
        known += [self._own.get((target, read.process)) for target in self._targets_of(read.subject)]
        newest = max(changes.last_start(read.start) for changes in known if changes is not None)
        return read.version < (commits.until(newest) or 0)

    def _targets_of(self, row: int) -> tuple[Target, ...]:
        targets = self._targets.get(row)
        if targets is None:
            targets = self._targets[row] = targets_of(row, self._tags_of(row))
        return targets


def _first(several: Iterable[_Changes | None], as_of: int, before: int) -> Operation | None:
    """The change that was the first, among several targets, to end what was loaded at `as_of`."""
    found = [changes.first_after(as_of, before) for changes in several if changes is not None]
    return min((one for one in found if one is not None), key=_by_end, default=None)


def _by_end(one: Operation) -> tuple[int, Operation]:
    return one.end, one
