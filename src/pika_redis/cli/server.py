"""Commands on the server as a whole: ping, health, stats."""

from __future__ import annotations

import click

from pika_redis import HealthStatus, RedisService

from .failure import NO, NO_ANSWER, OK, Failure
from .output import complain
from .session import Session, on_server

__all__ = ["health", "ping", "stats"]


@click.command
@on_server
def ping(session: Session) -> int:
    """Ask the server for a sign of life."""

    async def task(service: RedisService) -> int:
        report = await service.health_check()
        if not report.connected:
            raise Failure(report.detail, NO_ANSWER)
        latency = report.latency_ms or 0.0
        document = {"ok": True, "server": report.server, "latency_ms": round(latency, 3)}
        session.out.answer(document, f"PONG from {report.server} in {latency:.2f} ms")
        return OK

    return session.work(task)


@click.command
@on_server
def health(session: Session) -> int:
    """Show how the server is.

    Exit code 1 if it is degraded, such as a replica that takes no writes; 3 if it can't be reached.
    """

    async def task(service: RedisService) -> int:
        report = await service.health_check()
        session.out.record(report.to_dict(), {"latency_ms": "ms"})
        if not report.connected:
            complain(f"{report.detail} ({session.target.source})")
            return NO_ANSWER
        return OK if report.status is HealthStatus.HEALTHY else NO

    return session.work(task, connect=False)


@click.command
@click.option("--exact", is_flag=True, help="Count this prefix key by key; walks the whole database.")
@on_server
def stats(session: Session, exact: bool) -> int:
    """Show how much the cache holds.

    Keys and bytes are those of the whole database, or with --exact those under the prefix. Hits and misses are
    counted in each process of the application: see service.get_stats() there.
    """

    async def task(service: RedisService) -> int:
        found = await service.get_stats(exact=exact)
        info = _info(await service.execute("INFO"))
        limit = int(info.get("maxmemory", "0"))
        document: dict[str, str | float | None] = {
            "scope": "prefix" if exact else "database",
            "key_prefix": service.prefix,
            "key_count": found.key_count,
            "memory_usage": found.memory_usage,
            "max_memory": limit or None,
            "evicted_keys": int(info.get("evicted_keys", "0")),
            "expired_keys": int(info.get("expired_keys", "0")),
        }
        session.out.record(document, {"memory_usage": "bytes", "max_memory": "bytes"})
        return OK

    return session.work(task)


def _info(reply: bytes) -> dict[str, str]:
    """The fields of an INFO reply."""
    lines = (line.partition(":") for line in reply.decode("utf-8", "replace").splitlines())
    return {name: text for name, colon, text in lines if colon}
