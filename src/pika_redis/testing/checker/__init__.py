"""A checker of the promise: operations of several processes, and the judge over them."""

from .history import Kind, Operation, Tier
from .judge import ALLOWED_NS, T_LEASE_NS, TierFigures, Verdict, Violation, judge
from .log import History, Log
from .trace import trace_of

__all__ = [
    "ALLOWED_NS",
    "T_LEASE_NS",
    "History",
    "Kind",
    "Log",
    "Operation",
    "Tier",
    "TierFigures",
    "Verdict",
    "Violation",
    "judge",
    "trace_of",
]
