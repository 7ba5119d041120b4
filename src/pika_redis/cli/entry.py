"""Where the command begins: the packages of the extra are looked for, and a missing one is said in one line."""

from __future__ import annotations

import sys
from importlib.util import find_spec

__all__ = ["main"]

_PACKAGES = ("click", "rich")


def main() -> None:
    """Run the command with the words of the command line, and exit with its code."""
    for package in _PACKAGES:
        if find_spec(package) is None:
            print(f"pika-redis: the command needs {package}: pip install 'pika-redis[cli]'", file=sys.stderr)
            sys.exit(2)
    try:
        from .app import run

        sys.exit(run(sys.argv[1:]))
    except KeyboardInterrupt:  # before there was anything to interrupt
        sys.exit(130)
