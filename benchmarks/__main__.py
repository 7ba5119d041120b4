"""``python -m benchmarks [question ...]``: run all questions, or those named."""

from __future__ import annotations

import sys

from . import hits, server_reads

QUESTIONS = {"hits": hits.main, "server_reads": server_reads.main}


def main(names: list[str]) -> int:
    """Run the questions; 2 for one that doesn't exist."""
    unknown = [name for name in names if name not in QUESTIONS]
    if unknown:
        print(f"no such question: {unknown[0]} (there are {', '.join(QUESTIONS)})", file=sys.stderr)
        return 2
    for name in names or QUESTIONS:
        QUESTIONS[name]()
        print()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
