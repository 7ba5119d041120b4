"""The checker itself, on models whose states can be counted by hand."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import NamedTuple

from .checker import Actor, Model, Nonce, breaks, explore, put


class Walks(NamedTuple):
    at: tuple[int, ...]


def walker(who: int, length: int) -> Actor[Walks]:
    def walk(state: Walks) -> Iterator[tuple[str, Walks]]:
        if state.at[who] < length:
            yield f"{who} walks", Walks(put(state.at, who, state.at[who] + 1))

    return walk


def walks(*lengths: int) -> Model[Walks]:
    actors = [walker(who, length) for who, length in enumerate(lengths)]
    return Model(Walks((0,) * len(lengths)), actors, broken=lambda _: False)


def test_each_state_counts_once_however_many_orders_lead_to_it() -> None:
    found = explore(walks(2, 3, 4))
    assert found.states == 3 * 4 * 5
    assert (found.violations, found.trace, found.stuck) == (0, (), 0)


def test_the_trace_is_a_shortest_way_to_a_violation() -> None:
    model = replace(walks(5, 5), broken=lambda state: state.at[0] >= 1 and state.at[1] >= 2)
    found = explore(model)
    assert found.violations > 1
    assert sorted(found.trace) == ["0 walks", "1 walks", "1 walks"]


def test_nothing_is_looked_for_behind_a_violation() -> None:
    found = explore(replace(walks(9), broken=lambda state: state.at[0] == 3))
    assert (found.states, found.violations) == (4, 1)


def test_one_violation_is_enough_to_tell_that_a_promise_is_broken() -> None:
    model = replace(walks(5, 5), broken=lambda state: state.at[0] == 3)
    assert explore(model).violations == 6
    assert explore(model, enough=1).violations == 1
    assert breaks(model)
    assert not breaks(walks(5, 5))


def test_a_violation_at_the_start_has_an_empty_trace() -> None:
    found = explore(replace(walks(9), broken=lambda _: True))
    assert (found.states, found.violations, found.trace) == (1, 1, ())


def test_who_waits_for_ever_is_seen() -> None:
    assert explore(replace(walks(2, 3), done=lambda state: state.at == (2, 3))).stuck == 0
    assert explore(replace(walks(2, 3), done=lambda state: state.at == (2, 4))).stuck == 1


def test_the_most_of_something_is_kept() -> None:
    assert explore(replace(walks(2, 3), count=lambda state: sum(state.at))).most == 5


def test_all_steps_of_an_actor_are_taken() -> None:
    def toss(state: Walks) -> Iterator[tuple[str, Walks]]:
        if state.at == (0,):
            yield "heads", Walks((1,))
            yield "tails", Walks((2,))

    found = explore(Model(Walks((0,)), [toss], broken=lambda _: False))
    assert found.states == 3
    assert found.steps == {"heads", "tails"}


class Draws(NamedTuple):
    drawn: tuple[Nonce | None, ...]
    unused: Nonce


def drawer(who: int) -> Actor[Draws]:
    def draw(state: Draws) -> Iterator[tuple[str, Draws]]:
        if state.drawn[who] is None:
            yield "draws", Draws(put(state.drawn, who, state.unused), state.unused.after())

    return draw


def repeater(who: int) -> Actor[Draws]:
    def repeat(state: Draws) -> Iterator[tuple[str, Draws]]:
        if state.drawn[who] is None:
            yield from (("repeats", state._replace(drawn=put(state.drawn, who, one))) for one in state.drawn if one)

    return repeat


def test_states_that_differ_only_in_the_numbers_drawn_are_one() -> None:
    start = Draws((None, None), Nonce(1))
    found = explore(Model(start, [drawer(0), drawer(1)], broken=lambda _: False))
    assert found.states == 4


def test_whether_two_numbers_are_equal_makes_a_difference() -> None:
    start = Draws((Nonce(7), None), Nonce(8))
    found = explore(Model(start, [drawer(1), repeater(1)], broken=lambda _: False))
    assert found.states == 3


def test_a_number_that_was_drawn_is_nobody_elses() -> None:
    start = Draws((None, None, None), Nonce(1))
    found = explore(
        Model(
            start,
            [drawer(0), drawer(1), drawer(2)],
            broken=lambda state: len({*state.drawn, state.unused} - {None}) < 4 - state.drawn.count(None),
        )
    )
    assert (found.states, found.violations) == (8, 0)
