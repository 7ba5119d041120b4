"""When is the nonce of a tagged entry compared, and with what?

A process has a tag's nonce in its tag table. It asks the server for an entry that carries the tag, while another
process invalidates the tag and a load stores the new row under a new nonce. Tag and entry are on one node, or on two,
each with a connection of its own.

The rules:

- `at_parse`: the entry's nonce is compared with the tag table as it stands when the entry's reply is parsed: the push
  about a tag that was dead before the GET was executed is ahead of the reply.
- `asks`: with two nodes no order holds between push and reply. `consistency="strict"` asks for the tag's nonce along
  with the entry and compares the two replies. Without it a read is as late as the push.

The invariant: nobody gets a row older than the last invalidation that had returned when it asked.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, NamedTuple

import pytest

from .checker import Actor, Model, Nonce, breaks, explore


@dataclass(frozen=True)
class Rules:
    at_parse: bool = True
    asks: bool = False


class Message(NamedTuple):
    what: Literal["entry", "tag", "push"]
    tag: Nonce | None = None
    row: int = 0


class Read(NamedTuple):
    at: Literal["begins", "asks", "done"] = "begins"
    began: int = 0
    known: Nonce | None = None
    """The tag table when the read began."""
    pending: tuple[Literal["entry", "tag"], ...] = ()
    """Commands that were written and not executed."""
    entry: Message | None = None
    tag: Message | None = None
    """Replies that were parsed."""
    got: int | None = None


class State(NamedTuple):
    row: int
    returned: int
    writer: Literal["commits", "invalidates", "returns", "done"]
    entry: Message
    """The entry at the server: its row and the nonce that it carries."""
    tag: Nonce | None
    wires: tuple[tuple[Message, ...], ...]
    """What comes back from the entry's node and from the tag's, which may be the same."""
    known: Nonce | None
    """The tag table."""
    read: Read
    unused: Nonce


Steps = Iterator[tuple[str, State]]


def send(state: State, node: int, message: Message) -> State:
    wires = list(state.wires)
    wires[node] = (*wires[node], message)
    return state._replace(wires=tuple(wires))


def writer(state: State) -> Steps:
    match state.writer:
        case "commits":
            yield "W commits", state._replace(writer="invalidates", row=1)
        case "invalidates":
            pushed = send(state, -1, Message("push"))
            yield "W invalidates the tag", pushed._replace(writer="returns", tag=None)
        case "returns":
            yield "W returns", state._replace(writer="done", returned=1)


def loader(state: State) -> Steps:
    if state.tag is None:
        entry = Message("entry", state.unused, state.row)
        after = state._replace(tag=state.unused, entry=entry, unused=state.unused.after())
        yield "L makes the tag anew and stores", after


def reader(rules: Rules) -> Actor[State]:
    def act(state: State) -> Steps:
        if state.read.at == "begins":
            pending: tuple[Literal["entry", "tag"], ...] = ("entry", "tag") if rules.asks else ("entry",)
            read = Read("asks", state.returned, state.known, pending)
            yield "R asks", state._replace(read=read)

    return act


def server(state: State) -> Steps:
    """Commands of one connection are executed in their order; those on two nodes in any."""
    nodes = len(state.wires)
    for command in state.read.pending if nodes == 2 else state.read.pending[:1]:
        pending = tuple(other for other in state.read.pending if other != command)
        after = state._replace(read=state.read._replace(pending=pending))
        if command == "entry":
            yield f"the entry is read: row {state.entry.row}", send(after, 0, state.entry)
        else:
            yield "the tag is read", send(after, -1, Message("tag", state.tag))


def parser(node: int, rules: Rules) -> Actor[State]:
    def act(state: State) -> Steps:
        if not state.wires[node]:
            return
        message, *later = state.wires[node]
        wires = tuple(tuple(later) if index == node else wire for index, wire in enumerate(state.wires))
        after = state._replace(wires=wires)
        match message.what:
            case "push":
                yield "the push is parsed", after._replace(known=None)
            case "tag":
                yield "the tag's reply is parsed", judged(after, state.read._replace(tag=message), rules)
            case "entry":
                yield "the entry's reply is parsed", judged(after, state.read._replace(entry=message), rules)

    return act


def judged(state: State, read: Read, rules: Rules) -> State:
    """Compares as soon as everything that was asked for is here."""
    if read.entry is None or (rules.asks and read.tag is None):
        return state._replace(read=read)
    current = state.known if rules.at_parse else read.known
    if read.tag is not None:
        current = read.tag.tag
    got = read.entry.row if read.entry.tag == current else None
    return state._replace(read=Read("done", read.began, got=got))


def judging(nodes: int, rules: Rules) -> Model[State]:
    start = State(
        row=0,
        returned=0,
        writer="commits",
        entry=Message("entry", Nonce(1), 0),
        tag=Nonce(1),
        wires=((),) * nodes,
        known=Nonce(1),
        read=Read(),
        unused=Nonce(2),
    )
    return Model(
        start,
        [writer, loader, reader(rules), server, *(parser(node, rules) for node in range(nodes))],
        broken=lambda state: state.read.got is not None and state.read.got < state.read.began,
        done=lambda state: state.read.at == "done",
    )


@pytest.mark.parametrize("rules", [Rules(), Rules(asks=True)])
def test_on_one_node_a_nonce_compared_at_the_reply_is_never_too_old(rules: Rules) -> None:
    found = explore(judging(1, rules))
    assert (found.violations, found.stuck) == (0, 0), found.trace
    assert found.states > 60
    assert {"the entry is read: row 0", "the entry is read: row 1", "the push is parsed"} <= found.steps


def test_compared_with_the_tag_table_at_the_beginning_it_is() -> None:
    assert breaks(judging(1, Rules(at_parse=False)))


def test_on_two_nodes_a_read_is_as_late_as_the_push() -> None:
    assert breaks(judging(2, Rules()))


def test_on_two_nodes_a_strict_read_asks_both_and_is_never_too_old() -> None:
    found = explore(judging(2, Rules(asks=True)))
    assert (found.violations, found.stuck) == (0, 0), found.trace
    assert found.states > 100
    assert {"the entry is read: row 0", "the entry is read: row 1", "the tag's reply is parsed"} <= found.steps
