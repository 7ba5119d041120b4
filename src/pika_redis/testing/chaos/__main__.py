"""``python -m pika_redis.testing.chaos``; `command` says what it takes."""

from __future__ import annotations

import sys

from .command import main

if __name__ == "__main__":
    sys.exit(main())
