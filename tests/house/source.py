"""The package's modules as syntax trees, for the tests of the house."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "src"


@dataclass(frozen=True)
class Module:
    """One source file. `name` is its path below `src`, such as ``pika_redis/model/clock.py``."""

    name: str
    text: str

    @cached_property
    def tree(self) -> ast.Module:
        return ast.parse(self.text)

    @property
    def is_package(self) -> bool:
        return self.name.endswith("/__init__.py")

    @property
    def package(self) -> tuple[str, ...]:
        """The package that relative imports of this file start from."""
        return tuple(self.name.split("/")[:-1])

    @property
    def room(self) -> str:
        """The folder below the package, or the file for what lies beside the folders; empty for the face."""
        inner = self.name.removeprefix("pika_redis/")
        return "" if inner == "__init__.py" else inner.split("/")[0].removesuffix(".py")

    def functions(self) -> Iterator[tuple[str, ast.FunctionDef | ast.AsyncFunctionDef]]:
        """Every function with its dotted name inside the file."""
        yield from _functions(self.tree, ())

    def imports(self) -> Iterator[tuple[int, str]]:
        """Line and absolute dotted name of everything that is imported, in functions and for types too."""
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Import):
                for alias in node.names:
                    yield node.lineno, alias.name
            elif isinstance(node, ast.ImportFrom):
                above = self.package[: len(self.package) - node.level + 1] if node.level else ()
                base = ".".join((*above, *((node.module,) if node.module else ())))
                for alias in node.names:
                    yield node.lineno, f"{base}.{alias.name}"


def modules() -> list[Module]:
    files = sorted((SOURCE / "pika_redis").rglob("*.py"))
    return [Module(file.relative_to(SOURCE).as_posix(), file.read_text(encoding="utf-8")) for file in files]


def _functions(node: ast.AST, path: tuple[str, ...]) -> Iterator[tuple[str, ast.FunctionDef | ast.AsyncFunctionDef]]:
    for child in ast.iter_child_nodes(node):
        inner = path
        if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            inner = (*path, child.name)
        if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef):
            yield ".".join(inner), child
        yield from _functions(child, inner)
