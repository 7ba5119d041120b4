"""Handmade histories: nanoseconds are small numbers here, and every row carries two tags."""

from __future__ import annotations

import random
from typing import Any

from pika_redis.testing.checker import Kind, Operation, Verdict, judge

GROUP = 100  # the tag that every row carries beside its own, which has the row's number


def tags_of(row: int) -> tuple[int, ...]:
    return row, GROUP


def verdict_of(*history: Operation) -> Verdict:
    """The verdict, which must not depend on the order in which operations are told."""
    verdict = judge(history, tags_of)
    shuffled = random.Random(1).sample(history, len(history))
    assert judge(shuffled, tags_of) == verdict
    assert judge(iter(history), tags_of) == verdict
    return verdict


def read(start: int, end: int, as_of: int, row: int = 1, **more: Any) -> Operation:
    return Operation(Kind.READ, start, end, row, **{"version": 1, "as_of": as_of, **more})


def deleted(start: int, end: int, row: int = 1, process: int = 9) -> Operation:
    return Operation(Kind.DELETE, start, end, row, process)


def untagged(start: int, end: int, tag: int, process: int = 9) -> Operation:
    return Operation(Kind.TAG, start, end, tag, process)


def committed(start: int, end: int, version: int, row: int = 1) -> Operation:
    return Operation(Kind.COMMIT, start, end, row, version=version)
