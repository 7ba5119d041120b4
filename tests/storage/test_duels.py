"""Who was wanted first, the one that was kept or the one that went, and what follows from it."""

from __future__ import annotations

import pytest

from pika_redis.storage.duels import Duels
from pika_redis.storage.leanings import BANDS, SHARE, Leanings
from pika_redis.storage.queues import DUELLING, MAIN


class Item:
    def __init__(self, key: str) -> None:
        self.key = key
        self.size = 1
        self.reads = 0
        self.queued = MAIN


class Heard(Leanings):
    """Notes the verdicts."""

    def __init__(self) -> None:
        super().__init__()
        self.verdicts: list[tuple[int, bool]] = []

    def learn(self, subject: int, kept_right: bool) -> None:
        self.verdicts.append((subject, kept_right))


LOSER = hash("loser")


def opened(subject: int = 0) -> tuple[Heard, Duels[Item], Item]:
    heard, resident = Heard(), Item("resident")
    duels: Duels[Item] = Duels(heard)
    resident.reads = 2
    duels.begin(resident, LOSER, subject, now=10, living=100)
    assert resident.queued == DUELLING
    return heard, duels, resident


def over(duels: Duels[Item], resident: Item) -> bool:
    return not duels.open and duels._counts == [0, 0] and resident.queued == MAIN


def test_the_loser_that_comes_back_before_the_resident_is_read_has_won() -> None:
    heard, duels, resident = opened()
    duels.met(LOSER)
    assert heard.verdicts == [(0, False)]
    assert over(duels, resident)


def test_a_resident_that_was_read_by_then_has_won() -> None:
    heard, duels, resident = opened(SHARE)
    resident.reads += 1
    duels.met(LOSER)
    assert heard.verdicts == [(SHARE, True)]
    assert over(duels, resident)


def test_a_resident_that_was_read_wins_at_its_turn() -> None:
    heard, duels, resident = opened()
    resident.reads += 1
    assert not duels.turned(resident)
    assert heard.verdicts == [(0, True)]
    assert over(duels, resident)


def test_only_reads_since_the_last_look_count() -> None:
    heard, duels, resident = opened()
    assert duels.turned(resident)
    resident.reads = 1
    duels.looked(resident, stays=True)
    duels.met(LOSER)
    assert heard.verdicts == [(0, False)]


@pytest.mark.parametrize(("first", "right"), [("loser", False), ("resident", True)])
def test_when_both_have_gone_the_first_to_come_back_wins(first: str, right: bool) -> None:
    heard, duels, resident = opened()
    assert duels.turned(resident)
    duels.looked(resident, stays=False)
    assert all(duel.resident is None for duel in duels.open.values())  # its value isn't kept alive
    duels.met(hash(first))
    assert heard.verdicts == [(0, right)]
    assert not duels.open


def test_when_the_resident_is_deleted_nobody_wins() -> None:
    heard, duels, resident = opened()
    duels.dropped(resident)
    assert heard.verdicts == []
    assert over(duels, resident)


@pytest.mark.parametrize("read", [True, False])
def test_a_duel_ends_when_ghosts_are_forgotten(read: bool) -> None:
    heard, duels, resident = opened()
    resident.reads += read
    other = Item("other")
    duels.begin(other, hash("another"), 0, now=10 + 300, living=100)
    assert heard.verdicts == [(0, True)] * read
    assert len(duels) == 1
    assert (resident.queued, other.queued) == (MAIN, DUELLING)


def test_nobody_has_two_duels() -> None:
    _, duels, resident = opened()
    duels.begin(Item("third"), LOSER, 1, now=11, living=100)
    duels.begin(resident, hash("third"), 1, now=11, living=100)
    duels.begin(Item("self"), hash("self"), 1, now=11, living=100)
    assert len(duels) == 1


@pytest.mark.parametrize(("living", "most"), [(10, 10), (100, 33), (100_000, 256)])
def test_of_each_kind_there_are_so_many_at_most(living: int, most: int) -> None:
    duels: Duels[Item] = Duels(Leanings())
    items = [Item(f"k{n}") for n in range(300)]
    for item in items:
        if not duels.full[True]:
            duels.begin(item, hash(item.key + "'"), SHARE, now=1, living=living)
    assert len(duels) == most
    assert not duels.full[False]
    duels.dropped(items[0])
    assert not duels.full[True]


def test_what_is_learnt_moves_one_number_within_its_bounds() -> None:
    leanings = Leanings()
    for _ in range(200):
        leanings.learn(1, kept_right=False)
        leanings.learn(SHARE, kept_right=True)
    assert leanings.welcome == [1.0, 0.03, 1.0, 1.0]
    assert leanings.share == 0.03
    for _ in range(200):
        leanings.learn(1, kept_right=True)
        leanings.learn(SHARE, kept_right=False)
    assert leanings.welcome == [1.0] * len(BANDS)
    assert leanings.share == 0.4


@pytest.mark.parametrize("welcome", [0.03, 0.5, 1.0])
def test_that_part_is_welcome(welcome: float) -> None:
    leanings = Leanings()
    leanings.welcome[2] = welcome
    assert sum(leanings.welcomes(2) for _ in range(1000)) == pytest.approx(1000 * welcome, abs=3)
