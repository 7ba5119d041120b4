"""Waiting for a change: who is woken by what, and that nobody is left behind."""

from __future__ import annotations

import asyncio

from pika_redis.storage.watches import Watches


def watches() -> Watches:
    return Watches(asyncio.get_running_loop())


async def test_a_change_wakes_who_waits_for_the_key_at_once() -> None:
    waits = watches()
    with waits.on(["a"]) as first, waits.on(["a", "b"]) as second, waits.on(["b"]) as third:
        waits.wake("a")
        assert (first.done(), second.done(), third.done()) == (True, True, False)
        waits.wake("b")
        waits.wake("b")
        assert third.done()


async def test_a_change_before_the_wait_wakes_nobody() -> None:
    waits = watches()
    waits.wake("a")
    with waits.on(["a"]) as change:
        assert not change.done()


async def test_any_change_wakes_everybody() -> None:
    waits = watches()
    with waits.on(["a"]) as first, waits.on(["b", "c"]) as second:
        waits.wake_all()
        assert first.done()
        assert second.done()
    waits.wake_all()


async def test_who_stops_waiting_leaves_nothing_behind() -> None:
    waits = watches()
    with waits.on(["a"]) as staying:
        with waits.on(["a", "b"]):
            pass
        assert list(waits._waiting) == ["a"]
        waits.wake("a")
        assert staying.done()
    assert waits._waiting == {}


async def test_who_is_woken_and_leaves_later_does_not_take_the_next_ones_along() -> None:
    waits = watches()
    with waits.on(["a"]):
        waits.wake("a")
        with waits.on(["a"]) as next_one:
            pass
        assert waits._waiting == {}
        with waits.on(["a"]) as next_one:
            assert not next_one.done()
            waits.wake("a")
            assert next_one.done()


async def test_a_cancelled_waiter_harms_nobody() -> None:
    waits = watches()

    async def wait() -> None:
        with waits.on(["a"]) as change:
            await change

    gone, staying = asyncio.create_task(wait()), asyncio.create_task(wait())
    await asyncio.sleep(0)
    gone.cancel()
    waits.wake("a")
    await staying
    await asyncio.wait({gone})
    assert waits._waiting == {}
