"""Who left, and how long ago."""

from __future__ import annotations

import random

from pika_redis.storage.ghosts import Ghosts


def test_the_age_of_one_that_left_is_the_number_of_departures_since_its_own_included() -> None:
    ghosts = Ghosts()
    for print_ in range(10):
        ghosts.learn(print_, living=10)
    assert [ghosts.pop(print_) for print_ in (9, 0)] == [1, 10]


def test_one_that_came_back_is_no_longer_known() -> None:
    ghosts = Ghosts()
    ghosts.learn(-7, living=10)
    assert ghosts.pop(-7) == 1
    assert ghosts.pop(-7) == 0


def test_one_with_the_same_place_and_another_hash_is_not_taken_for_it() -> None:
    ghosts = Ghosts()
    ghosts.learn(5, living=1)
    assert ghosts.pop(5 + (1 << 40)) == 0
    assert ghosts.pop(0) == 0  # the content of an empty place


def test_when_the_table_grows_everybody_is_still_known() -> None:
    ghosts = Ghosts()
    rng = random.Random(1)
    prints = [rng.getrandbits(63) - (1 << 62) for _ in range(20)]
    for print_ in prints:
        ghosts.learn(print_, living=1)
    known = [print_ for print_ in prints if ghosts._who[print_ & ghosts._places] == print_]
    assert len(known) >= 12
    for print_ in range(8):  # it doubles once for each
        ghosts.learn(print_, living=1000)
    assert 6000 <= len(ghosts) <= 12_000
    assert sum(ghosts.pop(print_) > 0 for print_ in known) >= len(known) - 3


def test_memory_is_bounded_by_the_living() -> None:
    ghosts = Ghosts()
    for print_ in range(100_000):
        ghosts.learn(print_, living=100)
    assert len(ghosts) <= 12 * 100


def test_the_age_survives_the_wrap_of_the_stored_number() -> None:
    ghosts = Ghosts()
    ghosts.departures = (1 << 32) - 3
    for print_ in range(1, 11):
        ghosts.learn(print_, living=10)
    assert [ghosts.pop(print_) for print_ in (10, 1)] == [1, 10]
