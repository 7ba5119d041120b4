"""An entry is dead but still has bytes, so no lease can be taken on its key: who loads?

Callers of three processes find an entry that nobody may serve any more, and a writer may delete it. A claim is a key of
its own beside the entry, taken with `SET … NX`. Who finds it taken waits until the entry changes or the claim is gone;
it may also be lost. The entry may come to its end.

The rules:

- `claims`: whoever finds a dead entry loads only with the claim.
- `confirms`: and only if the entry, looked at once more behind the claim, is still the one that was judged.
- `keeps`: and only once the entry can't end before the claim does.
- `keeps_what_it_judged`: what is written for that is written only over the identity that was judged.
- `compares`: a load is stored only over the identity that was judged before it.

Claims save loads: with one there is a single load at a time until somebody deletes the key. Correctness are the
compares alone. The invariant: no fresh entry is older than the last delete that returned.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Literal, NamedTuple

import pytest

from .checker import Actor, Model, Nonce, breaks, explore, put

CALLERS = 3


@dataclass(frozen=True)
class Rules:
    claims: bool = True
    confirms: bool = True
    keeps: bool = True
    keeps_what_it_judged: bool = True
    compares: bool = True


Identity = tuple[str, Nonce]


class Entry(NamedTuple):
    kind: Literal["value", "dead", "lease"]
    nonce: Nonce
    row: int | None = None
    kept: bool = False
    """Whether it can't end by itself any more."""


class Caller(NamedTuple):
    at: Literal["looks", "claims", "confirms", "keeps", "waits", "loads", "stores", "done"] = "looks"
    judged: Identity | None = None
    """What the store has to find."""
    claim: Nonce | None = None
    row: int | None = None


class State(NamedTuple):
    row: int
    returned: int
    changed: int
    """Steps that the writer has taken."""
    loads: int
    key: Entry | None
    claim: Nonce | None
    lapses: bool
    expires: bool
    callers: tuple[Caller, ...]
    unused: Nonce


Steps = Iterator[tuple[str, State]]


def identity(entry: Entry | None) -> Identity | None:
    return None if entry is None else (entry.kind, entry.nonce)


def moved(state: State, who: int, after: Caller) -> State:
    return state._replace(callers=put(state.callers, who, after))


def released(state: State, caller: Caller) -> State:
    return state._replace(claim=None) if caller.claim and caller.claim == state.claim else state


def looks(state: State, who: int, rules: Rules) -> tuple[str, State]:
    entry, fresh = state.key, state.unused
    if entry is None:
        leased = state._replace(key=Entry("lease", fresh), unused=fresh.after())
        return "leases", moved(leased, who, Caller("loads", ("lease", fresh)))
    if entry.kind == "value":
        return "hits", moved(state, who, Caller("done"))
    if entry.kind == "lease":
        return "finds a lease", moved(state, who, Caller("waits", identity(entry)))
    after = Caller("claims" if rules.claims else "loads", identity(entry))
    return "finds it dead", moved(state, who, after)


def claims(state: State, who: int, rules: Rules) -> tuple[str, State]:
    caller, fresh = state.callers[who], state.unused
    if state.claim is not None:
        return "finds a claim", moved(state, who, caller._replace(at="waits"))
    after = caller._replace(at="confirms" if rules.confirms else "loads", claim=fresh)
    return "claims", moved(state._replace(claim=fresh, unused=fresh.after()), who, after)


def confirms(state: State, who: int) -> tuple[str, State]:
    caller = state.callers[who]
    if identity(state.key) == caller.judged:
        return "confirms", moved(state, who, caller._replace(at="keeps"))
    return "confirms not", moved(released(state, caller), who, Caller())


def keeps(state: State, who: int, rules: Rules) -> tuple[str, State]:
    caller = state.callers[who]
    if not rules.keeps:
        return "goes on", moved(state, who, caller._replace(at="loads"))
    if identity(state.key) == caller.judged or not rules.keeps_what_it_judged:
        assert caller.judged is not None
        kept = Entry("dead", caller.judged[1], kept=True)
        return "keeps", moved(state._replace(key=kept), who, caller._replace(at="loads"))
    return "keeps not", moved(released(state, caller), who, Caller())


def stores(state: State, who: int, rules: Rules) -> tuple[str, State]:
    caller = state.callers[who]
    unchanged = identity(state.key) == caller.judged
    if unchanged or not rules.compares:
        state = state._replace(key=Entry("value", state.unused, caller.row), unused=state.unused.after())
    return "stores" if unchanged else "is refused", moved(released(state, caller), who, Caller("done"))


def caller(who: int, rules: Rules) -> Actor[State]:
    def step(state: State) -> tuple[str, State] | None:
        caller = state.callers[who]
        match caller.at:
            case "looks":
                return looks(state, who, rules)
            case "claims":
                return claims(state, who, rules)
            case "confirms":
                return confirms(state, who)
            case "keeps":
                return keeps(state, who, rules)
            case "waits":
                entry = state.key
                unclaimed = entry is not None and entry.kind == "dead" and state.claim is None
                woken = unclaimed or identity(entry) != caller.judged
                return ("wakes", moved(state, who, Caller())) if woken else None
            case "loads":
                after = caller._replace(at="stores", row=state.row)
                return f"loads row {state.row}", moved(state._replace(loads=state.loads + 1), who, after)
            case "stores":
                return stores(state, who, rules)
            case "done":
                return None

    def act(state: State) -> Steps:
        taken = step(state)
        if taken:
            yield f"{who} {taken[0]}", taken[1]

    return act


def writer(state: State) -> Steps:
    after = state._replace(changed=state.changed + 1)
    match state.changed:
        case 0:
            yield "W commits", after._replace(row=state.row + 1)
        case 1:
            yield "W deletes", after._replace(key=None)
        case 2:
            yield "W returns", after._replace(returned=state.row)


def loss(state: State) -> Steps:
    if state.lapses and state.claim is not None:
        yield "the claim is lost", state._replace(claim=None, lapses=False)
    if state.expires and state.key is not None and state.key.kind == "dead" and not state.key.kept:
        yield "the entry ends", state._replace(key=None, expires=False)


def at_once(state: State) -> int:
    return sum(caller.at == "stores" for caller in state.callers)


def in_all(state: State) -> int:
    return state.loads


def dead_entry(
    rules: Rules = Rules(),
    *,
    deletes: bool = False,
    lapses: bool = False,
    expires: bool = False,
    count: Callable[[State], int] = at_once,
) -> Model[State]:
    start = State(
        row=0,
        returned=0,
        changed=0,
        loads=0,
        key=Entry("dead", Nonce(1)),
        claim=None,
        lapses=lapses,
        expires=expires,
        callers=(Caller(),) * CALLERS,
        unused=Nonce(2),
    )
    return Model(
        start,
        [*(caller(who, rules) for who in range(CALLERS)), *([writer] if deletes else []), loss],
        broken=lambda state: (
            state.key is not None and state.key.kind == "value" and (state.key.row or 0) < state.returned
        ),
        done=lambda state: all(caller.at == "done" for caller in state.callers),
        count=count,
    )


def without(rule: str) -> Rules:
    return replace(Rules(), **{rule: False})


def test_with_a_claim_a_dead_entry_is_loaded_once() -> None:
    found = explore(dead_entry(count=in_all))
    assert found.states > 100
    assert (found.stuck, found.most) == (0, 1)
    assert explore(dead_entry(without("claims"), count=in_all)).most == CALLERS
    assert explore(dead_entry(without("confirms"), count=in_all)).most == CALLERS


def test_with_a_claim_one_load_runs_at_once() -> None:
    assert explore(dead_entry()).most == 1
    assert explore(dead_entry(without("claims"))).most == CALLERS


def test_an_entry_that_ends_while_it_is_loaded_again_is_loaded_once() -> None:
    found = explore(dead_entry(expires=True, count=in_all))
    assert (found.stuck, found.most) == (0, 1)
    assert "the entry ends" in found.steps
    assert {"0 keeps", "0 keeps not"} <= found.steps
    assert explore(dead_entry(without("keeps"), expires=True, count=in_all)).most == 2
    assert explore(dead_entry(without("keeps"), expires=True)).most == 2


@pytest.mark.parametrize("lapses", [False, True])
def test_what_keeps_an_entry_brings_none_back(lapses: bool) -> None:
    found = explore(dead_entry(deletes=True, expires=True, lapses=lapses))
    assert (found.violations, found.stuck) == (0, 0), found.trace


def test_what_keeps_an_entry_and_does_not_compare_brings_one_back_once_a_claim_is_lost() -> None:
    assert breaks(dead_entry(without("keeps_what_it_judged"), deletes=True, expires=True, lapses=True))


@pytest.mark.parametrize(("deletes", "lapses"), [(True, False), (False, True)])
def test_a_delete_or_a_lost_claim_begins_one_more_load(deletes: bool, lapses: bool) -> None:
    found = explore(dead_entry(deletes=deletes, lapses=lapses))
    assert (found.stuck, found.most) == (0, 2)


@pytest.mark.parametrize(
    ("rules", "lapses"), [(Rules(), True), (without("claims"), False), (without("confirms"), False)]
)
def test_no_load_of_a_dead_entry_survives_a_delete_with_a_claim_or_without(rules: Rules, lapses: bool) -> None:
    found = explore(dead_entry(rules, deletes=True, lapses=lapses))
    assert (found.violations, found.stuck) == (0, 0), found.trace
    assert found.states > 1000
    assert {"0 stores", "0 is refused"} <= found.steps


def test_a_claim_is_no_substitute_for_the_compare() -> None:
    assert breaks(dead_entry(without("compares"), deletes=True))
