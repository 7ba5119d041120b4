"""A read that begins after a change returned gives nothing whose load began before it: on real servers.

Through one service (one process, one loop) and between two services, which stand here for two processes: every order
in which two readers and a writer can take their steps.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, TypeAlias

import pytest

from pika_redis import CacheServerError, RedisService
from pika_redis.testing import EmbeddedServer
from pika_redis.wire.connection import Reply
from pika_redis.wire.steps import Step

from .interleave import CHANGES, NEW, OLD, Race, every_order, some_orders, watched

FOUND_AT_FIRST = ("absent", "due for a refresh", "expired", "marked stale")


@pytest.fixture(
    scope="module",
    params=[pytest.param("valkey", marks=pytest.mark.valkey), pytest.param("redis", marks=pytest.mark.redis)],
)
def server(request: pytest.FixtureRequest) -> Iterator[EmbeddedServer]:
    """A server of these tests alone: some changes scan all of it, a thousand times, and others leave much behind."""
    request.getfixturevalue(f"{request.param}_server")  # skips where there is none
    with EmbeddedServer.start(request.param) as own:
        yield own


@pytest.fixture
def clock() -> None:
    """Time runs."""


Case: TypeAlias = str | tuple[str, str]


def thorough(*cases: Case, quick: Sequence[Case], ci: Sequence[Case] = ()) -> list[Any]:
    """All cases, of which only the quick ones run in every test run, and those of `ci` there."""
    marks = {case: [pytest.mark.slow, *([pytest.mark.ci] if case in ci else [])] for case in cases if case not in quick}
    return [pytest.param(*([case] if isinstance(case, str) else case), marks=marks.get(case, ())) for case in cases]


def within_one_service(near: RedisService, change: str, **wanted: Any) -> Race:
    return Race((near, near), near, [watched(near)], CHANGES[change], **wanted)


def between_two_services(near: RedisService, far: RedisService, change: str, **wanted: Any) -> Race:
    return Race((near, far), far, [watched(near), watched(far)], CHANGES[change], **wanted)


@pytest.mark.parametrize(
    ("change", "found"),
    thorough(
        *((change, found) for change in CHANGES for found in FOUND_AT_FIRST),
        quick=[(change, "absent") for change in CHANGES],
    ),
)
async def test_within_one_service_no_order_gives_a_stale_read(near: RedisService, change: str, found: str) -> None:
    orders, stale = await every_order(within_one_service(near, change, found=found).run)
    tell("within one service", change, found, orders, stale)
    assert stale == 0
    assert orders > 80


@pytest.mark.parametrize(
    "between",
    [
        pytest.param(False, id="within one service"),
        pytest.param(True, id="between two", marks=pytest.mark.slow),
    ],
)
@pytest.mark.parametrize("change", thorough(*CHANGES, quick=["delete"], ci=["invalidate_tags"]))
async def test_the_same_orders_make_a_cache_aside_by_hand_stale(
    near: RedisService, far: RedisService, change: str, between: bool
) -> None:
    race = (
        between_two_services(near, far, change, naive=True) if between else within_one_service(near, change, naive=True)
    )
    orders, stale = await every_order(race.run)
    tell("the control", change, "absent", orders, stale)
    assert stale > 0


def tell(*figures: object) -> None:
    """For ``pytest -s``, and for the page that names them."""
    print(*figures)  # noqa: T201 (the figure)


@pytest.mark.slow
@pytest.mark.parametrize("found", ["absent", "expired"])
@pytest.mark.parametrize("change", CHANGES)
async def test_within_one_service_late_replies_make_nothing_stale(near: RedisService, change: str, found: str) -> None:
    race = within_one_service(near, change, found=found, stops=True)
    _, stale = await some_orders(race.run, 1000, seed=42)
    assert stale == 0


@pytest.mark.parametrize(
    ("change", "found"),
    thorough(
        *((change, found) for change in CHANGES for found in FOUND_AT_FIRST),
        quick=[("delete", "absent"), ("invalidate_tags", "absent")],
        ci=[
            ("clear", "absent"),
            ("mark_stale", "absent"),
            ("delete", "expired"),
            ("invalidate_tags", "due for a refresh"),
            ("mark_stale", "marked stale"),
        ],
    ),
)
async def test_between_two_services_no_order_gives_a_stale_read(
    near: RedisService, far: RedisService, change: str, found: str
) -> None:
    orders, stale = await every_order(between_two_services(near, far, change, found=found).run)
    tell("between two services", change, found, orders, stale)
    assert stale == 0
    assert orders > 80


@pytest.mark.slow
@pytest.mark.parametrize("found", FOUND_AT_FIRST)
@pytest.mark.parametrize("change", CHANGES)
async def test_between_two_services_late_replies_make_nothing_stale(
    near: RedisService, far: RedisService, change: str, found: str
) -> None:
    await near.execute("FLUSHALL")  # what other tests left is swept by `delete_pattern` a thousand times
    race = between_two_services(near, far, change, found=found, stops=True)
    _, stale = await some_orders(race.run, 1000, seed=42)
    assert stale == 0


async def test_a_delete_while_the_server_has_to_learn_the_script_is_not_undone(
    near: RedisService, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Sent again after other commands, a store lands behind them, and finds its lease gone."""

    database = OLD

    async def load() -> str:
        return database

    await near.get_or_load("another", load)
    await near.execute("SCRIPT", "FLUSH")
    node = near._nears.get().single
    ask_steps = node.ask_steps

    async def call_and_delete(steps: Sequence[Step], **how: bool) -> list[list[Reply]]:
        nonlocal database
        replies = await ask_steps(steps, **how)
        unknown = replies[0][0]
        if isinstance(unknown, CacheServerError) and unknown.code == "NOSCRIPT":
            database = NEW
            await near.delete("key")
        return replies

    monkeypatch.setattr(node, "ask_steps", call_and_delete)
    assert await near.get_or_load("key", load) == OLD
    assert await near.get_or_load("key", load) == database == NEW
