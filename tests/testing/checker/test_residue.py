"""What a closed service leaves behind is seen: tasks, sockets, objects."""

from __future__ import annotations

import asyncio
import gc
import socket
from collections.abc import Iterator

import pytest

from pika_redis import RedisService
from pika_redis.testing import EmbeddedServer
from pika_redis.testing.checker.residue import Residue, residue


@pytest.fixture(autouse=True)
def what_was_there_before_is_not_looked_at() -> Iterator[None]:
    """All that a whole run of the tests has left in memory would be walked each time."""
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()


async def test_nothing_is_nothing() -> None:
    before = await residue()
    assert await residue() - before == Residue()


async def test_a_task_that_still_runs_is_one() -> None:
    before = await residue()
    task = asyncio.create_task(asyncio.Event().wait())
    assert (await residue() - before).tasks == 1
    task.cancel()
    assert await residue() - before == Residue()


async def test_an_open_socket_is_one() -> None:
    before = await residue()
    with socket.socket():
        assert (await residue() - before).sockets == 1
    assert await residue() - before == Residue()


async def test_classes_that_do_not_say_where_they_are_from_are_not_ours() -> None:
    strange = type("Strange", (), {"__module__": property()})()
    assert await residue() - await residue() == Residue()
    del strange


async def test_a_service_that_is_open_is_seen_and_one_that_was_closed_is_not(server: EmbeddedServer) -> None:
    async with RedisService(server.url):  # what is made once for the process is there from now on
        pass
    before = await residue()
    service = RedisService(server.url)
    await service.set("a", 1)
    held = await residue() - before
    assert held.tasks + held.sockets > 0
    assert held.bytes > 1000
    await service.delete("a")
    await service.aclose()
    del service
    assert await residue() - before == Residue()


def test_less_than_before_is_nothing_and_processes_add_up() -> None:
    assert Residue(1, 5, 7) - Residue(2, 3, 7) == Residue(0, 2, 0)
    assert Residue(1, 2, 3).plus(Residue(10, 20, 30)) == Residue(11, 22, 33)
