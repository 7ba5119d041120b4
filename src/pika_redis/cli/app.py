"""The command `pika-redis`: its parts put together, and every way it can end turned into an exit code.

Built on click rather than on typer: typer 0.29 imports pydantic for every command that has an option, 0.3 s that a
command in a shell loop pays each time, and its exceptions have moved between versions.
"""

from __future__ import annotations

import contextlib
import io
import re
import sys
from collections.abc import Sequence

import click

import pika_redis
from pika_redis import CacheError

from .entries import del_, exists, get, set_
from .failure import INTERRUPTED, OK, UNREAD, USAGE, Failure, failure_of
from .output import Output, Unread, complain
from .removal import delete_pattern, invalidate_tags
from .server import health, ping, stats
from .session import server_options

__all__ = ["run"]

_URL = re.compile(r"://[^\s']*")


class _InOrder(click.Group):
    """Lists its commands in the order in which they are met."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.commands)


@click.group(
    cls=_InOrder,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Exit codes: 0 done, 1 the answer is no, 2 wrong command line or setting, 3 no answer from the server.",
)
@server_options
@click.version_option(pika_redis.__version__, message="pika-redis %(version)s", help="Print the version and exit.")
def app(**_options: object) -> None:
    """Look into a cache on Redis or Valkey, and look after it.

    The server and the key prefix are those of the application whose environment this is (REDIS_URL or REDIS_HOST,
    REDIS_KEY_PREFIX, ...); --url and --prefix say otherwise. New here? Begin with: pika-redis demo

    \b
      pika-redis ping
      pika-redis set greeting "hello world" --ttl 10m --tag words
      pika-redis get greeting
      pika-redis invalidate-tags words
    """


@click.command
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document and nothing else.")
@click.option("--requests", type=click.IntRange(min=1), metavar="N", help="HTTP requests of each round.")
def demo(as_json: bool, requests: int | None) -> int:
    """See what the cache does for a small service on real data.

    Starts a Valkey server and a web service over 28 000 airports, measures it without and with the cache, and stops
    both again. Needs no server; takes under a minute.
    """
    as_json = as_json or click.get_current_context().find_root().params["as_json"]
    try:
        from .demo import run as run_demo

        return run_demo(json=as_json, requests=requests)
    except ModuleNotFoundError as error:
        missing = (error.name or "").partition(".")[0]
        if missing in ("", "pika_redis"):
            raise
        raise Failure(f"the demo needs {missing}: pip install 'pika-redis[demo]'", USAGE) from error
    except CacheError as error:
        raise failure_of(error, "the demo's own server") from error


for _command in (demo, ping, health, stats, get, set_, del_, exists, invalidate_tags, delete_pattern):
    app.add_command(_command)


def run(arguments: Sequence[str]) -> int:
    """Run the command that these words make; gives the exit code."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # what the terminal's encoding lacks
    try:
        code = app.main(list(arguments), prog_name="pika-redis", standalone_mode=False)
    except Failure as failure:
        return _failed(str(failure), failure.code, arguments)
    except click.exceptions.NoArgsIsHelpError as error:
        error.show()
        return USAGE
    except click.ClickException as error:
        return _failed(_usage(error), USAGE, arguments)
    except Unread:
        return UNREAD
    except (click.exceptions.Abort, KeyboardInterrupt):
        return INTERRUPTED
    return code if isinstance(code, int) else OK


def _failed(message: str, code: int, arguments: Sequence[str]) -> int:
    """Say it to people, and to programs that asked for JSON."""
    complain(message)
    options = list(arguments)
    if "--json" in (options[: options.index("--")] if "--" in options else options):
        with contextlib.suppress(Unread, Failure):
            Output(as_json=True).answer({"error": message, "exit_code": code}, "")
    return code


def _usage(error: click.ClickException) -> str:
    """What click complains about, without the URLs that it quotes: a mistyped one may hold a password."""
    message = _URL.sub("://...", error.format_message()).rstrip(".")
    if isinstance(error, click.NoSuchOption) and not error.possibilities:
        message += " (what begins with '-' and is no option is written behind '--')"
    context = error.ctx if isinstance(error, click.UsageError) else None
    path = "pika-redis" if context is None else context.command_path
    return f"{message}; see {path} --help"
