"""Budgets of size: one idea a file, a function that fits a screen, few parameters, doors that only re-export.

A decision in docs/decisions/ may grant an exception, in a line of its own::

    Budget: pika_redis/wire/parser.py 430 lines
    Budget: pika_redis/wire/parser.py::Parser.feed 75 lines
    Budget: pika_redis/policy/flow.py::run 8 parameters
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

import pytest

from .source import ROOT, Module, modules

FILE_LINES = 400
FUNCTION_LINES = 60
PARAMETERS = 6
FACE = {"", "service", "integrations", "observe", "cli", "testing"}  # here the public contract sets the parameters
GRANT = re.compile(r"^Budget: (?P<place>\S+) (?P<size>\d+) (?P<what>lines|parameters)$", re.MULTILINE)

Size = tuple[str, str]  # place, what


def measure(module: Module) -> Iterator[tuple[Size, int, int]]:
    """Each thing that has a budget: what it is, its size, the budget."""
    yield (module.name, "lines"), len(module.text.splitlines()), FILE_LINES
    for name, function in module.functions():
        place = f"{module.name}::{name}"
        yield (place, "lines"), (function.end_lineno or function.lineno) - function.lineno + 1, FUNCTION_LINES
        if module.room not in FACE:
            yield (place, "parameters"), parameters(function), PARAMETERS


def parameters(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    given = function.args
    names = [arg.arg for arg in (*given.posonlyargs, *given.args, *given.kwonlyargs, given.vararg, given.kwarg) if arg]
    return len(names) - (names[:1] in (["self"], ["cls"]))


def over_budget(sources: list[Module], grants: dict[Size, int]) -> list[str]:
    return [
        f"{place}: {size} {what}, allowed are {max(budget, grants.get((place, what), 0))}"
        for module in sources
        for (place, what), size, budget in measure(module)
        if size > max(budget, grants.get((place, what), 0))
    ]


def granted() -> dict[Size, int]:
    texts = [file.read_text(encoding="utf-8") for file in sorted((ROOT / "docs" / "decisions").glob("*.md"))]
    return {(found["place"], found["what"]): int(found["size"]) for text in texts for found in GRANT.finditer(text)}


def more_than_a_door(module: Module) -> list[str]:
    """The statements of an `__init__` that are neither docstring nor import nor `__all__`.

    The package's face may also give its re-exports their public `__module__`, in a loop.
    """
    allowed: tuple[type[ast.stmt], ...] = (ast.Import, ast.ImportFrom)
    if module.room == "":
        allowed = (*allowed, ast.For, ast.Delete)
    strange = []
    for position, node in enumerate(module.tree.body):
        is_docstring = position == 0 and isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
        targets = node.targets if isinstance(node, ast.Assign) else []
        is_all = any(isinstance(target, ast.Name) and target.id == "__all__" for target in targets)
        if not (is_docstring or is_all or isinstance(node, allowed)):
            strange.append(f"{module.name}:{node.lineno}: {type(node).__name__}")
    return strange


def test_files_functions_and_signatures_stay_within_their_budgets() -> None:
    assert over_budget(modules(), granted()) == []


def test_no_exception_is_granted_without_need() -> None:
    sizes = {size: (count, budget) for module in modules() for size, count, budget in measure(module)}
    idle = [size for size in granted() if size not in sizes or sizes[size][0] <= sizes[size][1]]
    assert idle == []


def test_an_init_file_is_a_door_and_nothing_else() -> None:
    assert [line for module in modules() if module.is_package for line in more_than_a_door(module)] == []


def test_every_module_says_what_it_is() -> None:
    assert [module.name for module in modules() if len(ast.get_docstring(module.tree) or "") < 10] == []


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("x = 1\n" * 401, "pika_redis/wire/planted.py: 401 lines"),
        ("class A:\n    def f(self):\n" + "        x = 1\n" * 60, "pika_redis/wire/planted.py::A.f: 61 lines"),
        ("def f(a, /, b, *c, d, e, f, **g): ...", "pika_redis/wire/planted.py::f: 7 parameters"),
    ],
)
def test_what_is_too_large_is_seen(text: str, complaint: str) -> None:
    found = over_budget([Module("pika_redis/wire/planted.py", text)], {})
    assert len(found) == 1
    assert found[0].startswith(complaint)


@pytest.mark.parametrize(
    "text",
    [
        "x = 1\n" * 400,
        "def f():\n" + "    x = 1\n" * 59,
        "class A:\n    def f(self, a, b, c, d, *, e, f): ...",
    ],
)
def test_what_just_fits_passes(text: str) -> None:
    assert over_budget([Module("pika_redis/wire/planted.py", text)], {}) == []


def test_an_exception_is_granted_up_to_its_size() -> None:
    module = Module("pika_redis/wire/planted.py", "x = 1\n" * 430)
    assert over_budget([module], {(module.name, "lines"): 430}) == []
    assert over_budget([module], {(module.name, "lines"): 429}) != []


@pytest.mark.parametrize("text", ["def f(): ...", "x = 1", "class A: ...", "import a\nif a: ...", "'doc'\n'again'"])
def test_logic_in_a_door_is_seen(text: str) -> None:
    assert len(more_than_a_door(Module("pika_redis/wire/__init__.py", text))) == 1
