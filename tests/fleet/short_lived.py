"""For the processes of the checker: a service whose entries expire all the time."""

from __future__ import annotations

from typing import Any

from pika_redis import RedisService

__all__ = ["make"]

_TTL = 0.05


class ShortLived(RedisService):
    """Whatever time to live it is told, entries live 50 ms."""

    async def set(self, key: str, value: object, ttl: object = None, **more: Any) -> None:
        await super().set(key, value, _TTL, **more)

    async def get_or_load(self, key: str, loader: Any, ttl: object = None, **more: Any) -> Any:
        more.pop("ttl", None)
        return await super().get_or_load(key, loader, _TTL, **more)


def make(url: str, prefix: str) -> RedisService:
    """A service of the checker's processes."""
    return ShortLived(url, key_prefix=prefix)
