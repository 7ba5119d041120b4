"""What readers are handed out of copies, and copies of tagged entries."""

from __future__ import annotations

from collections.abc import Awaitable

import pytest
from tests.ids import shown

from pika_redis import RedisService
from pika_redis.testing import FakeClock
from pika_redis.wire.scripts import RENEW_TAG

from .raw import Raw
from .tap import Tap, heard, is_served

# -- values ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("value", [[1, 2], {"a": [1]}, {1, 2}, ([1],)], ids=shown)
async def test_a_mutable_value_is_decoded_afresh_for_every_reader(near: RedisService, tap: Tap, value: object) -> None:
    await near.set("k", value)
    await near.get("k")
    with tap.on(near) as asked:
        first, second = await near.get("k"), await near.get("k")
        (third,) = await near.get_many(["k"])
    assert asked.nothing
    assert first == second == third == value
    assert len({id(one) for one in (first, second, third)}) == 3
    if isinstance(first, list):
        first.append("mine")
        assert await near.get("k") == value


@pytest.mark.parametrize(
    "value",
    ["text" * 50, b"bytes" * 50, (1, "two", (3.5,)), 2**70, frozenset({1, 2})],
    ids=lambda value: type(value).__name__,
)
async def test_an_immutable_value_is_one_object_for_all(near: RedisService, tap: Tap, value: object) -> None:
    await near.set("k", value)
    await near.get("k")
    with tap.on(near) as asked:
        first, second = await near.get("k"), await near.get_or_load("k", nothing)
    assert asked.nothing
    assert first == value
    assert first is second


def nothing() -> object:
    return None


async def test_a_cached_none_is_a_hit(near: RedisService, tap: Tap) -> None:
    await near.get_or_load("k", nothing)
    with tap.on(near) as asked:
        assert await near.get("k", default="nothing") is None
        assert await near.get_or_load("k", nothing) is None
    assert asked.nothing


async def test_with_share_a_mutable_value_is_one_object_for_all(near: RedisService, tap: Tap) -> None:
    await near.set("k", {"rows": [1]})

    async def read() -> object:
        return await near.get_or_load("k", dict, share=True)

    await read()
    with tap.on(near) as asked:
        first, second = await read(), await read()
    assert asked.nothing
    assert first == {"rows": [1]}
    assert first is second
    await near.set("k", {"rows": [2]})
    assert await read() == {"rows": [2]}


async def test_a_copy_that_can_not_be_decoded_is_a_miss(near: RedisService, shell: Raw) -> None:
    await near.set("k", [1])
    shell("APPEND", near.name_of("k"), b"\xc1")
    for _ in range(3):
        assert await near.get("k", default="miss") == "miss"
    assert await near.get_or_load("k", lambda: [2]) == [2]
    assert await near.get("k") == [2]


async def test_a_copy_is_served_under_the_prefix_alone_under_which_it_was_read(near: RedisService, prefix: str) -> None:
    """The same full key: but each prefix has an epoch of its own."""
    inner = near.with_options(key_prefix=f"{prefix}a:")
    await near.set("a:b", [1])
    await inner.set("other", [2])
    for _ in range(2):
        assert await near.get("a:b") == [1]
        assert await inner.get("b") is None


async def test_a_strict_read_asks_although_there_is_a_copy(near: RedisService, tap: Tap) -> None:
    await near.set("k", [1])
    await near.get("k")
    reads: list[Awaitable[object]] = [
        near.get("k", consistency="strict"),
        near.get_or_load("k", list, consistency="strict"),
    ]
    for read in reads:
        with tap.on(near) as asked:
            assert await read == [1]
        assert asked.trips == 1


# -- tags -----------------------------------------------------------------------------------------------------------


async def tagged(service: RedisService, *keys: str, tag: str = "t") -> None:
    """Entries under a tag, and copies of them."""
    for key in keys:
        await service.set(key, [key], tags=[tag, f"{key}'s own"])
        await service.get(key)


async def test_a_warm_tagged_hit_asks_nothing(near: RedisService, tap: Tap) -> None:
    await tagged(near, "a", "b")
    with tap.on(near) as asked:
        assert await near.get("a") == ["a"]
        assert await near.get_or_load("b", list, tags=["t", "b's own"]) == ["b"]
    assert asked.nothing


async def test_a_tag_that_ends_elsewhere_ends_all_its_copies_and_no_other(
    near: RedisService, far: RedisService, tap: Tap
) -> None:
    await tagged(near, "a", "b")
    await tagged(near, "c", tag="u")
    await far.invalidate_tags(["t"])
    await heard(near)
    with tap.on(near) as asked:
        assert await near.get("c") == ["c"]
        assert asked.nothing
        assert await near.get("a") is None
        assert await near.get("b") is None
        assert not asked.nothing


async def test_a_foreign_delete_of_a_tag_ends_its_copies(near: RedisService, shell: Raw) -> None:
    await tagged(near, "a")
    shell("DEL", near.name_of("x").removesuffix("x") + "#t:t")
    await heard(near)
    assert await near.get("a") is None


async def test_another_process_that_turns_the_epoch_ends_all_copies(near: RedisService, far: RedisService) -> None:
    await tagged(near, "a", "b")
    await near.set("c", ["c"])
    await near.get("c")
    await far.clear(sweep=False)
    await heard(near)
    assert await near.get_many(["a", "b", "c"]) == [None, None, None]


async def test_a_renewed_tag_brings_its_copies_back_to_life_with_one_read(
    near: RedisService, shell: Raw, prefix: str, tap: Tap
) -> None:
    """The server tells of the renewal as of any change; the nonce is the same."""
    await tagged(near, "a", "b", "c")
    tag = f"{prefix}#t:t"
    raw = shell("GET", tag)
    life = (10**6).to_bytes(4, "big")
    assert shell("EVAL", RENEW_TAG.source, 1, tag, raw[:9], life, 10**9) == 2
    await heard(near)
    with tap.on(near) as asked:
        assert await near.get("a") == ["a"]
    assert 1 <= asked.trips <= 2
    with tap.on(near) as asked:
        assert await near.get_many(["b", "c"]) == [["b"], ["c"]]
    assert asked.nothing


async def test_copies_outlive_the_renewals_of_their_own_process(
    near: RedisService, clock: FakeClock, shell: Raw, prefix: str, tap: Tap
) -> None:
    await tagged(near, "a")
    clock.advance(50_000)  # more than half the life of a tag
    shell("EXPIRE", f"{prefix}#t:t", 30_000)
    await near.set("z", ["z"], tags=["t"])
    await heard(near)  # the renewal, for which nobody waits, went before
    assert shell("TTL", f"{prefix}#t:t") > 80_000
    await near.set("a", ["a"], tags=["t"])
    await near.get("a")
    with tap.on(near) as asked:
        assert await near.get("a") == ["a"]
    assert asked.nothing


async def test_tags_that_the_loader_names_are_judged_like_others(near: RedisService, far: RedisService) -> None:
    from pika_redis import Loaded

    async def load() -> Loaded[str]:
        return Loaded("value", tags=["late"])

    await near.get_or_load("k", load)
    while await near.get("k") is None:  # the first load made the tag; the second could store
        await near.get_or_load("k", load)
    assert is_served(near)
    await far.invalidate_tags(["late"])
    await heard(near)
    assert await near.get("k") is None
