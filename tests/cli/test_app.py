from __future__ import annotations

import contextlib
import io
import json
import os
from unittest import mock

import pytest
from hypothesis import given
from hypothesis import strategies as st

import pika_redis
from pika_redis.cli.app import run

from .command import Command, called, environment_with

VERBS = ["demo", "ping", "health", "stats", "get", "set", "del", "exists", "invalidate-tags", "delete-pattern"]
NOWHERE = {"REDIS_URL": "memory://"}


def test_the_version() -> None:
    shown = called("--version", environment=NOWHERE)
    assert (shown.code, shown.out) == (0, f"pika-redis {pika_redis.__version__}\n")


@pytest.mark.parametrize("flag", ["--help", "-h"])
def test_help_lists_the_commands_in_the_order_in_which_they_are_met(flag: str) -> None:
    shown = called(flag, environment=NOWHERE)
    assert shown.code == 0
    listed = [
        line.split()[0]
        for line in shown.out.split("Commands:")[1].splitlines()
        if line.startswith("  ") and line.strip()
    ]
    assert listed[: len(VERBS)] == VERBS
    assert "..." not in shown.out.split("Commands:")[1]  # every summary fits


@pytest.mark.parametrize("verb", VERBS)
def test_every_command_explains_itself(verb: str) -> None:
    shown = called(verb, "--help", environment=NOWHERE)
    assert (shown.code, shown.err) == (0, "")
    assert shown.out.startswith(f"Usage: pika-redis {verb} [OPTIONS]")
    assert "--json" in shown.out
    assert ("--url" in shown.out) == (verb != "demo")
    for line in shown.out.split("Options:")[1].splitlines():
        if line.lstrip().startswith("--"):
            assert len(line.split("  ")) > 1, f"no help in {line!r}"


def test_without_a_word_it_shows_the_help_as_a_usage_error() -> None:
    shown = called(environment=NOWHERE)
    assert (shown.code, shown.out) == (2, "")
    assert shown.err.startswith("Usage: pika-redis")


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["pong"], "No such command 'pong'"),
        (["get"], "Missing argument 'KEY'"),
        (["del"], "Missing argument 'KEY...'"),
        (["get", "a", "b"], "Got unexpected extra argument"),
        (["get", "a", "--ulr", "x"], "--ulr"),
        (["set", "k", "-5"], "is written behind '--'"),
        (["set", "k", "v", "--ttl"], "--ttl"),
        (["ping", "--url"], "--url"),
        (["demo", "--requests", "0"], "--requests"),
    ],
)
def test_a_wrong_command_line_is_one_line_and_code_2(words: list[str], complaint: str) -> None:
    refused = called(*words, environment=NOWHERE)
    assert (refused.code, refused.out) == (2, "")
    assert complaint in refused.complaint
    assert refused.complaint.endswith("--help")


@pytest.mark.parametrize(
    "words",
    [
        ["redis://:sesame@host", "ping"],
        ["get", "k", "redis://ann:sesame@host"],
        ["ping", "redis://ann:sesame@host/0"],
        ["--ulr=redis://:sesame@host", "ping"],
        ["demo", "--requests", "redis://:sesame@host"],
    ],
)
def test_a_url_in_the_wrong_place_is_not_shown(words: list[str]) -> None:
    refused = called(*words, environment=NOWHERE)
    assert refused.code == 2
    assert "sesame" not in refused.complaint


def test_a_failure_is_a_document_where_json_was_asked_for() -> None:
    refused = called("ping", "--json", environment=NOWHERE)
    assert refused.code == 2
    assert refused.document == {"error": refused.complaint, "exit_code": 2}
    assert called("--json", "nonsense", environment=NOWHERE).document["exit_code"] == 2
    assert called("get", "--", "--json", environment=NOWHERE).out == ""


def test_the_common_options_stand_before_the_command_or_behind_it(command: Command) -> None:
    prefix = f"{command.prefix}p:"
    command("set", "k", "v", "--prefix", prefix)
    before = called("--url", command.server.url, "--prefix", prefix, "--json", "get", "k", environment=NOWHERE)
    behind = called("get", "k", "--url", command.server.url, "--prefix", prefix, "--json", environment=NOWHERE)
    assert (before.document["value"], behind.document["value"]) == ("v", "v")
    nearer = called(
        "--url", "redis://nowhere:1", "get", "k", "--url", command.server.url, "--prefix", prefix, environment={}
    )
    assert nearer.out == "v\n"


words = st.sampled_from(
    [*VERBS[1:], "--url", "--prefix", "--json", "--ttl", "--tag", "--json-value", "--exact", "--yes", "-"]
)
words |= st.sampled_from(
    ["--", "--dry-run", "--version", "--help", "-y", "-x", "redis://:sesame@h:x/y", "memory://", "10m", "-1"]
)
words |= st.text(max_size=8)


@given(arguments=st.lists(words, max_size=6))
def test_no_command_line_brings_a_traceback_or_two_documents(arguments: list[str]) -> None:
    out, err = io.StringIO(), io.StringIO()
    environment = environment_with({"REDIS_URL": "unix:///nowhere/at/all"})
    with (
        mock.patch.dict(os.environ, environment, clear=True),
        mock.patch("sys.stdin", None),
        mock.patch("asyncio.events.AbstractEventLoop.getaddrinfo", side_effect=OSError("no look-ups here")),
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
    ):
        code = run(arguments)
    assert code in (0, 2, 3)
    assert "Traceback" not in err.getvalue()
    assert "sesame" not in err.getvalue()
    before = arguments[: arguments.index("--")] if "--" in arguments else arguments
    if code and "--json" in before and arguments:
        assert json.loads(out.getvalue())
