"""Who takes part: this library's own eviction, plain policies, and the caches that others offer to Python.

Every contestant has room for the same number of entries and starts empty; a miss is stored at once. Peers that are not
installed are left out.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from functools import partial
from types import ModuleType

from pika_redis.storage.eviction import S3Fifo
from pika_redis.storage.records import Record

from .policies import lru, s3fifo, sieve

__all__ = ["BAR", "LIBRARIES", "OURS", "Contestant", "contestants"]

Contestant = Callable[[Sequence[str], int], int]
"""Keys and room in entries to hits."""
OURS = "pika-redis"
LIBRARIES = {"cachebox": "cachebox", "cachetools": "cachetools", "moka_py": "moka-py", "theine": "theine"}
"""Modules to distributions."""
BAR = ("LRU", "S3-FIFO", "theine", "moka")
"""Whom to stay within a point of, everywhere."""


def ours(keys: Sequence[str], capacity: int) -> int:
    """The copies of `storage/near.py`: its records, in a dict beside its queues."""
    copies: dict[str, Record] = {}
    queues: S3Fifo[Record] = S3Fifo(capacity)
    hits = 0
    for key in keys:
        record = copies.get(key)
        if record is not None:
            record.reads += 1
            hits += 1
            continue
        record = Record(b"", None, None, b"")
        record.key, record.size = key, 1
        copies[key] = record
        for gone in queues.add(record):
            del copies[gone.key]
    return hits


def _theine(module: ModuleType, keys: Sequence[str], capacity: int) -> int:
    cache = module.Cache(capacity)
    hits = 0
    for key in keys:
        if cache.get(key)[1]:
            hits += 1
        else:
            cache.set(key, key)
    cache.close()
    return hits


def _moka(module: ModuleType, keys: Sequence[str], capacity: int, *, held: bool) -> int:
    """`held`: to its room, by finishing its pending work after each insert. Else it holds up to 64 entries more."""
    cache = module.Moka(capacity)
    hits = 0
    for key in keys:
        if cache.get(key) is not None:
            hits += 1
        else:
            cache.set(key, key)
            if held:
                cache.run_pending_tasks()
    return hits


def _mapping(module: ModuleType, keys: Sequence[str], capacity: int, *, kind: str) -> int:
    cache = getattr(module, kind)(capacity)
    hits = 0
    for key in keys:
        if cache.get(key) is not None:
            hits += 1
        else:
            cache[key] = key
    return hits


_PEERS: tuple[tuple[str, str, Callable[..., int]], ...] = (
    ("theine", "theine", _theine),
    ("moka", "moka_py", partial(_moka, held=True)),
    ("moka +64", "moka_py", partial(_moka, held=False)),
    ("cachebox LFU", "cachebox", partial(_mapping, kind="LFUCache")),
    ("cachetools LFU", "cachetools", partial(_mapping, kind="LFUCache")),
)


def contestants() -> tuple[dict[str, Contestant], list[str]]:
    """By name, and the modules that are missing."""
    found: dict[str, Contestant] = {OURS: ours, "LRU": lru, "SIEVE": sieve, "S3-FIFO": s3fifo}
    missing: list[str] = []
    for name, module, run in _PEERS:
        try:
            found[name] = partial(run, importlib.import_module(module))
        except ImportError:
            if module not in missing:
                missing.append(module)
    return found, missing
