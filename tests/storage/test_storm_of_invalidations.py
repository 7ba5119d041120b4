"""A tag that others end again and again while something is written under it."""

from __future__ import annotations

from typing import Any

import pytest

from pika_redis import RedisService

from .tap import near_of


async def test_what_is_ended_during_every_attempt_is_written_and_ended(
    near: RedisService, far: RedisService, monkeypatch: pytest.MonkeyPatch
) -> None:
    await far.set("key", "before", tags=["tag"])
    node, attempts = near_of(near).node, 0
    call_many = node.call_many

    async def raced(*commands: Any) -> Any:
        nonlocal attempts
        attempts += 1
        await far.invalidate_tags(["tag"])
        return await call_many(*commands)

    monkeypatch.setattr(node, "call_many", raced)
    await near.set("key", "after", tags=["tag"])
    assert attempts == 8
    monkeypatch.undo()
    assert await far.get("key") is None
    assert await near.get("key") is None
    assert not near.counts.degraded
    await near.set("key", "after", tags=["tag"])
    assert await far.get("key") == "after"
