"""Nobody reads a wall clock: it may be wrong by any amount, and what is promised would hang on it."""

from __future__ import annotations

import ast

import pytest

from .source import Module, modules

WALL_CLOCKS = {
    "time": {"time", "time_ns", "localtime", "gmtime", "ctime", "strftime"},
    "datetime": {"now", "utcnow", "today"},
    "date": {"today"},
    "dt": {"now"},
}


def wall_clocks(module: Module) -> list[str]:
    """Where the module asks what time it is."""
    found: list[str] = []
    for node in ast.walk(module.tree):
        if isinstance(node, ast.ImportFrom) and node.module == "time":
            found += [f"{module.name}:{node.lineno}" for one in node.names if one.name in WALL_CLOCKS["time"]]
        if not isinstance(node, ast.Attribute):
            continue
        owner = node.value.attr if isinstance(node.value, ast.Attribute) else getattr(node.value, "id", "")
        if node.attr in WALL_CLOCKS.get(owner, ()):
            found.append(f"{module.name}:{node.lineno}")
    return found


def test_no_module_asks_what_time_it_is() -> None:
    assert [place for module in modules() for place in wall_clocks(module)] == []


@pytest.mark.parametrize(
    "text",
    [
        "import time\nnow = time.time()",
        "from time import time_ns",
        "import datetime as dt\nnow = dt.datetime.now(dt.UTC)",
        "from datetime import date\nday = date.today()",
    ],
)
def test_a_wall_clock_would_be_found(text: str) -> None:
    assert len(wall_clocks(Module("pika_redis/model/x.py", text))) == 1
