"""The command's page in the reference says what the command does."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

from pika_redis.cli import failure
from pika_redis.cli.app import app

from .command import Command

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "reference" / "cli.md").read_text("utf-8")
CONSOLE = re.compile(r"^```console\n(.*?)^```", re.MULTILINE | re.DOTALL)
TTL = re.compile(r'"ttl": [0-9.]+')


def test_the_examples_print_what_the_page_shows(command: Command) -> None:
    shown = "".join(CONSOLE.findall(PAGE))
    printed = ""
    for line in re.findall(r"^\$ (.*)$", shown, re.MULTILINE):
        program, *words = shlex.split(line)
        assert program == "pika-redis"
        printed += f"$ {line}\n{command(*words).out}"
    assert TTL.sub('"ttl": 1', printed) == TTL.sub('"ttl": 1', shown)
    assert printed.count("$ ") > 5


def test_every_command_option_and_exit_code_is_on_the_page() -> None:
    listed = re.findall(r"^\| `([a-z-]+)[^|]*\|", PAGE, re.MULTILINE)
    assert set(app.commands) <= set(listed)
    options = {option for verb in app.commands.values() for part in verb.params for option in part.opts}
    missing = [option for option in sorted(options) if option.startswith("--") and option not in PAGE]
    assert missing == ["--help"] or missing == []
    codes = [getattr(failure, name) for name in failure.__all__ if name.isupper()]
    assert [code for code in codes if f"\n| {code} |" not in PAGE] == []
