"""A read that begins after a change returned gives nothing whose load began before it: on a real server.

Through one service (one process, one loop) that holds for every change. Between two services, which stand here for
two processes, it holds for tags and `clear`, whose nonces are captured before the load, and for every change that
finds or leaves something at the key, since a store compares identities. It does not hold yet for a delete of a key
that held nothing: there is nothing to compare until a load leaves a lease there.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import Any

import pytest

from pika_redis import CacheServerError, RedisService
from pika_redis.testing.server import EmbeddedServer
from pika_redis.wire.connection import Command, Reply
from pika_redis.wire.node import Repeat

from .interleave import CHANGES, NEW, OLD, Race, every_order, some_orders, watched

KEY_CHANGES = ("delete", "delete_pattern", "set", "mark_stale")
NAMESPACE_CHANGES = ("invalidate_tags", "clear", "clear and sweep")


def thorough(*cases: str | tuple[str, str], quick: Sequence[str | tuple[str, str]]) -> list[Any]:
    """All cases, of which only the quick ones run in every test run."""
    return [
        pytest.param(*([case] if isinstance(case, str) else case), marks=() if case in quick else pytest.mark.slow)
        for case in cases
    ]


@pytest.fixture
async def near(valkey_server: EmbeddedServer, prefix: str) -> AsyncIterator[RedisService]:
    async with RedisService(valkey_server.url, key_prefix=prefix) as service:
        yield service


@pytest.fixture
async def far(valkey_server: EmbeddedServer, prefix: str) -> AsyncIterator[RedisService]:
    """Another process, as far as the first can tell."""
    async with RedisService(valkey_server.url, key_prefix=prefix) as service:
        yield service


def within_one_service(near: RedisService, change: str, **wanted: Any) -> Race:
    return Race((near, near), near, [watched(near)], CHANGES[change], **wanted)


def between_two_services(near: RedisService, far: RedisService, change: str, **wanted: Any) -> Race:
    return Race((near, far), far, [watched(near), watched(far)], CHANGES[change], **wanted)


@pytest.mark.parametrize(
    ("change", "found"),
    thorough(
        *(
            (change, found)
            for change in CHANGES
            for found in ("absent", "due for a refresh", "expired", "marked stale")
        ),
        quick=[(change, "absent") for change in CHANGES],
    ),
)
async def test_within_one_service_no_order_gives_a_stale_read(near: RedisService, change: str, found: str) -> None:
    orders, stale = await every_order(within_one_service(near, change, found=found).run)
    assert stale == 0
    assert orders > 80


@pytest.mark.parametrize("change", thorough(*CHANGES, quick=["delete"]))
async def test_the_same_orders_make_a_cache_aside_by_hand_stale(near: RedisService, change: str) -> None:
    _, stale = await every_order(within_one_service(near, change, naive=True).run)
    assert stale > 0


@pytest.mark.slow
@pytest.mark.parametrize("found", ["absent", "expired"])
@pytest.mark.parametrize("change", CHANGES)
async def test_within_one_service_late_replies_make_nothing_stale(near: RedisService, change: str, found: str) -> None:
    _, stale = await some_orders(within_one_service(near, change, found=found, stops=True).run, 1000, seed=42)
    assert stale == 0


@pytest.mark.parametrize("change", thorough(*NAMESPACE_CHANGES, quick=["invalidate_tags", "clear"]))
async def test_between_two_services_tags_and_clear_leave_no_order_stale(
    near: RedisService, far: RedisService, change: str
) -> None:
    orders, stale = await every_order(between_two_services(near, far, change).run)
    assert stale == 0
    assert orders > 500


@pytest.mark.slow
@pytest.mark.parametrize("found", ["absent", "due for a refresh"])
@pytest.mark.parametrize("change", NAMESPACE_CHANGES)
async def test_between_two_services_late_replies_make_nothing_stale(
    near: RedisService, far: RedisService, change: str, found: str
) -> None:
    _, stale = await some_orders(between_two_services(near, far, change, found=found, stops=True).run, 1000, seed=42)
    assert stale == 0


@pytest.mark.parametrize(
    ("change", "found"),
    thorough(
        ("set", "absent"),
        *((change, found) for change in KEY_CHANGES for found in ("due for a refresh", "expired", "marked stale")),
        quick=[("delete", "expired"), ("mark_stale", "marked stale")],
    ),
)
async def test_between_two_services_a_change_that_finds_or_leaves_something_leaves_no_order_stale(
    near: RedisService, far: RedisService, change: str, found: str
) -> None:
    orders, stale = await every_order(between_two_services(near, far, change, found=found).run)
    assert stale == 0
    assert orders > 400


@pytest.mark.parametrize("change", thorough("delete", "delete_pattern", "mark_stale", quick=["delete"]))
async def test_between_two_services_a_delete_does_not_yet_stop_a_load_that_found_nothing(
    near: RedisService, far: RedisService, change: str
) -> None:
    orders, stale = await every_order(between_two_services(near, far, change).run)
    assert 0 < stale < orders / 4


async def test_a_delete_while_the_server_has_to_learn_the_script_is_not_undone(
    near: RedisService, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Sent again after other commands, a store would land behind them."""

    database = OLD

    async def load() -> str:
        return database

    await near.get_or_load("another", load)
    await near.execute("SCRIPT", "FLUSH")
    node = near._nodes.get()
    call = node.call

    async def call_and_delete(command: Command, repeat: Repeat = Repeat.ALWAYS) -> Reply:
        nonlocal database
        try:
            return await call(command, repeat)
        except CacheServerError as error:
            if error.code == "NOSCRIPT":
                database = NEW
                await near.delete("key")
            raise

    monkeypatch.setattr(node, "call", call_and_delete)
    assert await near.get_or_load("key", load) == OLD
    assert await near.get_or_load("key", load) == database == NEW
