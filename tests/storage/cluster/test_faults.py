"""A cluster whose nodes die, hand over and give slots away, under load: what is promised, holds meanwhile."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest

from pika_redis import RedisService
from pika_redis.testing import EmbeddedCluster, EmbeddedServer
from pika_redis.testing.checker import Fleet, Plan, Report
from pika_redis.testing.checker.run import report_on
from pika_redis.wire.slot_map import slot_of

from .conftest import soon
from .near import elsewhere, key_on, near_cluster

pytestmark = pytest.mark.slow
KEYS = [f"k{number}" for number in range(200)]
NODE_TIMEOUT = 2.0


class Load:
    """Reads and writes that go on until they are told to stop."""

    def __init__(self, service: RedisService) -> None:
        self._service = service
        self.failed: Counter[str] = Counter()
        self.missed: Counter[str] = Counter()
        self.read: Counter[str] = Counter()
        self._stopped = asyncio.Event()

    async def _reads(self, start: int) -> None:
        at = start
        while not self._stopped.is_set():
            key = KEYS[at % len(KEYS)]
            at += 7
            try:
                value = await self._service.get(key)
            except Exception as error:  # noqa: BLE001 (whatever it is, it is counted)
                self.failed[repr(error)] += 1
            else:
                self.read[key] += 1
                self.missed[key] += value is None
            await asyncio.sleep(0.002)

    async def _writes(self) -> None:
        at = 0
        while not self._stopped.is_set():
            try:
                await self._service.set(KEYS[at % len(KEYS)], at)
            except Exception as error:  # noqa: BLE001 (as above)
                self.failed[repr(error)] += 1
            at += 1
            await asyncio.sleep(0.004)

    @asynccontextmanager
    async def going_on(self) -> AsyncIterator[None]:
        async with asyncio.TaskGroup() as group:
            for start in range(8):
                group.create_task(self._reads(start))
            group.create_task(self._writes())
            try:
                yield
            finally:
                self._stopped.set()


def is_back(service: RedisService, cluster: EmbeddedCluster, key: str, dead: EmbeddedServer) -> Callable[[], bool]:
    """Whether what this key's node stood for is served by another one, and trusted."""
    near = near_cluster(service)

    def back() -> bool:
        owner = near.cluster.owner(key)
        return owner is not None and owner.place[1] != dead.port and not near.standing_of(key).cut

    return back


@pytest.mark.ci
@pytest.mark.parametrize("holds_the_epoch", [False, True])
async def test_a_primary_killed_under_load_takes_no_other_slots_along(
    service: RedisService, cluster: EmbeddedCluster, prefix: str, holds_the_epoch: bool
) -> None:
    await service.set_many(dict.fromkeys(KEYS, 1))
    epoch = cluster.primary_of(f"{prefix}#e")
    dead = epoch if holds_the_epoch else elsewhere(cluster, epoch)
    lost = {key for key in KEYS if cluster.primary_of(prefix + key) is dead}
    load = Load(service)
    async with load.going_on():
        await asyncio.sleep(0.5)
        dead.kill()
        began = time.monotonic()
        load.missed.clear()
        await soon(is_back(service, cluster, prefix + min(lost), dead), 3 * NODE_TIMEOUT + 1)
        took = time.monotonic() - began
        await asyncio.sleep(0.3)
    assert took <= 3 * NODE_TIMEOUT + 1
    assert load.failed == {}
    assert {key for key, times in load.missed.items() if times} <= lost
    assert load.read.keys() == set(KEYS)
    await service.set(min(lost), "new")
    async with RedisService(cluster.url, key_prefix=prefix) as other:
        assert await other.get(min(lost)) == "new"


@pytest.mark.ci
async def test_with_full_coverage_calls_degrade_instead_of_failing(prefix: str, valkey_server: EmbeddedServer) -> None:
    with EmbeddedCluster.start("valkey") as cluster:
        async with RedisService(cluster.url, key_prefix=prefix) as service:
            await service.set_many(dict.fromkeys(KEYS, 1))
            dead = cluster.primaries[0]
            lost = next(key for key in KEYS if cluster.primary_of(prefix + key) is dead)
            load = Load(service)
            async with load.going_on():
                dead.kill()
                await soon(lambda: service._counters.degraded)
                await service.set("meanwhile", "here")
                assert await service.get_or_load("loaded", lambda: "here") == "here"
                await soon(is_back(service, cluster, prefix + lost, dead), 3 * NODE_TIMEOUT + 1)
                await soon(lambda: not service._counters.degraded)
            assert load.failed == {}
            assert sum(load.read.values()) - sum(load.missed.values()) > 100


@pytest.mark.ci
async def test_what_was_invalidated_meanwhile_is_gone_when_a_successor_serves(
    service: RedisService, other: RedisService, cluster: EmbeddedCluster, prefix: str
) -> None:
    dead = cluster.primary_of(f"{prefix}#t:tag")
    key, tagged = key_on(cluster, prefix, dead), key_on(cluster, prefix, elsewhere(cluster, dead))
    await service.set(key, "old")
    await service.set(tagged, "old", tags=["tag"])
    await asyncio.to_thread(cluster.settle)
    dead.kill()
    assert await service.delete(key) is False
    await service.invalidate_tags(["tag"])
    assert await service.get_many([key, tagged]) == [None, None]
    assert "2 invalidations wait" in (await service.health_check()).detail
    await soon(is_back(service, cluster, prefix + key, dead), 3 * NODE_TIMEOUT + 1)
    await soon(lambda: not service._degraded.journal.waiting)
    assert await other.get_many([key, tagged]) == [None, None]
    assert await service.get_many([key, tagged]) == [None, None]


@pytest.mark.ci
async def test_what_a_dead_primary_acknowledged_lately_is_told_to_its_successor_again(
    service: RedisService, other: RedisService, cluster: EmbeddedCluster, prefix: str
) -> None:
    old = cluster.primary_of(f"{prefix}k")
    (replica,) = cluster.replicas_of(old)
    await service.set("k", "old")
    await asyncio.to_thread(cluster.settle)
    cluster.execute(old, "CONFIG", "SET", "min-replicas-to-write", "0")
    replica.pause()  # nothing is replicated from now on
    assert await service.delete("k") is True
    old.kill()
    replica.resume()
    await soon(is_back(service, cluster, f"{prefix}k", old), 3 * NODE_TIMEOUT + 2)
    assert await service.get("k") is None
    assert await other.get("k") is None


async def checked(cluster: EmbeddedCluster, fault: Callable[[], None], seconds: float) -> Report:
    """The verdict on a history during which the fault happened again and again."""
    async with Fleet(Plan(seconds=seconds, processes=3, tasks=6, keys=100, url=cluster.url)) as fleet:
        running = asyncio.create_task(fleet.run())
        while not running.done():
            await asyncio.to_thread(fault)
        await running
        return await report_on(fleet)


@pytest.mark.timeout(120)
async def test_the_promise_holds_while_slots_move(cluster: EmbeddedCluster) -> None:
    moved = 0

    def move() -> None:
        nonlocal moved
        slot = slot_of(f"move {moved}")
        cluster.move_slot(slot, elsewhere(cluster, cluster.primary_of(slot)))
        moved += 1

    report = await checked(cluster, move, 15)
    assert report.verdict.conclusive
    assert report.verdict.violations == 0, str(report)
    assert moved > 20


@pytest.mark.timeout(120)
async def test_the_promise_holds_during_failovers(cluster: EmbeddedCluster) -> None:
    rounds = 0

    def hand_over() -> None:
        nonlocal rounds
        cluster.failover(cluster.primaries[rounds % 3])
        cluster.settle()
        rounds += 1
        time.sleep(1)

    report = await checked(cluster, hand_over, 15)
    assert report.verdict.conclusive
    assert report.verdict.violations == 0, str(report)
    assert rounds > 2
