"""A checker of the promise: several processes use a cache, every operation is logged, and a judge finds stale reads.

From a shell: ``python -m pika_redis.testing.checker --seconds 60``. From Python: ``await check(Plan(seconds=10))``, or
a `Fleet` of which you disturb the processes and the server while it runs, or `judge` over a history of your own.
"""

from .fleet import CheckerError, Fleet
from .history import Kind, Operation, Tier
from .judge import ALLOWED_NS, T_LEASE_NS, TierFigures, Verdict, Violation, judge
from .lives import OVER_AGE_NS
from .log import History, Log
from .plan import Plan
from .report import Report
from .run import check, report_on
from .trace import trace_of

__all__ = [
    "ALLOWED_NS",
    "OVER_AGE_NS",
    "T_LEASE_NS",
    "CheckerError",
    "Fleet",
    "History",
    "Kind",
    "Log",
    "Operation",
    "Plan",
    "Report",
    "Tier",
    "TierFigures",
    "Verdict",
    "Violation",
    "check",
    "judge",
    "report_on",
    "trace_of",
]
