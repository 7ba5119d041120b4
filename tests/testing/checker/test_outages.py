"""What the workload logs of changes and reads while its service is degraded."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from pika_redis.model.counters import Counters
from pika_redis.testing.checker import History, Kind, Log, Operation, Tier
from pika_redis.testing.checker.outages import Outages


class Stage:
    """A service that tells what it is told to tell, and what was logged."""

    def __init__(self, path: Path) -> None:
        self.counts = Counters()
        self.log = Log(path, 3)
        self.history = History([path])
        service: Any = self
        self.outages = Outages(service, self.log)

    def breaks(self) -> None:
        self.counts.outages += 1
        self.counts.degraded = True

    def heals(self) -> None:
        self.counts.degraded = False

    @property
    def logged(self) -> list[tuple[Kind, int, Tier, int]]:
        return [(one.kind, one.subject, one.tier, one.version) for one in self.history]


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    found = Stage(tmp_path / "log")
    yield found
    found.log.close()


def test_a_change_that_reached_the_server_binds_all_at_once(stage: Stage) -> None:
    stage.outages.log_change(Operation(Kind.DELETE, 1, 2, 5))
    stage.outages.settle()
    assert list(stage.history) == [Operation(Kind.DELETE, 1, 2, 5, 3)]


def test_a_change_without_the_server_binds_the_others_when_the_service_is_well_again(stage: Stage) -> None:
    stage.breaks()
    stage.outages.log_change(Operation(Kind.TAG, 1, 2, 5))
    stage.outages.settle()
    assert stage.logged == [(Kind.TAG, 5, Tier.DEGRADED, 0)]
    stage.heals()
    stage.outages.settle()
    stage.outages.settle()
    returned, paid = stage.history
    assert returned == Operation(Kind.TAG, 1, 2, 5, 3, Tier.DEGRADED)
    assert (paid.kind, paid.subject, paid.tier, paid.version) == (Kind.TAG, 5, Tier.SERVER, 1)
    assert paid.start == 1
    assert paid.end > 2


def test_each_change_is_paid_once_and_none_before_its_outage_is_over(stage: Stage) -> None:
    for row in (1, 2):
        stage.breaks()
        stage.outages.log_change(Operation(Kind.DELETE, row, row, row))
        stage.outages.settle()
        stage.heals()
        stage.outages.settle()
    assert [one[1:] for one in stage.logged] == [
        (1, Tier.DEGRADED, 0),
        (1, Tier.SERVER, 1),
        (2, Tier.DEGRADED, 0),
        (2, Tier.SERVER, 1),
    ]


def test_a_set_without_the_server_is_a_delete_there(stage: Stage) -> None:
    """Values are never carried to the server: what it had under the key is what goes."""
    stage.breaks()
    stage.outages.log_change(Operation(Kind.SET, 1, 2, 5, origin=9))
    stage.heals()
    stage.outages.settle()
    returned, paid = stage.history
    assert (returned.kind, returned.origin) == (Kind.SET, 9)
    assert (paid.kind, paid.origin) == (Kind.DELETE, 0)


def test_a_read_knows_of_an_outage_that_began_lasted_or_ended_meanwhile(stage: Stage) -> None:
    outages = stage.outages
    well = outages.seen
    assert not outages.since(well)
    stage.breaks()
    broken = outages.seen
    assert outages.since(well)
    assert outages.since(broken)
    stage.heals()
    healed = outages.seen
    assert outages.since(well)
    assert outages.since(broken)
    assert not outages.since(healed)


def test_an_outage_that_followed_at_once_is_known_too(stage: Stage) -> None:
    stage.breaks()
    stage.heals()
    well = stage.outages.seen
    stage.breaks()
    stage.heals()
    assert stage.outages.since(well)


def test_a_service_that_tells_nothing_has_no_outages(tmp_path: Path) -> None:
    silent: Any = SimpleNamespace()
    log = Log(tmp_path / "log", 0)
    outages = Outages(silent, log)
    outages.log_change(Operation(Kind.DELETE, 1, 2, 5))
    log.close()
    assert [one.tier for one in History([tmp_path / "log"])] == [Tier.SERVER]
    assert not outages.since(outages.seen)
    assert outages.copies_read() == 0
