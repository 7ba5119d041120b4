"""What callers hand to the batch and counter verbs, checked."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from ..errors import ArgumentError, ArgumentTypeError, BatchError
from ..model.counters import Counters
from ..model.duration import to_ttl
from ..model.entry import Draft
from ..model.item import CacheItem
from ..model.report import CacheStats
from .key_checks import check_encodes, check_tags

__all__ = ["check_amount", "check_pattern", "check_replicas", "drafts_of", "not_stored", "stats_of"]

MOST = 2**63 - 1
"""The largest amount: its opposite, which `decrement` counts by, has 64 bits as well."""
_FIELDS = frozenset(field.name for field in dataclasses.fields(CacheItem))
_MOST_REPLICAS = 1000


def check_amount(amount: object) -> int:
    """An amount to count by, up or down. Raises ArgumentTypeError, and ArgumentError beyond 64 bits."""
    if isinstance(amount, bool) or not isinstance(amount, int):
        raise ArgumentTypeError(f"amount must be an int, not {type(amount).__name__}")
    plain = int.__index__(amount)  # an IntEnum would be written by its name
    if not -MOST <= plain <= MOST:
        raise ArgumentError(f"amount must be from {-MOST} to {MOST}, not {plain}")
    return plain


def check_replicas(durable: object) -> int:
    """A number of replicas. Raises ArgumentTypeError, and ArgumentError for one below 0 or absurdly high."""
    if isinstance(durable, bool) or not isinstance(durable, int):
        raise ArgumentTypeError(f"durable must be a number of replicas, not {type(durable).__name__}")
    if not 0 <= durable <= _MOST_REPLICAS:
        raise ArgumentError(f"durable must be from 0 to {_MOST_REPLICAS} replicas, not {durable}")
    return int.__index__(durable)


def check_pattern(pattern: object) -> str:
    """A glob over keys. Raises ArgumentTypeError, and ArgumentError for an empty one or one that can't be encoded."""
    if not isinstance(pattern, str):
        raise ArgumentTypeError(f"pattern must be a str, not {type(pattern).__name__}")
    if not pattern:
        raise ArgumentError("pattern must not be empty; '*' stands for every key of this prefix")
    text = str.__str__(pattern)
    check_encodes(text, "pattern")
    return text


def drafts_of(
    items: object, ttl: float, tags: tuple[str, ...], name_of: Callable[[str], str]
) -> tuple[dict[str, Draft], dict[str, str]]:
    """What `set_many` stores, and the keys as they were written, both by full name.

    `ttl` and `tags` are for items without their own. Raises ArgumentTypeError, ArgumentError.
    """
    drafts: dict[str, Draft] = {}
    keys: dict[str, str] = {}
    if isinstance(items, Mapping):
        for key, value in items.items():
            name = name_of(key)
            drafts[name] = Draft(value, ttl, tags)
            keys[name] = key
        return drafts, keys
    for item in _checked(items):
        name = name_of(item.key)
        life = ttl if item.ttl is None else to_ttl(item.ttl)
        drafts[name] = Draft(item.value, life, check_tags(item.tags) or tags)
        keys[name] = item.key
    return drafts, keys


def _checked(items: object) -> Iterator[CacheItem]:
    """The items of an iterable, in either form."""
    if isinstance(items, str | bytes) or not isinstance(items, Iterable):
        raise ArgumentTypeError(
            f"items must be a mapping of key to value or an iterable of CacheItem or dicts, not {type(items).__name__}"
        )
    else:
        for item in items:
            yield item if isinstance(item, CacheItem) else _from_dict(item)


def _from_dict(item: object) -> CacheItem:
    if not isinstance(item, Mapping):
        raise ArgumentTypeError(f"an item must be a CacheItem or a dict with key and value, not {type(item).__name__}")
    fields: Mapping[Any, Any] = item
    unknown = [str(name) for name in fields if name not in _FIELDS]
    if unknown or "key" not in fields or "value" not in fields:
        wrong = f"has the unknown field {unknown[0]!r}" if unknown else "lacks key or value"
        raise ArgumentTypeError(f"an item dict {wrong}; its fields are key, value, and optionally ttl and tags")
    return CacheItem(fields["key"], fields["value"], fields.get("ttl"), fields.get("tags") or ())


def not_stored(failed: Mapping[str, Exception], keys: Mapping[str, str]) -> BatchError:
    """The error of a batch. `failed` is by full name, `keys` gives each item's name the key that its caller wrote."""
    first = next(iter(failed.values()))
    return BatchError(
        f"{len(failed)} of {len(keys)} items were not stored; the first: {first}",
        {keys[name]: error for name, error in failed.items()},
    )


def stats_of(counters: Counters, keys: int, memory: int, *, exact: bool) -> CacheStats:
    """A snapshot of the counts."""
    looked = counters.hits + counters.misses
    return CacheStats(
        hits=counters.hits,
        l1_hits=counters.l1_hits,
        misses=counters.misses,
        hit_rate=counters.hits / looked if looked else 0.0,
        sets=counters.sets,
        deletes=counters.deletes,
        loads=counters.loads,
        load_failures=counters.load_failures,
        joined=counters.joined,
        refreshes=counters.refreshes,
        stale=counters.stale,
        errors=counters.errors,
        undecodable=counters.undecodable,
        evictions=counters.evictions,
        outages=counters.outages,
        degraded=counters.degraded,
        replayed=counters.replayed,
        key_count=keys,
        memory_usage=memory,
        exact=exact,
    )
