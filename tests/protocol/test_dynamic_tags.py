"""May a load be stored whose tags are known only when it is over?

Their nonces can't be captured before it. So the loader reads each tag with what is left of its ttl, and stores only if
the tag is older than the load: then nobody invalidated it meanwhile. The age is told by the server alone, as the ttl
that whoever made the tag wrote into it, less what is left. Processes have different ttls for tags. Time passes in
ticks, and what the loader measures may be short of one, as no two clocks keep the same time.

The rules:

- `written_ttl`: the age is counted from the ttl in the tag, not from the loader's own.
- `margin`: the tag has to be older than the load by more than the clocks may differ.
- `at_reply`: the time that the load took ends when the reply about the tag is parsed, not when it was asked for.
- `only_longer`: a renewal never shortens what is left (`PEXPIRE … GT`).
- `vetoes_missing`: a tag that is missing is made anew for the next time, and nothing is stored.

The invariant: no entry at the server has a tag's current nonce and a row older than the last invalidation of it that
returned.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Literal, NamedTuple

import pytest

from .checker import Actor, Model, Nonce, breaks, explore

SHORT, LONG = 10, 20
"""The ttls that processes give to tags, in ticks. The loader's own is the long one."""
END = 2
"""When time stops; no tag expires before."""
OLD = 3
"""The age of the tag at the beginning."""


@dataclass(frozen=True)
class Rules:
    written_ttl: bool = True
    margin: bool = True
    at_reply: bool = True
    only_longer: bool = True
    vetoes_missing: bool = True


class Tag(NamedTuple):
    nonce: Nonce
    written: int
    ends: int


class Loader(NamedTuple):
    at: Literal["begins", "loads", "asks", "waits", "judges", "stores", "done"] = "begins"
    began: int = 0
    row: int = 0
    elapsed: int | None = None
    tag: Tag | None = None
    """What the server answered."""
    left: int = 0


class State(NamedTuple):
    now: int
    row: int
    returned: int
    writer: Literal["commits", "invalidates", "returns", "done"]
    tag: Tag | None
    renews: bool
    loader: Loader
    stored: tuple[int, Nonce] | None
    """The row and the tag's nonce in the entry."""
    unused: Nonce


Steps = Iterator[tuple[str, State]]


def clock(state: State) -> Steps:
    if state.now < END and state.loader.at != "done":
        yield f"tick {state.now + 1}", state._replace(now=state.now + 1)


def writer(state: State) -> Steps:
    match state.writer:
        case "commits":
            yield "W commits", state._replace(writer="invalidates", row=1)
        case "invalidates":
            yield "W invalidates the tag", state._replace(writer="returns", tag=None)
        case "returns":
            yield "W returns", state._replace(writer="done", returned=1)


def made(state: State, ttl: int) -> State:
    return state._replace(tag=Tag(state.unused, ttl, state.now + ttl), unused=state.unused.after())


def maker(state: State) -> Steps:
    """Another process that captures the tag for a load of its own."""
    if state.tag is None:
        for ttl in (SHORT, LONG):
            yield f"M makes the tag anew for {ttl}", made(state, ttl)


def renewer(rules: Rules) -> Actor[State]:
    """Another process that decided some time ago to renew the tag, whichever it is by now."""

    def act(state: State) -> Steps:
        if not state.renews or state.tag is None:
            return
        for ttl in (SHORT, LONG):
            ends = state.now + ttl
            longer = ends if ends > state.tag.ends or not rules.only_longer else state.tag.ends
            yield f"N renews for {ttl}", state._replace(renews=False, tag=state.tag._replace(ends=longer))

    return act


def loader(rules: Rules) -> Actor[State]:
    def act(state: State) -> Steps:
        self = state.loader
        match self.at:
            case "begins":
                yield "L begins", state._replace(loader=Loader("loads", state.now))
            case "loads":
                yield f"L loads row {state.row}", state._replace(loader=self._replace(at="asks", row=state.row))
            case "asks":
                for elapsed in measured(state):
                    asked = self._replace(at="waits", elapsed=None if rules.at_reply else elapsed)
                    yield f"L asks for the tag after {elapsed}", state._replace(loader=asked)
            case "waits" if state.tag is not None:
                answered = self._replace(at="judges", tag=state.tag, left=state.tag.ends - state.now)
                yield "L's tag is read", state._replace(loader=answered)
            case "waits":
                anew = made(state, LONG)
                after = Loader("done") if rules.vetoes_missing else self._replace(at="stores", tag=anew.tag)
                yield "L finds no tag", anew._replace(loader=after)
            case "judges":
                for elapsed in measured(state) if self.elapsed is None else (self.elapsed,):
                    older = age(self, rules) > elapsed + (1 if rules.margin else 0)
                    after = self._replace(at="stores") if older else Loader("done")
                    yield f"L finds the tag {'older' if older else 'too young'}", state._replace(loader=after)
            case "stores" if self.tag is not None:
                yield "L stores", state._replace(loader=Loader("done"), stored=(self.row, self.tag.nonce))

    return act


def measured(state: State) -> tuple[int, ...]:
    """The time since the load began, as a slow clock or an exact one has it."""
    elapsed = state.now - state.loader.began
    return (elapsed - 1, elapsed) if elapsed else (0,)


def age(loader: Loader, rules: Rules) -> int:
    assert loader.tag is not None
    return (loader.tag.written if rules.written_ttl else LONG) - loader.left


def dynamic_tags(rules: Rules) -> Model[State]:
    start = State(
        now=0,
        row=0,
        returned=0,
        writer="commits",
        tag=Tag(Nonce(1), LONG, LONG - OLD),
        renews=True,
        loader=Loader(),
        stored=None,
        unused=Nonce(2),
    )

    def broken(state: State) -> bool:
        if state.stored is None or state.tag is None:
            return False
        row, nonce = state.stored
        return nonce == state.tag.nonce and row < state.returned

    return Model(
        start,
        [clock, writer, maker, renewer(rules), loader(rules)],
        broken,
        done=lambda state: state.loader.at == "done",
    )


def test_a_load_is_stored_only_under_tags_that_are_older_than_it() -> None:
    found = explore(dynamic_tags(Rules()))
    assert (found.violations, found.stuck) == (0, 0), found.trace
    assert found.states > 1000
    assert {"L stores", "L finds the tag too young", "L finds no tag"} <= found.steps


@pytest.mark.parametrize("rule", ["written_ttl", "margin", "at_reply", "only_longer", "vetoes_missing"])
def test_without_one_of_the_rules_an_invalidation_during_the_load_is_overlooked(rule: str) -> None:
    assert breaks(dynamic_tags(replace(Rules(), **{rule: False})))
