"""The fault matrix: each fault on real servers, in every topology that can have it, against every kind of call."""

from __future__ import annotations

import asyncio

import pytest

from .cell import Cell, open_cell
from .stages import TOPOLOGIES, Victim
from .table import FAULTS

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]
MARKS = {"valkey": [pytest.mark.valkey, pytest.mark.ci], "redis": [pytest.mark.redis]}
CELLS = [
    pytest.param((topology, kind), name, id=f"{topology}-{kind}-{name}", marks=MARKS[kind])
    for kind in ("valkey", "redis")
    for topology in TOPOLOGIES
    for name, fault in FAULTS.items()
    if topology in fault.on
]


async def outages(cell: Cell) -> int:
    """How many there were for these processes so far."""
    return sum([(await service.get_stats()).outages for service in cell.of.values()])


@pytest.mark.parametrize(("lasting", "name"), CELLS, indirect=["lasting"], scope="session")
async def test_every_call_is_answered_in_time_and_nothing_old_comes_back(
    victim: Victim, prefix: str, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    fault = FAULTS[name]
    async with open_cell(fault, victim, prefix) as cell:
        await cell.prepare()
        before = await outages(cell)
        await asyncio.to_thread(fault.strike, victim)
        try:
            await cell.during()
        finally:
            await asyncio.to_thread(fault.end, victim)
        await cell.afterwards()
        assert not fault.calm or await outages(cell) == before
    cell.texts += [record.getMessage() for record in caplog.records]
    cell.keeps_secrets()
