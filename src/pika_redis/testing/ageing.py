"""Time passes on a real server without waiting: the data is made older instead.

A server's clock can't be moved, so every key gets what the passing of time would have done to it: less left to live,
and for an entry an earlier birth, from which the age is reckoned that `refresh_ahead` looks at. To the cache there is
no difference. The places of kind, version and birth are those of the entry's fixed part (docs/reference/envelope.md).
"""

from __future__ import annotations

import itertools
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, Protocol, TypeAlias, cast

from ..errors import ArgumentError
from ..model.duration import Duration
from ..model.glob import escape_glob
from ..wire.slot_map import slot_of
from .clock import passing

__all__ = ["age_entries"]

_PAGE = 500
_Execute: TypeAlias = Callable[..., Awaitable[Any]]
_AGE = """
local passed, ended = tonumber(ARGV[1]), 0
for _, key in ipairs(KEYS) do
  local left = redis.call('PTTL', key)
  if left >= 0 and left <= passed then
    ended = ended + redis.call('DEL', key)
  elseif left ~= -2 then
    if redis.call('TYPE', key).ok == 'string' then
      local head = redis.call('GETRANGE', key, 0, 15)
      if string.match(head, '^[VNS]') and #head == 16 and math.floor(string.byte(head, 10) / 32) == 1 then
        local born = 0
        for at = 11, 16 do
          born = born * 256 + string.byte(head, at)
        end
        born = math.max(0, born - passed)
        local bytes = {}
        for at = 6, 1, -1 do
          bytes[at] = string.char(born % 256)
          born = math.floor(born / 256)
        end
        redis.call('SETRANGE', key, 10, table.concat(bytes))
      end
    end
    if left > 0 then
      redis.call('PEXPIRE', key, left - passed)
    end
  end
end
return ended
"""


class _Server(Protocol):
    """A `RedisService`, or whatever else runs commands by a coroutine function `execute`."""

    def execute(self, *command: str | bytes | float) -> Awaitable[Any]: ...


class _Cluster(_Server, Protocol):
    """A `RedisService` of a cluster."""

    def execute(self, *command: str | bytes | float, key: str | None = None) -> Awaitable[Any]: ...


async def age_entries(server: _Server, prefix: str, duration: Duration) -> int:
    """Make everything under `prefix` older by `duration`, tags included; how many keys came to their end by it.

    `server` is a `RedisService` or anything with its `execute`. For tests: each key is aged in one step, all of them
    are not. Raises ArgumentError or ArgumentTypeError for the duration, CacheUnavailableError, CacheServerError.
    """
    passed = round(passing(duration) * 1000)
    try:
        return await _age(server.execute, server.execute, prefix, passed)
    except ArgumentError:  # a cluster, in which each node is walked, and each key aged where it is
        cluster = cast("_Cluster", server)
    ended = 0
    for key in await _keys_of_all_nodes(cluster):
        ended += await _age(partial(cluster.execute, key=key), cluster.execute, prefix, passed, page=1)
    return ended


async def _age(walk: _Execute, execute: _Execute, prefix: str, passed: int, page: int = _PAGE) -> int:
    keys: dict[bytes, None] = {}  # a walk may show a key twice; nothing ages twice
    cursor: bytes | int = 0
    while True:
        cursor, some = await walk("SCAN", cursor, "MATCH", f"{escape_glob(prefix)}*", "COUNT", _PAGE)
        keys.update(dict.fromkeys(some))
        if int(cursor) == 0:
            break
    found = list(keys)
    ended = 0
    for start in range(0, len(found), page):
        some = found[start : start + page]
        ended += await execute("EVAL", _AGE, len(some), *some, passed)
    return ended


async def _keys_of_all_nodes(cluster: _Cluster) -> list[str]:
    """A key of each node that serves slots."""
    owners: dict[bytes, range] = {}
    for first, last, primary, *_ in await cluster.execute("CLUSTER", "SLOTS", key="any"):
        owners.setdefault(primary[2], range(first, last + 1))
    numbers = itertools.count()
    return [next(name for name in map(str, numbers) if slot_of(name) in slots) for slots in owners.values()]
