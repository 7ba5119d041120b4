"""A whole run in one call."""

from __future__ import annotations

import asyncio

from .fleet import Fleet
from .judge import allowed_on, judge
from .plan import Plan
from .report import Report
from .trace import trace_of

__all__ = ["check", "report_on"]


async def check(plan: Plan) -> Report:
    """Start the processes, let them work, judge what they did. Raises as `Fleet` and its `run` do."""
    async with Fleet(plan) as fleet:
        await fleet.run()
        return await report_on(fleet)


async def report_on(fleet: Fleet) -> Report:
    """Judge what the processes of a fleet have done; in a thread, since it takes seconds after a long run."""
    return await asyncio.to_thread(_judged, fleet)


def _judged(fleet: Fleet) -> Report:
    plan, history = fleet.plan, fleet.history()
    allowed = allowed_on(plan.url)
    verdict = judge(history, plan.tags_of, lives_ns=plan.lives_ns, changes=plan.changes, allowed=allowed)
    trace = trace_of(history, verdict.examples[0], plan.tags_of) if verdict.examples else ()
    return Report(plan, verdict, fleet.server_name, trace)
