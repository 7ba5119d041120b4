"""What the verbs cost: round trips, bytes and keys. The limits are promises; a change that exceeds one is a fault."""

from __future__ import annotations

import math
import sys
import types

import pytest

from pika_redis import RedisService
from pika_redis.testing import EmbeddedServer, age_entries

from .raw import Raw
from .tap import Tap, near_of


async def load() -> str:
    return "loaded"


def calls(shell: Raw) -> dict[str, int]:
    """How often the server ran each command."""
    lines = (line.split(":", 1) for line in shell("INFO", "commandstats").decode().splitlines() if ":" in line)
    return {name: int(figures.split(",")[0].removeprefix("calls=")) for name, figures in lines}


def ran(before: dict[str, int], after: dict[str, int]) -> dict[str, int]:
    grown = {name.removeprefix("cmdstat_"): after[name] - before.get(name, 0) for name in after}
    return {name: count for name, count in grown.items() if count and name != "info"}


async def warmed(service: RedisService) -> None:
    """It has connected, knows the epoch and the tag, and the server knows its scripts."""
    await service.get_or_load("warm", load, tags=["t"])
    await service.get_or_load("warm", load, tags=["t"])
    await service.delete("warm")


# -- round trips ----------------------------------------------------------------------------------------------------


async def test_a_warm_tagged_hit_asks_nothing(near: RedisService, shell: Raw, tap: Tap) -> None:
    await near.get_or_load("k", load, tags=["t"])
    before = calls(shell)
    with tap.on(near) as asked:
        assert await near.get_or_load("k", load, tags=["t"]) == "loaded"
        assert await near.get("k") == "loaded"
    assert asked.nothing
    assert ran(before, calls(shell)) == {}


async def test_a_warm_tagged_hit_runs_two_functions_and_the_clock(near: RedisService) -> None:
    """What it costs in time the benchmarks tell; this much is the same on every machine."""
    await near.set("k", "value", tags=["t"])
    for _ in range(3):
        await near.get("k")
    ran: list[str] = []

    def note(frame: types.FrameType, event: str, _: object) -> None:
        if event == "call":
            ran.append(frame.f_code.co_qualname)

    sys.setprofile(note)
    try:
        value = await near.get("k")
    finally:
        sys.setprofile(None)
    assert value == "value"
    assert ran == ["Lookups.get", "RemoteStore.hit", "FakeClock.monotonic"]


@pytest.mark.parametrize("tags", [[], ["t"]], ids=["untagged", "tagged"])
async def test_a_hit_on_the_server_is_one_get(
    near: RedisService, far: RedisService, shell: Raw, tap: Tap, tags: list[str]
) -> None:
    await warmed(near)
    await far.set("k", "value", tags=tags)
    await far.set("l", "value", tags=tags)
    before = calls(shell)
    with tap.on(near) as asked:
        assert await near.get("k") == "value"
        assert await near.get_or_load("l", load, tags=tags) == "value"
    assert (asked.commands, asked.trips) == (2, 2)
    assert ran(before, calls(shell)) == {"get": 2}


async def test_a_hit_on_a_server_that_is_not_to_be_copied_is_one_command(
    server: EmbeddedServer, prefix: str, tap: Tap
) -> None:
    async with RedisService(server.url, key_prefix=prefix, l1=False) as bare:
        await bare.set("k", "value")
        with tap.on(bare) as asked:
            await bare.get("k")
            await bare.get_or_load("k", load)
        assert (asked.commands, asked.trips) == (2, 2)


@pytest.mark.parametrize(
    ("read", "trips"), [("named", 1), ("not named", 2)], ids=["the caller names the tags", "it does not"]
)
async def test_a_cold_tagged_read(near: RedisService, far: RedisService, tap: Tap, read: str, trips: int) -> None:
    await far.set("k", "value", tags=["t", "u"])
    await near.connect()
    with tap.on(near) as asked:
        if read == "named":
            assert await near.get_or_load("k", load, tags=["t", "u"]) == "value"
        else:
            await near.get("k")
    assert asked.trips == trips


@pytest.mark.parametrize("tags", [[], ["t"]], ids=["untagged", "tagged"])
async def test_a_miss_is_three_round_trips_beside_the_load(near: RedisService, tap: Tap, tags: list[str]) -> None:
    await warmed(near)
    before_load: list[int] = []

    with tap.on(near) as asked:

        async def loader() -> str:
            before_load.append(asked.trips)
            return "loaded"

        await near.get_or_load("k", loader, tags=tags)
    assert before_load == [2]  # looked, took the lease
    assert asked.trips == 3  # stored


async def test_a_refresh_is_three_round_trips_beside_the_load(near: RedisService, tap: Tap) -> None:
    await warmed(near)
    await near.get_or_load("k", load, tags=["t"], stale_while_revalidate=60)
    await near.mark_stale("k")
    with tap.on(near) as asked:
        assert await near.get_or_load("k", load, tags=["t"]) == "loaded"
    assert asked.trips == 3


async def test_a_refresh_of_what_ends_within_its_claim_is_one_round_trip_more(
    near: RedisService, prefix: str, tap: Tap
) -> None:
    await warmed(near)
    await near.get_or_load("k", load, 100, ttl_jitter=0, stale_while_revalidate=60)
    await age_entries(near, prefix, 158)
    with tap.on(near) as asked:
        assert await near.get_or_load("k", load, 100) == "loaded"
    assert asked.trips == 4


async def test_changes_are_one_round_trip(near: RedisService, shell: Raw, tap: Tap) -> None:
    await warmed(near)
    await near.increment("n")
    await near.delete("x")
    for change in (
        near.set("k", "value"),
        near.set("k", "value", tags=["t"]),
        near.set_many({"k": "value", "l": "value"}, tags=["t"]),
        near.delete("k"),
        near.delete_many(["k", "l"]),
        near.increment("n"),
        near.invalidate_tags(["t", "u"]),
        near.clear(sweep=False),
    ):
        with tap.on(near) as asked:
            await change
        assert asked.trips == 1, change


async def test_what_a_process_pays_that_meets_a_cache_for_the_first_time(near: RedisService, tap: Tap) -> None:
    """The epoch and the tags have to be made, on the way."""
    await near.connect()
    costs: dict[str, int] = {}
    for what, tags in (("and an epoch", []), ("and two tags", ["t", "u"]), ("", ["t", "u"])):
        with tap.on(near) as asked:
            await near.get_or_load(f"k{what}", load, tags=tags)
        costs[f"a miss {what}".strip()] = asked.trips
    print(costs)  # noqa: T201 (the figures)
    assert set(costs.values()) == {3}


# -- bytes ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("ttl", [10, 60, 3600, 86400, 30 * 86400, 365 * 86400, math.inf])
async def test_an_untagged_entry_costs_at_most_32_bytes_above_its_payload(
    near: RedisService, shell: Raw, ttl: float
) -> None:
    payload, _ = near._codec.encode("value")
    for key in ("set", "loaded"):
        if key == "set":
            await near.set(key, "value", ttl)
        else:
            await near.get_or_load(key, lambda: "value", ttl, ttl_jitter=0)
        over = shell("STRLEN", near.name_of(key)) - len(payload)
        print(f"{over} bytes above the payload at ttl {ttl:g}")  # noqa: T201 (the figure)
        assert over <= 32


async def test_an_entry_that_is_kept_for_stale_serving_stays_within_the_limit_too(
    near: RedisService, shell: Raw
) -> None:
    payload, _ = near._codec.encode("value")
    await near.get_or_load("k", lambda: "value", 3600, stale_while_revalidate=60, stale_if_error=600)
    assert shell("STRLEN", near.name_of("k")) - len(payload) <= 32


# -- keys -----------------------------------------------------------------------------------------------------------


def keys(shell: Raw, prefix: str) -> set[str]:
    """What lies under the prefix, without it."""
    cursor, found = b"0", []
    while True:
        cursor, page = shell("SCAN", cursor, "MATCH", f"{prefix}*", "COUNT", 1000)
        found += page
        if cursor == b"0":
            return {key.decode().removeprefix(prefix) for key in found}


async def test_there_are_no_keys_beside_entries_tags_and_the_epoch(near: RedisService, shell: Raw, prefix: str) -> None:
    seen: list[set[str]] = []

    async def loader() -> str:
        seen.append(keys(shell, prefix))
        return "loaded"

    await near.get_or_load("k", loader, tags=["t"])
    assert seen.pop() == {"k", "#e", "#t:t"}  # the lease lies where the entry will
    await near.set("l", "value", tags=["t"])
    await near.increment("n")
    assert keys(shell, prefix) == {"k", "l", "n", "#e", "#t:t"}
    await near.delete_many(["k", "l", "n"])
    assert keys(shell, prefix) == {"#e", "#t:t"}
    assert near_of(near).copies == {}


async def test_while_an_entry_that_has_bytes_is_loaded_again_one_claim_lies_beside_it(
    near: RedisService, shell: Raw, prefix: str
) -> None:
    seen: list[set[str]] = []

    async def loader() -> str:
        seen.append(keys(shell, prefix))
        return "loaded"

    await near.get_or_load("k", load, tags=["t"])
    for end in (near.mark_stale("k"), near.invalidate_tags(["t"])):
        await end
        await near.get_or_load("k", loader, tags=["t"])
        assert seen.pop() == {"k", "#c:k", "#e", "#t:t"}
        assert keys(shell, prefix) == {"k", "#e", "#t:t"}
    await near.clear(sweep=False)
    await near.get_or_load("k", loader, tags=["t"])
    assert seen.pop() == {"k", "#c:k", "#e", "#t:t"}
    assert shell("PTTL", f"{prefix}#c:k") == -2


async def test_a_load_that_fails_leaves_nothing_that_stays(near: RedisService, shell: Raw, prefix: str) -> None:
    async def fail() -> str:
        raise LookupError

    with pytest.raises(LookupError):
        await near.get_or_load("k", fail, error_backoff=5)
    assert keys(shell, prefix) == {"k", "#e"}
    assert 0 < shell("PTTL", f"{prefix}k") <= 5000
    await near.get_or_load("l", load)
    await near.mark_stale("l")
    with pytest.raises(LookupError):
        await near.get_or_load("l", fail, error_backoff=5)
    assert keys(shell, prefix) == {"k", "l", "#c:l", "#e"}
    assert 0 < shell("PTTL", f"{prefix}#c:l") <= 5000
