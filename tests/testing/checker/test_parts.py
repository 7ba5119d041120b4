"""What a run is made of: logs, the database, probes, plans."""

from __future__ import annotations

import asyncio
import fcntl
import multiprocessing
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from pika_redis import ArgumentError
from pika_redis.testing.checker import History, Kind, Log, Operation, Plan, Tier
from pika_redis.testing.checker.database import Database
from pika_redis.testing.checker.history import first_origin, process_of
from pika_redis.testing.checker.reads import as_read, is_none
from pika_redis.testing.checker.stepped import Stepped
from pika_redis.testing.checker.tiers import FlightProbe, Reading, current_readings


def test_a_log_gives_back_what_was_written_and_forgives_half_a_record(tmp_path: Path) -> None:
    written: list[Operation] = []
    for process in range(2):
        log = Log(tmp_path / f"{process}", process)
        for kind in Kind:
            done = Operation(kind, 2**62, 2**62 + 1, 2**32 - 1, process, Tier.STRICT, 2**40, 2**61, first_origin(3))
            log.write(done)
            written.append(done)
        log.close()
    with (tmp_path / "1").open("ab") as file:
        file.write(b"half")
    history = History([tmp_path / "0", tmp_path / "1"])
    assert list(history) == list(history) == written
    assert len(history) == len(written)


def _commit_often(path: str, times: int) -> list[int]:
    database = Database(Path(path))
    seen = [database.commit(number % 2) for number in range(times)]
    database.close()
    return seen


def test_every_commit_of_every_process_gives_a_version_of_its_own(tmp_path: Path) -> None:
    path = tmp_path / "versions"
    Database.create(path, 3)
    with multiprocessing.get_context("spawn").Pool(2) as pool:
        one, other = pool.starmap(_commit_often, [(str(path), 2000)] * 2, chunksize=1)
    database = Database(path)
    assert [database.version(row) for row in range(3)] == [2001, 2001, 1]
    database.close()
    for row in range(2):
        assert sorted(one[row::2] + other[row::2]) == list(range(2, 2002))


def test_a_commit_reads_and_writes_its_row_while_it_holds_the_lock_of_that_row(tmp_path: Path) -> None:
    Database.create(tmp_path / "versions", 3)
    database = Database(tmp_path / "versions")
    seen: list[tuple[object, ...]] = []

    def lockf(_file: object, what: int, length: int = 0, offset: int = 0, _whence: int = 0) -> None:
        seen.append((what, length, offset, database.version(1)))
        if what == fcntl.LOCK_EX:
            database._versions[1] = 50  # somebody else was first

    database._lockf = lockf
    assert database.commit(1) == 51
    assert seen == [(fcntl.LOCK_EX, 1, 8, 1), (fcntl.LOCK_UN, 1, 8, 51)]
    database.close()


def test_origins_tell_their_process() -> None:
    assert [process_of(first_origin(process)) for process in range(5)] == list(range(5))
    assert process_of(first_origin(3) + 1_000_000) == 3


@contextmanager
def within(*readings: Reading) -> Iterator[None]:
    """What runs here belongs to these reads."""
    token = current_readings.set(readings)
    yield
    current_readings.reset(token)


async def test_a_probe_tells_own_and_joined_loads_from_what_the_server_gave() -> None:
    probe = FlightProbe()
    leader = probe.reading(1)
    with within(leader):
        assert probe.begins(1, 7) == leader.asked
    joiner, elsewhere = probe.reading(1), probe.reading(2)
    assert (leader.tier(7), joiner.tier(7), elsewhere.tier(7)) == (Tier.LOADED, Tier.JOINED, Tier.SERVER)
    assert (leader.tier(None), joiner.tier(None), elsewhere.tier(None)) == (Tier.LOADED, Tier.JOINED, Tier.SERVER)
    assert joiner.tier(8) is Tier.SERVER
    probe.ends(1, 7)
    assert probe.reading(1).tier(7) is Tier.JOINED  # its caller has no value yet
    leader.close()
    late = probe.reading(1)
    assert (late.tier(7), late.tier(None), joiner.tier(7)) == (Tier.SERVER, Tier.SERVER, Tier.JOINED)


async def test_who_reads_without_sharing_never_joins() -> None:
    probe = FlightProbe(joins=False)
    leader = probe.reading(1)
    with within(leader):
        probe.begins(1, 7)
    assert (leader.tier(7), probe.reading(1).tier(7)) == (Tier.LOADED, Tier.SERVER)


async def test_a_load_for_several_reads_belongs_to_those_of_its_row() -> None:
    probe = FlightProbe()
    readings = [probe.reading(row) for row in (1, 2)]
    with within(*readings):
        for row, origin in ((1, 7), (2, 8), (3, 9)):
            probe.begins(row, origin)
    assert [reading.tier(origin) for reading in readings for origin in (7, 8, 9)] == [
        *(Tier.LOADED, Tier.SERVER, Tier.SERVER),
        *(Tier.SERVER, Tier.LOADED, Tier.SERVER),
    ]


async def test_a_load_that_belongs_to_no_read_that_goes_on_can_be_joined_until_it_is_stored(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    later: list[Callable[[], None]] = []
    loop = asyncio.get_running_loop()
    monkeypatch.setattr(loop, "call_later", lambda delay, call, *words, **_: later.append(partial(call, *words)))
    probe = FlightProbe()
    trigger = probe.reading(1)
    with within(trigger):
        trigger.close()
        assert probe.begins(1, 7) < trigger.asked
    during = probe.reading(1)
    probe.ends(1, 7)
    behind = probe.reading(1)
    assert (during.tier(7), behind.tier(7)) == (Tier.JOINED, Tier.JOINED)
    (stored,) = later
    stored()
    assert probe.reading(1).tier(7) is Tier.SERVER


async def test_a_step_tells_what_grew_before_the_first_wait_and_not_what_did_later() -> None:
    number = 0

    async def work(waits: bool) -> str:
        nonlocal number
        number += 1
        if waits:
            await asyncio.sleep(0)
            number += 5
        return "done"

    for waits in (True, False):
        step = Stepped(work(waits), lambda: number)
        assert await step == "done"
        assert (step.at_once, step.grown) == (not waits, 1)


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        ((1, 5, 6, 7), Kind.READ),
        ([1, 5, 6, 7], Kind.READ),
        (None, Kind.READ),
        ((2, 5, 6, 7), Kind.MIXED),
        ((1, 5, 6), Kind.MIXED),
        ("text", Kind.MIXED),
    ],
)
def test_a_value_that_is_not_of_its_row_is_told_from_one_that_is(value: object, kind: Kind) -> None:
    assert as_read(1, value, 10, 20).kind is kind


def test_absence_is_among_the_versions() -> None:
    assert [version for version in range(1, 25) if is_none(version)] == [8, 16, 24]


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ({"seconds": 0}, "seconds"),
        ({"processes": 65}, "processes"),
        ({"keys": 0}, "keys"),
        ({"operations": 0}, "operations"),
        ({"ttl": 0}, "ttl"),
        ({"stale": -1}, "stale"),
        ({"ttl": 5, "refresh_ahead": 6}, "refresh_ahead"),
        ({"fail_rate": 2}, "fail_rate"),
        ({"invalidate": "all"}, "'all'"),
        ({"service": "module"}, "module:factory"),
    ],
)
def test_a_plan_that_makes_no_sense_is_refused(wrong: dict[str, Any], named: str) -> None:
    with pytest.raises(ArgumentError, match=named):
        Plan(**wrong)
