"""Faults come one after the other, each kind in its turn, and all is well afterwards."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence
from types import TracebackType
from typing import Self

import pytest

from pika_redis import ArgumentError, CacheUnavailableError
from pika_redis.testing.chaos import Fault
from pika_redis.testing.chaos.driver import Driver
from pika_redis.testing.chaos.fault import Begin, End
from pika_redis.testing.chaos.soak import faults_of


class FakeStage:
    """Notes what is done to it."""

    url = "redis://nowhere"

    def __init__(self, *names: str, loses: bool = False, lasts: float = 0.0) -> None:
        self.done: list[str] = []
        self.begun = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        self.faults: Sequence[Fault] = [Fault(name, self._begin(name), lasts, lasts, loses) for name in names]

    def _begin(self, name: str) -> Begin:
        def begin(_: random.Random) -> End:
            self.done.append(name)
            self._loop.call_soon_threadsafe(self.begun.set)
            return lambda: self.done.append(f"end {name}")

        return begin

    def heal(self) -> None:
        self.done.append("heal")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


async def test_every_kind_comes_before_one_comes_again_and_one_ends_before_the_next() -> None:
    stage = FakeStage("a", "b", "c")
    driver = Driver(stage, stage.faults, 7, every=0.001)
    async with asyncio.timeout(30):
        await driver.run(0.2)
    assert len(driver.windows) > 6
    names = [window.name for window in driver.windows]
    for start in range(0, len(names) // 3 * 3, 3):
        assert sorted(names[start : start + 3]) == ["a", "b", "c"]
    assert stage.done == [word for name in names for word in (name, f"end {name}")] + ["heal"]
    assert all(one.start <= one.end for one in driver.windows)
    assert all(one.end <= two.start for one, two in zip(driver.windows, driver.windows[1:], strict=False))


async def test_the_seed_decides_the_order() -> None:
    orders = []
    for seed in (1, 1, 2):
        stage = FakeStage(*"abcdefgh")
        driver = Driver(stage, stage.faults, seed, every=0.001)
        await driver.run(0.1)
        orders.append([window.name for window in driver.windows][:8])
    assert orders[0] == orders[1] != orders[2]


async def test_where_a_server_may_have_lost_something_the_fault_lasts_until_all_is_well() -> None:
    stage = FakeStage("a", loses=True)
    driver = Driver(stage, stage.faults, 1, every=0.05)
    await driver.run(0.06)
    assert stage.done == ["a", "end a", "heal", "heal"]
    assert driver.windows[0].loses


async def test_a_fault_ends_and_all_is_healed_when_the_run_is_cancelled() -> None:
    stage = FakeStage("a", lasts=3600)
    running = asyncio.create_task(Driver(stage, stage.faults, 1).run(7200))
    async with asyncio.timeout(30):
        await stage.begun.wait()
        running.cancel()
        await asyncio.wait({running})
    assert stage.done == ["a", "end a", "heal"]


async def test_a_fault_that_cannot_be_brought_about_is_told_and_all_is_healed() -> None:
    def impossible(_: random.Random) -> End:
        raise CacheUnavailableError("no primary has a replica")

    stage = FakeStage()
    with pytest.raises(CacheUnavailableError, match="no primary"):
        await Driver(stage, [Fault("a", impossible)], 1).run(3600)
    assert stage.done == ["heal"]


async def test_faults_are_chosen_by_name() -> None:
    stage = FakeStage("killed", "cut off")
    assert [fault.name for fault in faults_of(stage, "cut off, killed")] == ["cut off", "killed"]
    assert faults_of(stage, "") == stage.faults
    with pytest.raises(ArgumentError, match=r"no fault 'burnt' here; there are killed, cut off"):
        faults_of(stage, "killed,burnt")
