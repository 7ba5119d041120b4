"""May a caller who comes while a load is running have its result?

A leader leases the key and captures the tag, loads and stores; a second caller of the same process may join at any
time. Commands leave on one connection, and replies and pushes come back in the order of the server. Somebody changes
the row and then deletes the key or invalidates the tag, elsewhere or in the same process.

The rules for one who joined after the load began:

- `identity`: it has the result only if the store found the lease still there,
- `nonces`: and the captured nonce is the one in the tag table when the store's reply is parsed,
- `tracked`: which the table can only tell because the capture was a tracked read,
- `unsent`: and it came before the store was written. Behind the store, another process can change everything and
  return before the reply is here.
- `detaches`: a change made here lets go of the flight when its reply is parsed, so that nobody joins any more. For such
  a change it does what the verdict does, and earlier.

The invariant: nobody gets a row older than the last change that had returned when it asked.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from enum import IntEnum
from typing import Literal, NamedTuple

import pytest

from .checker import Actor, Model, Nonce, breaks, explore


@dataclass(frozen=True)
class Rules:
    identity: bool = True
    nonces: bool = True
    tracked: bool = True
    unsent: bool = True
    detaches: bool = True


class Phase(IntEnum):
    NONE = 0
    PREPARING = 1
    LOADING = 2
    STORING = 3


Change = Literal["delete", "invalidate_tags"]
Where = Literal["elsewhere", "here"]


class Message(NamedTuple):
    """A command on its way to the server, or a reply or push on its way back."""

    what: Literal["lease", "store", "change", "push"]
    nonce: Nonce | None = None
    unchanged: bool = False


class Entry(NamedTuple):
    lease: bool
    row: int | None = None
    tag: Nonce | None = None


class Leader(NamedTuple):
    at: Literal["arrives", "asks", "loads", "stores", "waits", "done"] = "arrives"
    captured: Nonce | None = None
    row: int | None = None


class Joiner(NamedTuple):
    at: Literal["arrives", "joined", "asks", "loads", "done"] = "arrives"
    began: int = 0
    joined: Phase = Phase.NONE
    got: int | None = None


class State(NamedTuple):
    row: int
    returned: int
    writer: Literal["commits", "changes", "waits", "returns", "done"]
    key: Entry | None
    tag: Nonce | None
    tracking: bool
    """Whether the server will push a change of the tag."""
    lapses: bool
    sent: tuple[Message, ...]
    replies: tuple[Message, ...]
    known: Nonce | None
    """The tag table."""
    flight: Phase
    """How far the flight is that can be joined."""
    leader: Leader
    joiner: Joiner
    unused: Nonce


Steps = Iterator[tuple[str, State]]


def leader(state: State) -> Steps:
    caller = state.leader
    match caller.at:
        case "arrives":
            drawn = state._replace(leader=Leader("asks"), flight=Phase.PREPARING, unused=state.unused.after())
            yield "A begins a flight", write(drawn, Message("lease", state.unused))
        case "loads":
            flight = state.flight and Phase.LOADING
            caller = caller._replace(at="stores", row=state.row)
            yield f"A loads row {state.row}", state._replace(leader=caller, flight=flight)
        case "stores":
            flight = state.flight and Phase.STORING
            caller = caller._replace(at="waits")
            yield "A writes the store", write(state._replace(leader=caller, flight=flight), Message("store"))


def joiner(state: State) -> Steps:
    caller = state.joiner
    match caller.at:
        case "arrives" if state.flight:
            yield (
                f"B joins ({state.flight.name.lower()})",
                state._replace(joiner=Joiner("joined", state.returned, state.flight)),
            )
        case "arrives":
            yield "B finds no flight", state._replace(joiner=Joiner("asks", state.returned))
        case "asks":
            entry = state.key
            hit = entry is not None and not entry.lease and entry.tag == state.tag
            after = Joiner("done", caller.began, got=entry.row) if entry and hit else caller._replace(at="loads")
            yield f"B asks the server{': a hit' if hit else ''}", state._replace(joiner=after)
        case "loads":
            yield f"B loads row {state.row}", state._replace(joiner=Joiner("done", caller.began, got=state.row))


def write(state: State, command: Message) -> State:
    return state._replace(sent=(*state.sent, command))


def answer(state: State, reply: Message) -> State:
    return state._replace(replies=(*state.replies, reply))


def changed(state: State, change: Change) -> State:
    """A change as the server executes it, with its push."""
    if change == "delete":
        return state._replace(key=None)
    pushed = answer(state, Message("push")) if state.tracking and state.tag is not None else state
    return pushed._replace(tag=None, tracking=False)


def writer(change: Change, where: Where) -> Actor[State]:
    def act(state: State) -> Steps:
        match state.writer:
            case "commits":
                yield "W commits", state._replace(writer="changes", row=state.row + 1)
            case "changes" if where == "here":
                yield "W writes the change", write(state._replace(writer="waits"), Message("change"))
            case "changes":
                yield "the change is executed", changed(state._replace(writer="returns"), change)
            case "returns":
                yield "W returns", state._replace(writer="done", returned=state.row)

    return act


def server(rules: Rules, change: Change) -> Actor[State]:
    def executed(state: State, command: Message) -> State:
        match command.what:
            case "lease":
                tag = command.nonce if state.tag is None else state.tag
                state = state._replace(key=Entry(lease=True), tag=tag, tracking=rules.tracked)
                return answer(state, Message("lease", tag))
            case "store" if state.key is None:
                return answer(state, command)
            case "store":
                entry = Entry(False, state.leader.row, state.leader.captured)
                return answer(state._replace(key=entry), command._replace(unchanged=True))
            case _:  # one's own push comes behind one's own reply
                return changed(answer(state, command), change)

    def act(state: State) -> Steps:
        if state.key is not None and state.key.lease and state.lapses:
            yield "the lease lapses", state._replace(key=None, lapses=False)
        if state.sent:
            command, *later = state.sent
            yield f"the {command.what} is executed", executed(state._replace(sent=tuple(later)), command)

    return act


def parser(rules: Rules, change: Change) -> Actor[State]:
    def parsed(state: State, message: Message) -> State:
        match message.what:
            case "lease":
                return state._replace(known=message.nonce, leader=Leader("loads", message.nonce))
            case "store":
                return settled(state, rules, message.unchanged)
            case "change":
                known = None if change == "invalidate_tags" else state.known
                flight = Phase.NONE if rules.detaches else state.flight
                return state._replace(known=known, flight=flight, writer="done", returned=state.row)
            case "push":
                return state._replace(known=None)

    def act(state: State) -> Steps:
        if state.replies:
            message, *later = state.replies
            yield f"the {message.what} is parsed", parsed(state._replace(replies=tuple(later)), message)

    return act


def settled(state: State, rules: Rules, unchanged: bool) -> State:
    current = state.known == state.leader.captured
    verdict = (unchanged or not rules.identity) and (current or not rules.nonces)
    caller = state.joiner
    if caller.at == "joined":
        in_time = caller.joined < Phase.STORING or not rules.unsent
        may = caller.joined < Phase.LOADING or (in_time and verdict)
        caller = Joiner("done", caller.began, got=state.leader.row) if may else Joiner("asks", caller.began)
    return state._replace(flight=Phase.NONE, leader=Leader("done"), joiner=caller)


def flights(change: Change, where: Where, rules: Rules) -> Model[State]:
    start = State(
        row=0,
        returned=0,
        writer="commits",
        key=None,
        tag=Nonce(1),
        tracking=False,
        lapses=True,
        sent=(),
        replies=(),
        known=None,
        flight=Phase.NONE,
        leader=Leader(),
        joiner=Joiner(),
        unused=Nonce(2),
    )
    return Model(
        start,
        [leader, joiner, writer(change, where), server(rules, change), parser(rules, change)],
        broken=lambda state: state.joiner.got is not None and state.joiner.got < state.joiner.began,
        done=lambda state: (state.leader.at, state.joiner.at, state.writer) == ("done", "done", "done"),
    )


CHANGES: tuple[Change, ...] = ("delete", "invalidate_tags")


@pytest.mark.parametrize("where", ["elsewhere", "here"])
@pytest.mark.parametrize("change", CHANGES)
def test_who_joins_a_flight_gets_nothing_older_than_a_change_that_had_returned(change: Change, where: Where) -> None:
    found = explore(flights(change, where, Rules()))
    assert (found.violations, found.stuck) == (0, 0), found.trace
    assert found.states > 600
    assert {"B joins (preparing)", "B joins (loading)", "B joins (storing)", "B asks the server: a hit"} <= found.steps


@pytest.mark.parametrize(
    ("rule", "change"),
    [
        ("identity", "delete"),
        ("nonces", "invalidate_tags"),
        ("tracked", "invalidate_tags"),
        ("unsent", "delete"),
        ("unsent", "invalidate_tags"),
    ],
)
def test_without_one_of_the_rules_he_does_after_a_change_elsewhere(rule: str, change: Change) -> None:
    assert breaks(flights(change, "elsewhere", replace(Rules(), **{rule: False})))


@pytest.mark.parametrize(("verdict", "change"), [("identity", "delete"), ("nonces", "invalidate_tags")])
def test_the_verdict_and_letting_go_of_the_flight_each_suffice_for_a_change_made_here(
    verdict: str, change: Change
) -> None:
    def overlooked(*without: str) -> bool:
        return breaks(flights(change, "here", replace(Rules(), **dict.fromkeys(without, False))))

    assert not overlooked(verdict)
    assert not overlooked("detaches")
    assert overlooked(verdict, "detaches")
