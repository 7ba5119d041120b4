"""Steps on their way to the nodes of a cluster: one job a step, and for reads one a key."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import cast

from ..errors import CacheError, CacheServerError
from .connection import Command, Reply
from .replies import NOT_RUN, Disconnected, Redirected
from .slot_map import slot_of
from .slots import Observer
from .steps import Call, Reads, SeeKey, Step
from .stepwise import Batch

__all__ = ["Job", "jobs_of", "key_of", "results_of"]

_ASKING: Command = ("ASKING",)


def key_of(command: Command) -> str | bytes:
    """The key that a command of ours is about: its first argument, of a script its first key."""
    word = command[3] if command[0] in ("EVAL", "EVALSHA") else command[1]
    return cast("str | bytes", word)


class Job:
    """A step, and how far it has come."""

    __slots__ = ("asking", "done", "hops", "replies", "slot", "source", "spare", "step", "target", "unknown")

    def __init__(self, step: Step, *, spare: SeeKey | None = None) -> None:
        self.step = step
        self.slot = slot_of(step.key)
        self.spare = spare
        """Who sees the error when the node can't be asked; None = the caller."""
        self.replies: list[Reply] = []
        self.done = False
        self.target: tuple[str, int] | None = None
        """Where it goes in place of the slot's owner."""
        self.asking = False
        """Whether it goes there this one time only."""
        self.source = False
        """Whether the node did not know the script."""
        self.unknown = False
        """Whether it was sent and no answer came: it may or may not have run."""
        self.hops = 0

    def sent(self, asked: Callable[[str | bytes], None]) -> Step:
        """The step as it is sent; `asked` is told, within the parser, of a key that is asked for out of turn."""
        step = self.step
        if not self.asking:
            return step
        commands = [word for command in step.commands for word in (_ASKING, command)]

        def see(replies: Reply) -> Reply:
            given = cast("list[Reply]", replies)
            del given[::2]
            if step.see is not None:
                step.see(given)
            asked(step.key)
            return given

        return Step(step.key, commands, see)

    def judge(self, given: list[Reply]) -> CacheError | None:
        """It was answered; gives why it has to be done again."""
        for reply in given:
            if isinstance(reply, Redirected) or (isinstance(reply, CacheServerError) and reply.code == "NOSCRIPT"):
                return reply
        if all(isinstance(reply, NOT_RUN) for reply in given):
            return cast("Disconnected", given[0])
        self.replies = given
        self.done = True
        return None

    def routed_anew(self) -> Job:
        """It is to go where the map says."""
        self.target, self.asking = None, False
        return self

    def spared(self, lost: CacheError, *, at_once: bool = False) -> bool:
        """The node can't be asked; whether that is no error. `at_once` = of what nobody shall wait for."""
        if self.spare is not None:
            self.replies = [self.spare(cast("str", self.step.key), lost)]
        elif self.step.spare and not at_once:
            self.replies = [lost] * len(self.step.commands)
        else:
            return False
        self.done = True
        return True


def jobs_of(steps: Batch) -> list[Job]:
    """What is to be done."""
    jobs: list[Job] = []
    for step in steps:
        if isinstance(step, Step):
            jobs.append(Job(step))
        else:
            jobs += [Job(_get(key, step.see), spare=step.see if step.spare else None) for key in step.keys]
    return jobs


def results_of(steps: Batch, jobs: Sequence[Job]) -> list[list[Reply]]:
    """The replies to each step. Raises the error of a read."""
    found: list[list[Reply]] = []
    at = iter(jobs)
    for step in steps:
        if isinstance(step, Reads):
            read = [next(at).replies[0] for _ in step.keys]
            for reply in read:
                if isinstance(reply, CacheError):
                    raise reply
            found.append(read)
        else:
            found.append(next(at).replies)
    return found


def _get(key: str, see: SeeKey) -> Step:
    def seen(replies: Reply) -> Reply:
        given = cast("list[Reply]", replies)
        if not isinstance(given[0], (Redirected, *NOT_RUN)):
            given[0] = see(key, given[0])
        return given

    commands: list[Command | Call] = [("GET", key)]
    return Step(key, commands, cast("Observer", seen))
