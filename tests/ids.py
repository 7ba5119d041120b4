"""Names for parameters of tests: two processes that collect the tests must give them the same."""

from __future__ import annotations

__all__ = ["shown"]

_MOST = 40


def shown(value: object) -> str | None:
    """How a value begins; None, for which pytest takes its number, where that may differ from process to process.

    Sets have no order, and what has no `repr` of its own shows its address.
    """
    text = value if isinstance(value, str) else repr(value)
    return None if "{" in text or " at 0x" in text else text[:_MOST]
