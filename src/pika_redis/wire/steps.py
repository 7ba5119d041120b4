"""What is asked of a server, or of several nodes, at once: in steps, each about one place of the key space.

Strategy. The rooms above say what belongs together, not what is sent together. On one server all steps leave in one
batch, in their order; in a cluster each goes to the node of its key, and only steps of one node keep their order. So
whatever is learnt from a reply is learnt per step, in the parser, when the last reply of the step is there: on its own
node that is wire order (see `storage.near`, rule 1), and of another node's order nobody knows anything.

A read of many keys is a step of its own kind: one server answers it with a single MGET, a cluster with a GET a key.
Steps are made for nearly every call, so they are what Python makes quickest.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import NamedTuple, TypeAlias

from .framing import Command, Reply
from .scripts import Script
from .slots import Observer

__all__ = ["Call", "Reads", "SeeKey", "Step", "StepSlot", "resolved"]

SeeKey: TypeAlias = Callable[[str, Reply], Reply]
"""Sees what a key holds, in the parser; what it gives is what the caller gets."""


class Call(NamedTuple):
    """A script that is sent by its digest to who knows it, else by its source."""

    script: Script
    key: str | Sequence[str | bytes]
    arguments: Sequence[str | bytes | int]


class Step(NamedTuple):
    """Commands about one key, or several of one slot, sent in this order. Error replies stand among the others.

    `see` sees the list of replies in the parser, when the last one is there, error replies among them. It may see them
    more than once: a node that has not got the key answers with errors, and then another one is asked.
    """

    key: str | bytes
    commands: Sequence[Command | Call]
    see: Observer | None = None
    spare: bool = False
    """Whether it may remain unanswered in a cluster: then the error stands among the replies, and nothing is raised."""


class Reads(NamedTuple):
    """What these keys hold, in no certain order but on one server. Raises the error of a read that failed."""

    keys: Sequence[str]
    see: SeeKey
    spare: bool = False
    """The same: the error is shown to `see`, at once if the node was connected before."""


def resolved(commands: Sequence[Command | Call], known: set[str], *, source: bool = False) -> list[Command]:
    """The commands as they are sent to who knows these scripts."""
    sent: list[Command] = []
    for one in commands:
        if isinstance(one, Call):
            form = one.script.by_digest if one.script.digest in known and not source else one.script.command
            sent.append(form(one.key, one.arguments))
        else:
            sent.append(one)
    return sent


class StepSlot:
    """The slots of several steps that leave together: one future for all, and an observer for each."""

    __slots__ = ("_given", "_now", "_steps", "future")

    def __init__(self, future: asyncio.Future[list[list[Reply]]], steps: Sequence[tuple[int, Observer | None]]) -> None:
        """`steps` says how many replies each has, at least one, and who sees them."""
        self.future = future
        self._steps = steps
        self._given: list[list[Reply]] = []
        self._now: list[Reply] = []

    def done(self) -> bool:
        return False

    def set_result(self, result: Reply, /) -> None:
        now = self._now
        now.append(result)
        size, see = self._steps[len(self._given)]
        if len(now) < size:
            return
        self._now = []
        self._given.append(now)
        if see is not None:
            see(now)
        if len(self._given) == len(self._steps) and not self.future.done():
            self.future.set_result(self._given)

    set_exception = set_result
