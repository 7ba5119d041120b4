"""A server full of tagged entries, made in seconds: one real entry of a library, copied by the server itself.

The copies are byte for byte what the library wrote; before and after each measurement one of them is read through the
library, so that a layout that changes is noticed.
"""

from __future__ import annotations

from collections.abc import Sequence

from redis.asyncio import Redis

__all__ = ["copy_entry", "fill_set"]

_CHUNK = 20_000
_COPY = """
local value = redis.call('GET', KEYS[1])
for number = tonumber(ARGV[2]), tonumber(ARGV[3]) do redis.call('SET', ARGV[1] .. number, value, 'EX', 3600) end
"""
_FILL = """
for number = tonumber(ARGV[2]), tonumber(ARGV[3]) do redis.call('SADD', KEYS[1], ARGV[1] .. number) end
"""


async def copy_entry(client: Redis, source: str, prefix: str, count: int) -> None:
    """Copy the string at the key `source` to the keys ``{prefix}0`` up to `count` of them."""
    await _in_chunks(client, _COPY, [source, prefix], count)


async def fill_set(client: Redis, name: str, prefix: str, count: int) -> None:
    """Add the names ``{prefix}0`` up to `count` of them to the set `name`."""
    await _in_chunks(client, _FILL, [name, prefix], count)


async def _in_chunks(client: Redis, script: str, arguments: Sequence[str], count: int) -> None:
    for first in range(0, count, _CHUNK):
        last = min(first + _CHUNK, count) - 1
        await client.eval(script, 1, *arguments, str(first), str(last))
