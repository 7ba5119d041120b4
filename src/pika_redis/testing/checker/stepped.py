"""Awaiting something, and noticing whether it had to wait and what a number was before it did."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Generator
from typing import Any

__all__ = ["Stepped"]


class Stepped:
    """Awaits another awaitable, once.

    Afterwards `at_once` tells whether it was answered without a wait, and `grown` by how much `number` had grown when
    it began to wait, or ended: nobody else can have run in between.
    """

    def __init__(self, inner: Awaitable[Any], number: Callable[[], int]) -> None:
        self._inner = inner
        self._number = number
        self.at_once = True
        self.grown = 0

    def __await__(self) -> Generator[Any, Any, Any]:
        before = self._number()
        steps = self._inner.__await__()
        try:
            waits_for = steps.send(None)
        except StopIteration as done:
            return done.value
        finally:
            self.grown = self._number() - before
        self.at_once = False
        while True:
            try:
                sent = yield waits_for
            except GeneratorExit:
                steps.close()
                raise
            except BaseException as error:  # noqa: BLE001 (it belongs to the inner one, whatever it is)
                try:
                    waits_for = steps.throw(error)
                except StopIteration as done:
                    return done.value
            else:
                try:
                    waits_for = steps.send(sent)
                except StopIteration as done:
                    return done.value
