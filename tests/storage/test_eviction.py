"""The eviction: what goes, what stays, what is learnt from it, and that the books always balance."""

from __future__ import annotations

import random
from collections import OrderedDict

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from pika_redis.storage.eviction import S3Fifo


class Item:
    def __init__(self, key: str, size: int = 1) -> None:
        self.key = key
        self.size = size
        self.reads = 0
        self.queued = 0


def filled(capacity: int, *keys: str) -> tuple[S3Fifo[Item], dict[str, Item]]:
    queues: S3Fifo[Item] = S3Fifo(capacity)
    items = {key: Item(key) for key in keys}
    for item in items.values():
        assert queues.add(item) == []
    return queues, items


def keys_of(items: list[Item]) -> list[str]:
    return [item.key for item in items]


def husks(queues: S3Fifo[Item]) -> tuple[int, int]:
    """How many husks there are, and the bytes they hold."""
    parts = (queues._small, queues._main)
    return sum(part.husks for part in parts), sum(part.husk_bytes for part in parts)


def test_without_reads_what_filled_the_room_stays_and_the_oldest_of_the_rest_goes_first() -> None:
    queues, items = filled(4, *"abcd")
    assert [keys_of(queues.add(Item(key))) for key in "efg"] == [["d"], ["e"], ["f"]]
    assert items["a"].queued == 2


def test_two_reads_keep_an_entry_and_one_does_not() -> None:
    queues, items = filled(30, *(f"k{n}" for n in range(30)))
    assert [key for key, item in items.items() if item.queued == 1] == ["k26", "k27", "k28", "k29"]
    items["k26"].reads = 2
    items["k27"].reads = 1
    assert keys_of(queues.add(Item("x"))) == ["k0"]  # main has one more, and gives way
    assert keys_of(queues.add(Item("y"))) == ["k27"]
    assert items["k26"].queued == 2


def test_an_entry_that_went_and_came_back_enters_the_main_queue() -> None:
    queues, _ = filled(4, *"abcd")
    assert keys_of(queues.add(Item("e"))) == ["d"]
    back = Item("d")
    assert keys_of(queues.add(back)) == ["a"]  # unread at the head of main
    assert back.queued in {2, 3}
    assert keys_of(queues.add(Item("f"))) == ["e"]


def test_in_the_main_queue_reads_buy_further_turns() -> None:
    queues, items = filled(10, *"abcdefghij")
    items["a"].reads = 5
    items["b"].reads = 1
    assert keys_of(queues.add(Item("x"))) == ["i"]
    # who comes back and enters main has the head of main go
    assert keys_of(queues.add(Item("i"))) == ["c"]
    assert (items["a"].reads, items["b"].reads) == (4, 0)
    assert keys_of(queues.add(Item("y"))) == ["j"]


def test_a_scan_does_not_push_out_what_is_read() -> None:
    queues, items = filled(100, *(f"hot{n}" for n in range(50)))
    for item in items.values():
        item.reads = 3
    for n in range(10_000):
        queues.add(Item(f"scan{n}"))
        for item in items.values():
            item.reads += 1
    assert all(item.queued for item in items.values())


def test_what_is_larger_than_the_room_never_enters() -> None:
    queues, _ = filled(4, *"abcd")
    large = Item("x", 5)
    assert queues.add(large) == [large]
    assert (large.queued, queues.bytes) == (0, 4)


@pytest.mark.parametrize("size", [2, 50, 100])
def test_a_new_entry_never_makes_room_for_itself(size: int) -> None:
    queues, _ = filled(100, *(f"k{n}" for n in range(100)))
    new = Item("new", size)
    assert len(queues.add(new)) == size
    assert new.queued
    assert queues.bytes == 100


def test_a_dropped_entry_gives_its_room_back_at_once() -> None:
    queues, items = filled(4, *"abcd")
    queues.drop(items["b"])
    queues.drop(items["b"])
    assert queues.bytes == 3
    assert queues.add(Item("e")) == []
    assert keys_of(queues.add(Item("f"))) == ["e"]
    assert keys_of(queues.add(Item("g"))) == ["f"]


def test_a_deleted_resident_of_a_duel_leaves_no_duel_behind() -> None:
    queues, _ = filled(4, *"abcd")
    queues.add(Item("e"))
    resident = Item("d")
    queues.add(resident)
    assert resident.queued == 3
    queues.drop(resident)
    assert resident.queued == 0
    assert not queues._duels.open


def test_after_a_clear_nothing_is_known() -> None:
    queues, items = filled(4, *"abcd")
    queues.add(Item("e"))
    queues.clear()
    assert queues.bytes == 0
    queues.drop(items["b"])
    assert queues.bytes == 0
    again = Item("a")
    queues.add(again)
    assert again.queued == 1


def test_replacing_large_entries_holds_little_beyond_the_room() -> None:
    queues: S3Fifo[Item] = S3Fifo(1000)
    current = Item("k", 90)
    queues.add(current)
    for _ in range(500):
        queues.drop(current)
        current = Item("k", 90)
        queues.add(current)
        assert husks(queues)[1] <= 125


def test_making_room_among_entries_that_were_all_read_takes_a_bounded_number_of_turns() -> None:
    turns = 0

    class Watched(Item):
        @property
        def reads(self) -> int:
            return self._reads

        @reads.setter
        def reads(self, reads: int) -> None:
            nonlocal turns
            turns += 1
            self._reads = reads

    queues: S3Fifo[Item] = S3Fifo(10_000)
    for n in range(10_000):
        item = Watched(f"k{n}")
        queues.add(item)
        item.reads = 1000
    turns = 0
    assert len(queues.add(Item("new"))) == 1
    assert turns <= 128


def test_who_left_lately_is_known_and_who_left_long_ago_is_not() -> None:
    queues: S3Fifo[Item] = S3Fifo(1000)
    for n in range(20_000):
        queues.add(Item(f"k{n}"))
    late = [Item(f"k{n}") for n in range(19_000, 19_100)]
    early = [Item(f"k{n}") for n in range(10_000, 10_100)]
    for item in late + early:
        queues.add(item)
    assert sum(item.queued > 1 for item in late) >= 60  # an early one may stand in the place of a late one
    assert sum(item.queued > 1 for item in early) == 0
    assert len(queues._ghosts) <= 12 * 1000


def test_a_key_that_keeps_going_and_coming_takes_no_memory() -> None:
    queues: S3Fifo[Item] = S3Fifo(2)
    for n in range(10_000):
        queues.add(Item(f"k{n % 5}"))
    assert len(queues._ghosts) == 64
    assert len(queues._duels) <= 16


def replay(queues: S3Fifo[Item], requests: list[str]) -> int:
    """Hits of a cache whose entries are those that are living in these queues."""
    held = {item.key: item for part in (queues._small, queues._main) for item in part._items if item.queued}
    hits = 0
    for key in requests:
        item = held.get(key)
        if item is not None:
            item.reads += 1
            hits += 1
            continue
        held[key] = item = Item(key)
        for gone in queues.add(item):
            del held[gone.key]
    return hits


def hit_ratio(requests: list[str], capacity: int) -> float:
    return replay(S3Fifo(capacity), requests) / len(requests)


def hit_ratio_of_lru(requests: list[str], capacity: int) -> float:
    held: OrderedDict[str, None] = OrderedDict()
    hits = 0
    for key in requests:
        if key in held:
            hits += 1
            held.move_to_end(key)
            continue
        held[key] = None
        if len(held) > capacity:
            held.popitem(last=False)
    return hits / len(requests)


def zipf(exponent: float, count: int, seed: int = 7) -> list[str]:
    names = [f"k{n}" for n in range(20_000)]
    weights = [1 / (rank + 1) ** exponent for rank in range(len(names))]
    return random.Random(seed).choices(names, weights=weights, k=count)


def loop(length: int, count: int) -> list[str]:
    return [f"loop{n % length}" for n in range(count)]


@pytest.mark.parametrize("exponent", [0.7, 1.0])
def test_on_skewed_requests_it_beats_lru(exponent: float) -> None:
    requests = zipf(exponent, 60_000)
    assert hit_ratio(requests, 1000) > hit_ratio_of_lru(requests, 1000) + 0.03


@pytest.mark.parametrize("length", [110, 150, 300, 1000])
def test_of_a_loop_that_is_larger_than_the_room_about_the_share_that_fits_is_hit(length: int) -> None:
    assert hit_ratio(loop(length, 50_000), 100) > 0.75 * 100 / length


def test_a_loop_that_begins_when_the_room_is_full_is_recognised() -> None:
    before = zipf(1.0, 20_000)
    queues: S3Fifo[Item] = S3Fifo(500)
    replay(queues, before + loop(1000, 30_000))
    assert replay(queues, loop(1000, 10_000)) > 0.35 * 10_000


def test_after_a_loop_newcomers_are_let_in_again() -> None:
    requests = zipf(0.9, 40_000)
    fresh, used = S3Fifo[Item](500), S3Fifo[Item](500)
    replay(used, loop(1000, 50_000))
    assert max(used._leanings.welcome[:3]) < 0.5
    replay(fresh, requests)
    replay(used, requests)
    later = zipf(0.9, 20_000, seed=8)
    assert replay(used, later) > 0.9 * replay(fresh, later)


def test_where_popularity_drifts_it_is_close_to_lru() -> None:
    rng = random.Random(3)
    names = [f"k{n}" for n in range(20_000)]
    # each key is wanted for a while only, so that frequency means little
    requests = [names[(n // 20 + int(rng.expovariate(1 / 300))) % len(names)] for n in range(100_000)]
    assert hit_ratio(requests, 600) > hit_ratio_of_lru(requests, 600) - 0.04


class Books(RuleBasedStateMachine):
    """Adds, reads, drops and clears in any order, against a plain account of what should be in there."""

    @initialize(capacity=st.integers(1, 400))
    def open(self, capacity: int) -> None:
        self.capacity = capacity
        self.queues: S3Fifo[Item] = S3Fifo(capacity)
        self.held: dict[str, Item] = {}
        self.gone: list[Item] = []

    @rule(key=st.integers(0, 60), size=st.integers(1, 60))
    def add(self, key: int, size: int) -> None:
        name = f"k{key}"
        if name in self.held:
            old = self.held.pop(name)
            self.queues.drop(old)
            self.gone.append(old)
        item = self.held[name] = Item(name, size)
        evicted = self.queues.add(item)
        assert len({id(one) for one in evicted}) == len(evicted)
        for one in evicted:
            assert self.held.pop(one.key) is one  # neither unknown nor dropped or evicted before
            self.gone.append(one)
        assert (item in evicted) == (size > self.capacity)

    @precondition(lambda self: self.held)
    @rule(data=st.data(), reads=st.integers(1, 5))
    def read(self, data: st.DataObject, reads: int) -> None:
        self.held[data.draw(st.sampled_from(sorted(self.held)))].reads += reads

    @precondition(lambda self: self.held)
    @rule(data=st.data())
    def drop(self, data: st.DataObject) -> None:
        item = self.held.pop(data.draw(st.sampled_from(sorted(self.held))))
        self.queues.drop(item)
        self.gone.append(item)

    @precondition(lambda self: self.gone)
    @rule(data=st.data())
    def drop_what_is_gone(self, data: st.DataObject) -> None:
        self.queues.drop(data.draw(st.sampled_from(self.gone)))

    @rule()
    def clear(self) -> None:
        self.queues.clear()
        self.gone += self.held.values()
        self.held.clear()

    @invariant()
    def balances(self) -> None:
        queues = self.queues
        assert queues.bytes == sum(item.size for item in self.held.values()) <= self.capacity
        assert {item.queued for item in self.held.values()} <= {1, 2, 3}
        assert {item.queued for item in self.gone} <= {0}
        for numbers, part in (({1}, queues._small), ({2, 3}, queues._main)):
            mine = [item for item in self.held.values() if item.queued in numbers]
            assert part.bytes == sum(item.size for item in mine)
            living = [item for item in part._items if item.queued]
            assert part.living == len(living) == len(mine)
            assert {id(item) for item in living} == {id(item) for item in mine}
            left = [item for item in part._items if not item.queued]
            assert part.husks == len(left) <= part.living + 64
            assert part.husk_bytes == sum(item.size for item in left) <= self.capacity / 16
        assert len(queues._ghosts) <= max(64, 12 * 60)

    @invariant()
    def duels_are_about_what_lives(self) -> None:
        duels = set(self.queues._duels.open.values())
        residents = [duel.resident for duel in duels if duel.resident is not None]
        assert {id(one) for one in residents} == {id(one) for one in self.held.values() if one.queued == 3}
        assert len(residents) == len({id(one) for one in residents})
        assert len(self.queues._duels.open) == 2 * len(duels)
        assert sum(self.queues._duels._counts) == len(duels)
        assert all(0.03 <= one <= 1.0 for one in self.queues._leanings.welcome)
        assert 0.03 <= self.queues._leanings.share <= 0.4


TestBooks = Books.TestCase
TestBooks.settings = settings(max_examples=60, stateful_step_count=60, deadline=None)
