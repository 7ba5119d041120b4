"""What a cache is, in a hundred lines without a loop, a lock or a byte: the yardstick of the state machines."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from pika_redis import ArgumentError, KeyNotFoundError, NotAnIntegerError
from pika_redis.model.glob import compile_glob

OPEN = object()
"""An answer that the contract leaves open."""


@dataclass
class Held:
    value: object
    ends: float
    tags: dict[str, int]
    epoch: int
    counter: bool
    stale: bool = False


class Model:
    def __init__(self) -> None:
        self.now = 0.0
        self.held: dict[str, Held] = {}
        self.turns: dict[str, int] = {}  # how often a tag was invalidated
        self.epoch = 0

    def live(self, key: str) -> Held | None:
        held = self.held.get(key)
        if held is None or self.now >= held.ends or held.stale:
            return None
        if not held.counter and held.epoch != self.epoch:
            return None
        return held if all(self.turns.get(tag, 0) == turn for tag, turn in held.tags.items()) else None

    def remains(self, key: str) -> bool:
        """Whether a dead entry may still take room: the verbs that delete may count it or not."""
        held = self.held.get(key)
        return held is not None and self.now < held.ends and self.live(key) is None

    def set(self, key: str, value: object, ttl: float, tags: Sequence[str], *, loaded: bool = False) -> None:
        counter = not loaded and not tags and type(value) is int and -(2**63) <= value < 2**63
        turns = {tag: self.turns.get(tag, 0) for tag in tags}
        self.held[key] = Held(value, self.now + ttl, turns, self.epoch, counter)

    def add(self, key: str, value: object, ttl: float, tags: Sequence[str]) -> bool:
        if self.live(key) is not None:
            return False
        self.set(key, value, ttl, tags)
        return True

    def get(self, key: str, default: object) -> object:
        held = self.live(key)
        return default if held is None else held.value

    def remaining(self, key: str) -> float | None:
        held = self.live(key)
        return None if held is None else held.ends - self.now

    def load(self, key: str, value: object, ttl: float, tags: Sequence[str]) -> object:
        held = self.live(key)
        if held is not None:
            return held.value
        self.set(key, value, ttl, tags, loaded=True)
        return value

    def touch(self, key: str, ttl: float) -> bool:
        held = self.live(key)
        if held is None:
            return False
        held.ends = self.now + ttl
        return True

    def count(self, key: str, amount: int, ttl: float, create: bool) -> int:
        held = self.live(key)
        if held is None:
            if not create:
                raise KeyNotFoundError(key)
            held = Held(0, self.now + ttl, {}, self.epoch, counter=True)
        if type(held.value) is not int or held.tags:
            raise NotAnIntegerError(key)
        total = held.value + amount
        if not -(2**63) <= total < 2**63:
            raise ArgumentError(key)
        self.held[key] = Held(total, held.ends, {}, self.epoch, counter=True)
        return total

    def mark_stale(self, key: str) -> bool:
        held = self.live(key)
        if held is None:
            return False
        if held.counter:
            del self.held[key]
            return False
        held.stale = True
        return True

    def delete(self, key: str) -> object:
        found = OPEN if self.remains(key) else self.live(key) is not None
        self.held.pop(key, None)
        return found

    def delete_many(self, keys: Sequence[str]) -> object:
        found = [self.delete(key) for key in keys]
        return OPEN if OPEN in found else found.count(True)

    def delete_pattern(self, pattern: str) -> object:
        return self.delete_many([key for key in self.held if compile_glob(pattern)(key)])

    def invalidate(self, tags: Sequence[str]) -> None:
        for tag in tags:
            self.turns[tag] = self.turns.get(tag, 0) + 1

    def clear(self, sweep: bool) -> None:
        self.epoch += 1
        if sweep:
            self.held.clear()


def coarse(left: float | None) -> float | None:
    """Remaining seconds in whole thousands: a server's own time passes while the test runs."""
    return left if left is None or math.isinf(left) else math.ceil(left / 1000)
