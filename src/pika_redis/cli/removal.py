"""Commands that end many entries at once: invalidate-tags, delete-pattern."""

from __future__ import annotations

import sys

import click

from pika_redis import RedisService

from .failure import NO, OK, USAGE, Failure
from .output import agreed
from .session import Session, on_server

__all__ = ["delete_pattern", "invalidate_tags"]


@click.command("invalidate-tags")
@click.argument("tags", metavar="TAG...", nargs=-1, required=True)
@on_server
def invalidate_tags(session: Session, tags: tuple[str, ...]) -> int:
    """End every entry that carries one of the TAGs.

    Takes the same time however many entries they are.
    """

    async def task(service: RedisService) -> int:
        await service.invalidate_tags(tags)
        session.out.answer({"invalidated": list(tags)}, f"invalidated {', '.join(tags)}")
        return OK

    return session.work(task)


@click.command("delete-pattern")
@click.argument("pattern")
@click.option("--yes", "-y", is_flag=True, help="Delete without asking.")
@click.option("--dry-run", is_flag=True, help="Count the keys and delete nothing.")
@on_server
def delete_pattern(session: Session, pattern: str, yes: bool, dry_run: bool) -> int:
    """Remove the keys that match PATTERN; asks first.

    PATTERN is a Redis glob behind the prefix, quoted for the shell: 'session:*', 'user:?', 'page:[a-c]*'. The
    question shows how many keys match; exit code 1 if it is answered no.
    """
    if not yes and not dry_run and not (sys.stdin is not None and sys.stdin.isatty()):
        raise Failure("there is no terminal to ask on: --yes deletes without asking, --dry-run only counts", USAGE)

    async def count(service: RedisService) -> int:
        return await service.count_pattern(pattern)

    async def remove(service: RedisService) -> int:
        return await service.delete_pattern(pattern)

    if yes and not dry_run:
        return _deleted(session, pattern, session.work(remove))
    matching = session.work(count)
    document = {"pattern": pattern, "matching": matching, "deleted": 0}
    if dry_run:
        session.out.answer(document, f"{_keys(matching)} would be deleted")
        return OK
    if matching and not _agreed(session, pattern, matching):
        session.out.no(document, "nothing deleted")
        return NO
    return _deleted(session, pattern, session.work(remove) if matching else 0)


def _deleted(session: Session, pattern: str, number: int) -> int:
    session.out.answer({"pattern": pattern, "deleted": number}, f"deleted {_keys(number)}")
    return OK


def _agreed(session: Session, pattern: str, matching: int) -> bool:
    config = session.target.config()
    prefix = f"the prefix {config.key_prefix!r}" if config.key_prefix else "no prefix: the whole database"
    return agreed(f"{_keys(matching)} match {pattern!r} under {prefix}, on {config.address}", "Delete?")


def _keys(number: int) -> str:
    return f"{number:,} key" if number == 1 else f"{number:,} keys"
