"""Handing replies to the slots they belong to, in the order of the wire."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import TypeAlias, cast

import hiredis

from ..errors import CacheError
from .framing import NOT_ENOUGH, Push, Reply, Unframed, attribute_marks
from .slots import Slot

__all__ = ["PushHandler", "deliver", "deliver_with_care"]

PushHandler: TypeAlias = Callable[[Push], None]  # told of what the server says unasked, in wire order; must not raise


def deliver(data: bytes, reader: hiredis.Reader, slots: deque[Slot], on_push: PushHandler) -> None:
    """Hand out what is complete. Raises one of `UNREADABLE`, after which nothing that follows can be read."""
    gets = reader.gets
    next_slot = slots.popleft
    reply: Reply = None
    reader.feed(data)
    try:
        while True:
            reply = gets()
            kind = type(reply)
            if kind is list or kind is bytes:  # by far the most
                slot = next_slot()
                if not slot.done():
                    slot.set_result(reply)
            elif reply is NOT_ENOUGH:
                return
            elif kind is Push:
                on_push(cast("Push", reply))
            else:
                slot = next_slot()
                if not slot.done():
                    if isinstance(reply, CacheError):
                        slot.set_exception(reply)
                    else:
                        slot.set_result(reply)
    except IndexError:
        said = str(reply) if isinstance(reply, CacheError) else "it sent a reply to no command"
        raise Unframed(said) from None


def deliver_with_care(data: bytes, reader: hiredis.Reader, slots: deque[Slot], on_push: PushHandler) -> None:
    """The same, but end where an attribute begins."""
    start = 0
    for mark in attribute_marks(data):
        deliver(data[start:mark], reader, slots, on_push)
        start = mark
        if not reader.has_data():
            raise Unframed("it sent a RESP3 attribute")
    deliver(data[start:], reader, slots, on_push)
