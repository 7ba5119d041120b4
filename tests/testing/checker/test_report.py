"""What a report tells of a violation, and what led to it."""

from __future__ import annotations

import json

from pika_redis.testing.checker import Kind, Operation, Plan, Report, Tier, judge, trace_of
from pika_redis.testing.checker.history import first_origin

from .histories import GROUP, committed, deleted, read, tags_of, untagged


def test_a_trace_shows_what_concerned_the_row_between_load_and_read() -> None:
    told = [
        Operation(Kind.LOAD, 5, 9, 1, version=1, origin=1),
        committed(8, 9, 2),
        deleted(10, 20),
        untagged(12, 13, tag=GROUP),
        Operation(Kind.CLEAR, 14, 15),
        read(30, 40, as_of=5, origin=1),
    ]
    beside = [deleted(10, 20, row=2), untagged(10, 20, tag=2), read(25, 26, as_of=9), deleted(1, 4), deleted(41, 42)]
    history = [*told, *beside]
    violation = next(found for found in judge(history, tags_of).examples if found.read == told[-1])
    assert trace_of(history, violation, tags_of) == told


def test_a_long_trace_keeps_its_beginning_and_its_end() -> None:
    load, what = Operation(Kind.LOAD, 5, 9, 1, version=1), read(4000, 4010, as_of=5)
    history = [load, deleted(10, 20), *[committed(n, n + 1, n) for n in range(30, 3000, 10)], what]
    trace = trace_of(history, judge(history, tags_of).examples[0], tags_of)
    assert (len(trace), trace[:2], trace[-1]) == (60, [load, deleted(10, 20)], what)


def test_a_report_tells_of_values_served_past_their_time() -> None:
    plan = Plan(keys=40, ttl=1)
    history = [
        Operation(Kind.LOAD, 0, 1_000_000, 1, version=3, origin=1),
        read(3_001_500_000, 3_001_600_000, 0, process=1, version=3, origin=1, tier=Tier.L1)._replace(as_of=1),
    ]
    verdict = judge(history, plan.tags_of, lives_ns=plan.lives_ns)
    report = Report(plan, verdict, "valkey 9")
    assert "read version 3 at [3001.500, 3001.600] (L1), 2000.500 ms after the end of its life" in report.to_text()
    assert report.to_dict()["tiers"]["L1"]["max_over_age_ms"] == 2000.5


def test_a_report_tells_of_loads_side_by_side() -> None:
    plan = Plan(keys=40)
    history = [
        Operation(Kind.LOAD, 2_000_000, 9_000_000, 1, 2, version=3, as_of=1_000_000, origin=first_origin(2)),
        Operation(Kind.LOAD, 4_000_000, 8_000_000, 1, 3, version=3, as_of=3_500_000, origin=first_origin(3)),
    ]
    report = Report(plan, judge(history, plan.tags_of), "valkey 9")
    told = "row 1: process 3 at [2.000, 6.000], asked for at 1.500, beside process 2 at [0.000, 7.000]"
    assert report.to_dict()["beside"] == [told]
    assert f"loads side by side, the first of them:\n  {told}" in report.to_text()


def test_a_report_tells_each_violation_and_every_figure() -> None:
    plan = Plan(keys=40, seed=1)
    history = [
        Operation(Kind.LOAD, 1_000_000, 9_000_000, 1, 2, version=3, origin=first_origin(2)),
        Operation(Kind.TAG, 2_000_000, 3_500_000, 41, 0),
        read(4_000_000, 5_000_000, 1_000_000, process=1, version=3, origin=first_origin(2)),
        Operation(Kind.MIXED, 6_000_000, 7_000_000, 1, 1, version=3),
    ]
    verdict = judge(history, plan.tags_of)
    report = Report(plan, verdict, "valkey 9", trace_of(history, verdict.examples[0], plan.tags_of))
    loaded = "row 1: process 1 read version 3 at [3.000, 4.000] (server), loaded by process 2 at 0.000"
    cause = "the invalidation of tag group-1 by process 0 at [1.000, 2.500] had ended 0.500 ms before"
    mixed = "row 1: process 1 read version 3 at [5.000, 6.000] (server), which belongs to no load of this row"
    stories = [report.story(found) for found in verdict.examples]
    assert stories == [f"{loaded}; {cause}", mixed]
    text = report.to_text()
    assert "violations 2: the promise was BROKEN; the first of them:" in text
    assert all(story in text for story in stories)
    assert "process 2  load version 3" in text
    figures = report.to_dict()
    assert (figures["violations"], figures["examples"], len(figures["trace"])) == (2, stories, 3)
    assert figures["tiers"]["server"] == {
        "reads": 2,
        "stale": 2,
        "outdated": 1,
        "violations": 2,
        "max_stale_ms": 0.5,
        "allowed_ms": 0.0,
        "max_over_age_ms": 0.0,
    }
    assert json.loads(json.dumps(figures)) == figures
