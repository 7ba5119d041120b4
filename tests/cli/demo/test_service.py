"""The example service as the demo runs it: a process of its own that nothing of the user's environment reaches."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from pika_redis.cli.demo.http import Client
from pika_redis.cli.demo.service import serving
from pika_redis.testing import EmbeddedServer

STRANGE = {
    "REDIS_HOST": "nowhere.invalid",
    "REDIS_DB": "no number",
    "REDIS_KEY_PREFIX": "user:",
    "CACHE_ENABLED": "false",
    "CACHE_MAX_VALUE_BYTES": "none",
    "DEFAULT_CACHE_TTL": "soon",
    "MAX_CACHE_KEY_LENGTH": "1",
    "AIRPORTS_CACHE": "off",
    "WEB_CONCURRENCY": "3",
}

pytestmark = [pytest.mark.slow, pytest.mark.ci]


@pytest_asyncio.fixture
async def client(
    valkey_server: EmbeddedServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Client]:
    for name, text in STRANGE.items():
        monkeypatch.setenv(name, text)
    environment = {"REDIS_URL": f"{valkey_server.url}/8", "AIRPORTS_DB": str(tmp_path / "airports.sqlite")}
    async with serving(environment) as client:
        yield client


async def queries(client: Client) -> int:
    count: int = (await client.ask("GET", "/queries"))["queries"]
    return count


async def test_the_users_own_settings_do_not_reach_the_service(client: Client) -> None:
    before = await queries(client)
    for _ in range(5):
        assert (await client.ask("GET", "/search?q=Heathrow"))[0]["icao"] == "EGLL"
    assert await queries(client) == before + 1


async def test_a_change_is_seen_under_every_spelling_of_the_code(client: Client) -> None:
    for spelling in ("egll", "EGLL", "Egll"):
        assert (await client.ask("GET", f"/airports/{spelling}"))["icao"] == "EGLL"
        assert (await client.ask("PUT", f"/airports/EGLL?name={spelling}1"))["name"] == f"{spelling}1"
        assert (await client.ask("GET", f"/airports/{spelling}"))["name"] == f"{spelling}1"
        assert (await client.ask("PUT", f"/airports/{spelling}?name={spelling}2"))["icao"] == "EGLL"
        assert (await client.ask("GET", "/airports/EGLL"))["name"] == f"{spelling}2"


async def test_an_airport_that_is_not_there_can_be_neither_read_nor_changed(client: Client) -> None:
    for method, path in (("GET", "/airports/nope"), ("PUT", "/airports/nope?name=x")):
        with pytest.raises(RuntimeError, match="HTTP 404"):
            await client.ask(method, path)
