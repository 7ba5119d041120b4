"""Where the command begins: optional packages are looked for, and a missing one is said in one line."""

from __future__ import annotations

import sys

__all__ = ["main"]


def main() -> None:
    """Run the command with the words of the command line, and exit with its code."""
    try:
        from .app import run
    except ModuleNotFoundError as error:
        missing = (error.name or "").partition(".")[0]
        if missing in ("", "pika_redis"):
            raise
        print(f"pika-redis: the command needs {missing}: pip install 'pika-redis[cli]'", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        sys.exit(130)
    sys.exit(run(sys.argv[1:]))
