"""A read that begins after a change returned gives nothing whose load began before it: memory, in every order."""

from __future__ import annotations

from typing import Any

import pytest

from pika_redis import MemoryCacheService

from .interleave import CHANGES, FOUND, Race, Script, every_order, watched
from .threads import SYNC_CHANGES, ThreadRace

THREADED = [
    pytest.param(change, marks=() if change in {"delete", "invalidate_tags"} else pytest.mark.slow)
    for change in SYNC_CHANGES
]


def race(change: str, **wanted: Any) -> Race:
    service = MemoryCacheService()
    return Race((service, service), service, [watched(service)], CHANGES[change], **wanted)


def every_order_of_threads(race: ThreadRace) -> tuple[int, int]:
    prefix: list[int] | None = []
    orders = stale = 0
    while prefix is not None:
        script = Script(prefix)
        stale += race.run(script)
        orders += 1
        prefix = script.next()
    return orders, stale


@pytest.mark.parametrize("found", FOUND)
@pytest.mark.parametrize("change", CHANGES)
async def test_no_order_of_two_readers_and_a_writer_gives_a_stale_read(change: str, found: str) -> None:
    orders, stale = await every_order(race(change, found=found).run)
    assert stale == 0
    assert orders >= 12


@pytest.mark.parametrize("change", CHANGES)
async def test_the_same_orders_make_a_cache_aside_by_hand_stale(change: str) -> None:
    _, stale = await every_order(race(change, naive=True).run)
    assert stale > 0


@pytest.mark.parametrize("found", ["absent", "marked stale"])
@pytest.mark.parametrize("change", THREADED)
def test_no_order_of_two_reading_threads_and_a_writing_one_gives_a_stale_read(
    change: str, found: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    orders, stale = every_order_of_threads(ThreadRace(SYNC_CHANGES[change], found, monkeypatch))
    assert stale == 0
    assert orders > 100


@pytest.mark.parametrize("change", THREADED)
def test_the_same_orders_of_threads_make_a_cache_aside_by_hand_stale(
    change: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, stale = every_order_of_threads(ThreadRace(SYNC_CHANGES[change], "absent", monkeypatch, naive=True))
    assert stale > 0
