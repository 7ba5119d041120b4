"""One entry through its life, under options that change: what the rules say at each moment.

The machine keeps a model of its own, in milliseconds since the load, and a memory of the verdicts so far.
"""

from __future__ import annotations

import math
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from pika_redis.errors import ConfigurationError
from pika_redis.model.entry import Entry
from pika_redis.policy.rules.freshness import Verdict, Windows, jittered, judge
from pika_redis.policy.rules.options import Options, resolve

WORSE = [Verdict.FRESH, Verdict.REFRESH, Verdict.REVALIDATE, Verdict.SPARE, Verdict.STALE]
SERVED = {Verdict.FRESH, Verdict.REFRESH, Verdict.REVALIDATE}
seconds = st.integers(1, 100)
maybe = st.integers(0, 100)


class Life(RuleBasedStateMachine):
    """A caller with options, a clock, and at most one entry."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 1_000_000
        self.latest = self.now
        self.options = Options()
        self.entry: Entry | None = None
        self.worst = 0

    # -- what happens ---------------------------------------------------------------------------------------------

    @initialize(ttl=seconds, jitter=st.sampled_from([0.0, 0.05, 1.0]))
    def begin(self, ttl: int, jitter: float) -> None:
        self.options = resolve(Options(), {"ttl": ttl, "ttl_jitter": jitter})

    @rule(
        given=st.fixed_dictionaries(
            {},
            optional={
                "ttl": seconds,
                "none_ttl": maybe,
                "refresh_ahead": maybe,
                "stale_while_revalidate": maybe,
                "stale_if_error": maybe,
            },
        )
    )
    def ask_otherwise(self, given: dict[str, Any]) -> None:
        """Another level lays its options over those that are there."""
        before = self.options
        ttl = given.get("ttl", before.ttl)
        try:
            self.options = resolve(before, given)
        except ConfigurationError:
            assert given["refresh_ahead"] >= ttl
            return
        for name, value in given.items():
            assert getattr(self.options, name) == value
        kept = {"ttl", "none_ttl", "stale_while_revalidate", "stale_if_error"} - set(given)
        assert all(getattr(self.options, name) == getattr(before, name) for name in kept)
        assert self.options.refresh_ahead in (given.get("refresh_ahead", before.refresh_ahead), 0)
        self.worst = 0

    @rule(is_none=st.booleans(), roll=st.floats(0, 1, exclude_max=True))
    def load(self, is_none: bool, roll: float) -> None:
        ttl = self.options.ttl_of(None if is_none else "value")
        life = jittered(ttl, self.options.ttl_jitter, roll)
        assert ttl * (1 - self.options.ttl_jitter) <= life <= ttl
        fresh_ms = round(life * 1000)
        self.entry = Entry(b"V", self.now, fresh_ms, marked_stale=False, body=None) if fresh_ms else None
        self.latest = self.now
        self.worst = 0

    @rule(by=st.integers(0, 60_000))
    def time_passes(self, by: int) -> None:
        self.now += by

    @precondition(lambda self: self.entry is not None)
    @rule(edge=st.sampled_from(["refresh", "expiry", "revalidation", "sparing"]), by=st.integers(-1, 1))
    def an_edge_is_reached(self, edge: str, by: int) -> None:
        """To the millisecond, for who asks with these options."""
        assert self.entry is not None
        options = self.options
        beyond = {
            "refresh": -options.refresh_ahead,
            "expiry": 0,
            "revalidation": options.stale_while_revalidate,
            "sparing": options.stale_if_error,
        }
        self.now = self.entry.born_ms + self.entry.fresh_ms + int(beyond[edge] * 1000) + by

    @rule(by=st.integers(0, 60_000))
    def another_clock_is_behind(self, by: int) -> None:
        self.now -= by

    @precondition(lambda self: self.entry is not None)
    @rule()
    def mark_stale(self) -> None:
        assert self.entry is not None
        self.entry.marked_stale = True

    @rule()
    def invalidate(self) -> None:
        self.entry = None

    # -- what holds -------------------------------------------------------------------------------------------------

    @precondition(lambda self: self.entry is not None)
    @invariant()
    def the_verdict_is_that_of_the_model(self) -> None:
        entry = self.entry
        assert entry is not None
        verdict = judge(entry, self.now, self.options.windows)
        age = max(0, self.now - entry.born_ms)
        late = age - entry.fresh_ms
        if late < 0 and not entry.marked_stale:
            ahead, life = self.options.refresh_ahead * 1000, entry.fresh_ms
            due = -late <= (ahead if ahead < life else life / 2)
            assert verdict is (Verdict.REFRESH if due else Verdict.FRESH)
            return
        late = max(0, late)
        assert (verdict is Verdict.REVALIDATE) == (late < self.options.stale_while_revalidate * 1000)
        assert (verdict is Verdict.STALE) == (late >= self.options.extra * 1000)

    @precondition(lambda self: self.entry is not None)
    @invariant()
    def with_time_it_only_gets_worse(self) -> None:
        assert self.entry is not None
        if self.now < self.latest:  # a clock that is behind
            return
        self.latest = self.now
        rank = WORSE.index(judge(self.entry, self.now, self.options.windows))
        assert rank >= self.worst
        self.worst = rank

    @precondition(lambda self: self.entry is not None)
    @invariant()
    def who_allows_less_is_served_less(self) -> None:
        assert self.entry is not None
        mine = judge(self.entry, self.now, self.options.windows)
        strictest = judge(self.entry, self.now, Windows())
        assert strictest in (Verdict.FRESH, Verdict.STALE)
        assert mine in SERVED or strictest is Verdict.STALE
        if strictest is Verdict.FRESH:
            assert mine in (Verdict.FRESH, Verdict.REFRESH)
        widest = judge(self.entry, self.now, Windows(0, math.inf, math.inf))
        assert widest in (Verdict.FRESH, Verdict.REVALIDATE)

    @invariant()
    def the_options_make_sense_together(self) -> None:
        options = self.options
        assert options.refresh_ahead == 0 or options.refresh_ahead < options.ttl
        assert options.extra >= options.stale_while_revalidate
        assert options.extra >= options.stale_if_error
        assert resolve(options, {}) == options


TestLife = Life.TestCase
TestLife.settings = settings(max_examples=100, stateful_step_count=30)
