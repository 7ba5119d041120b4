"""The history checker on a real server: short runs that hold, runs that must fail, processes that die."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from pika_redis import CacheUnavailableError, RedisService, escape_glob
from pika_redis.testing import EmbeddedServer, free_port
from pika_redis.testing.checker import CheckerError, Fleet, Kind, Plan, Tier, check, command, judge

QUICK: dict[str, Any] = {"seconds": 60, "operations": 150, "processes": 2, "tasks": 4, "keys": 20, "seed": 7}


async def test_the_promise_holds_between_processes_and_nothing_is_left_on_the_server(server: EmbeddedServer) -> None:
    plan = Plan(**QUICK, invalidate="tags", url=server.url)
    async with Fleet(plan) as fleet:
        await fleet.run()
        verdict = judge(fleet.history(), plan.tags_of)
        prefix = fleet.prefix
        assert server.url == fleet.url
    assert (verdict.violations, verdict.kinds[Kind.FAILED]) == (0, 0), verdict.examples
    assert verdict.operations >= 1200
    assert verdict.conclusive
    assert verdict.tiers[Tier.SERVER].reads > 100
    assert {Kind.TAG, Kind.SET, Kind.LOAD, Kind.COMMIT} <= set(verdict.kinds)
    assert not {Kind.DELETE, Kind.MARK_STALE} & set(verdict.kinds)
    async with RedisService(server.url) as service:
        assert await service.execute("KEYS", f"{escape_glob(prefix)}*") == []


BROKEN = """
from pika_redis import MISSING, Loaded, RedisService


class TagsAreIgnored(RedisService):
    async def invalidate_tags(self, tags): ...


class NeverForgets(RedisService):
    async def get(self, key, default=None, **more):
        held = self.__dict__.setdefault("held", {})
        if key not in held:
            held[key] = await super().get(key, default, **more)
        return held[key]


class NothingEnds(RedisService):
    async def get_or_load(self, key, loader, ttl=None, **more):
        return await super().get_or_load(key, loader, 600, **more)


class LoadsSideBySide(RedisService):
    async def get_or_load(self, key, loader, ttl=None, **more):
        value = await self.get(key, MISSING)
        if value is MISSING:
            value = await loader()
        return value.value if isinstance(value, Loaded) else value


class KeysAreMixedUp(RedisService):
    async def get(self, key, default=None, **more):
        return await super().get(key[:-1] or key, default, **more)


def tags_are_ignored(url, key_prefix):
    return TagsAreIgnored(url, key_prefix=key_prefix)


def never_forgets(url, key_prefix):
    return NeverForgets(url, key_prefix=key_prefix)


def nothing_ends(url, key_prefix):
    return NothingEnds(url, key_prefix=key_prefix)


def loads_side_by_side(url, key_prefix):
    return LoadsSideBySide(url, key_prefix=key_prefix)


def keys_are_mixed_up(url, key_prefix):
    return KeysAreMixedUp(url, key_prefix=key_prefix)
"""


@pytest.mark.valkey
@pytest.mark.parametrize(
    "broken",
    [
        "tags_are_ignored",
        pytest.param("never_forgets", marks=pytest.mark.slow),
        pytest.param("keys_are_mixed_up", marks=pytest.mark.slow),
    ],
)
async def test_a_broken_service_is_caught(
    broken: str, valkey_server: EmbeddedServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "broken_services.py").write_text(BROKEN, "utf-8")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")]))
    plan = Plan(**QUICK, invalidate="tags", url=valkey_server.url, service=f"broken_services:{broken}")
    assert (await check(plan)).verdict.violations > 0


@pytest.mark.slow
@pytest.mark.ci
@pytest.mark.valkey
async def test_values_that_are_served_past_their_time_and_loads_side_by_side_are_caught(
    valkey_server: EmbeddedServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "broken_services.py").write_text(BROKEN, "utf-8")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")]))
    some = {"operations": 700, "seconds": 60, "processes": 2, "tasks": 4, "keys": 1000}  # as many on a slow machine
    plan: dict[str, Any] = {**some, "url": valkey_server.url}
    names = ("nothing_ends", "loads_side_by_side")
    broken = [await check(Plan(**plan, ttl=0.1, service=f"broken_services:{name}")) for name in names]
    assert broken[0].verdict.violations > 0
    assert broken[0].verdict.examples[0].over_ns > 1_000_000_000
    assert broken[1].verdict.overlaps > 0
    sound = await check(Plan(**plan, ttl=0.1))
    assert (sound.verdict.violations, sound.verdict.overlaps) == (0, 0), sound.to_text()


@pytest.mark.slow
@pytest.mark.ci
@pytest.mark.valkey
async def test_a_killed_process_leaves_its_log_and_the_others_a_verdict(valkey_server: EmbeddedServer) -> None:
    plan = Plan(**QUICK, invalidate="tags", url=valkey_server.url)
    async with Fleet(plan) as fleet:
        running = asyncio.create_task(fleet.run())
        while not any(one.process == 0 for one in fleet.history()):  # noqa: ASYNC110 (a file tells no event)
            await asyncio.sleep(0)
        fleet.kill(0)
        await running
        history = list(fleet.history())
    counts = [sum(one.process == process for one in history) for process in range(2)]
    assert 0 < counts[0] < counts[1]
    assert judge(history, plan.tags_of).violations == 0


@pytest.mark.valkey
async def test_a_process_that_breaks_is_an_error_that_says_why(valkey_server: EmbeddedServer) -> None:
    plan = Plan(**QUICK, url=valkey_server.url, service="no_such_module:make")
    with pytest.raises(CheckerError, match="no_such_module"):
        await check(plan)


async def test_a_server_that_does_not_answer_is_an_error_before_anything_starts() -> None:
    fleet = Fleet(Plan(**QUICK, url=f"redis://127.0.0.1:{free_port()}"))
    with pytest.raises(CacheUnavailableError):
        await fleet.__aenter__()
    assert fleet.pids == []


@pytest.mark.valkey
async def test_leaving_a_fleet_early_ends_its_processes_and_its_server() -> None:
    async with Fleet(Plan(**{**QUICK, "operations": None})) as fleet:
        running = asyncio.create_task(fleet.run())
        await asyncio.sleep(0)
        running.cancel()
        await asyncio.wait([running])
        pids, server = fleet.pids, fleet.server
    assert server is not None
    assert not server.running
    for pid in pids:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


# -- the command ------------------------------------------------------------------------------------------------------

SHORT = ["--operations", "100", "--processes", "2", "--tasks", "4", "--keys", "20", "--seed", "5"]


def run_command(*words: str) -> subprocess.CompletedProcess[str]:
    line = [sys.executable, "-X", "dev", "-W", "error", "-m", "pika_redis.testing.checker", *words]
    return subprocess.run(line, capture_output=True, text=True, timeout=100, check=False)


@pytest.mark.valkey
def test_the_command_exits_with_0_when_the_promise_held() -> None:
    ran = run_command(*SHORT, "--invalidate", "tags")
    assert (ran.returncode, ran.stderr) == (0, "")
    assert "2 processes of 4 tasks, 20 keys, invalidation by tags, seed 5" in ran.stdout
    assert "violations 0: the promise held" in ran.stdout


@pytest.mark.valkey
def test_the_naive_control_fails_the_same_checker_with_1(valkey_server: EmbeddedServer) -> None:
    ran = run_command(*SHORT, "--control", "--json", "--url", valkey_server.url)
    assert (ran.returncode, ran.stderr) == (1, "")
    figures = json.loads(ran.stdout)
    assert (figures["held"], figures["control"], figures["seed"]) == (False, True, 5)
    assert figures["violations"] > 0
    assert figures["outdated"] > 0
    assert 0 < figures["tiers"]["server"]["violations"] <= figures["violations"]  # copies may show what is stored
    assert all(figures["kinds"][kind] for kind in ("tag", "delete", "mark_stale", "set"))
    assert len(figures["examples"]) > 1
    assert len(figures["trace"]) >= 3


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--seconds", "soon"], "invalid float value"),
        (["--seconds", "0"], "seconds must be from"),
        (["--invalidate", "all"], "invalid choice"),
        (["--url", "memory://"], "several processes"),
        (["--url", "gopher://nowhere"], "must begin with one of redis://"),
    ],
)
def test_the_command_exits_with_2_for_a_wrong_command_line(
    words: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    try:
        code = command.main(words)
    except SystemExit as ended:
        code = int(str(ended.code))
    assert code == 2
    assert said in capsys.readouterr().err


def test_the_command_exits_with_3_without_a_server(capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main(["--url", f"redis://127.0.0.1:{free_port()}", "--json"]) == 3
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err.startswith("checker: ")


@pytest.mark.valkey
def test_an_interrupt_ends_everything_and_says_nothing() -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "pika_redis.testing.checker", "--processes", "2"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with process:
        assert process.stdout is not None
        assert process.stdout.readline().startswith("checking pika-redis on valkey ")
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=60)
    assert (process.returncode, errors) == (130, "")


ORPHANS = """
import asyncio, signal
from pika_redis.testing.checker import Fleet, Plan

async def main():
    async with Fleet(Plan(processes=2)) as fleet:
        running = asyncio.create_task(fleet.run())
        await asyncio.sleep(0)
        print(fleet._folder, *fleet.pids, flush=True)
        await running

asyncio.run(main())
"""


@pytest.mark.valkey
@pytest.mark.skipif(not hasattr(os, "pidfd_open"), reason="needs Linux")
def test_workers_end_with_their_parent_however_hard_it_dies() -> None:
    process = subprocess.Popen([sys.executable, "-c", ORPHANS], stdout=subprocess.PIPE, text=True)
    with process:
        assert process.stdout is not None
        folder, *pids = process.stdout.readline().split()
        watched = [os.pidfd_open(int(pid)) for pid in pids]
        process.kill()
    assert len(watched) == 2
    for one in watched:
        asyncio.run(asyncio.wait_for(_end_of(one), 30))
        os.close(one)
    assert not Path(folder).exists()


async def _end_of(watched: int) -> None:
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_reader(watched, ended.set)
    try:
        await ended.wait()
    finally:
        loop.remove_reader(watched)


# -- the long run -----------------------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.timeout(180)
async def test_the_promise_holds_for_a_minute_between_four_processes(
    server: EmbeddedServer, capsys: pytest.CaptureFixture[str]
) -> None:
    report = await check(Plan(seconds=60, invalidate="both", uvloop=True, url=server.url))
    with capsys.disabled():
        sys.stdout.write(f"\n{report.to_text()}\n")
    assert report.verdict.violations == 0, report.to_text()
    assert report.verdict.operations > 20_000
    assert report.verdict.overlaps == 0, report.to_text()
    assert {Tier.SERVER, Tier.LOADED, Tier.JOINED, Tier.L1, Tier.STRICT} == set(report.verdict.tiers)


@pytest.mark.slow
@pytest.mark.timeout(180)
async def test_the_promise_holds_where_entries_end_are_served_stale_refreshed_and_loads_fail(
    server: EmbeddedServer, capsys: pytest.CaptureFixture[str]
) -> None:
    plan = Plan(seconds=30, ttl=0.3, stale=0.2, refresh_ahead=0.1, fail_rate=0.05, url=server.url)
    report = await check(plan)
    with capsys.disabled():
        sys.stdout.write(f"\n{report.to_text()}\n")
    assert report.verdict.violations == 0, report.to_text()
    assert report.verdict.kinds[Kind.FAILED] > 50
