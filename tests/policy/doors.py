"""A store whose verbs can be stopped on their way, and that can tell what another process did."""

from __future__ import annotations

import asyncio
from typing import Any


class Door:
    """Who comes to it waits until it is opened."""

    def __init__(self) -> None:
        self.reached = asyncio.Event()
        self.opened = asyncio.Event()


class Doors:
    """A store with doors before some of its verbs, and other answers of some."""

    def __init__(self, inner: Any) -> None:
        self.inner = inner
        self.before: dict[str, Door] = {}
        self.answers: dict[str, Any] = {}

    def shut(self, verb: str) -> Door:
        door = self.before[verb] = Door()
        return door

    def __getattr__(self, name: str) -> Any:
        verb = getattr(self.inner, name)
        if name not in self.before and name not in self.answers:
            return verb

        async def through(*args: object) -> object:
            door = self.before.get(name)
            if door is not None:
                door.reached.set()
                await door.opened.wait()
            return await self.answers.get(name, verb)(*args)

        return through
