from __future__ import annotations

import asyncio
import datetime as dt
import enum
import json
import math
import uuid
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pika_redis import RedisService
from pika_redis.testing.server import EmbeddedServer

from .command import Command


class Colour(enum.Enum):
    RED = 1


def store(command: Command, key: str, value: object, ttl: float = 60) -> None:
    async def task() -> None:
        async with RedisService(command.server.url, key_prefix=command.prefix) as service:
            await service.set(key, value, ttl)

    asyncio.run(task())


def load(command: Command, key: str) -> object:
    async def task() -> object:
        async with RedisService(command.server.url, key_prefix=command.prefix) as service:
            return await service.get(key)

    return asyncio.run(task())


def ttl_of(command: Command, key: str) -> int:
    left: int = command.raw("TTL", command.prefix + key)
    return left


def test_the_life_of_an_entry(command: Command) -> None:
    assert command("exists", "greeting").code == 1
    stored = command("set", "greeting", "hello world")
    assert (stored.code, stored.out, stored.err) == (0, "stored greeting for 3600 s\n", "")
    got = command("get", "greeting")
    assert (got.code, got.out, got.err) == (0, "hello world\n", "")
    there = command("exists", "greeting")
    assert (there.code, there.out) == (0, "yes\n")
    gone = command("del", "greeting")
    assert (gone.code, gone.out) == (0, "deleted 1 of 1\n")
    absent = command("exists", "greeting")
    assert (absent.code, absent.out) == (1, "no\n")
    missed = command("get", "greeting")
    assert (missed.code, missed.out, missed.complaint) == (1, "", "'greeting' is absent")


def test_the_life_of_an_entry_in_json(command: Command) -> None:
    assert command("set", "k", "v", "--tag", "a", "--tag", "b", "--json").document == {
        "key": "k",
        "stored": True,
        "tags": ["a", "b"],
    }
    got = command("get", "k", "--json").document
    assert 3000 < got.pop("ttl") <= 3600
    assert got == {"key": "k", "found": True, "type": "str", "value": "v"}
    assert command("exists", "k", "--json").document == {"key": "k", "exists": True}
    assert command("del", "k", "other", "--json").document == {"keys": ["k", "other"], "deleted": 1}
    missed = command("get", "k", "--json")
    assert (missed.code, missed.err) == (1, "")
    assert missed.document == {"key": "k", "found": False, "reason": "absent"}
    absent = command("exists", "k", "--json")
    assert (absent.code, absent.document) == (1, {"key": "k", "exists": False})
    nothing = command("del", "k", "--json")
    assert (nothing.code, nothing.document) == (1, {"keys": ["k"], "deleted": 0})


def test_several_keys_are_deleted_and_counted(command: Command) -> None:
    for key in ("a", "b", "c"):
        command("set", key, "x")
    gone = command("del", "a", "b", "nobody")
    assert (gone.code, gone.out) == (0, "deleted 2 of 3\n")
    assert load(command, "c") == "x"


@pytest.mark.parametrize(
    ("ttl", "seconds", "words"),
    [("90", 90, "for 90 s"), ("10m", 600, "for 10m"), ("1h30m", 5400, "for 1h30m"), ("inf", -1, "without expiry")],
)
def test_a_ttl_is_seconds_or_has_a_unit(command: Command, ttl: str, seconds: int, words: str) -> None:
    assert command("set", "k", "v", "--ttl", ttl).out == f"stored k {words}\n"
    assert seconds - 5 <= ttl_of(command, "k") <= seconds


def test_no_expiry_is_a_null_ttl_in_json(command: Command) -> None:
    store(command, "k", "v", math.inf)
    assert command("get", "k", "--json").document["ttl"] is None


@pytest.mark.parametrize("ttl", ["0", "-5", "nan", "soon", "", "1e400x", "10 parsecs"])
def test_a_bad_ttl_is_refused_and_nothing_is_stored(command: Command, ttl: str) -> None:
    refused = command("set", "k", "v", "--ttl", ttl)
    assert (refused.code, refused.out) == (2, "")
    assert "ttl" in refused.complaint
    assert "math" not in refused.complaint
    assert command("exists", "k").code == 1


@pytest.mark.parametrize("words", [("get", ""), ("exists", "#t:x"), ("del", "k", "#e"), ("set", "", "v")])
def test_a_bad_key_is_refused(command: Command, words: tuple[str, ...]) -> None:
    refused = command(*words)
    assert (refused.code, refused.out) == (2, "")
    assert "key must not" in refused.complaint


def test_a_bad_tag_is_refused(command: Command) -> None:
    refused = command("set", "k", "v", "--tag", "")
    assert refused.code == 2
    assert "tag must" in refused.complaint


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("5", 5),
        ("null", None),
        ("true", True),
        ("1.5", 1.5),
        ('"text"', "text"),
        ('{"a": [1, {"b": null}], "é": "ü"}', {"a": [1, {"b": None}], "é": "ü"}),
    ],
)
def test_a_json_value_is_stored_as_data_and_read_back_as_json(command: Command, text: str, value: object) -> None:
    assert command("set", "k", text, "--json-value").code == 0
    stored = load(command, "k")
    assert stored == value
    assert type(stored) is type(value)
    shown = command("get", "k").out
    assert shown == "text\n" if value == "text" else json.loads(shown) == value
    assert command("get", "k", "--json").document["value"] == value


@pytest.mark.parametrize("text", ["{", "", "NaN", "[-Infinity]", "{'a': 1}", "[" * 100_000, "1" * 5000])
def test_what_is_no_json_is_refused(command: Command, text: str) -> None:
    refused = command("set", "k", "--json-value", "--", text)
    assert (refused.code, refused.out) == (2, "")
    assert refused.complaint.startswith("VALUE is no JSON: ")


def test_json_that_is_nested_too_deeply_is_refused(command: Command) -> None:
    refused = command("set", "k", "[" * 5000 + "]" * 5000, "--json-value")
    assert (refused.code, refused.out) == (2, "")
    assert "depth" in refused.complaint or "deep" in refused.complaint


@pytest.mark.parametrize("text", ["5", "null", "[red]bold[/red] :smile:", "a\tb\nc", "  x  ", "-"])
def test_a_plain_value_is_text_and_printed_as_it_is(command: Command, text: str) -> None:
    if text == "-":
        command("set", "k", "-", stdin=b"-")
    else:
        command("set", "k", text)
    assert load(command, "k") == text
    assert command("get", "k").out == f"{text}\n"


@given(text=st.text(st.characters(exclude_categories=["Cs"])), is_json=st.booleans())
def test_set_from_standard_input_and_get_are_inverse(valkey_server: EmbeddedServer, text: str, is_json: bool) -> None:
    command = Command(valkey_server, "test:cli-inverse:")
    source = json.dumps(text) if is_json else text
    words = ("set", "k", "-", *(["--json-value"] if is_json else []))
    assert command(*words, stdin=source.encode()).code == 0 or source.endswith("\n")
    shown = command("get", "k").out
    assert shown == text.removesuffix("\n") + "\n" if not is_json else shown == f"{text}\n"
    assert command("set", "k", "-", stdin=shown.encode()).code == 0
    assert command("get", "k").out == shown


def test_standard_input_that_is_no_text_is_refused(command: Command) -> None:
    refused = command("set", "k", "-", stdin=b"\xff\xfe")
    assert (refused.code, refused.complaint) == (2, "standard input must be UTF-8 text")
    assert command("set", "k", "-").complaint == "VALUE is '-', but standard input is closed"
    assert command("exists", "k").code == 1


def test_words_of_the_command_line_that_are_no_text_are_refused(command: Command) -> None:
    assert command("set", "k", "\udcff").complaint == "VALUE must be UTF-8 text"
    refused = command("get", "\udcff")
    assert refused.code == 2
    assert "UTF-8" in refused.complaint


@pytest.mark.parametrize(
    ("value", "shown", "as_json", "kind"),
    [
        ((1, "a"), "(1, 'a')", [1, "a"], "tuple"),
        (b"\x00\xff", "b'\\x00\\xff'", "AP8=", "bytes"),
        ({1: "one"}, "{1: 'one'}", {"1": "one"}, "dict"),
        (math.inf, "inf", "inf", "float"),
        (Decimal("1.10"), "Decimal('1.10')", "1.10", "Decimal"),
        (dt.date(2026, 11, 22), "datetime.date(2026, 11, 22)", "2026-11-22", "date"),
        (uuid.UUID(int=5), f"UUID('{uuid.UUID(int=5)}')", str(uuid.UUID(int=5)), "UUID"),
    ],
)
def test_what_json_does_not_have_is_shown_as_python_writes_it(
    command: Command, value: object, shown: str, as_json: object, kind: str
) -> None:
    store(command, "k", value)
    assert command("get", "k").out == f"{shown}\n"
    document = command("get", "k", "--json").document
    assert (document["value"], document["type"]) == (as_json, kind)


def test_a_cached_none_is_a_value(command: Command) -> None:
    store(command, "k", None)
    got = command("get", "k")
    assert (got.code, got.out) == (0, "null\n")
    assert command("exists", "k").code == 0


def test_an_integer_of_any_size_is_shown(command: Command) -> None:
    store(command, "k", [10**5000])
    assert command("get", "k").code == 0
    assert command("get", "k", "--json").document["value"] == [hex(10**5000)]


def test_a_value_of_a_class_that_the_command_does_not_know_is_told_from_an_absent_key(command: Command) -> None:
    store(command, "k", [Colour.RED])
    missed = command("get", "k")
    assert (missed.code, missed.out) == (1, "")
    assert missed.complaint.startswith("'k' exists, but holds what this command can't decode")
    assert command("get", "k", "--json").document == {"key": "k", "found": False, "reason": "undecodable"}
    judged = command("exists", "k")
    assert (judged.code, judged.out) == (1, "no\n")
    assert command("del", "k").out == "deleted 1 of 1\n"


def test_keys_of_other_programs_are_told_from_absent_ones(command: Command) -> None:
    command.raw("SET", f"{command.prefix}foreign", b"\x80not ours")
    command.raw("RPUSH", f"{command.prefix}list", "x")
    assert command("get", "foreign", "--json").document["reason"] == "undecodable"
    missed = command("get", "list")
    assert (missed.code, missed.complaint) == (1, "'list' exists, but is a list of another program")
    assert command("get", "list", "--json").document["reason"] == "foreign"


def test_a_user_without_the_right_to_look_closer_is_told_that_the_key_is_absent(command: Command) -> None:
    user = command.prefix.replace(":", "")
    command.raw("ACL", "SETUSER", user, "on", ">pw", "~*", "+@all", "-info", "-type")
    try:
        url = command.server.url.replace("redis://", f"redis://{user}:pw@")
        missed = command("get", "k", "--url", url)
        assert (missed.code, missed.complaint) == (1, "'k' is absent")
    finally:
        command.raw("ACL", "DELUSER", user)
