"""What keeps an old row out of the cache when a writer dies between its commit and its delete?

Under `guard` a writer puts a hold on the key, commits, and releases. A hold is a list of tokens at the key itself: it
breaks leases, and nothing is cached while it is there. It expires some time after its last owner has died. A caller
loads what it finds absent, up to twice; another process may delete or set the key.

The rules:

- `holds`: the hold comes before the commit.
- `keeps`: a delete by us leaves a hold where it is.
- `tokens`: each guard has a token of its own, and the hold stays until the last of them is gone.
- `deletes_rest`: a release that finds anything but a hold deletes it: the guard was paused, and its hold expired.

The invariant: once a writer is done or dead, no entry is older than what it committed. A hold that expires while its
owner is paused *and* then dies is not covered, and neither is a plain `set` of a row that was read before.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Literal, NamedTuple

import pytest

from .checker import Actor, Model, Nonce, breaks, explore, put

Other = Literal["nothing", "deletes", "sets"]
LOADS = 2


@dataclass(frozen=True)
class Rules:
    holds: bool = True
    keeps: bool = True
    tokens: bool = True
    deletes_rest: bool = True


class Entry(NamedTuple):
    kind: Literal["value", "lease", "hold"]
    nonce: Nonce | None = None
    row: int = 0
    tokens: tuple[int, ...] = ()
    """The writers whose hold it is."""


class Writer(NamedTuple):
    at: Literal["holds", "commits", "releases", "done", "dead"] = "holds"
    committed: int = 0


class Caller(NamedTuple):
    at: Literal["looks", "loads", "stores"] = "looks"
    loads: int = 0
    lease: Nonce | None = None
    row: int = 0


class State(NamedTuple):
    row: int
    key: Entry | None
    writers: tuple[Writer, ...]
    dies: bool
    """Whether a writer may still die."""
    pauses: bool
    """Whether a hold may still expire while its owner lives."""
    caller: Caller
    other: Literal["reads", "acts", "done"]
    read: int
    """The row that the other process read before it sets the key."""
    unused: Nonce


Steps = Iterator[tuple[str, State]]


def held(entry: Entry | None) -> tuple[int, ...]:
    return entry.tokens if entry is not None and entry.kind == "hold" else ()


def writer(who: int, rules: Rules) -> Actor[State]:
    def moved(state: State, after: Writer) -> State:
        return state._replace(writers=put(state.writers, who, after))

    def released(state: State) -> State:
        tokens = tuple(token for token in held(state.key) if token != who) if rules.tokens else ()
        if tokens:
            return state._replace(key=Entry("hold", tokens=tokens))
        return state._replace(key=None) if held(state.key) or rules.deletes_rest else state

    def act(state: State) -> Steps:
        self = state.writers[who]
        match self.at:
            case "holds" if rules.holds:
                tokens = tuple(sorted({*held(state.key), who}))
                yield f"W{who} holds", moved(state._replace(key=Entry("hold", tokens=tokens)), Writer("commits"))
            case "holds" | "commits":
                row = state.row + 1
                yield f"W{who} commits row {row}", moved(state._replace(row=row), Writer("releases", row))
            case "releases":
                yield f"W{who} releases", moved(released(state), self._replace(at="done"))
                if state.dies:
                    yield f"W{who} dies", moved(state._replace(dies=False), self._replace(at="dead"))

    return act


def expiry(state: State) -> Steps:
    tokens = held(state.key)
    if tokens and all(state.writers[token].at == "dead" for token in tokens):
        yield "the hold of the dead expires", state._replace(key=None)
    elif tokens and state.pauses:
        yield "the hold of a paused writer expires", state._replace(key=None, pauses=False)


def caller(state: State) -> Steps:
    caller, entry, fresh = state.caller, state.key, state.unused
    match caller.at:
        case "looks" if entry is None and caller.loads < LOADS:
            leased = state._replace(key=Entry("lease", fresh), unused=fresh.after())
            yield "C leases", leased._replace(caller=Caller("loads", caller.loads + 1, fresh))
        case "loads":
            yield f"C loads row {state.row}", state._replace(caller=caller._replace(at="stores", row=state.row))
        case "stores":
            after = state._replace(caller=Caller("looks", caller.loads))
            if entry == Entry("lease", caller.lease):
                yield "C stores", after._replace(key=Entry("value", row=caller.row))
            else:
                yield "C is refused", after


def other(does: Other, rules: Rules) -> Actor[State]:
    def act(state: State) -> Steps:
        after = state._replace(other="done")
        match does, state.other:
            case "deletes", "reads":
                yield "O deletes", after if held(state.key) and rules.keeps else after._replace(key=None)
            case "sets", "reads":
                yield f"O reads row {state.row}", state._replace(other="acts", read=state.row)
            case "sets", "acts":
                yield f"O sets row {state.read}", after._replace(key=Entry("value", row=state.read))

    return act


def guarded(
    rules: Rules, does: Other = "nothing", *, writers: int = 1, dies: bool = True, pauses: bool = False
) -> Model[State]:
    start = State(
        row=0,
        key=None,
        writers=(Writer(),) * writers,
        dies=dies,
        pauses=pauses,
        caller=Caller(),
        other="reads",
        read=0,
        unused=Nonce(1),
    )

    def broken(state: State) -> bool:
        committed = max(writer.committed if writer.at in {"done", "dead"} else 0 for writer in state.writers)
        return state.key is not None and state.key.kind == "value" and state.key.row < committed

    return Model(
        start,
        [*(writer(who, rules) for who in range(writers)), expiry, caller, other(does, rules)],
        broken,
        done=lambda state: all(writer.at in {"done", "dead"} for writer in state.writers),
    )


def without(*rules: str) -> Rules:
    return replace(Rules(), **dict.fromkeys(rules, False))


@pytest.mark.parametrize("writers", [1, 2])
@pytest.mark.parametrize("does", ["nothing", "deletes"])
def test_a_writer_who_dies_after_his_commit_leaves_nothing_old(does: Other, writers: int) -> None:
    found = explore(guarded(Rules(), does, writers=writers))
    assert (found.violations, found.stuck) == (0, 0), found.trace
    assert found.states > (300 if writers == 2 else 30)
    assert {"W0 dies", "W0 releases", "C stores", "C is refused", "the hold of the dead expires"} <= found.steps


@pytest.mark.parametrize(
    ("rule", "does", "writers"), [("holds", "nothing", 1), ("keeps", "deletes", 1), ("tokens", "nothing", 2)]
)
def test_without_one_of_the_rules_he_does(rule: str, does: Other, writers: int) -> None:
    assert breaks(guarded(without(rule), does, writers=writers))


def test_a_writer_who_was_paused_and_lost_his_hold_deletes_what_he_finds() -> None:
    found = explore(guarded(Rules(), "deletes", writers=2, dies=False, pauses=True))
    assert (found.violations, found.stuck) == (0, 0), found.trace
    assert found.states > 1000
    assert breaks(guarded(without("deletes_rest"), dies=False, pauses=True))


def test_so_a_hold_that_somebody_deletes_is_missed_only_by_a_writer_who_dies() -> None:
    assert not breaks(guarded(without("keeps"), "deletes", dies=False))
    assert breaks(guarded(without("keeps", "deletes_rest"), "deletes", dies=False))


def test_a_plain_set_inside_a_guard_is_not_covered() -> None:
    assert breaks(guarded(Rules(), "sets"))


def test_a_paused_writer_who_then_dies_is_not_covered() -> None:
    assert breaks(guarded(Rules(), pauses=True))
