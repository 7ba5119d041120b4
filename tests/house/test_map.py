"""The map in docs/house.md shows the house as it stands."""

from __future__ import annotations

import re

from .source import ROOT, SOURCE, modules

HOUSE = (ROOT / "docs" / "house.md").read_text(encoding="utf-8")


def test_every_room_is_on_the_map() -> None:
    missing = [room for room in {module.room for module in modules()} - {""} if room not in HOUSE]
    assert missing == []


def test_every_place_on_the_map_exists() -> None:
    places = set(re.findall(r"`((?:[a-z_]+/)+(?:[a-z_]+\.py)?|[a-z_]+\.py)`", HOUSE))
    rooms = {module.room for module in modules()}
    inside = [place for place in places if place.split("/")[0].removesuffix(".py") in rooms]
    assert len(inside) > 10
    assert [place for place in inside if not (SOURCE / "pika_redis" / place).exists()] == []
