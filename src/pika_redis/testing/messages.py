"""Where one command or reply ends and the next begins: RESP, cut into whole messages without looking into them."""

from __future__ import annotations

from typing import Final

__all__ = ["Messages", "words_of"]

_WITH_PAYLOAD: Final = b"$!="
_LISTS: Final = b"*~>"
_MAPS: Final = b"%|"


class Messages:
    """Takes bytes as they come and gives the messages that are complete, each as the bytes that it came in.

    An attribute counts to the reply behind it. What is no RESP at all is taken line by line, as a server takes it.
    """

    def __init__(self) -> None:
        self._bytes = bytearray()
        self._at = 0  # up to here the message has been looked at
        self._missing = 1  # so many values are missing until it is complete

    def feed(self, data: bytes) -> list[bytes]:
        """The messages that these bytes complete."""
        self._bytes += data
        found: list[bytes] = []
        while self._one_more_value():
            if self._missing == 0:
                found.append(bytes(self._bytes[: self._at]))
                del self._bytes[: self._at]
                self._at, self._missing = 0, 1
        return found

    def rest(self) -> bytes:
        """What came of a message that never ended."""
        return bytes(self._bytes)

    def _one_more_value(self) -> bool:
        """Look at the head of the next value, and at its payload if it has one. False if that isn't all there yet."""
        line_end = self._bytes.find(b"\n", self._at)
        if line_end < 0:
            return False
        kind = self._bytes[self._at]
        number = _number(bytes(self._bytes[self._at + 1 : line_end]))
        end = line_end + 1
        if kind in _WITH_PAYLOAD and number >= 0:
            end += number + 2
            if len(self._bytes) < end:
                return False
        self._at = end
        self._missing += max(0, number) if kind in _LISTS else max(0, 2 * number) if kind in _MAPS else 0
        self._missing -= kind != ord("|")
        return True


def words_of(command: bytes) -> list[str]:
    """The words of a command, to be compared with names; its arguments may be bytes of any kind."""
    if not command.startswith(b"*"):
        return command.decode("latin-1").split()
    words: list[str] = []
    at = command.find(b"\n") + 1
    while at < len(command):
        start = command.find(b"\n", at) + 1
        end = start + max(0, _number(command[at + 1 : start]))
        words.append(command[start:end].decode("latin-1"))
        at = end + 2
    return words


def _number(text: bytes) -> int:
    text = text.strip()
    return int(text) if text.removeprefix(b"-").isdigit() else 0
