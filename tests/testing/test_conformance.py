"""The suite as users meet it: it fails where a service breaks the contract, and says what is missing."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

import pika_redis

BROKEN = """
from typing import Any

from pika_redis import MemoryCacheService
from pika_redis.testing import ConformanceSuite, FakeClock


class Sound(MemoryCacheService): ...


class DeleteLies(MemoryCacheService):
    async def delete(self, key: str) -> bool:
        await super().delete(key)
        return True


class NoneIsAbsent(MemoryCacheService):
    async def get(self, key: str, default: Any = None, **more: Any) -> Any:
        value = await super().get(key, **more)
        return default if value is None else value


class ValuesAreShared(MemoryCacheService):
    async def get(self, key: str, default: Any = None, **more: Any) -> Any:
        self.seen = getattr(self, "seen", {})
        return self.seen.setdefault(key, await super().get(key, default, **more))


class PatternsArePrefixes(MemoryCacheService):
    async def delete_pattern(self, pattern: str) -> int:
        return await super().delete_pattern(pattern.rstrip("*") + "*")


class TagsAreIgnored(MemoryCacheService):
    async def invalidate_tags(self, tags: Any) -> None: ...


class NothingIsShared(MemoryCacheService):
    async def get_or_load(self, key: str, loader: Any, *rest: Any, **options: Any) -> Any:
        return await loader()


class NothingIsLoaded(MemoryCacheService):
    async def get_or_load(self, key: str, loader: Any, *rest: Any, **options: Any) -> Any:
        return None


class Suite(ConformanceSuite):
    service_class: type[MemoryCacheService]
    speed = 1.0

    async def make_service(self) -> MemoryCacheService:
        self.clock = FakeClock()
        return self.service_class(clock=self.clock)

    async def advance(self, seconds: float) -> None:
        self.clock.advance(seconds * self.speed)


for broken in MemoryCacheService.__subclasses__():
    more = {"service_class": broken, "time_limit": 1.0 if broken.__name__ == "NothingIsLoaded" else 60.0}
    globals()[f"Test{broken.__name__}"] = type(f"Test{broken.__name__}", (Suite,), more)


class TestTimeStandsStill(Suite):
    service_class = Sound
    speed = 0.0


class TestSomeTestsDoNotApply(Suite):
    service_class = DeleteLies
    test_delete_tells_whether_there_was_a_value = None


class TestNoServiceIsNamed(ConformanceSuite): ...
"""
TESTS = (
    "test_delete_tells_whether_there_was_a_value",
    "test_none_is_a_value",
    "test_a_reader_cannot_change_what_others_read",
    "test_an_escaped_key_matches_itself_alone",
    "test_a_tag_ends_every_entry_that_carries_it",
    "test_a_thousand_callers_of_a_cold_key_share_one_load",
    "test_a_value_ends_with_its_ttl_and_not_before",
)


@pytest.fixture(scope="module", params=["strict", pytest.param("auto", marks=[pytest.mark.slow, pytest.mark.ci])])
def report(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("mine")
    (folder / "test_mine.py").write_text(BROKEN, "utf-8")
    (folder / "pytest.ini").write_text("[pytest]\nasyncio_default_fixture_loop_scope = function\n", "utf-8")
    words = ["-q", "--tb=short", "-rfE", "-p", "no:cacheprovider", "-p", "no:valkey", f"--asyncio-mode={request.param}"]
    with subprocess.Popen(
        [sys.executable, "-X", "faulthandler", "-m", "pytest", *words, "-k", " or ".join(TESTS), "test_mine.py"],
        cwd=folder,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "CI": "true", "PYTHONPATH": str(Path(pika_redis.__file__).parents[1])},
    ) as process:
        try:
            output, errors = process.communicate(timeout=90)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGABRT)  # and it says where it stands
            pytest.fail("\n".join(process.communicate(timeout=20)))
    assert errors == ""
    return output


def failed(report: str, broken: str) -> set[str]:
    lines = [line for line in report.splitlines() if line.startswith(("FAILED", "ERROR"))]
    return {line.split("::")[2].split()[0] for line in lines if f"::Test{broken}::" in line}


@pytest.mark.parametrize(
    ("broken", "caught"),
    [
        ("DeleteLies", "test_delete_tells_whether_there_was_a_value"),
        ("NoneIsAbsent", "test_none_is_a_value"),
        ("ValuesAreShared", "test_a_reader_cannot_change_what_others_read"),
        ("PatternsArePrefixes", "test_an_escaped_key_matches_itself_alone"),
        ("TagsAreIgnored", "test_a_tag_ends_every_entry_that_carries_it"),
        ("NothingIsShared", "test_a_thousand_callers_of_a_cold_key_share_one_load"),
        ("NothingIsLoaded", "test_a_thousand_callers_of_a_cold_key_share_one_load"),
        ("TimeStandsStill", "test_a_value_ends_with_its_ttl_and_not_before"),
    ],
)
@pytest.mark.slow
@pytest.mark.ci
def test_a_broken_service_is_caught(report: str, broken: str, caught: str) -> None:
    assert caught in failed(report, broken)


def test_a_sound_service_passes(report: str) -> None:
    assert failed(report, "Sound") == set()


def test_a_test_that_does_not_apply_is_left_out(report: str) -> None:
    assert TESTS[0] in failed(report, "DeleteLies")
    assert TESTS[0] not in failed(report, "SomeTestsDoNotApply")


def test_a_suite_without_a_service_says_what_to_override(report: str) -> None:
    assert failed(report, "NoServiceIsNamed") == set(TESTS)
    assert "override make_service()" in report


def test_a_failure_shows_the_values_that_were_compared(report: str) -> None:
    assert "assert True is False" in report
