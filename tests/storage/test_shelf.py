"""What a memory store holds beside its entries stays bounded, and keeping it so costs little."""

from __future__ import annotations

import pytest

from pika_redis import LoadFailedError
from pika_redis.codec import Codec, Limits
from pika_redis.model.counters import Counters
from pika_redis.model.entry import Capture, Draft, Failure, Found, Hold, Outcome, Terms
from pika_redis.model.missing import MISSING
from pika_redis.storage import shelf as module
from pika_redis.storage.memory import MemoryStore
from pika_redis.storage.namespace import Namespace
from pika_redis.storage.shelf import Shelf
from pika_redis.testing import FakeClock

FEW = 100
TERMS = Terms((), 100.0, 5.0, 0.0)


class Memory:
    def __init__(self) -> None:
        counters = Counters()
        self.clock = FakeClock()
        self.shelf = Shelf(1_000_000_000, 1_000_000, counters)
        codec = Codec(limits=Limits(max_bytes=1_000_000, compress_from=None))
        self.store = MemoryStore(self.shelf, Namespace("t:"), codec, self.clock, counters)

    async def set(self, key: str, value: object, *tags: str) -> None:
        assert await self.store.write([(key, Draft(value, 100.0, tags))]) == {}

    async def begin(self, key: str, *tags: str, spare: bool = False) -> Hold:
        terms = Terms(tags, 100.0, 5.0, 0.0, spare)
        hold = await self.store.begin(key, await self.store.fetch(key, tags), terms)
        assert hold is not None
        return hold


@pytest.fixture
def prunings(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many tags and entries each pruning walked."""
    walked: list[int] = []

    def prune(self: Shelf) -> None:
        walked.append(len(self.tags) + len(self.slots))
        pruned(self)

    pruned = Shelf._prune
    monkeypatch.setattr(Shelf, "_prune", prune)
    monkeypatch.setattr(module, "_TAGS_BEFORE_PRUNING", FEW)
    return walked


async def test_tags_that_nothing_carries_any_more_are_forgotten(prunings: list[int]) -> None:
    memory = Memory()
    await memory.set("t:kept", "v", "kept")
    for number in range(50 * FEW):
        await memory.set("t:k", number, f"tag {number}")
        assert len(memory.shelf.tags) == len(memory.shelf.born) <= FEW
    assert 40 <= len(prunings) <= 60
    assert await memory.store.get("t:kept") == "v"
    await memory.store.invalidate(["kept"])
    assert await memory.store.get("t:kept") is MISSING


async def test_tags_that_are_all_in_use_are_walked_ever_more_rarely(prunings: list[int]) -> None:
    memory = Memory()
    many = 64 * FEW
    for number in range(many):
        await memory.set(f"t:k{number}", "v", f"tag {number}")
    assert len(memory.shelf.tags) == many
    assert len(prunings) <= 7
    assert sum(prunings) <= 4 * many
    assert await memory.store.get_many([f"t:k{number}" for number in range(many)]) == ["v"] * many


async def test_after_a_crowd_of_tags_is_gone_few_are_kept_again(prunings: list[int]) -> None:
    memory = Memory()
    for number in range(10 * FEW):
        await memory.set(f"t:k{number}", "v", f"tag {number}")
    await memory.store.delete([f"t:k{number}" for number in range(10 * FEW)])
    for number in range(30 * FEW):
        await memory.set("t:k", "v", f"later {number}")
    assert len(memory.shelf.tags) <= FEW


async def test_a_load_under_way_whose_tag_was_forgotten_is_stored_in_vain(prunings: list[int]) -> None:
    memory = Memory()
    hold = await memory.begin("t:k", "rare")
    for number in range(2 * FEW):
        await memory.set("t:other", "v", f"tag {number}")
    assert await memory.store.replace("t:k", hold, Draft("loaded", 100.0, ("rare",))) is Outcome.DOUBTFUL
    assert (await memory.store.fetch("t:k", ())).entry is None


async def test_leases_end_with_their_loads() -> None:
    memory = Memory()
    holds = [await memory.begin("t:k") for _ in range(3)]
    assert len({hold.identity for hold in holds}) == 1
    for hold in holds:
        assert len(memory.shelf.leases) == 1
        await memory.store.release("t:k", hold)
    assert memory.shelf.leases == {}


@pytest.mark.parametrize("end", ["delete", "mark_stale", "sweep", "epoch", "set"])
async def test_a_change_tears_up_the_lease(end: str) -> None:
    memory = Memory()
    hold = await memory.begin("t:k")
    store = memory.store
    if end == "set":
        await memory.set("t:k", "set")
        await store.delete(["t:k"])
    elif end == "sweep":
        await store.sweep("k*")
    elif end == "epoch":
        await store.rotate_epoch()
    else:
        await (store.delete(["t:k"]) if end == "delete" else store.mark_stale("t:k"))
    assert memory.shelf.leases == {}
    assert await store.replace("t:k", hold, Draft("loaded", 100.0)) is Outcome.OVERTAKEN
    assert memory.shelf.slots == {}


async def test_a_load_that_saw_the_key_before_it_changed_does_not_begin() -> None:
    memory = Memory()
    await memory.set("t:k", "seen")
    found = await memory.store.fetch("t:k", ())
    await memory.set("t:k", "changed")
    assert await memory.store.begin("t:k", found, TERMS) is None
    assert await memory.store.begin("t:k", Found(None, b"", Capture(b"", {})), TERMS) is None


@pytest.mark.parametrize("verb", ["touch", "mark_stale"])
async def test_a_touch_keeps_the_identity_and_a_mark_does_not(verb: str) -> None:
    memory = Memory()
    await memory.set("t:k", "old")
    hold = await memory.begin("t:k")
    await (memory.store.touch("t:k", 500.0) if verb == "touch" else memory.store.mark_stale("t:k"))
    outcome = await memory.store.replace("t:k", hold, Draft("new", 100.0))
    assert outcome is (Outcome.STORED if verb == "touch" else Outcome.OVERTAKEN)
    assert (await memory.store.get("t:k") == "new") is (verb == "touch")


@pytest.mark.parametrize("verb", [None, "touch", "mark_stale"])
async def test_a_failed_load_rests_also_when_the_value_is_touched_or_marked(verb: str | None) -> None:
    memory = Memory()
    await memory.set("t:k", "old")
    await memory.store.fail("t:k", await memory.begin("t:k"), Failure(b"process1", 1), 10.0)
    if verb is not None:
        await (memory.store.touch("t:k", 500.0) if verb == "touch" else memory.store.mark_stale("t:k"))
    with pytest.raises(LoadFailedError, match="failed a moment ago"):
        await memory.begin("t:k", spare=True)
    await memory.begin("t:k")
    memory.clock.advance(10)
    await memory.begin("t:k", spare=True)


async def test_a_failure_of_a_load_that_was_overtaken_lets_nothing_rest() -> None:
    memory = Memory()
    await memory.set("t:k", "old")
    hold = await memory.begin("t:k")
    await memory.set("t:k", "new")
    await memory.store.fail("t:k", hold, Failure(b"process1", 1), 10.0)
    await memory.begin("t:k", spare=True)
