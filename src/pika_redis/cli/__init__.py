"""The `pika-redis` command."""

from .entry import main

__all__ = ["main"]
