"""When does a reply become the process' own copy, and when does a change take the copy away again?

A process sends GETs on its tracked connection. Somebody changes the key once: another process, or this one, on the same
connection or on a second one (which `durable=` and large values use). A push comes behind the replies of all that the
server executed before; behind one's own reply too, if the change was one's own. The tracked connection may break.

The rules:

- `in_parser`: a reply becomes a copy when it is parsed, in the order of the wire, not when its reader wakes up.
- `marks`: each GET in flight has a mark; a push takes the marks away, and a reply without its mark is no copy.
- `evicts`: one's own change takes the copy away when its reply is parsed; not when it is written, and not only by its
  own push.
- `clears`: and the marks of the key with it.
- `drops`: when the connection breaks, all copies and marks go, since the server pushes nothing to the next one.

The invariants: after one's own change has returned there is no old copy; and there is none that no push will ever take
away, whoever changed the key. A foreign change is noticed as late as its push comes.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, NamedTuple

import pytest

from .checker import Actor, Model, breaks, explore

GETS = 2
OLD, NEW = 0, 1
Where = Literal["elsewhere", "same connection", "second connection"]


@dataclass(frozen=True)
class Rules:
    in_parser: bool = True
    marks: bool = True
    evicts: Literal["when written", "when parsed", "never"] = "when parsed"
    clears: bool = True
    drops: bool = True


class Message(NamedTuple):
    what: Literal["get", "change", "push"]
    number: int = 0
    row: int = OLD


class State(NamedTuple):
    key: int = OLD
    tracked: bool = False
    gets: int = 0
    change: Literal["due", "written", "executed", "returned"] = "due"
    sent: tuple[Message, ...] = ()
    replies: tuple[Message, ...] = ()
    awaited: tuple[Message, ...] = ()
    """Replies that were parsed and whose readers have not woken up yet."""
    marks: tuple[int, ...] = ()
    copy: int | None = None
    breaks: bool = True
    """Whether the connection may still break."""


Steps = Iterator[tuple[str, State]]


def reader(state: State) -> Steps:
    if state.gets < GETS:
        number = state.gets + 1
        marked = state._replace(gets=number, marks=(*state.marks, number))
        yield f"GET {number} is written", marked._replace(sent=(*state.sent, Message("get", number)))


def filled(state: State, reply: Message, rules: Rules) -> State:
    """A reply becomes a copy, if it may."""
    if rules.marks and reply.number not in state.marks:
        return state
    marks = tuple(mark for mark in state.marks if mark != reply.number)
    return state._replace(copy=reply.row, marks=marks)


def evicted(state: State, rules: Rules) -> State:
    return state._replace(copy=None, marks=() if rules.clears else state.marks)


def executed(state: State, *, answers: bool) -> State:
    """The change at the server: the reply to it if it came this way, then the push."""
    reply = (Message("change"),) if answers else ()
    push = (Message("push"),) if state.tracked else ()
    return state._replace(key=NEW, tracked=False, replies=state.replies + reply + push)


def writer(where: Where, rules: Rules) -> Actor[State]:
    def act(state: State) -> Steps:
        match state.change:
            case "due" if where == "elsewhere":
                yield "the change is executed", executed(state, answers=False)._replace(change="returned")
            case "due":
                after = evicted(state, rules) if rules.evicts == "when written" else state
                sent = (*state.sent, Message("change")) if where == "same connection" else state.sent
                yield "the change is written", after._replace(change="written", sent=sent)
            case "written" if where == "second connection":
                yield "the change is executed", executed(state, answers=False)._replace(change="executed")
            case "executed" if where == "second connection":
                yield "the change's reply is parsed", returned(state, rules)

    return act


def returned(state: State, rules: Rules) -> State:
    after = evicted(state, rules) if rules.evicts == "when parsed" else state
    return after._replace(change="returned")


def server(state: State) -> Steps:
    if state.sent:
        command, *later = state.sent
        after = state._replace(sent=tuple(later))
        if command.what == "get":
            reply = command._replace(row=state.key)
            after = after._replace(tracked=True, replies=(*state.replies, reply))
            yield f"GET {command.number} finds row {state.key}", after
        else:
            yield "the change is executed", executed(after, answers=True)._replace(change="executed")


def parser(rules: Rules) -> Actor[State]:
    def act(state: State) -> Steps:
        if not state.replies:
            return
        message, *later = state.replies
        after = state._replace(replies=tuple(later))
        match message.what:
            case "get" if rules.in_parser:
                yield f"reply {message.number} is parsed", filled(after, message, rules)
            case "get":
                yield f"reply {message.number} is parsed", after._replace(awaited=(*after.awaited, message))
            case "change":
                yield "the change's reply is parsed", returned(after, rules)
            case "push":
                yield "the push is parsed", after._replace(copy=None, marks=())

    return act


def waker(rules: Rules) -> Actor[State]:
    def act(state: State) -> Steps:
        if state.awaited:
            reply, *later = state.awaited
            yield f"reader {reply.number} wakes up", filled(state._replace(awaited=tuple(later)), reply, rules)

    return act


def network(rules: Rules) -> Actor[State]:
    def act(state: State) -> Steps:
        if state.breaks:
            after = state._replace(breaks=False, tracked=False, sent=(), replies=())
            yield "the connection breaks", after._replace(copy=None, marks=()) if rules.drops else after

    return act


def copies(where: Where, rules: Rules) -> Model[State]:
    def broken(state: State) -> bool:
        if state.copy != OLD or state.change != "returned":
            return False
        return where != "elsewhere" or not (state.sent or state.replies or state.awaited)

    actors = [reader, writer(where, rules), server, parser(rules), waker(rules), network(rules)]
    return Model(State(), actors, broken)


EVERYWHERE: tuple[Where, ...] = ("elsewhere", "same connection", "second connection")


def old_copies(where: Where, rules: Rules) -> bool:
    return breaks(copies(where, rules))


@pytest.mark.parametrize("where", EVERYWHERE)
def test_no_old_copy_stays_after_a_change(where: Where) -> None:
    found = explore(copies(where, Rules()))
    assert found.violations == 0, found.trace
    assert found.states > 60
    assert {"GET 2 finds row 0", "GET 2 finds row 1", "the push is parsed", "the connection breaks"} <= found.steps


def test_against_a_push_the_order_of_the_wire_and_the_marks_each_suffice() -> None:
    assert not old_copies("elsewhere", Rules(in_parser=False))
    assert not old_copies("elsewhere", Rules(marks=False))
    assert old_copies("elsewhere", Rules(in_parser=False, marks=False))


def test_against_a_change_on_the_second_connection_only_marks_help() -> None:
    assert old_copies("second connection", Rules(marks=False))
    assert old_copies("second connection", Rules(clears=False))


def test_on_the_same_connection_the_order_of_the_wire_does_what_clearing_marks_does() -> None:
    assert not old_copies("same connection", Rules(clears=False))
    assert old_copies("same connection", Rules(clears=False, in_parser=False))


@pytest.mark.parametrize("where", ["same connection", "second connection"])
def test_the_push_comes_too_late_for_a_change_of_ones_own(where: Where) -> None:
    assert old_copies(where, Rules(evicts="never"))


def test_evicting_when_the_change_is_written_is_too_early() -> None:
    assert old_copies("second connection", Rules(evicts="when written"))
    assert old_copies("same connection", Rules(evicts="when written", clears=False))


def test_a_copy_that_outlives_its_connection_is_never_corrected() -> None:
    assert old_copies("elsewhere", Rules(drops=False))
