"""The bars: what this library sets out to reach, and what is said about one that was missed.

A bar is judged by the median of the ratios of one run. A miss stays in the published table, with its explanation.
"""

from __future__ import annotations

from dataclasses import dataclass

from .result import Verdict
from .rounds import Spread

__all__ = ["BARS", "EXPLAINED", "Bar", "at_least", "at_most", "verdict"]


@dataclass(frozen=True, slots=True)
class Bar:
    """A bar: its key, the question that measures it, what is measured, and the limit in words.

    `later` says what has to come before it can be measured.
    """

    key: str
    question: str
    what: str
    limit: str
    later: str = ""

    @property
    def why_missed(self) -> str:
        """What profiles say about a miss; empty while nothing is known."""
        return _WHY_MISSED.get(self.key, "")


_READ = "`RedisService.get` from the server (`l1=False`), 100 tasks, uvloop"
_HIT = "`get` answered by a copy in memory"
_DECORATED = "`@cache` hit in memory, one string argument"
_SYNC = "`service.sync` over a server"

BARS = (
    Bar("read-cashews", "l2", f"{_READ}: against cashews", "≥ 15×"),
    Bar("read-aiocache", "l2", f"{_READ}: against aiocache", "≥ 15×"),
    Bar("read-glide", "l2", f"{_READ}: against valkey-glide", "≥ 4×"),
    Bar("read-bare", "l2", f"{_READ}: against the bare multiplexed wire", "≥ 0.5×"),
    Bar("read-one-task", "l2", "the same with one task: against redis-benchmark `-c 1 -P 1`", "≥ 0.75×"),
    Bar("hit-bare", "l1_hit", f"{_HIT}: cost in bare coroutines around `dict.get`", "≤ 5×"),
    Bar("hit-cashews", "l1_hit", f"{_HIT}: against cashews' memory backend", "≥ 10×"),
    Bar("hit-aiocache", "l1_hit", f"{_HIT}: against aiocache's memory backend", "≥ 40×"),
    Bar("call-bare", "decorator_hit", f"{_DECORATED}: cost in bare coroutines around `dict.get`", "≤ 12×"),
    Bar("call-cashews", "decorator_hit", f"{_DECORATED}: against cashews", "≥ 35×"),
    Bar("call-aiocache", "decorator_hit", f"{_DECORATED}: against aiocache", "≥ 20×"),
    Bar("call-async-lru", "decorator_hit", f"{_DECORATED}: against async-lru", "≥ 0.8×"),
    Bar("call-cachebox", "decorator_hit", f"{_DECORATED}: against cachebox", "≥ 0.8×"),
    Bar("mget-redis-py", "batch", "`get_many` of 1 000, decoded: against redis-py's `mget`, so decoded", "≥ 1.2×"),
    Bar("mset-redis-py", "batch", "`set_many` of 1 000 with a ttl: against redis-py's pipeline", "≥ 3×"),
    Bar("sync-one", "sync", f"{_SYNC}, 1 thread: against redis-py", "≥ 1.2×", later="the sync face over a server"),
    Bar("sync-many", "sync", f"{_SYNC}, 32 threads: against redis-py", "≥ 4×", later="the sync face over a server"),
    Bar("loads", "stampede", "loads for a cold key, 4 processes × 1 000 tasks", "exactly 1"),
    Bar("tags-flat", "tags", "`invalidate_tags`: 1 000 000 tagged entries against 10, cost", "≤ 1.5×"),
    Bar("tags-fast", "tags", "`invalidate_tags`, one process tracking", "< 1 ms"),
    Bar("fan-out", "fan_out", "`invalidate_tags` with 1 to 1 000 connections tracking the tag", "curve published"),
    Bar("overhead", "memory", "server memory of an entry above its payload, untagged", "≤ 32 bytes"),
    Bar("index-keys", "memory", "keys on the server beside the entries, 5 000 untagged ones", "≤ 1 (the epoch)"),
    Bar("outage-first", "outage", "server silent: slowest `get` until the breaker opens", "≤ 1.2 s"),
    Bar("outage-then", "outage", "server silent: `get` after that, 99th percentile", "≤ 1 ms"),
    Bar("hit-ratio", "hit_ratio", "hit ratio over traces and sizes, mean", "above every peer's"),
    Bar("hit-ratio-worst", "hit_ratio", "at worst: points from the best of LRU, S3-FIFO, theine, moka", "≥ -1"),
    Bar("http", "http", "the public cache-tests suite, required tests", "> 132 of 163", later="the HTTP middleware"),
    Bar("import-asyncio", "imports", "import of `pika_redis`: against `import asyncio`, cost", "≤ 1.5×"),
    Bar("import-redis", "imports", "import of `pika_redis`: against `import redis.asyncio`, cost", "≤ 0.4×"),
)  # fmt: skip

_SLOW_READ = (
    "counted on uvloop a read takes 20 900 instructions, one of the bare wire 15 700, which unpacks nothing: tasks of "
    "one turn of the loop share a command, and what it brings is judged and unpacked together (docs/decisions/019). "
    "What is left is a coroutine with four arguments, a future, and the value itself."
)
_SLOW_BATCH = (
    "6 000 instructions an item to read, of which half go into the words of the command and the objects of the reply, "
    "as with every client; 28 000 to write, since each value is checked, packed and sealed under its nonces in Python, "
    "where the codec around the others is C."
)
_SLOW_HIT = (
    "a hit takes 3 bare coroutines in instructions; in time the question which event loop runs is a sixth of it on "
    "asyncio and two fifths on uvloop, where Python 3.11 asks the operating system. The bars were set where cashews "
    "took 52 bare coroutines and aiocache 200; here they take about 31 and 130, so ten times faster than cashews would "
    "be 3.1 bare coroutines, which the bar above puts at 5."
)
_ONE_TASK = (
    "one task waits for the server most of the time, and twice for its own loop. The bare multiplexed wire itself "
    "reaches 0.7 to 0.8x redis-benchmark, which has no loop (the table below)."
)
_SLOW_KEY = (
    "a hit takes 4.5 bare coroutines in instructions, of which 3 are what `get` takes. Our key is canonical text with "
    "a digest of 128 bits, the same in every process, and a hit checks that the server still vouches for the copy; "
    "theirs is a tuple or its text, and nobody vouches. cachebox is compiled from Rust."
)
_SLOW_IMPORT = (
    "`import asyncio` alone takes some nine tenths of what the second bar allows, which leaves at most a twentieth of "
    "the time that is taken now for everything else; the first bar leaves a sixth. The package loads some 170 modules "
    "of its own at once; no single one is slow, and a quarter of the time goes into making 39 dataclasses. A face that "
    "loads each name when it is first asked for would make `import pika_redis` alone take nothing, but not "
    "`from pika_redis import RedisService`, which is what services write."
)
_WHY_MISSED = {
    "read-cashews": _SLOW_READ,
    "read-aiocache": _SLOW_READ,
    "read-glide": _SLOW_READ,
    "read-bare": _SLOW_READ,
    "read-one-task": _ONE_TASK,
    "hit-bare": _SLOW_HIT,
    "hit-cashews": _SLOW_HIT,
    "hit-aiocache": _SLOW_HIT,
    "mget-redis-py": _SLOW_BATCH,
    "mset-redis-py": _SLOW_BATCH,
    "call-aiocache": _SLOW_KEY,
    "call-async-lru": _SLOW_KEY,
    "call-cachebox": _SLOW_KEY,
    "import-asyncio": _SLOW_IMPORT,
    "import-redis": _SLOW_IMPORT,
}

EXPLAINED = frozenset(_WHY_MISSED)
_BY_KEY = {bar.key: bar for bar in BARS}


def at_least(key: str, ratio: Spread, least: float) -> Verdict:
    """A verdict on a ratio that should be high."""
    return verdict(key, _shown(ratio), kept=ratio.middle >= least)


def at_most(key: str, ratio: Spread, most: float) -> Verdict:
    """A verdict on a ratio that should be low."""
    return verdict(key, _shown(ratio), kept=ratio.middle <= most)


def verdict(key: str, measured: str, *, kept: bool) -> Verdict:
    """A verdict, with the explanation that is known if the bar is missed. Raises KeyError for an unknown bar."""
    return Verdict(key, measured, kept, "" if kept else _BY_KEY[key].why_missed)


def _shown(ratio: Spread) -> str:
    return f"{ratio.middle:.3g}× ({ratio.low:.3g}..{ratio.high:.3g})"
