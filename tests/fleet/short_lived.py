"""For the processes of the checker: a service whose entries expire all the time."""

from __future__ import annotations

from pika_redis import RedisService

__all__ = ["make"]


def make(url: str, prefix: str) -> RedisService:
    """Entries live 50 ms."""
    return RedisService(url, key_prefix=prefix).with_options(ttl=0.05)
