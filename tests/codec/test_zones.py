"""Only zones that data alone describes are held, and only keys of the zone database are looked up."""

from __future__ import annotations

import zoneinfo
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest

from pika_redis.codec.zones import pack_zone, unpack_zone


@pytest.mark.parametrize(
    "key", ["../secret", "/etc/localtime", "Europe//Berlin", "a/../b", "Europe/Berlin/", "", "ä", "x" * 70]
)
def test_a_key_that_is_none_is_never_looked_up(key: str, monkeypatch: pytest.MonkeyPatch) -> None:
    looked_up: list[str] = []
    monkeypatch.setattr(zoneinfo, "ZoneInfo", looked_up.append)
    with pytest.raises(ValueError, match=r"key|ascii"):
        unpack_zone(b"\x04" + key.encode())
    assert looked_up == []


def test_every_zone_of_the_database_is_held() -> None:
    for key in zoneinfo.available_timezones():
        packed = pack_zone(zoneinfo.ZoneInfo(key))
        assert packed is not None
        assert unpack_zone(packed) is zoneinfo.ZoneInfo(key)


class Own(tzinfo):
    """A zone that only code describes."""

    def utcoffset(self, moment: datetime | None) -> timedelta:
        return timedelta(hours=1)

    def dst(self, moment: datetime | None) -> None:
        return None

    def tzname(self, moment: datetime | None) -> str:
        return "own"


class OwnZone(zoneinfo.ZoneInfo):
    """A subclass may do anything."""


def nameless() -> Any:
    for root in zoneinfo.TZPATH:
        file = Path(root, "Europe/Berlin")
        if file.exists():
            return zoneinfo.ZoneInfo.from_file(BytesIO(file.read_bytes()))
    import importlib.resources

    data = importlib.resources.files("tzdata.zoneinfo.Europe").joinpath("Berlin").read_bytes()
    return zoneinfo.ZoneInfo.from_file(BytesIO(data))


def test_other_zones_are_not_held() -> None:
    assert pack_zone(Own()) is None
    assert pack_zone(OwnZone("Europe/Berlin")) is None
    assert pack_zone(nameless()) is None


def test_utc_is_told_from_a_zone_that_equals_it() -> None:
    named = timezone(timedelta(0), "UTC")
    packed = pack_zone(named)
    assert packed is not None
    assert unpack_zone(packed) is not UTC
    assert unpack_zone(packed) == UTC
    assert unpack_zone(pack_zone(UTC) or b"") is UTC
