"""May a GET that is on its way be shared with a caller who comes later?

A caller asks for a key: a GET is queued, written, executed, and its reply parsed. A second caller of the same process
may come at any time. Another process deletes the key, and a load brings the new row.

The rule, `unsent`: a GET is shared only with callers who come before it is written; who comes later sends another.

The invariant: nobody gets a row older than the last change that had returned when it asked.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal, NamedTuple

from .checker import Actor, Model, breaks, explore


class State(NamedTuple):
    key: int = 0
    """The row that the entry at the server holds."""
    returned: int = 0
    writer: Literal["deletes", "returns", "done"] = "deletes"
    read: Literal["comes", "queued", "written", "executed", "parsed"] = "comes"
    found: int | None = None
    second: Literal["comes", "shares", "asks", "done"] = "comes"
    began: int = 0
    got: int | None = None


Steps = Iterator[tuple[str, State]]


def first(state: State) -> Steps:
    match state.read:
        case "comes":
            yield "A asks", state._replace(read="queued")
        case "queued":
            yield "A's GET is written", state._replace(read="written")
        case "written":
            yield f"A's GET finds row {state.key}", state._replace(read="executed", found=state.key)
        case "executed":
            yield "A's reply is parsed", state._replace(read="parsed")


def second(unsent: bool) -> Actor[State]:
    def act(state: State) -> Steps:
        match state.second:
            case "comes":
                began = state._replace(began=state.returned)
                if state.read == "queued" or (not unsent and state.read in {"written", "executed"}):
                    yield "B shares A's GET", began._replace(second="shares")
                else:
                    yield "B sends another GET", began._replace(second="asks")
            case "shares" if state.read == "parsed":
                yield f"B gets A's row {state.found}", state._replace(second="done", got=state.found)
            case "asks":
                yield f"B finds row {state.key}", state._replace(second="done", got=state.key)

    return act


def writer(state: State) -> Steps:
    match state.writer:
        case "deletes":
            yield "W deletes, and another load stores row 1", state._replace(writer="returns", key=1)
        case "returns":
            yield "W returns", state._replace(writer="done", returned=1)


def shared_reads(*, unsent: bool) -> Model[State]:
    return Model(
        State(),
        [first, second(unsent), writer],
        broken=lambda state: state.got is not None and state.got < state.began,
        done=lambda state: (state.read, state.second) == ("parsed", "done"),
    )


def test_a_get_is_shared_with_callers_who_come_before_it_is_written() -> None:
    found = explore(shared_reads(unsent=True))
    assert (found.violations, found.stuck) == (0, 0), found.trace
    assert found.states > 80
    assert {"B gets A's row 0", "B gets A's row 1", "B finds row 0", "B finds row 1"} <= found.steps


def test_shared_with_later_callers_it_would_be_too_old_for_them() -> None:
    assert breaks(shared_reads(unsent=False))
