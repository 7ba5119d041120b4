"""``python -m benchmarks [question ...]``: run all questions, or those named. `hit_ratio`, asked alone, has options."""

from __future__ import annotations

import sys

from . import hit_ratio, hits, server_reads

QUESTIONS = {"hits": hits.main, "server_reads": server_reads.main, "hit_ratio": hit_ratio.main}


def main(names: list[str]) -> int:
    """Run the questions; 2 for one that doesn't exist."""
    if names[:1] == ["hit_ratio"]:
        hit_ratio.main(names[1:])
        return 0
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
