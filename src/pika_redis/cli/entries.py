"""Commands on single entries: get, set, del, exists."""

from __future__ import annotations

import json
import math
import sys
from typing import NoReturn

import click

from pika_redis import CacheServerError, RedisService

from .failure import NO, OK, USAGE, Failure
from .session import Session, on_server

__all__ = ["del_", "exists", "get", "set_"]


@click.command
@click.argument("key")
@on_server
def get(session: Session, key: str) -> int:
    """Print the value of KEY.

    Text is printed as it is, numbers, lists and objects as JSON, anything else as Python writes it. Exit code 1 if
    there is no value.
    """

    async def task(service: RedisService) -> int:
        value, ttl = await service.get_with_ttl(key)
        if ttl is not None:
            session.out.value(key, value, ttl)
            return OK
        reason, words = await _why_missing(service, key)
        session.out.no({"key": key, "found": False, "reason": reason}, f"{key!r} {words}")
        return NO

    return session.work(task)


@click.command("set")
@click.argument("key")
@click.argument("value")
@click.option(
    "--ttl",
    metavar="TIME",
    help="Time to live: seconds, or 500ms, 10m, 2h, 7d, inf.  [default: DEFAULT_CACHE_TTL, or 3600]",
)
@click.option("--tag", "tags", metavar="TAG", multiple=True, help="A tag to end it by; may be given several times.")
@click.option("--json-value", is_flag=True, help="VALUE is JSON: store the data it stands for.")
@on_server
def set_(session: Session, *, key: str, value: str, ttl: str | None, tags: tuple[str, ...], json_value: bool) -> int:
    """Store VALUE under KEY.

    VALUE is text, unless --json-value is given; '-' reads it from standard input, without the last line's end. A
    VALUE that begins with '-' is written behind '--': set KEY -- -5
    """
    text = _standard_input() if value == "-" else _checked(value)
    data = _parsed(text) if json_value else text

    async def task(service: RedisService) -> int:
        await service.set(key, data, _life(ttl), tags=tags)
        life = service.options.ttl if ttl is None else _life(ttl)
        words = "without expiry" if life == math.inf else f"for {life if isinstance(life, str) else f'{life:g} s'}"
        session.out.answer({"key": key, "stored": True, "tags": list(tags)}, f"stored {key} {words}")
        return OK

    return session.work(task)


@click.command("del")
@click.argument("keys", metavar="KEY...", nargs=-1, required=True)
@on_server
def del_(session: Session, keys: tuple[str, ...]) -> int:
    """Remove one or more KEYs.

    Exit code 1 if none of them was there.
    """

    async def task(service: RedisService) -> int:
        gone = await service.delete_many(keys)
        session.out.answer({"keys": list(keys), "deleted": gone}, f"deleted {gone} of {len(keys)}")
        return OK if gone else NO

    return session.work(task)


@click.command
@click.argument("key")
@on_server
def exists(session: Session, key: str) -> int:
    """Say whether KEY has a value.

    Exit code 1 if not.
    """

    async def task(service: RedisService) -> int:
        there = await service.exists(key)
        session.out.answer({"key": key, "exists": there}, "yes" if there else "no")
        return OK if there else NO

    return session.work(task)


async def _why_missing(service: RedisService, key: str) -> tuple[str, str]:
    """Why `get` found no value, for programs and for people: the key may exist all the same."""
    try:
        if (await service.get_stats()).undecodable:
            what = "what this command can't decode: a class of the application, or foreign bytes"
            return "undecodable", f"exists, but holds {what}"
        kind = (await service.execute("TYPE", service.name_of(key))).decode()
    except CacheServerError:  # no right to ask
        return "absent", "is absent"
    if kind in ("none", "string"):
        return "absent", "is absent"
    return "foreign", f"exists, but is a {kind} of another program"


def _life(ttl: str | None) -> float | str | None:
    """A ttl as typed: a bare number is seconds."""
    if ttl is None:
        return None
    try:
        return float(ttl)
    except ValueError:
        return ttl


def _standard_input() -> str:
    if sys.stdin is None:
        raise Failure("VALUE is '-', but standard input is closed", USAGE)
    try:
        return sys.stdin.buffer.read().decode().removesuffix("\n")
    except UnicodeDecodeError:
        raise Failure("standard input must be UTF-8 text", USAGE) from None


def _checked(value: str) -> str:
    try:
        value.encode()
    except UnicodeEncodeError:
        raise Failure("VALUE must be UTF-8 text", USAGE) from None
    return value


def _parsed(text: str) -> object:
    try:
        parsed: object = json.loads(text, parse_constant=_refuse)
    except (ValueError, RecursionError) as error:
        raise Failure(f"VALUE is no JSON: {error}", USAGE) from None
    return parsed


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} has no place in JSON")
