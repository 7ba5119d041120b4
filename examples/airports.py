"""A small FastAPI service over a real data set, cached with pika-redis. Copy it and make it yours.

Data: about 28 000 airports of the `airportsdata` package, in SQLite. Run it with::

    uvicorn examples.airports:app

REDIS_URL names the server; without it a real Valkey is started for the process. AIRPORTS_CACHE=off serves the same
routes without a cache, which is how the demo compares the two.
"""

from __future__ import annotations

import asyncio
import os
import sqlite3
import tempfile
import threading
from pathlib import Path
from typing import Any

import airportsdata
from fastapi import FastAPI, HTTPException

from pika_redis import MemoryCacheService, NullService, RedisService, cache
from pika_redis.integrations.fastapi import CacheDep, install_cache

COLUMNS = ("icao", "iata", "name", "city", "country", "lat", "lon", "elevation")
Row = dict[str, Any]


class Database:
    """SQLite, with a connection for each thread, and a count of the queries it ran."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.queries = 0
        self._local = threading.local()
        self._lock = threading.Lock()
        if not path.exists():
            self._fill()

    def _fill(self) -> None:
        part = self.path.with_name(f"{self.path.name}.{os.getpid()}")
        with sqlite3.connect(part) as filling:
            filling.execute(
                "CREATE TABLE airports (icao TEXT PRIMARY KEY, iata TEXT, name TEXT, city TEXT, country TEXT,"
                " lat REAL, lon REAL, elevation REAL)"
            )
            rows = airportsdata.load("ICAO").values()
            filling.executemany(
                "INSERT INTO airports VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                [tuple(dict(row)[name] for name in COLUMNS) for row in rows],
            )
        filling.close()
        part.replace(self.path)

    def _run(self, sql: str, values: tuple[Any, ...]) -> list[Row]:
        connection = getattr(self._local, "connection", None)
        if connection is None:
            connection = self._local.connection = sqlite3.connect(self.path)
        with self._lock:
            self.queries += 1
        with connection:
            return [dict(zip(COLUMNS, row, strict=True)) for row in connection.execute(sql, values).fetchall()]

    async def query(self, sql: str, *values: Any) -> list[Row]:
        """Run a statement in a worker thread: SQLite blocks."""
        return await asyncio.to_thread(self._run, sql, values)


def make_service() -> RedisService | MemoryCacheService | NullService:
    """The cache, or none for comparison."""
    if os.environ.get("AIRPORTS_CACHE") == "off":
        return NullService().with_options(enabled=False)
    return RedisService() if os.environ.get("REDIS_URL") else RedisService("embedded://")


database = Database(Path(os.environ.get("AIRPORTS_DB") or Path(tempfile.gettempdir()) / "pika-redis-airports.sqlite"))
app = FastAPI(title="Airports")
install_cache(app, make_service())


def tag_of(code: str) -> str:
    """The tag of what is cached about one airport: the same, however its code is spelled, as its key is."""
    return f"airport:{code.upper()}"


@app.get("/airports/{code}")
@cache(ttl="10m", prefix="airport", key_generator=lambda code: code.upper(), tags=lambda code: [tag_of(code)])
async def airport(code: str) -> Row:
    """One airport by its ICAO code. The key is ``airport:KJFK``, the tag ends it when it is changed."""
    found = await database.query("SELECT * FROM airports WHERE icao = ?", code.upper())
    if not found:
        raise HTTPException(404, f"no airport {code}")
    return found[0]


@app.get("/nearest")
@cache(ttl="10m", prefix="nearest", key_generator="http_request", tags=["airports"])
async def nearest(lat: float, lon: float) -> list[Row]:
    """The ten airports nearest to a point, by the great circle."""
    return await database.query(
        "SELECT * FROM airports ORDER BY acos(max(-1.0, min(1.0, sin(radians(?)) * sin(radians(lat))"
        " + cos(radians(?)) * cos(radians(lat)) * cos(radians(lon - ?))))) LIMIT 10",
        lat,
        lat,
        lon,
    )


@app.get("/search")
@cache(ttl="10m", prefix="search", tags=["airports"])
async def search(q: str) -> list[Row]:
    """Airports whose name or city contains the text."""
    like = f"%{q}%"
    return await database.query("SELECT * FROM airports WHERE name LIKE ? OR city LIKE ? LIMIT 20", like, like)


@app.put("/airports/{code}")
async def rename(code: str, name: str, service: CacheDep) -> Row:
    """Change an airport's name; from then on nobody reads the old one."""
    if not await database.query("SELECT * FROM airports WHERE icao = ?", code.upper()):
        raise HTTPException(404, f"no airport {code}")
    await database.query("UPDATE airports SET name = ? WHERE icao = ?", name, code.upper())
    await service.invalidate_tags([tag_of(code), "airports"])
    return {"icao": code.upper(), "name": name}


@app.post("/airports/{code}/visits")
async def visit(code: str, service: CacheDep) -> dict[str, int]:
    """Count a visit: one atomic step on the server, a plain integer that any client reads."""
    return {"visits": await service.increment(f"visits:{code.upper()}")}


@app.get("/queries")
async def queries() -> dict[str, int]:
    """How many statements the database ran."""
    return {"queries": database.queries}
