"""Who may import the public face: nobody inside the house; the outer ring imports little else."""

from __future__ import annotations

import pytest

from .source import Module, modules

FACE = "the face"
RING = {
    "cli": {FACE, "errors", "integrations", "observe", "testing"},
    "integrations": {FACE, "errors"},
    "observe": {FACE, "errors", "model.events"},
    "testing": {FACE, "errors", "model", "wire"},
}
"""For each room of the ring, what it may import of the house besides itself."""


def place(imported: str, rooms: set[str]) -> str:
    """Where a dotted name of the house lives: the face, or the path below it."""
    path = imported.split(".")[1:]
    return ".".join(path) if path and path[0] in rooms else FACE


def strays(module: Module, rooms: set[str]) -> list[str]:
    """The imports of the module that its room may not have."""
    found = []
    for line, imported in module.imports():
        if imported.split(".")[0] != "pika_redis" or module.room == "":
            continue
        target = place(imported, rooms)
        allowed = RING.get(module.room)
        if allowed is None:
            stray = target == FACE
        else:
            allowed = allowed | {module.room}
            stray = not any(target == room or target.startswith(f"{room}.") for room in allowed)
        if stray:
            found.append(f"{module.name}:{line}: {imported}")
    return found


def rooms_of(sources: list[Module]) -> set[str]:
    return {module.room for module in sources} - {""}


def test_only_the_outer_ring_imports_the_face_and_it_reaches_no_further() -> None:
    sources = modules()
    assert [stray for module in sources for stray in strays(module, rooms_of(sources))] == []


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("storage/planted.py", "import pika_redis"),
        ("storage/planted.py", "from pika_redis import RedisService"),
        ("storage/planted.py", "from .. import RedisService"),
        ("policy/rules/planted.py", "def late():\n    from ... import RedisService"),
        ("service/__init__.py", "from .. import cache"),
        ("integrations/planted.py", "from ..storage import local"),
        ("integrations/planted.py", "from ..service.redis import RedisService"),
        ("observe/planted.py", "from ..model import CacheStats"),
        ("observe/planted.py", "from ..model.eventsource import x"),
        ("testing/planted.py", "from ..codec import envelope"),
        ("cli/planted.py", "from .. import storage"),
    ],
)
def test_a_stray_import_is_seen(name: str, text: str) -> None:
    assert len(strays(Module(f"pika_redis/{name}", text), rooms_of(modules()))) == 1


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("__init__.py", "from .service import RedisService"),
        ("storage/planted.py", "from .. import errors\nfrom ..model.clock import Clock\nfrom . import local"),
        ("storage/planted.py", "import asyncio\nfrom collections.abc import Mapping"),
        (
            "integrations/planted.py",
            "from .. import RedisService\nfrom ..errors import CacheError\nfrom .base import x",
        ),
        ("observe/planted.py", "from ..model.events import Hit"),
        ("testing/planted.py", "from ..wire.embedded import EmbeddedServer"),
        ("cli/planted.py", "from ..integrations.fastapi import install_cache\nfrom pika_redis import RedisService"),
    ],
)
def test_a_proper_import_passes(name: str, text: str) -> None:
    assert strays(Module(f"pika_redis/{name}", text), rooms_of(modules())) == []
