"""The simulator of hit ratios: what it reads, and that bound and plain policies are what they say."""

from __future__ import annotations

import gzip
import lzma
import random
from itertools import combinations
from pathlib import Path

import pytest
from benchmarks.hit_ratio import main
from benchmarks.hit_ratio.contestants import ours
from benchmarks.hit_ratio.generated import mixes
from benchmarks.hit_ratio.opt import opt
from benchmarks.hit_ratio.policies import lru, s3fifo, sieve
from benchmarks.hit_ratio.report import Cell, result_of, show
from benchmarks.hit_ratio.traces import read
from benchmarks.machine import observe
from benchmarks.result import Result


def best_of_all(keys: list[str], capacity: int) -> int:
    """Hits of the best choices there are, by trying all of them."""
    states = {frozenset[str](): 0}
    for key in keys:
        after: dict[frozenset[str], int] = {}
        for held, hits in states.items():
            hits += key in held
            for kept in range(capacity + 1):
                for some in combinations(sorted(held | {key}), kept):
                    after[frozenset(some)] = max(hits, after.get(frozenset(some), 0))
        states = after
    return max(states.values())


@pytest.mark.parametrize("seed", range(8))
def test_the_bound_is_what_trying_everything_gives(seed: int) -> None:
    keys = random.Random(seed).choices("abcde", k=12)
    assert opt(keys, 2) == best_of_all(keys, 2)


@pytest.mark.parametrize("run", [lru, sieve, s3fifo, ours])
@pytest.mark.parametrize("capacity", [5, 50, 500])
def test_nobody_exceeds_the_bound(run: object, capacity: int) -> None:
    assert callable(run)
    keys = [f"k{int(random.Random(n).paretovariate(0.7))}" for n in range(3_000)] + [f"l{n % 60}" for n in range(600)]
    assert 0 < run(keys, capacity) <= opt(keys, capacity)


def test_lru_and_sieve_in_a_case_that_can_be_followed() -> None:
    keys = list("abcabdab")
    assert lru(keys, 3) == 4
    assert lru(list("abcabc"), 2) == sieve(list("abcabc"), 2) == 0
    assert sieve(list("aabcbab"), 2) == 3  # a, which was read, outlives b


NUMBERS = [7, 1, 7, 300]


@pytest.mark.parametrize(
    ("name", "form", "data"),
    [
        ("one.bin", "u32be", b"".join(n.to_bytes(4, "big") for n in NUMBERS)),
        ("one.trace.xz", "u64be", lzma.compress(b"".join(n.to_bytes(8, "big") for n in NUMBERS))),
        ("one.trace.gz", "decimal", gzip.compress(b"7\n1 4096\n7\n300\n")),
    ],
    ids=["u32be", "u64be xz", "decimal gz"],
)
def test_traces_are_read_by_format_and_unpacked_by_name(name: str, form: str, data: bytes, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(data)
    trace = read(tmp_path / name, form)
    assert (trace.name, trace.distinct) == ("one", 3)
    assert trace.keys == ["key:7", "key:1", "key:7", "key:300"]
    assert read(tmp_path / name, form, limit=2).keys == ["key:7", "key:1"]


def test_generated_mixes_are_the_same_each_time() -> None:
    assert mixes(1_000) == mixes(1_000)


def test_a_trace_in_an_unknown_format_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "t").write_bytes(b"")
    with pytest.raises(SystemExit):
        main(["--trace", f"{tmp_path / 't'}:cobol"])
    assert "u32be" in capsys.readouterr().err


def test_the_report_tells_the_lead_and_the_averages(capsys: pytest.CaptureFixture[str]) -> None:
    cells = [
        Cell("one", 10, 5, 1, {"pika-redis": 50.0, "LRU": 40.0, "SIEVE": 60.0, "OPT": 70.0}),
        Cell("one", 10, 5, 2, {"pika-redis": 60.0, "LRU": 62.5, "SIEVE": 30.0, "OPT": 80.0}),
    ]
    show(cells)
    printed = capsys.readouterr().out
    assert "+3.75 points against LRU" in printed
    assert "at worst -2.50 points" in printed
    result = Result.from_json(result_of(cells, observe("no server")).to_json())
    one, mean = result.tables
    assert one.columns == ("1", "2")
    assert [cell and cell.figure.middle for cell in (*one.rows[0].cells, *mean.rows[0].cells)] == [50.0, 60.0, 55.0]
    assert [(verdict.bar, verdict.kept) for verdict in result.verdicts] == [
        ("hit-ratio", True),
        ("hit-ratio-worst", False),
    ]
