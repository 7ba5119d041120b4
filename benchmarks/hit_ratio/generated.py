"""Mixes that are made when no trace is given: skewed popularity, alone and with what usually spoils it."""

from __future__ import annotations

import random
from itertools import accumulate

from .traces import Trace

__all__ = ["mixes"]

SEED = 20
_ACCESSES = 100_000


def mixes(limit: int | None = None) -> list[Trace]:
    """Zipf of two exponents, Zipf with scans, Zipf with a loop, Zipf whose favourites change."""
    return [
        Trace(name, keys[:limit])
        for name, keys in (
            ("zipf 1.0", _zipf(1.0, 20_000, _ACCESSES)),
            ("zipf 0.8", _zipf(0.8, 20_000, _ACCESSES)),
            ("zipf, scans", _with_scans()),
            ("zipf, loop", _with_loop()),
            ("zipf, drifting", _drifting()),
        )
    ]


def _zipf(exponent: float, keys: int, accesses: int) -> list[str]:
    weights = list(accumulate(1 / (rank + 1) ** exponent for rank in range(keys)))
    return random.Random(SEED).choices([f"key:{n}" for n in range(keys)], cum_weights=weights, k=accesses)


def _with_scans() -> list[str]:
    """Every 10 000 accesses, 5 000 keys that are never asked for again."""
    between = _zipf(0.9, 10_000, _ACCESSES)
    keys: list[str] = []
    for start in range(0, _ACCESSES, 10_000):
        keys += between[start : start + 10_000]
        keys += [f"scan:{n}" for n in range(start, start + 5_000)]
    return keys


def _with_loop() -> list[str]:
    """Every other access goes round in 2 000 keys."""
    loop = (f"loop:{n % 2_000}" for n in range(_ACCESSES))
    return [key for pair in zip(_zipf(1.0, 5_000, _ACCESSES), loop, strict=True) for key in pair]


def _drifting() -> list[str]:
    """Every 10 000 accesses, 1 500 other keys become the favourites."""
    ranks = (int(key.split(":")[1]) for key in _zipf(1.0, 5_000, _ACCESSES))
    return [f"key:{(rank + number // 10_000 * 1_500) % 20_000}" for number, rank in enumerate(ranks)]
