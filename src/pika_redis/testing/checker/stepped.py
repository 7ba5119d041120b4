"""Awaiting something, and noticing whether it had to wait."""

from __future__ import annotations

from collections.abc import Awaitable, Generator
from typing import Any

__all__ = ["Stepped"]


class Stepped:
    """Awaits another awaitable, once; `at_once` tells afterwards whether it was answered without a wait."""

    def __init__(self, inner: Awaitable[object]) -> None:
        self._inner = inner
        self.at_once = True

    def __await__(self) -> Generator[Any, Any, object]:
        steps = self._inner.__await__()
        try:
            waits_for = steps.send(None)
        except StopIteration as done:
            return done.value
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
