"""What does `mark_stale` leave at a key, so that no load that is under way makes it fresh again?

Two callers load what they find absent or stale; a writer commits and marks stale, twice.

The rules:

- `new_nonce`: the stale entry gets a new identity each time, also when it was stale already.
- `breaks_leases`: a lease at the key is deleted.

The invariant: no fresh entry is older than the last `mark_stale` that returned.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Literal, NamedTuple

import pytest

from .checker import Actor, Model, Nonce, breaks, explore, put


@dataclass(frozen=True)
class Rules:
    new_nonce: bool = True
    breaks_leases: bool = True


class Entry(NamedTuple):
    kind: Literal["V", "S", "L"]
    nonce: Nonce
    row: int | None = None


class Caller(NamedTuple):
    at: Literal["looks", "loads", "stores", "done"] = "looks"
    judged: tuple[str, Nonce] | None = None
    row: int | None = None


class State(NamedTuple):
    row: int
    returned: int
    changed: int
    """Steps that the writer has taken."""
    key: Entry | None
    callers: tuple[Caller, ...]
    unused: Nonce


Steps = Iterator[tuple[str, State]]


def caller(who: int) -> Actor[State]:
    def moved(state: State, after: Caller) -> State:
        return state._replace(callers=put(state.callers, who, after))

    def act(state: State) -> Steps:
        caller, entry, fresh = state.callers[who], state.key, state.unused
        identity = None if entry is None else (entry.kind, entry.nonce)
        match caller.at:
            case "looks" if entry is None:
                leased = state._replace(key=Entry("L", fresh), unused=fresh.after())
                yield f"{who} leases", moved(leased, Caller("loads", ("L", fresh)))
            case "looks" if entry is not None and entry.kind == "S":
                yield f"{who} finds it stale", moved(state, Caller("loads", identity))
            case "loads":
                yield f"{who} loads row {state.row}", moved(state, caller._replace(at="stores", row=state.row))
            case "stores" if identity == caller.judged:
                stored = state._replace(key=Entry("V", fresh, caller.row), unused=fresh.after())
                yield f"{who} stores", moved(stored, Caller("done"))
            case "stores":
                yield f"{who} is refused", moved(state, Caller("done"))

    return act


def marked(state: State, rules: Rules) -> State:
    match state.key:
        case None:
            return state
        case Entry("L"):
            return state._replace(key=None) if rules.breaks_leases else state
        case Entry(_, nonce, row):
            nonce = state.unused if rules.new_nonce else nonce
            return state._replace(key=Entry("S", nonce, row), unused=state.unused.after())


def writer(rules: Rules) -> Actor[State]:
    def act(state: State) -> Steps:
        after = state._replace(changed=state.changed + 1)
        match state.changed:
            case 0 | 3:
                yield "W commits", after._replace(row=state.row + 1)
            case 1 | 4:
                yield "W marks stale", marked(after, rules)
            case 2 | 5:
                yield "W returns", after._replace(returned=state.row)

    return act


def stale_marks(found: Entry | None, rules: Rules) -> Model[State]:
    return Model(
        State(row=0, returned=0, changed=0, key=found, callers=(Caller(), Caller()), unused=Nonce(2)),
        [caller(0), caller(1), writer(rules)],
        broken=lambda state: state.key is not None and state.key.kind == "V" and (state.key.row or 0) < state.returned,
    )


FRESH = Entry("V", Nonce(1), 0)


@pytest.mark.parametrize("found", [FRESH, None])
def test_no_load_under_way_makes_an_entry_fresh_that_was_marked_stale(found: Entry | None) -> None:
    outcome = explore(stale_marks(found, Rules()))
    assert outcome.violations == 0, outcome.trace
    assert outcome.states > 200
    assert {"0 stores", "0 is refused"} <= outcome.steps


@pytest.mark.parametrize(("rule", "found"), [("new_nonce", FRESH), ("breaks_leases", None)])
def test_without_one_of_the_rules_a_load_does(rule: str, found: Entry | None) -> None:
    assert breaks(stale_marks(found, replace(Rules(), **{rule: False})))
