"""Every order in which actors can take their steps, on a model of the protocol instead of the program.

A *state* is a named tuple of plain values, in any nesting. An *actor* gives, for a state, the steps that it could take
next: a few words for the trace, and the state after it. An actor that gives none waits, or is done. `explore` goes
through all states that the actors can reach, each of them once, breadth first: the first way to a violation is a
shortest one. It doesn't go on behind a violation.

Random numbers are `Nonce`s. Which numbers they are makes no difference, only which of them are equal: states that are
the same but for that count once. For this, every state that was reached has its nonces renamed in the order in which
they appear. A state that keeps one unused nonce as its *last* field always has a fresh one to draw.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

State = TypeVar("State", bound=tuple[Any, ...])
Item = TypeVar("Item")
Actor = Callable[[State], Iterable[tuple[str, State]]]


class Nonce(int):
    """A number that nobody else has drawn."""

    __slots__ = ()

    def after(self, count: int = 1) -> Nonce:
        return Nonce(self + count)

    def __repr__(self) -> str:
        return f"n{int(self)}"


def put(items: tuple[Item, ...], index: int, item: Item) -> tuple[Item, ...]:
    """The same items but for one."""
    return (*items[:index], item, *items[index + 1 :])


@dataclass(frozen=True)
class Model(Generic[State]):
    """Who acts on what, and what must never be."""

    start: State
    actors: Sequence[Actor[State]]
    broken: Callable[[State], bool]
    """Whether the promise is broken here."""
    done: Callable[[State], bool] = lambda _: True
    """Whether everybody has got an answer, asked where nobody can go on."""
    count: Callable[[State], int] = lambda _: 0
    """Something of which the most is wanted, as loads that run at once."""


@dataclass(frozen=True)
class Outcome:
    states: int
    violations: int
    trace: tuple[str, ...]
    """A shortest way to a violation."""
    stuck: int
    """States in which somebody waits for ever."""
    most: int
    steps: frozenset[str]
    """All that anybody did anywhere."""


Way = tuple[str, "Way"] | None


def breaks(model: Model[State]) -> bool:
    """Whether some order breaks the promise; looks no further than that."""
    return explore(model, enough=1).violations > 0


def explore(model: Model[State], enough: float = math.inf) -> Outcome:
    """Goes everywhere, or until so many violations are found."""
    first = _renamed(model.start)
    seen = {first}
    ahead: deque[tuple[State, Way]] = deque([(first, None)])
    violations = stuck = most = 0
    shortest: Way = None
    steps: set[str] = set()
    while ahead and violations < enough:
        state, way = ahead.popleft()
        most = max(most, model.count(state))
        if model.broken(state):
            shortest = shortest if violations else way
            violations += 1
            continue
        rests = True
        for actor in model.actors:
            for step, after in actor(state):
                rests = False
                steps.add(step)
                if after in seen:
                    continue  # as it is: cheaper to see than to rename
                after = _renamed(after)
                if after not in seen:
                    seen.add(after)
                    ahead.append((after, (step, way)))
        stuck += rests and not model.done(state)
    return Outcome(len(seen), violations, _unrolled(shortest), stuck, most, frozenset(steps))


def _renamed(state: State) -> State:
    return _with_names(state, {})


def _with_names(values: State, names: dict[Nonce, Nonce]) -> State:
    """The same with nonces numbered as they appear, from 1 on: none of them is falsy."""
    renamed: list[object] = []
    for value in values:
        if type(value) is Nonce:
            name = names.get(value)
            if name is None:
                name = names[value] = Nonce(len(names) + 1)
            renamed.append(name)
        else:
            renamed.append(_with_names(value, names) if isinstance(value, tuple) else value)
    return tuple.__new__(type(values), renamed)


def _unrolled(way: Way) -> tuple[str, ...]:
    steps: list[str] = []
    while way is not None:
        step, way = way
        steps.append(step)
    return tuple(reversed(steps))
