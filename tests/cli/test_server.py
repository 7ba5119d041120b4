from __future__ import annotations

import json

import pytest

from pika_redis.testing.server import EmbeddedServer

from .command import Command, called, raw


def test_a_ping_is_answered(command: Command) -> None:
    pong = command("ping")
    assert (pong.code, pong.err) == (0, "")
    assert pong.out.startswith("PONG from valkey ")
    document = command("ping", "--json").document
    assert document["ok"] is True
    assert document["server"].startswith("valkey ")
    assert document["latency_ms"] >= 0


def test_a_healthy_server_is_reported(command: Command) -> None:
    report = command("health", "--json")
    assert report.code == 0
    document = report.document
    assert (document["status"], document["connected"], document["role"]) == ("healthy", True, "master")
    shown = dict(line.split(None, 1) for line in command("health").out.splitlines())
    assert shown["status"] == "healthy"
    assert shown["connected"] == "yes"
    assert shown["latency"].endswith(" ms")


def test_a_replica_is_degraded(command: Command) -> None:
    with EmbeddedServer.start() as replica:
        raw(replica.url, "REPLICAOF", command.server.host, str(command.server.port))
        report = called("health", "--json", environment={"REDIS_URL": replica.url})
    assert (report.code, report.err) == (1, "")
    assert (report.document["status"], report.document["role"]) == ("degraded", "replica")


def test_an_unreachable_server_is_reported_and_said(closed_port: int) -> None:
    environment = {"REDIS_URL": f"redis://:sesame@localhost:{closed_port}"}
    report = called("health", "--json", environment=environment)
    assert report.code == 3
    assert (report.document["status"], report.document["latency_ms"]) == ("unhealthy", None)
    assert f"localhost:{closed_port}" in report.complaint
    shown = called("health", environment=environment)
    assert shown.out.splitlines()[3].split() == ["latency", "-"]
    assert "sesame" not in report.out + report.err + shown.out + shown.err


def test_stats_count_the_database_and_with_exact_the_prefix(command: Command) -> None:
    for key in ("a", "b"):
        command("set", key, "x" * 1000)
    command("set", "elsewhere", "x", "--prefix", f"{command.prefix}other:")
    exact = command("stats", "--exact", "--json").document
    assert (exact["scope"], exact["key_prefix"]) == ("prefix", command.prefix)
    assert exact["key_count"] == 4  # the other prefix, with its epoch, lies below ours
    assert 2000 < exact["memory_usage"] < 10_000
    below = command("stats", "--exact", "--json", "--prefix", f"{command.prefix}other:").document
    assert below["key_count"] == 1
    whole = command("stats", "--json").document
    assert whole["scope"] == "database"
    assert whole["key_count"] >= 4
    assert whole["memory_usage"] > 100_000
    assert whole["max_memory"] is None
    assert whole["evicted_keys"] == 0
    assert whole["expired_keys"] >= 0


@pytest.mark.valkey
def test_stats_show_the_limit_of_the_memory() -> None:
    with EmbeddedServer.start(config={"maxmemory": "64mb"}) as server:
        shown = called("stats", "--json", environment={"REDIS_URL": server.url})
    assert shown.document["max_memory"] == 64 * 1024 * 1024


def test_stats_for_people_name_their_units(command: Command) -> None:
    lines = command("stats").out.splitlines()
    shown = {line[:14].strip(): line[14:].strip() for line in lines}
    assert shown["scope"] == "database"
    assert shown["key prefix"] == command.prefix
    assert shown["memory usage"].endswith(" bytes")
    assert shown["max memory"] == "-"


def test_a_user_without_the_right_is_denied(command: Command) -> None:
    user = command.prefix.replace(":", "")
    command.raw("ACL", "SETUSER", user, "on", ">pw", "~*", "+@all", "-info", "-client|kill")
    try:
        url = command.server.url.replace("redis://", f"redis://{user}:pw@")
        denied = command("stats", "--url", url, "--json")
        assert denied.code == 3
        assert denied.complaint.startswith("access denied: ")
        assert json.loads(denied.out)["exit_code"] == 3
    finally:
        command.raw("ACL", "DELUSER", user)


@pytest.mark.parametrize("verb", ["ping", "health", "stats"])
def test_no_argument_is_taken(command: Command, verb: str) -> None:
    refused = command(verb, "surplus")
    assert refused.code == 2
    assert "surplus" in refused.complaint
